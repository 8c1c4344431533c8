"""A stage for the planner: a world in which a fleet is in full swing, under loads that don't change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Self

from springtide.bench.planner_fleet import EARLIER, NOW, rates_of
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import Machine, MachineState, ProbedInstance, Readiness, RouterView
from springtide.model.placements import Rental
from springtide.model.record import Change, Record
from springtide.planning.index import (
    Index,
    InstancesListed,
    Observation,
    RecordChanged,
    RoutesApplied,
    advance,
)
from springtide.planning.planner import Plan, plan
from springtide.planning.world import World, running_instance

LOOK = timedelta(seconds=0.25)
"""Between two looks at the router."""
MOST_ROUNDS = 60


class Stage(World):
    """The world of a record: everything placed runs and is ready, everything rented has booted, nothing is planned.

    Arrivals are what the record asks for at first, and every endpoint serves one request.
    """

    def __init__(self, record: Record) -> None:
        running = {each.instance: running_instance(each, EARLIER) for each in record.placements.values()}
        super().__init__(Index(record, running), NOW)
        self.machines = {each.token: _booted(each) for each in record.rentals.values()}
        self.rounds = 0
        """Plans that it took until one changed nothing, and one a window later didn't either."""
        self._rates = rates_of(record)
        self.index = advance(Index(), self.everything())

    @classmethod
    def at_rest(cls, record: Record) -> Self:
        """The same once plans have nothing left to change and a whole window of loads has been seen."""
        stage = cls(record)
        stage.settle()
        return stage

    def settle(self) -> None:
        """Plan, commit and carry out until nothing changes, also after room at home has lasted its window."""
        terms = self.record.fleet.scaling
        quiet = 0
        while quiet < 2 and self.rounds < MOST_ROUNDS:
            self.rounds += 1
            made = self.tick(0)
            quiet = 0 if made.changes or made.actions else quiet + 1
            window_seconds = terms.up_seconds + terms.down_seconds + 5 if quiet else LOOK.total_seconds()
            self.pass_time(timedelta(seconds=window_seconds))

    def pass_time(self, stretch: timedelta) -> None:
        """Look at the router four times a second for so long."""
        until = self.now + stretch
        while self.now < until:
            self.now += LOOK
            self.index = advance(self.index, [self.router_view()])

    def next_look(self) -> RouterView:
        """What the router will show at the next look; the stage itself stays as it is."""
        later = self.copy()
        later.now += LOOK
        return later.router_view()

    def everything(self) -> list[Observation]:
        """What a control plane has to be told after its start: the record, one listing, a probe an instance."""
        instances = self.index.instances
        probes = [ProbedInstance(id, Readiness.READY, EARLIER) for id in instances]
        return [
            RecordChanged(self.record),
            InstancesListed(tuple(instances.values())),
            *probes,
            *self.cloud_views(),
            self.router_view(),
            RoutesApplied(self.now),
        ]

    def planned_after(self, changes: Iterable[Change], *observed: Observation) -> Plan:
        """A plan after a commit, where there is one, and news; the stage itself stays as it is."""
        committed = tuple(changes)
        news = [RecordChanged(self.record_after(committed)), *observed] if committed else observed
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

    def rates(self) -> Mapping[ServiceId, float]:
        return self._rates

    def in_flight_at(self, _: InstanceId) -> int:
        return 1


def _booted(rental: Rental) -> Machine:
    since = rental.since or rental.requested_at
    return Machine(rental.token, rental.cloud, rental.pool, rental.shape, MachineState.READY, since)
