"""The arithmetic of quotas as a tree: what teams and departments hold, lend and borrow. Each kind apart.

A *member* is a team or a department; the pools and teams *below* it are those of its subtree.

- ``nominal`` caps the sum of the own parts of the pools below.
- ``lending_limit`` caps what teams from outside borrow, all together, on the pools below.
- ``borrowing_limit`` caps what the teams below use, all together, on pools outside.

The words and the rule that each limit holds at each level are those of Kueue's hierarchical cohorts
(KEP-79). Unlike there, what is lent is counted pool by pool, because here capacity has a place.

Odd input never raises; files are refused elsewhere, and what comes through is read so: of several
things of one name the first counts; a parent or department that isn't there is none; a cycle of
parents is cut above its smallest name; a negative ceiling is nought; a team that isn't in the fleet
is one without department, cohort and limits; a pool that isn't there counts like a rented one: never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from springtide.model.fleet import Department, Fleet, Pool, Team
from springtide.model.identifiers import PoolName, TeamName
from springtide.model.resources import Ceiling, Resources
from springtide.planning import quota

_Name = TypeVar("_Name", bound=str)


class Level(StrEnum):
    """Where in the tree a member stands."""

    DEPARTMENT = "department"
    TEAM = "team"


class LimitName(StrEnum):
    """Which of a member's ceilings."""

    NOMINAL = "nominal"
    LENDING = "lending_limit"
    BORROWING = "borrowing_limit"


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A team or a department; the level keeps two of the same name apart."""

    level: Level
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """One member's ceiling on one kind, with whom and what it is about. ``number``: its place in ``Tree.limits``."""

    number: int
    member: Member
    name: LimitName
    kind: str
    most: int
    teams: frozenset[TeamName]
    pools: frozenset[PoolName]


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """A lending limit above a pool; ``slot`` is where outsiders' use of that pool is counted."""

    limit: Limit
    slot: int


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """One kind on one pool of which some lending limit watches the use, nearest member first."""

    slot: int
    watches: tuple[Watch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PoolPlace:
    """Where a pool hangs. ``cohort`` is None where it serves every cohort."""

    pool: Pool
    cohort: str | None
    nominal: Mapping[str, tuple[Limit, ...]]
    stocks: Mapping[str, Stock]


@dataclass(frozen=True, slots=True, eq=False)
class TeamPlace:
    """Where a team hangs, and the borrowing limits above it by kind, nearest member first."""

    cohort: str
    borrowing: Mapping[str, tuple[Limit, ...]]


STRANGER = TeamPlace("", {})


@dataclass(frozen=True, slots=True)
class Tree:
    """The fleet's members with their limits, laid out once so that a question costs a few look-ups.

    Members without a ceiling cost nothing. Build with :meth:`of`; immutable, so plans may share it.
    """

    pools: Mapping[PoolName, PoolPlace]
    teams: Mapping[TeamName, TeamPlace]
    limits: tuple[Limit, ...]
    by_member: Mapping[tuple[Member, LimitName], tuple[Limit, ...]]
    stock_count: int
    watch_count: int

    @classmethod
    def of(cls, fleet: Fleet) -> Tree:
        """Lay out a fleet's tree. Rented pools are left out."""
        departments = {each.name: each for each in reversed(fleet.departments)}
        teams = {each.name: each for each in reversed(fleet.teams)}
        first_pools = {each.name: each for each in reversed(fleet.pools)}
        pools = {name: pool for name, pool in first_pools.items() if not pool.is_elastic}
        parents = _parents_without_cycles(departments)
        chains = {name: (Member(Level.TEAM, name), *_upward(team.department, parents)) for name, team in teams.items()}
        by_member = _limits_by_member(departments, teams, pools, chains)
        cohorts = {name: _cohort_of(team, chains[name], departments) for name, team in teams.items()}
        counter = _Counter()
        return cls(
            pools={
                name: PoolPlace(
                    pool=pool,
                    cohort=pool.cohort if pool.team is None else cohorts.get(pool.team, ""),
                    nominal=_along(chain, LimitName.NOMINAL, by_member),
                    stocks=counter.stocks(_along(chain, LimitName.LENDING, by_member)),
                )
                for name, pool in pools.items()
                for chain in [_chain_of_pool(pool, chains)]
            },
            teams={
                name: TeamPlace(cohorts[name], _along(chain, LimitName.BORROWING, by_member))
                for name, chain in chains.items()
            },
            limits=tuple(limit for limits in by_member.values() for limit in limits),
            by_member=by_member,
            stock_count=counter.stock_count,
            watch_count=counter.watch_count,
        )

    def cohort_of(self, team: TeamName) -> str:
        """The cohort of a team's top department, else its own."""
        return self.teams.get(team, STRANGER).cohort

    def lends_to(self, pool: PoolName, team: TeamName) -> bool:
        """Whether a team may use a pool at all: its own, one of its cohort, or one open to every cohort.

        Rented pools aren't lent: of them, and of pools that aren't there, the answer is no.
        """
        place = self.pools.get(pool)
        if place is None:
            return False
        return place.pool.team == team or place.cohort is None or place.cohort == self.cohort_of(team)

    def own_parts(self, healthy: Mapping[PoolName, Resources]) -> dict[PoolName, Resources]:
        """What of each pool's healthy allocatable is its owner's: the nominal quota; the rest is contributed.

        Where a nominal ceiling above is lower than the sum of what is below, pools get theirs in order
        of name, so that the last are cut first. Rented and unknown pools are left out.
        """
        left = [limit.most for limit in self.limits]
        parts: dict[PoolName, Resources] = {}
        for name in sorted(healthy):
            place = self.pools.get(name)
            if place is not None:
                parts[name] = _take(quota.own_part(place.pool, healthy[name]), place.nominal, left)
        return parts


class _Counter:
    """Hands out slots, in the order of asking."""

    def __init__(self) -> None:
        self.stock_count = 0
        self.watch_count = 0

    def stocks(self, lending: Mapping[str, tuple[Limit, ...]]) -> dict[str, Stock]:
        return {kind: self._stock(limits) for kind, limits in lending.items()}

    def _stock(self, limits: tuple[Limit, ...]) -> Stock:
        watches = tuple(Watch(limit, self.watch_count + place) for place, limit in enumerate(limits))
        stock = Stock(self.stock_count, watches)
        self.stock_count += 1
        self.watch_count += len(limits)
        return stock


def _parents_without_cycles(departments: Mapping[str, Department]) -> dict[str, str | None]:
    """Each department's parent that is there; of each cycle the smallest name becomes a top department."""
    parents = {name: each.parent if each.parent in departments else None for name, each in departments.items()}
    settled: set[str] = set()
    for name in departments:
        path: dict[str, None] = {}
        here: str | None = name
        while here is not None and here not in settled and here not in path:
            path[here] = None
            here = parents[here]
        if here is not None and here in path:
            walked = list(path)
            parents[min(walked[walked.index(here) :])] = None
        settled.update(path)
    return parents


def _upward(department: str | None, parents: Mapping[str, str | None]) -> Iterator[Member]:
    """A department and those above it."""
    here = department if department in parents else None
    while here is not None:
        yield Member(Level.DEPARTMENT, here)
        here = parents[here]


def _cohort_of(team: Team, chain: tuple[Member, ...], departments: Mapping[str, Department]) -> str:
    top = chain[-1]
    return departments[top.name].cohort if top.level is Level.DEPARTMENT else team.cohort


def _chain_of_pool(pool: Pool, chains: Mapping[TeamName, tuple[Member, ...]]) -> tuple[Member, ...]:
    return () if pool.team is None else chains.get(pool.team, ())


def _limits_by_member(
    departments: Mapping[str, Department],
    teams: Mapping[TeamName, Team],
    pools: Mapping[PoolName, Pool],
    chains: Mapping[TeamName, tuple[Member, ...]],
) -> dict[tuple[Member, LimitName], tuple[Limit, ...]]:
    """Every ceiling that is set, numbered in order of member, name and kind."""
    holders: dict[Member, Team | Department] = {
        Member(Level.DEPARTMENT, name): each for name, each in departments.items()
    }
    holders |= {Member(Level.TEAM, name): each for name, each in teams.items()}
    members = sorted(member for member, holder in holders.items() if any(ceiling for _, ceiling in _ceilings(holder)))
    teams_below = _below(members, chains)
    pools_below = _below(members, {name: _chain_of_pool(pool, chains) for name, pool in pools.items()})
    limits: dict[tuple[Member, LimitName], tuple[Limit, ...]] = {}
    number = 0
    for member in members:
        for name, ceiling in _ceilings(holders[member]):
            amounts = sorted(dict(ceiling.amounts).items())
            limits[member, name] = tuple(
                Limit(number + place, member, name, kind, max(0, most), teams_below[member], pools_below[member])
                for place, (kind, most) in enumerate(amounts)
            )
            number += len(amounts)
    return limits


def _ceilings(holder: Team | Department) -> tuple[tuple[LimitName, Ceiling], ...]:
    return (
        (LimitName.NOMINAL, holder.nominal),
        (LimitName.LENDING, holder.lending_limit),
        (LimitName.BORROWING, holder.borrowing_limit),
    )


def _below(members: Iterable[Member], chains: Mapping[_Name, tuple[Member, ...]]) -> dict[Member, frozenset[_Name]]:
    """Of each member the names whose chain passes through it."""
    below: dict[Member, set[_Name]] = {member: set() for member in members}
    for name, chain in chains.items():
        for member in chain:
            if member in below:
                below[member].add(name)
    return {member: frozenset(names) for member, names in below.items()}


def _along(
    chain: tuple[Member, ...], name: LimitName, by_member: Mapping[tuple[Member, LimitName], tuple[Limit, ...]]
) -> dict[str, tuple[Limit, ...]]:
    """The limits of one name above, by kind, nearest member first."""
    along: dict[str, tuple[Limit, ...]] = {}
    for member in chain:
        for limit in by_member.get((member, name), ()):
            along[limit.kind] = (*along.get(limit.kind, ()), limit)
    return along


def _take(wanted: Resources, above: Mapping[str, tuple[Limit, ...]], left: list[int]) -> Resources:
    """What every ceiling above still leaves of what is wanted; it is taken off what they leave."""
    if not above:
        return wanted
    taken: dict[str, int] = {}
    for kind, amount in wanted.amounts:
        limits = above.get(kind, ()) if amount > 0 else ()
        taken[kind] = min((amount, *(left[limit.number] for limit in limits)))
        for limit in limits:
            left[limit.number] -= taken[kind]
    return Resources.of(taken)
