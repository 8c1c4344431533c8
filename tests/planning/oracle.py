"""A brute-force oracle: every placement that the laws allow, for fleets small enough to count them all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from springtide.model.fleet import Fleet, Pool
from springtide.model.identifiers import NodeId, ServiceId, TeamName
from springtide.model.resources import NOTHING, Resources, total
from springtide.model.workloads import Service
from springtide.planning import quota

Counts = Mapping[tuple[ServiceId, NodeId], int]
"""How many instances of a service stand on a node. No entry: none."""


@dataclass(frozen=True)
class Oracle:
    """Own machines only, services of fixed counts that may use every rung of them, nothing placed yet."""

    fleet: Fleet
    services: tuple[Service, ...]

    def allows(self, counts: Counts) -> bool:
        """Law 1: nodes and quotas hold."""
        nodes_hold = all(self._held(counts, node.id).fits_in(node.allocatable) for node in self.fleet.nodes)
        return nodes_hold and all(self._guests_fit(counts, pool) for pool in self.fleet.pools)

    @cached_property
    def entitlements(self) -> dict[TeamName, int]:
        """Law 2: how many instances of each team its own pools carry with everybody else absent."""
        return {team.name: self._entitlement(team.name) for team in self.fleet.teams}

    def best(self) -> int:
        """The most instances that any placement carries in which every owner has its entitlement at home."""
        return max(sum(counts.values()) for counts in self._placements() if self._is_just(counts))

    def best_worth(self) -> Fraction:
        """The most that any such placement carries, by :meth:`worth`."""
        return max(self.worth(counts) for counts in self._placements() if self._is_just(counts))

    def worth(self, counts: Counts) -> Fraction:
        """What is carried, each instance at its largest share of the fleet over resources."""
        whole = total(node.allocatable for node in self.fleet.nodes)
        share = {
            service.id: max(Fraction(amount, whole[kind]) for kind, amount in service.resources.amounts)
            for service in self.services
        }
        return sum((share[service] * count for (service, _), count in counts.items()), Fraction(0))

    def at_home(self, counts: Counts, team: TeamName) -> int:
        """How many of a team's instances stand on its own pools."""
        teams = {service.id: service.team for service in self.services}
        pools = {node.id: self.fleet.pool(node.pool) for node in self.fleet.nodes}
        return sum(
            count for (service, node), count in counts.items() if teams[service] == team and pools[node].team == team
        )

    def one_more_fits(self, counts: Counts) -> bool:
        """Whether some instance that is missing could be added and the laws still hold."""
        for service, node in itertools.product(self.services, self.fleet.nodes):
            placed = sum(count for (id, _), count in counts.items() if id == service.id)
            key = service.id, node.id
            more = {**counts, key: counts.get(key, 0) + 1}
            if placed < service.scale.minimum and self.allows(more):
                return True
        return False

    def _is_just(self, counts: Counts) -> bool:
        return all(self.at_home(counts, team) >= count for team, count in self.entitlements.items())

    def _entitlement(self, team: TeamName) -> int:
        mine = tuple(service for service in self.services if service.team == team)
        alone = Oracle(self.fleet, mine)
        return max((alone.at_home(counts, team) for counts in alone._placements()), default=0)

    def _placements(self) -> Iterator[Counts]:
        """Every placement that law 1 allows, service by service; what overfills a node is given up early."""
        yield from (counts for counts in self._extended({}, self.services) if self.allows(counts))

    def _extended(self, counts: Counts, services: tuple[Service, ...]) -> Iterator[Counts]:
        if not services:
            yield counts
            return
        first, rest = services[0], services[1:]
        for spread in itertools.product(range(first.scale.minimum + 1), repeat=len(self.fleet.nodes)):
            if sum(spread) <= first.scale.minimum:
                added = {(first.id, node.id): n for node, n in zip(self.fleet.nodes, spread, strict=True) if n}
                more = {**counts, **added}
                if all(self._held(more, node.id).fits_in(node.allocatable) for node in self.fleet.nodes):
                    yield from self._extended(more, rest)

    def _held(self, counts: Counts, node: NodeId) -> Resources:
        return total(s.resources.times(n) for s in self.services if (n := counts.get((s.id, node), 0)))

    def _guests_fit(self, counts: Counts, pool: Pool) -> bool:
        nodes = [node for node in self.fleet.nodes if node.pool == pool.name]
        use = {True: NOTHING, False: NOTHING}
        for service, node in itertools.product(self.services, nodes):
            is_owner = pool.team is not None and service.team == pool.team
            use[is_owner] = use[is_owner] + service.resources.times(counts.get((service.id, node.id), 0))
        healthy = total(node.allocatable for node in nodes)
        return use[False].fits_in(
            quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, use[True], may_borrow=True)
        )
