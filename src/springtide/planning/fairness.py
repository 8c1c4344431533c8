"""Weighted dominant-resource fairness: how much of what teams lend one another each of them uses.

A team's share is the largest, over resources, of its use beyond its own quota over what its cohort
shares and may lend, divided by the team's weight. Source: Ghodsi et al., Dominant Resource Fairness,
NSDI 2011, sections 4 and 4.3 (weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from springtide.model.identifiers import TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.planning import quota
from springtide.planning.board import Board

_LENT = (Rung.SHARED, Rung.BORROWED)


@dataclass(slots=True)
class Shares:
    """Every team's use beyond its own, as a plan goes on."""

    capacity: Mapping[str, Resources]
    cohorts: Mapping[TeamName, str]
    weights: Mapping[TeamName, int]
    use: dict[TeamName, Resources]
    _known: dict[TeamName, Fraction] = field(default_factory=dict)

    @classmethod
    def on(cls, board: Board) -> Shares:
        """The shares that the board's placements give."""
        tree, teams = board.tree, board.fleet.teams
        cohorts = {team.name: tree.cohort_of(team.name) for team in reversed(teams)}
        weights = {team.name: max(1, team.weight) for team in reversed(teams)}
        return cls(shareable_capacity(board), cohorts, weights, use_beyond_own(board))

    def of(self, team: TeamName) -> Fraction:
        """The team's weighted dominant share."""
        if team not in self._known:
            self._known[team] = self._share(team, self.use.get(team, NOTHING))
        return self._known[team]

    def with_more(self, team: TeamName, amount: Resources) -> Fraction:
        """What it would be with so much more."""
        return self._share(team, self.use.get(team, NOTHING) + amount)

    def with_less(self, team: TeamName, amount: Resources) -> Fraction:
        """What it would be with so much less."""
        return self._share(team, self.use.get(team, NOTHING) - amount)

    def add(self, team: TeamName, amount: Resources) -> None:
        self.use[team] = self.use.get(team, NOTHING) + amount
        self._known.pop(team, None)

    def remove(self, team: TeamName, amount: Resources) -> None:
        self.use[team] = self.use.get(team, NOTHING) - amount
        self._known.pop(team, None)

    def _share(self, team: TeamName, use: Resources) -> Fraction:
        capacity = self.capacity.get(self.cohorts.get(team, ""), NOTHING)
        return dominant_share(use, capacity, self.weights.get(team, 1))


def dominant_share(use: Resources, capacity: Resources, weight: int) -> Fraction:
    """The largest, over resources, of use over capacity, divided by the team's weight."""
    shares = [Fraction(amount, capacity[kind]) for kind, amount in use.amounts if capacity[kind] > 0]
    return max(shares, default=Fraction(0)) / weight


def shareable_capacity(board: Board) -> dict[str, Resources]:
    """By cohort, all that its pools share or may lend; a pool that is open to all counts in each."""
    cohorts = {board.tree.cohort_of(team.name) for team in board.fleet.teams} | {""}
    sums: dict[str, dict[str, int]] = {cohort: {} for cohort in cohorts}
    for name, pool in board.pools.items():
        place = board.tree.pools.get(name)
        if place is None:
            continue
        own = board.own_part(name)
        lent = (board.healthy.get(name, NOTHING) - own) + quota.lending_limit(pool, own)
        for cohort in cohorts if place.cohort is None else {place.cohort} & cohorts:
            for kind, amount in lent.amounts:
                sums[cohort][kind] = sums[cohort].get(kind, 0) + amount
    return {cohort: Resources.of(amounts) for cohort, amounts in sums.items()}


def use_beyond_own(board: Board) -> dict[TeamName, Resources]:
    """What each team uses on the rungs shared and borrowed, leaving instances left out."""
    sums: dict[TeamName, dict[str, int]] = {}

    def count(team: TeamName, amount: Resources, sign: int = 1) -> None:
        mine = sums.setdefault(team, {})
        for kind, value in amount.amounts:
            mine[kind] = mine.get(kind, 0) + sign * value

    for pool in board.tree.pools:
        for team, amount in board.beyond_own(pool).items():
            count(team, amount)
    for id in board.leaving:
        placement = board.placements[id]
        leaver = board.team_of(placement)
        if leaver is not None and board.rung(placement) in _LENT:
            count(leaver, placement.resources, -1)
    return {team: Resources.of(amounts) for team, amounts in sums.items()}
