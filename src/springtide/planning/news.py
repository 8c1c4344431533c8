"""What a plan found out about services and pools, and which pools have changed since: only those are asked again.

What a pool answers to a service rests on the service itself, on what stands in the pool and on its nodes
(``Ground.pool_stamps``), on the part that quotas give its owner, and on the limits of teams and departments;
where its rules speak of other services, on where those stand. Where all that is as it was, so is the answer.
Lines and guests with promises look further: services that depend on those are asked anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from springtide.model.events import Reason
from springtide.model.identifiers import PoolName, ServiceId, SiteName, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import Resources
from springtide.model.workloads import Service
from springtide.planning.board import Board
from springtide.planning.ground import Ground
from springtide.planning.memo import is_at_rest
from springtide.planning.quota_tree import LimitName
from springtide.planning.tally import counts_the_same


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Told:
    """Why no pool takes one more of a service under a rung: pool by pool, and as people are told."""

    service: Service
    by_pool: Mapping[PoolName, Reason]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a plan found out, with the services, pools and limits as they were then.

    ``stamps``, ``own_parts`` and ``shared`` (what guests might use of what the pool shares) are of pools that the
    plan left alone; ``limits_left`` is what each limit of the tree had left. ``without_room``: services for which no
    pool had room on a cheaper rung than theirs.
    """

    services: Mapping[ServiceId, Service] = field(default_factory=_none)
    service_stamps: Mapping[ServiceId, int] = field(default_factory=_none)
    stamps: Mapping[PoolName, int] = field(default_factory=_none)
    own_parts: Mapping[PoolName, Resources] = field(default_factory=_none)
    shared: Mapping[PoolName, Resources] = field(default_factory=_none)
    limits_left: tuple[int, ...] = ()
    without_room: frozenset[ServiceId] = frozenset()
    told: Mapping[tuple[ServiceId, Rung], Told] = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class _Again:
    """The pools to ask again after so many changes (``None``: all), and teams that have to ask all."""

    changes: int
    pools: frozenset[PoolName] | None
    borrowers: frozenset[TeamName] = frozenset()


@dataclass(slots=True)
class News:
    """What has changed since, as a plan goes on, and what that plan finds out in its turn."""

    seen: Seen
    board: Board
    ground: Ground
    without_room: set[ServiceId] = field(default_factory=set)
    told: dict[tuple[ServiceId, Rung], Told] = field(default_factory=dict)
    _sites: frozenset[SiteName] = frozenset()
    """Where there are pools that aren't rented."""
    _no_longer_apart: frozenset[ServiceId] = frozenset()
    """Of whom the rules of changed services spoke before."""
    _changed_before: frozenset[PoolName] = frozenset()
    """Pools that were changed between the two plans, and all that are rented."""
    _again: _Again | None = None
    """Known until anything changes."""

    @classmethod
    def since(cls, seen: Seen, board: Board, ground: Ground) -> News:
        """The news at the beginning of a plan; the board is told which pools are as they were."""
        news = cls(
            seen, board, ground, _sites=frozenset(each.site for each in board.fleet.pools if not each.is_elastic)
        )
        fresh = news._changed_services()
        changed = news._pools_of_changed(fresh)
        former = (seen.services.get(id) for id in fresh)
        news._no_longer_apart = frozenset(id for each in former if each is not None for id in each.placement.apart)
        board.unchanged = frozenset(
            pool
            for pool, stamp in seen.stamps.items()
            if stamp == ground.pool_stamps.get(pool, 0)
            and pool not in changed
            and board.quotas.own_part(pool) == seen.own_parts[pool]
        )
        news._changed_before = frozenset(board.pools.keys() - board.unchanged)
        board.quotas.know_shared({pool: seen.shared[pool] for pool in board.unchanged})
        return news

    def pools_to_ask(self, service: Service) -> frozenset[PoolName] | None:
        """The pools whose answer to the service may be another by now; ``None``: all of them."""
        board = self.board
        if self._is_on_lines(service) or not self._are_neighbours_as_seen(service):
            return None
        if self._again is None or self._again.changes != board.quotas.changes:
            self._again = self._pools_changed()
        return None if service.team in self._again.borrowers else self._again.pools

    def _pools_changed(self) -> _Again:
        """The pools that have changed, or have below a limit that doesn't have left what it had then."""
        quotas, before = self.board.quotas, self.seen.limits_left
        left = quotas.limits_left()
        if left is None or len(left) != len(before):
            return _Again(quotas.changes, None)
        changed, borrowers = self._changed_before.union(quotas.versions), set[TeamName]()
        for limit, was, now in zip(quotas.tree.limits, before, left, strict=True):
            if was != now:
                changed |= limit.pools
                borrowers |= limit.teams if limit.name is LimitName.BORROWING else set()
        return _Again(quotas.changes, changed, frozenset(borrowers))

    def told_before(self, service: Service, rung: Rung) -> Told | None:
        """Why no pool took one more under a rung, as the plan before told it of the same service."""
        told = self.seen.told.get((service.id, rung))
        return told if told is not None and told.service is service else None

    def as_seen(self) -> Seen:
        """What the next plan may go by."""
        quotas, services = self.board.quotas, self.board.services
        left = quotas.limits_left()
        if left is None:
            return Seen()
        pools = [pool for pool in quotas.tree.pools if self.board.is_left_alone(pool)]
        found = self.without_room.union(id for id, _ in self.told)
        lasting = {id for id in found if self._are_neighbours_at_rest(services[id])}
        return Seen(
            services=services,
            service_stamps=self.ground.stamps,
            stamps=MappingProxyType({pool: self.ground.pool_stamps.get(pool, 0) for pool in pools}),
            own_parts=MappingProxyType({pool: quotas.own_part(pool) for pool in pools}),
            shared=MappingProxyType({pool: quotas.guest_quota(pool, may_borrow=False) for pool in pools}),
            limits_left=left,
            without_room=frozenset(self.without_room & lasting),
            told=MappingProxyType({key: told for key, told in self.told.items() if key[0] in lasting}),
        )

    def _pools_of_changed(self, services: set[ServiceId]) -> set[PoolName]:
        """Where those stand that changed hands or bands: they count otherwise by now."""
        before, now = self.seen.services, self.board.services
        changed = [id for id in services if not counts_the_same(before.get(id), now.get(id))]
        return {pool for id in changed for pool, _ in self.board.groups.get(id, ())}

    def _changed_services(self) -> set[ServiceId]:
        """Services that came, went or were changed; nothing while the record still shares their map."""
        before, now = self.seen.services, self.board.services
        if before is now:
            return set()
        return {id for id in (*before, *now) if before.get(id) is not now.get(id)}

    def _neighbours(self, service: Service) -> tuple[ServiceId, ...]:
        """Of whom its rules speak, and whose rules speak of it."""
        return (*service.placement.near, *service.placement.apart, *self.board.apart_of(service.id))

    def _are_neighbours_at_rest(self, service: Service) -> bool:
        """Whether this plan has left its neighbours where the ground has them."""
        board = self.board
        return all(is_at_rest(board, self.ground, id) and not board.coming.get(id) for id in self._neighbours(service))

    def _are_neighbours_as_seen(self, service: Service) -> bool:
        neighbours, seen = self._neighbours(service), self.seen
        if not neighbours:
            return service.id not in self._no_longer_apart
        is_same = all(
            seen.services.get(id) is self.board.services.get(id)
            and seen.service_stamps.get(id, 0) == self.ground.stamps.get(id, 0)
            for id in neighbours
        )
        return is_same and service.id not in self._no_longer_apart and self._are_neighbours_at_rest(service)

    def _is_on_lines(self, service: Service) -> bool:
        """Whether any pool that isn't rented is at another site than the service's home."""
        crossings = self.board.crossings
        home = crossings.home_of(service.team) if crossings is not None else None
        return home is not None and not self._sites <= {home}
