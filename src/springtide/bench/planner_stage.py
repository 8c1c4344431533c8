"""A stage for the planner: an engine, a cloud and a router that do at once what plans say, until nothing changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from springtide.bench.planner_fleet import EARLIER, NOW, rates_of
from springtide.model.identifiers import InstanceId, ServiceId
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
from springtide.model.routing import RouteTable
from springtide.planning.convergence import (
    Action,
    ClearApp,
    CreateInstance,
    DeleteInstance,
    RentMachine,
    ReturnMachine,
)
from springtide.planning.index import (
    AppCleared,
    Index,
    InstanceDeleted,
    InstancesListed,
    MachineReturned,
    Observation,
    PlanCommitted,
    RecordChanged,
    RoutesApplied,
    advance,
)
from springtide.planning.planner import Plan, plan

LOOK = timedelta(seconds=0.25)
"""Between two looks at the router."""
MOST_ROUNDS = 60

Endpoints = tuple[tuple[InstanceId, EndpointLoad], ...]


@dataclass(slots=True)
class Stage:
    """A record, what the adapters would show of it, and the index over both."""

    record: Record
    now: datetime = NOW
    rounds: int = 0
    """Plans that it took until one changed nothing, and one a window later didn't either."""
    instances: dict[InstanceId, EngineInstance] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    endpoints: Endpoints = ()
    rates: Mapping[ServiceId, float] = field(default_factory=dict)
    index: Index = field(default_factory=Index)

    @classmethod
    def of(cls, record: Record) -> Stage:
        """Everything placed runs and is ready, everything rented has booted; nothing is planned yet."""
        stage = cls(record, rates=rates_of(record))
        stage.instances = {each.instance: _running(each, EARLIER) for each in record.placements.values()}
        stage.machines = {each.token: _booted(each) for each in record.rentals.values()}
        stage.index = advance(Index(), stage.everything())
        return stage

    @classmethod
    def at_rest(cls, record: Record) -> Stage:
        """The same once plans have nothing left to change and a whole window of loads has been seen."""
        stage = cls.of(record)
        stage.settle()
        return stage

    def settle(self) -> None:
        """Plan, commit and carry out until nothing changes, also after room at home has lasted its window."""
        terms = self.record.fleet.scaling
        quiet = 0
        while quiet < 2 and self.rounds < MOST_ROUNDS:
            self.rounds += 1
            made = plan(self.index, self.now)
            quiet = 0 if made.changes or made.actions else quiet + 1
            self.carry_out(made)
            window_seconds = terms.up_seconds + terms.down_seconds + 5 if quiet else LOOK.total_seconds()
            self.pass_time(timedelta(seconds=window_seconds))

    def everything(self) -> list[Observation]:
        """What a control plane has to be told after its start: the record, one listing, a probe an instance."""
        probes = [ProbedInstance(id, Readiness.READY, EARLIER) for id in self.instances]
        return [
            RecordChanged(self.record),
            InstancesListed(tuple(self.instances.values())),
            *probes,
            *self.cloud_views(),
            self.router_view(self.now),
            RoutesApplied(self.now),
        ]

    def cloud_views(self) -> list[CloudView]:
        machines = tuple(self.machines.values())
        return [CloudView(cloud.name, self.now, machines, cloud.offers) for cloud in self.record.fleet.clouds]

    def router_view(self, at: datetime) -> RouterView:
        """What the router has counted by then at steady rates."""
        seconds = (at - EARLIER).total_seconds()
        loads = tuple((id, ServiceLoad(requests=round(rate * seconds))) for id, rate in self.rates.items())
        return RouterView(at, "1", loads, self.endpoints)

    def pass_time(self, stretch: timedelta) -> None:
        """Look at the router four times a second for so long."""
        until = self.now + stretch
        while self.now < until:
            self.now += LOOK
            self.index = advance(self.index, [self.router_view(self.now)])

    def carry_out(self, made: Plan) -> None:
        """Commit a plan and let everybody do what it says."""
        news: list[Observation] = [PlanCommitted(made.carry), RoutesApplied(made.now)]
        if made.changes:
            self.record = self.after(made.changes)
            news.insert(0, RecordChanged(self.record))
        for action in made.actions:
            news += self._act(action)
        self.endpoints = _endpoints_of(made.routes)
        if made.actions:
            news.append(InstancesListed(tuple(self.instances.values())))
        self.index = advance(self.index, [*news, *self.cloud_views(), self.router_view(self.now)])

    def after(self, changes: Iterable[Change]) -> Record:
        """The record once these changes are committed."""
        return self.record.after(Commit(self.record.version + 1, tuple(changes)))

    def planned_after(self, changes: Iterable[Change], *observed: Observation) -> Plan:
        """A plan after a commit, where there is one, and news; the stage itself stays as it is."""
        committed = tuple(changes)
        news = [RecordChanged(self.after(committed)), *observed] if committed else observed
        return plan(advance(self.index, news), self.now + LOOK)

    def census(self) -> dict[str, int]:
        """How many instances stand at home, with others, and on rented machines."""
        pools = {pool.name: pool for pool in self.record.fleet.pools}
        services = self.record.services
        found: Counter[str] = Counter()
        for placement in self.record.placements.values():
            pool = pools[placement.pool]
            at_home = pool.team == services[placement.service].team
            found["on rented machines" if pool.is_elastic else "at home" if at_home else "guests"] += 1
        return dict(found)

    def _act(self, action: Action) -> list[Observation]:
        match action:
            case CreateInstance(placement):
                self.instances[placement.instance] = _running(placement, self.now)
                return [ProbedInstance(placement.instance, Readiness.READY, EARLIER)]
            case DeleteInstance(id, _):
                self.instances.pop(id, None)
                return [InstanceDeleted(id)]
            case RentMachine(rental):
                self.machines[rental.token] = _booted(rental)
                return []
            case ReturnMachine(_, token):
                self.machines.pop(token, None)
                return [MachineReturned(token)]
            case ClearApp(app):
                return [AppCleared(app)]


def _running(placement: Placement, since: datetime) -> EngineInstance:
    return EngineInstance(
        id=placement.instance,
        service=placement.service,
        revision=placement.revision,
        node=placement.node,
        state=ContainerState.RUNNING,
        image="sha256:1",
        address="10.0.0.1",
        started_at=since,
    )


def _booted(rental: Rental) -> Machine:
    since = rental.since or rental.requested_at
    return Machine(rental.token, rental.cloud, rental.pool, rental.shape, MachineState.READY, since)


def _endpoints_of(routes: RouteTable) -> Endpoints:
    return tuple(
        (endpoint.instance, EndpointLoad(endpoint.accepting, 1)) for routed in routes for endpoint in routed.endpoints
    )
