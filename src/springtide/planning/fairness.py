"""Weighted dominant-resource fairness: how much of what teams lend one another each of them uses.

A team's share is the largest, over resources, of its use beyond its own quota over what its cohort
shares and may lend, divided by the team's weight. Source: Ghodsi et al., Dominant Resource Fairness,
NSDI 2011, sections 4 and 4.3 (weights). The share *in a band* counts what the team uses in that band and
in higher ones: lower ones give way anyway, so they neither count against a team nor speak for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from springtide.model.fleet import Fleet
from springtide.model.identifiers import PoolName, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.board import Board

_Key = tuple[TeamName, Band]


@dataclass(frozen=True, slots=True)
class KnownUse:
    """What teams use on the rungs shared and borrowed, by band, higher ones included, with what it was counted from.

    It is carried from plan to plan, and never changed in place.
    """

    fleet: Fleet
    healthy: Mapping[PoolName, Resources]
    capacity: Mapping[str, Resources]
    cohorts: Mapping[TeamName, str]
    weights: Mapping[TeamName, int]
    by_pool: Mapping[PoolName, Mapping[_Key, Resources]] = field(default_factory=dict)
    use: Mapping[_Key, Resources] = field(default_factory=dict)


@dataclass(slots=True)
class Shares:
    """Every team's use beyond its own, as a plan goes on; by team and band, higher bands included."""

    capacity: Mapping[str, Resources]
    cohorts: Mapping[TeamName, str]
    weights: Mapping[TeamName, int]
    use_in: dict[_Key, Resources]
    _known: dict[_Key, Fraction] = field(default_factory=dict)

    @classmethod
    def on(cls, board: Board, known: KnownUse | None = None) -> Shares:
        """The shares that the board's placements give; ``known``: what is counted of them already."""
        known = known or know_use(board, None)
        return cls(known.capacity, known.cohorts, known.weights, _without_leaving(board, known.use))

    @property
    def use(self) -> dict[TeamName, Resources]:
        """What each team uses beyond its own in all bands."""
        return {team: use for (team, band), use in self.use_in.items() if band is Band.BEST_EFFORT}

    def of(self, team: TeamName, band: Band = Band.BEST_EFFORT) -> Fraction:
        """The team's weighted dominant share in a band; that in the lowest counts everything."""
        key = team, band
        if key not in self._known:
            self._known[key] = self._share(team, self.use_in.get(key, NOTHING))
        return self._known[key]

    def with_more(self, team: TeamName, amount: Resources, band: Band = Band.BEST_EFFORT) -> Fraction:
        """What it would be with so much more in that band or a higher one."""
        return self._share(team, self.use_in.get((team, band), NOTHING) + amount)

    def with_less(self, team: TeamName, amount: Resources, band: Band = Band.BEST_EFFORT) -> Fraction:
        """What it would be with so much less in that band or a higher one."""
        return self._share(team, self.use_in.get((team, band), NOTHING) - amount)

    def is_any_above(self, share: Fraction, band: Band, *, but: TeamName) -> bool:
        """Whether any other team's share in the band is above this one."""
        return any(self.of(team, each) > share for team, each in self.use_in if each is band and team != but)

    def add(self, service: Service) -> None:
        """Count one more instance of a service."""
        for band in counted_in(service.band):
            key = service.team, band
            self.use_in[key] = self.use_in.get(key, NOTHING) + service.resources
            self._known.pop(key, None)

    def remove(self, service: Service, amount: Resources) -> None:
        """Count one instance of a service less, of so much."""
        for band in counted_in(service.band):
            key = service.team, band
            self.use_in[key] = self.use_in.get(key, NOTHING) - amount
            self._known.pop(key, None)

    def _share(self, team: TeamName, use: Resources) -> Fraction:
        capacity = self.capacity.get(self.cohorts.get(team, ""), NOTHING)
        return dominant_share(use, capacity, self.weights.get(team, 1))


def counted_in(band: Band) -> tuple[Band, ...]:
    """The bands in whose shares an instance of this one counts: its own and the lower ones."""
    return tuple(each for each in Band if each.order >= band.order)


def dominant_share(use: Resources, capacity: Resources, weight: int) -> Fraction:
    """The largest, over resources, of use over capacity, divided by the team's weight."""
    shares = [Fraction(amount, capacity[kind]) for kind, amount in use.amounts if capacity[kind] > 0]
    return max(shares, default=Fraction(0)) / weight


def shareable_capacity(board: Board) -> dict[str, Resources]:
    """By cohort, all that its pools share or may lend; a pool that is open to all counts in each."""
    cohorts = {board.quotas.tree.cohort_of(team.name) for team in board.fleet.teams} | {""}
    sums: dict[str, dict[str, int]] = {cohort: {} for cohort in cohorts}
    for name, pool in board.pools.items():
        place = board.quotas.tree.pools.get(name)
        if place is None:
            continue
        own = board.quotas.own_part(name)
        lent = (board.quotas.healthy.get(name, NOTHING) - own) + quota.lending_limit(pool, own)
        for cohort in cohorts if place.cohort is None else {place.cohort} & cohorts:
            for kind, amount in lent.amounts:
                sums[cohort][kind] = sums[cohort].get(kind, 0) + amount
    return {cohort: Resources.of(amounts) for cohort, amounts in sums.items()}


def know_use(board: Board, before: KnownUse | None) -> KnownUse:
    """What teams use beyond their own, counted anew only for pools that aren't as they were."""
    tree = board.quotas.tree
    healthy = {pool: board.quotas.healthy.get(pool, NOTHING) for pool in tree.pools}
    if before is None or before.fleet is not board.fleet or before.healthy != healthy:
        teams = board.fleet.teams
        cohorts = {team.name: tree.cohort_of(team.name) for team in reversed(teams)}
        weights = {team.name: max(1, team.weight) for team in reversed(teams)}
        before = KnownUse(board.fleet, healthy, shareable_capacity(board), cohorts, weights)
    by_pool, use = dict(before.by_pool), dict(before.use)
    for pool in tree.pools:
        was, now = by_pool.get(pool), board.beyond_own(pool)
        if was is not now:
            for (team, band), amount in was.items() if was is not None else ():
                for each in counted_in(band):
                    use[team, each] = use.get((team, each), NOTHING) - amount
            for (team, band), amount in now.items():
                for each in counted_in(band):
                    use[team, each] = use.get((team, each), NOTHING) + amount
            by_pool[pool] = now
    return replace(before, by_pool=by_pool, use=use)


def _without_leaving(board: Board, use: Mapping[_Key, Resources]) -> dict[_Key, Resources]:
    """The same but for guests, and owners beyond their own, who are about to leave."""
    left = dict(use)
    for id in board.leaving:
        placement = board.placements[id]
        service = board.services.get(placement.service)
        if service is not None and board.rung(placement) in (Rung.SHARED, Rung.BORROWED):
            for band in counted_in(service.band):
                left[service.team, band] = left.get((service.team, band), NOTHING) - placement.resources
    return left
