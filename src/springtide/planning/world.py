"""A world in memory that does what plans say: engines start at once, clouds boot in the time they offer.

The outlook plays the planner against it; tests hold it back where something is to go wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

from springtide.model.fleet import Offer
from springtide.model.identifiers import CloudName, InstanceId, ServiceId
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
from springtide.model.record import Change, Commit, Record
from springtide.planning.convergence import (
    Action,
    ClearApp,
    CreateInstance,
    DeleteInstance,
    PauseInstance,
    RentMachine,
    ResumeInstance,
    ReturnMachine,
)
from springtide.planning.index import (
    AppCleared,
    Index,
    InstanceDeleted,
    InstanceSeen,
    MachineReturned,
    Observation,
    PlanCommitted,
    RecordChanged,
    RoutesApplied,
    advance,
)
from springtide.planning.planner import Plan, plan

_AT_ONCE: tuple[type, ...] = (InstanceSeen, ProbedInstance)
"""Facts that the index folds in fastest when they come in runs of one kind."""


class World:
    """Goes on from what an index shows: its instances, machines, stock and counters."""

    def __init__(self, index: Index, now: datetime) -> None:
        self.index = index
        self.now = now
        self.machines: dict[str, Machine] = {
            machine.token: machine for view in index.clouds.values() for machine in view.machines
        }
        view = index.router
        self._generation = view.generation if view is not None else "1"
        self._counted_at = view.at if view is not None else now
        self._counted = dict(view.services) if view is not None else {}
        self._arrived: dict[ServiceId, float] = {}

    @property
    def record(self) -> Record:
        return self.index.record

    def put(self, *changes: Change) -> None:
        """Commit changes to the record."""
        self.index = advance(self.index, [RecordChanged(self.record_after(changes))])

    def record_after(self, changes: Iterable[Change]) -> Record:
        """The record once these changes are committed."""
        return self.record.after(Commit(self.record.version + 1, tuple(changes)))

    def copy(self) -> Self:
        """A second world that goes its own way from here."""
        twin = copy(self)
        twin.machines, twin._arrived = dict(self.machines), dict(self._arrived)
        return twin

    def tick(self, seconds: float = 0.5, *, ready: bool = True) -> Plan:
        """One round: time passes, clouds boot, a plan is made, committed and carried out."""
        self.now += timedelta(seconds=seconds)
        self.observe()
        made = self.plan()
        self.commit(made)
        self.act(made.actions, ready)
        self.observe()
        return made

    def observe(self) -> None:
        """Show the clouds and the loads to the index."""
        self.index = advance(self.index, [*self.cloud_views(), self.router_view()])

    def cloud_views(self) -> list[CloudView]:
        """What each cloud shows now, once those machines have booted whose time has come."""
        self._boot()
        return [self._view(cloud.name) for cloud in self.record.fleet.clouds]

    def router_view(self) -> RouterView:
        """What the router shows now; it has counted what arrived since its last view."""
        seconds = max(0.0, (self.now - self._counted_at).total_seconds())
        self._counted_at = self.now
        for id, rate in self.rates().items():
            before = self._arrived[id] if id in self._arrived else self._counted.get(id, ServiceLoad()).requests
            self._arrived[id] = before + rate * seconds
        loads = tuple((id, ServiceLoad(requests=round(count))) for id, count in sorted(self._arrived.items()))
        endpoints = self.index.router.endpoints if self.index.router else ()
        return RouterView(self.now, self._generation, loads, endpoints)

    def plan(self) -> Plan:
        return plan(self.index, self.now)

    def commit(self, made: Plan) -> None:
        """Commit a plan's changes, and let the router follow."""
        if made.changes:
            self.put(*made.changes)
        self.index = advance(self.index, [PlanCommitted(made.carry)])
        self._route(made)

    def act(self, actions: Iterable[Action], ready: bool = True) -> None:
        """Carry actions out; created instances are ready unless held back."""
        facts = [fact for action in actions for fact in self._carry_out(action, ready)]
        first = [[fact for fact in facts if isinstance(fact, kind)] for kind in _AT_ONCE]
        others = [fact for fact in facts if not isinstance(fact, _AT_ONCE)]
        self.index = advance(self.index, [*(fact for run in first for fact in run), *others])

    def rates(self) -> Mapping[ServiceId, float]:
        """Arrivals a second of each service that the router shows."""
        return {}

    def in_flight_at(self, _: InstanceId) -> int:
        """Requests that an endpoint is serving."""
        return 0

    def offers_of(self, cloud: CloudName) -> tuple[Offer, ...]:
        """What a cloud offers, with the stock that is left."""
        offers = next(each.offers for each in self.record.fleet.clouds if each.name == cloud)
        return tuple(each if each.stock is None else replace(each, stock=self._left(each)) for each in offers)

    def _carry_out(self, action: Action, ready: bool) -> list[Observation]:
        match action:
            case CreateInstance(placement):
                readiness = Readiness.READY if ready else Readiness.STARTING
                probed = ProbedInstance(placement.instance, readiness, self.now)
                return [InstanceSeen(running_instance(placement, self.now)), probed]
            case PauseInstance(id) | ResumeInstance(id) if id not in self.index.instances:
                return []
            case PauseInstance(id):
                return [InstanceSeen(replace(self.index.instances[id], state=ContainerState.PAUSED))]
            case ResumeInstance(id):
                awake = replace(self.index.instances[id], state=ContainerState.RUNNING)
                return [InstanceSeen(awake), ProbedInstance(id, Readiness.READY, self.now)]
            case DeleteInstance(id, _):
                return [InstanceDeleted(id)]
            case RentMachine(rental):
                return self._rent(rental)
            case ReturnMachine(_, token):
                self.machines.pop(token, None)
                return [MachineReturned(token)]
            case ClearApp(app):
                return [AppCleared(app)]

    def _rent(self, rental: Rental) -> list[Observation]:
        """A second request under one token finds the machine of the first."""
        booting = Machine(rental.token, rental.cloud, rental.pool, rental.shape, MachineState.BOOTING, self.now)
        self.machines.setdefault(rental.token, booting)
        return []

    def _left(self, offer: Offer) -> int | None:
        """How many machines of this offer can still be rented; ``None``: nobody knows."""
        return None if offer.stock is None else max(0, offer.stock - self._rented(offer))

    def _rented(self, offer: Offer) -> int:
        return sum((each.cloud, each.shape) == (offer.cloud, offer.shape) for each in self.machines.values())

    def _boot(self) -> None:
        boot = {(o.cloud, o.shape): o.boot_seconds for cloud in self.record.fleet.clouds for o in cloud.offers}
        for token, machine in self.machines.items():
            waited = (self.now - machine.since).total_seconds()
            if machine.state is MachineState.BOOTING and waited >= boot.get((machine.cloud, machine.shape), 0.0):
                self.machines[token] = replace(machine, state=MachineState.READY)

    def _view(self, cloud: CloudName) -> CloudView:
        machines = tuple(machine for machine in self.machines.values() if machine.cloud == cloud)
        return CloudView(cloud, self.now, machines, self.offers_of(cloud))

    def _route(self, made: Plan) -> None:
        endpoints = tuple(
            (endpoint.instance, EndpointLoad(endpoint.accepting, self.in_flight_at(endpoint.instance)))
            for routed in made.routes
            for endpoint in routed.endpoints
        )
        view = replace(self.router_view(), endpoints=endpoints)
        self.index = advance(self.index, [RoutesApplied(made.now), view])


def running_instance(placement: Placement, now: datetime) -> EngineInstance:
    """The container of a placement, as an engine shows it once it runs."""
    return EngineInstance(
        id=placement.instance,
        service=placement.service,
        revision=placement.revision,
        node=placement.node,
        state=ContainerState.RUNNING,
        image="sha256:1",
        address="10.0.0.1",
        started_at=now,
    )
