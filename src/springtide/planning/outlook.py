"""The outlook: the planner played forward on a copy, as if every action succeeded, until nothing changes.

What would happen, and why, by the very code that will decide: for plans on files alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from springtide.model.events import Event
from springtide.model.fleet import Offer
from springtide.model.identifiers import CloudName, ServiceId
from springtide.model.observations import (
    CloudView,
    ContainerState,
    EndpointLoad,
    EngineInstance,
    Machine,
    MachineState,
    ProbedInstance,
    Readiness,
    RouterView,
    ServiceLoad,
)
from springtide.model.placements import Placement, Rental
from springtide.model.record import Commit, Record
from springtide.planning.convergence import (
    Action,
    ClearApp,
    CreateInstance,
    DeleteInstance,
    RentMachine,
    ReturnMachine,
)
from springtide.planning.explanation import Explanation
from springtide.planning.index import (
    AppCleared,
    Index,
    InstanceDeleted,
    InstanceSeen,
    InstancesListed,
    MachineReturned,
    Observation,
    PlanCommitted,
    RecordChanged,
    RoutesApplied,
    advance,
)
from springtide.planning.planner import Plan, plan

LONGEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the fleet comes to rest. ``seconds`` is when the last change was made; a start takes no time."""

    record: Record
    events: tuple[Event, ...]
    explanations: Mapping[ServiceId, Explanation]
    seconds: float
    nodes_peak: int
    is_at_rest: bool


def simulate_outlook(record: Record, rates: Mapping[ServiceId, float], start: datetime) -> Outlook:
    """Play the planner from ``start`` with these steady arrivals per second until a whole window is quiet.

    Engines start at once, clouds boot in the time that their offers say.
    """
    terms = record.fleet.scaling
    step = timedelta(seconds=max(terms.period_seconds, terms.up_seconds / 2))
    quiet_seconds = max(terms.home_seconds, terms.proof_seconds, terms.up_seconds) + 2 * step.total_seconds()
    world = _World(advance(Index(), [RecordChanged(record), InstancesListed(())]), rates, start)
    events: list[Event] = []
    now, changed_at, nodes_peak = start, start, 0
    while (now - changed_at).total_seconds() <= quiet_seconds:
        if (now - start).total_seconds() > LONGEST_SECONDS:
            break
        made = world.step(now)
        events += [change.value for change in made.changes if isinstance(change.value, Event)]
        nodes_peak = max(nodes_peak, len(world.index.record.rentals))
        if made.changes or made.actions or any(each.waiting for each in made.explanations.values()):
            changed_at = now
        now += step
    return Outlook(
        record=world.index.record,
        events=tuple(events),
        explanations=made.explanations,
        seconds=(changed_at - start).total_seconds(),
        nodes_peak=nodes_peak,
        is_at_rest=(now - changed_at).total_seconds() > quiet_seconds,
    )


@dataclass(slots=True)
class _World:
    """An engine, clouds and a router that do what they are told at once, as far as offers allow."""

    index: Index
    rates: Mapping[ServiceId, float]
    start: datetime
    machines: tuple[Machine, ...] = ()

    def step(self, now: datetime) -> Plan:
        """Look, plan, commit and carry out once."""
        self.index = advance(self.index, [*self._cloud_views(now), self._router_view(now)])
        made = plan(self.index, now)
        record = self.index.record.after(Commit(self.index.record.version + 1, made.changes))
        self.index = advance(self.index, [RecordChanged(record), PlanCommitted(made.carry)])
        for action in made.actions:
            self.index = advance(self.index, self._carry_out(action, now))
        endpoints = tuple(
            (endpoint.instance, EndpointLoad(endpoint.accepting, 0))
            for routed in made.routes
            for endpoint in routed.endpoints
        )
        view = replace(self._router_view(now), endpoints=endpoints)
        self.index = advance(self.index, [RoutesApplied(now), view])
        return made

    def _carry_out(self, action: Action, now: datetime) -> list[Observation]:
        match action:
            case CreateInstance(placement):
                ready = ProbedInstance(placement.instance, Readiness.READY, now)
                return [InstanceSeen(_running(placement, now)), ready]
            case DeleteInstance(id, _):
                return [InstanceDeleted(id)]
            case RentMachine(rental):
                self.machines = (*self.machines, _booting(rental, now))
                return []
            case ReturnMachine(_, token):
                self.machines = tuple(each for each in self.machines if each.token != token)
                return [MachineReturned(token)]
            case ClearApp(app):
                return [AppCleared(app)]

    def _cloud_views(self, now: datetime) -> list[CloudView]:
        clouds = self.index.record.fleet.clouds
        return [self._cloud_view(cloud.name, cloud.offers, now) for cloud in clouds]

    def _cloud_view(self, name: CloudName, offers: tuple[Offer, ...], now: datetime) -> CloudView:
        boot_seconds = {offer.shape: offer.boot_seconds for offer in offers}
        mine = [each for each in self.machines if each.cloud == name]
        booted = tuple(
            replace(each, state=MachineState.READY)
            if (now - each.since).total_seconds() >= boot_seconds.get(each.shape, 0.0)
            else each
            for each in mine
        )
        shapes = [each.shape for each in mine]
        left = tuple(
            offer if offer.stock is None else replace(offer, stock=offer.stock - shapes.count(offer.shape))
            for offer in offers
        )
        return CloudView(name, now, booted, left)

    def _router_view(self, now: datetime) -> RouterView:
        seconds = (now - self.start).total_seconds()
        loads = tuple((id, ServiceLoad(requests=round(rate * seconds))) for id, rate in sorted(self.rates.items()))
        endpoints = self.index.router.endpoints if self.index.router is not None else ()
        return RouterView(now, "outlook", loads, endpoints)


def _running(placement: Placement, now: datetime) -> EngineInstance:
    return EngineInstance(
        id=placement.instance,
        service=placement.service,
        revision=placement.revision,
        node=placement.node,
        state=ContainerState.RUNNING,
        image="",
        address="0.0.0.0",
        started_at=now,
    )


def _booting(rental: Rental, now: datetime) -> Machine:
    return Machine(rental.token, rental.cloud, rental.pool, rental.shape, MachineState.BOOTING, now)
