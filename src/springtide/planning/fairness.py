"""Weighted dominant-resource fairness: how much of what teams lend one another each of them uses.

A team's share is the largest, over resources, of its use beyond its own quota over what its cohort
shares and may lend, divided by the team's weight. Source: Ghodsi et al., Dominant Resource Fairness,
NSDI 2011, sections 4 and 4.3 (weights). The share *in a band* counts what the team uses in that band and
in higher ones: lower ones give way anyway, so they neither count against a team nor speak for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from springtide.model.identifiers import TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.board import Board


@dataclass(slots=True)
class Shares:
    """Every team's use beyond its own, as a plan goes on; by team and band, higher bands included."""

    capacity: Mapping[str, Resources]
    cohorts: Mapping[TeamName, str]
    weights: Mapping[TeamName, int]
    use_in: dict[tuple[TeamName, Band], Resources]
    _known: dict[tuple[TeamName, Band], Fraction] = field(default_factory=dict)

    @classmethod
    def on(cls, board: Board) -> Shares:
        """The shares that the board's placements give."""
        tree, teams = board.quotas.tree, board.fleet.teams
        cohorts = {team.name: tree.cohort_of(team.name) for team in reversed(teams)}
        weights = {team.name: max(1, team.weight) for team in reversed(teams)}
        return cls(shareable_capacity(board), cohorts, weights, use_beyond_own(board))

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


def use_beyond_own(board: Board) -> dict[tuple[TeamName, Band], Resources]:
    """What each team uses on the rungs shared and borrowed, by band, higher ones included; who leaves is left out."""
    alone: dict[tuple[TeamName, Band], dict[str, int]] = {}

    def count(team: TeamName, band: Band, amount: Resources, sign: int = 1) -> None:
        mine = alone.setdefault((team, band), {})
        for kind, value in amount.amounts:
            mine[kind] = mine.get(kind, 0) + sign * value

    for pool in board.quotas.tree.pools:
        for (team, band), amount in board.beyond_own(pool).items():
            count(team, band, amount)
    for id in board.leaving:
        placement = board.placements[id]
        service = board.services.get(placement.service)
        if service is not None and board.rung(placement) in (Rung.SHARED, Rung.BORROWED):
            count(service.team, service.band, placement.resources, -1)
    use: dict[tuple[TeamName, Band], Resources] = {}
    for (team, band), amounts in alone.items():
        for each in counted_in(band):
            use[team, each] = use.get((team, each), NOTHING) + Resources.of(amounts)
    return use
