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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TypeVar

from springtide.model.fleet import Department, Fleet, Pool, Team
from springtide.model.identifiers import PoolName, TeamName
from springtide.model.resources import NOTHING, Ceiling, Resources
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


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that is broken, or would be: in the kinds of which more is counted than it allows.

    ``asked`` is by how much the instance asked for would raise the count, which is less than its
    amount where part of it is still shared; nothing where the limit is broken already.
    """

    member: Member
    name: LimitName
    used: Resources
    limit: Ceiling
    asked: Resources = NOTHING

    @property
    def kind(self) -> str:
        """The first of the kinds that are above."""
        return self.limit.amounts[0][0]

    @property
    def excess(self) -> Resources:
        """By how much the count is above, or would be."""
        return self.limit.excess(self.used + self.asked)


@dataclass(frozen=True, slots=True, eq=False)
class _Watch:
    """A lending limit above a pool; ``slot`` is where outsiders' use of that pool is counted."""

    limit: Limit
    slot: int


@dataclass(frozen=True, slots=True, eq=False)
class _Stock:
    """One kind on one pool of which some lending limit watches the use, nearest member first."""

    slot: int
    watches: tuple[_Watch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _PoolPlace:
    """Where a pool hangs. ``cohort`` is None where it serves every cohort."""

    pool: Pool
    cohort: str | None
    nominal: Mapping[str, tuple[Limit, ...]]
    stocks: Mapping[str, _Stock]


@dataclass(frozen=True, slots=True, eq=False)
class _TeamPlace:
    """Where a team hangs, and the borrowing limits above it by kind, nearest member first."""

    cohort: str
    borrowing: Mapping[str, tuple[Limit, ...]]


_STRANGER = _TeamPlace("", {})


@dataclass(frozen=True, slots=True)
class Tree:
    """The fleet's members with their limits, laid out once so that a question costs a few look-ups.

    Members without a ceiling cost nothing. Build with :meth:`of`; immutable, so plans may share it.
    """

    pools: Mapping[PoolName, _PoolPlace]
    teams: Mapping[TeamName, _TeamPlace]
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
                name: _PoolPlace(
                    pool=pool,
                    cohort=pool.cohort if pool.team is None else cohorts.get(pool.team, ""),
                    nominal=_along(chain, LimitName.NOMINAL, by_member),
                    stocks=counter.stocks(_along(chain, LimitName.LENDING, by_member)),
                )
                for name, pool in pools.items()
                for chain in [_chain_of_pool(pool, chains)]
            },
            teams={
                name: _TeamPlace(cohorts[name], _along(chain, LimitName.BORROWING, by_member))
                for name, chain in chains.items()
            },
            limits=tuple(limit for limits in by_member.values() for limit in limits),
            by_member=by_member,
            stock_count=counter.stock_count,
            watch_count=counter.watch_count,
        )

    def cohort_of(self, team: TeamName) -> str:
        """The cohort of a team's top department, else its own."""
        return self.teams.get(team, _STRANGER).cohort

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


class GuestUses:
    """What guests use, pool by pool, counted toward every lending and borrowing limit as it changes.

    What outsiders borrow on a pool is, of each kind, ``min(their use, max(0, all guests' use - what is
    shareable there))``. An owner's use of its own pool isn't counted, nor what is rented, nor
    best-effort use, which the caller leaves out. ``remove`` takes back what ``add`` was given.
    """

    __slots__ = ("_guests", "_left", "_outside", "_shareable", "_tree")

    def __init__(self, tree: Tree, shareable: Mapping[PoolName, Resources]) -> None:
        """Begin without guests. A pool that isn't named has nothing shareable: all use of it is borrowed."""
        self._tree = tree
        self._left = [limit.most for limit in tree.limits]
        self._guests = [0] * tree.stock_count
        self._shareable = [0] * tree.stock_count
        self._outside = [0] * tree.watch_count
        for pool, amount in shareable.items():
            self.set_shareable(pool, amount)

    def copy(self) -> GuestUses:
        """One that changes apart from this one, on the same tree."""
        other = GuestUses.__new__(GuestUses)
        other._tree = self._tree
        other._left = self._left.copy()
        other._guests = self._guests.copy()
        other._shareable = self._shareable.copy()
        other._outside = self._outside.copy()
        return other

    def add(self, pool: PoolName, team: TeamName, amount: Resources) -> None:
        """A guest comes, or several at once with the sum of their amounts: counting a sum costs what one costs."""
        self._shift(pool, team, amount.amounts)

    def remove(self, pool: PoolName, team: TeamName, amount: Resources) -> None:
        """A guest goes."""
        self._shift(pool, team, ((kind, -value) for kind, value in amount.amounts))

    def set_shareable(self, pool: PoolName, amount: Resources) -> None:
        """The contributed part that is left for guests has changed: the owner grew, a node failed."""
        place = self._tree.pools.get(pool)
        if place is None:
            return
        for kind, stock in place.stocks.items():
            before = [self._lent(stock, watch) for watch in stock.watches]
            self._shareable[stock.slot] = amount[kind]
            for watch, lent in zip(stock.watches, before, strict=True):
                self._left[watch.limit.number] -= self._lent(stock, watch) - lent

    def used(self, member: Member, name: LimitName) -> Resources:
        """What counts toward a member's lending or borrowing limit now, of the kinds that it limits."""
        return Resources.of(
            (limit.kind, limit.most - self._left[limit.number])
            for limit in self._tree.by_member.get((member, name), ())
        )

    def headroom_refusal(self, pool: PoolName, team: TeamName, amount: Resources) -> Breach | None:
        """Why one more instance can't be a guest there: the first limit that it would break, or break further.

        Lending limits above the pool come first, then borrowing limits above the team, nearest member
        first within a kind. A team below a department may be refused for its lending limit too: where it
        takes what is shared, outsiders who are there already turn into borrowers.
        """
        place = self._tree.pools.get(pool)
        if place is None or place.pool.team == team:
            return None
        limit = self._limit_broken_by(place, pool, team, amount)
        return None if limit is None else self._refusal(limit, pool, team, amount)

    def has_headroom(self, pool: PoolName, team: TeamName, amount: Resources) -> bool:
        """Whether :meth:`headroom_refusal` would say nothing, for callers that ask often and need no figures."""
        place = self._tree.pools.get(pool)
        return place is None or place.pool.team == team or self._limit_broken_by(place, pool, team, amount) is None

    def breaches(self) -> list[Breach]:
        """The limits that are broken now, because they or the pools were cut below use.

        In order of level, member and limit. :meth:`relief` tells which guests' leaving would help.
        """
        broken = [(limit, 0) for limit, left in zip(self._tree.limits, self._left, strict=True) if left < 0]
        together = groupby(broken, key=lambda each: (each[0].member, each[0].name))
        return [self._breach(list(above)) for _, above in together]

    def relief(self, breach: Breach, pool: PoolName, team: TeamName, amount: Resources) -> Resources:
        """How much less would count toward the broken limit, in its broken kinds, if this guest left.

        Nothing for a guest whom the limit isn't about: one from below a lender, or within a borrower's own.
        """
        kinds = {kind for kind, _ in breach.limit.amounts}
        return Resources.of(
            (limit.kind, -self._growth(limit, pool, team, -amount[limit.kind]))
            for limit in self._tree.by_member.get((breach.member, breach.name), ())
            if limit.kind in kinds and (team in limit.teams) == (limit.name is LimitName.BORROWING)
        )

    def _shift(self, pool: PoolName, team: TeamName, amounts: Iterable[tuple[str, int]]) -> None:
        place = self._tree.pools.get(pool)
        if place is None or place.pool.team == team:
            return
        borrowing = self._tree.teams.get(team, _STRANGER).borrowing
        for kind, more in amounts:
            stock = place.stocks.get(kind)
            if stock is not None:
                self._shift_stock(stock, team, more)
            for limit in borrowing.get(kind, ()):
                if pool not in limit.pools:
                    self._left[limit.number] -= more

    def _shift_stock(self, stock: _Stock, team: TeamName, more: int) -> None:
        """``_lent_growth`` for each watch, with what they have in common reckoned once: this is the hot path."""
        beyond = self._guests[stock.slot] - self._shareable[stock.slot]
        beyond_before, beyond_after = max(0, beyond), max(0, beyond + more)
        self._guests[stock.slot] += more
        for watch in stock.watches:
            before = after = self._outside[watch.slot]
            if team not in watch.limit.teams:
                self._outside[watch.slot] = after = before + more
            if beyond_before or beyond_after:
                self._left[watch.limit.number] += min(before, beyond_before) - min(after, beyond_after)

    def _limit_broken_by(self, place: _PoolPlace, pool: PoolName, team: TeamName, amount: Resources) -> Limit | None:
        """A count grows by at most what is asked for, so what fits in full needs no closer look."""
        left = self._left
        if stocks := place.stocks:
            for kind, asked in amount.amounts:
                stock = stocks.get(kind)
                if stock is None or asked <= 0:
                    continue
                for watch in stock.watches:
                    spare = left[watch.limit.number]
                    if asked > spare and self._lent_growth(stock, watch, team, asked) > max(0, spare):
                        return watch.limit
        if borrowing := self._tree.teams.get(team, _STRANGER).borrowing:
            for kind, asked in amount.amounts:
                for limit in borrowing.get(kind, ()):
                    if 0 < asked > left[limit.number] and pool not in limit.pools:
                        return limit
        return None

    def _refusal(self, limit: Limit, pool: PoolName, team: TeamName, amount: Resources) -> Breach:
        """That limit in every kind in which the instance would break it."""
        asked = [
            (each, self._growth(each, pool, team, amount[each.kind]))
            for each in self._tree.by_member[limit.member, limit.name]
            if amount[each.kind] > 0
        ]
        return self._breach([(each, more) for each, more in asked if more > max(0, self._left[each.number])])

    def _breach(self, above: Sequence[tuple[Limit, int]]) -> Breach:
        """One member's limits that are broken, each with what is asked for on top."""
        return Breach(
            member=above[0][0].member,
            name=above[0][0].name,
            used=Resources.of((limit.kind, limit.most - self._left[limit.number]) for limit, _ in above),
            limit=Ceiling.of((limit.kind, limit.most) for limit, _ in above),
            asked=Resources.of((limit.kind, asked) for limit, asked in above),
        )

    def _growth(self, limit: Limit, pool: PoolName, team: TeamName, more: int) -> int:
        """By how much a lending or borrowing limit's count changes with a guest's use."""
        place = self._tree.pools.get(pool)
        if place is None or place.pool.team == team:
            return 0
        if limit.name is LimitName.BORROWING:
            return more if team in limit.teams and pool not in limit.pools else 0
        stock = place.stocks.get(limit.kind)
        if stock is None:
            return 0
        return sum(self._lent_growth(stock, watch, team, more) for watch in stock.watches if watch.limit is limit)

    def _lent_growth(self, stock: _Stock, watch: _Watch, team: TeamName, more: int) -> int:
        """By how much more outsiders would borrow there if the team's use changed."""
        outside = self._outside[watch.slot]
        above = self._guests[stock.slot] - self._shareable[stock.slot]
        after = outside if team in watch.limit.teams else outside + more
        return min(after, max(0, above + more)) - min(outside, max(0, above))

    def _lent(self, stock: _Stock, watch: _Watch) -> int:
        """What outsiders borrow there."""
        return min(self._outside[watch.slot], max(0, self._guests[stock.slot] - self._shareable[stock.slot]))


class _Counter:
    """Hands out slots, in the order of asking."""

    def __init__(self) -> None:
        self.stock_count = 0
        self.watch_count = 0

    def stocks(self, lending: Mapping[str, tuple[Limit, ...]]) -> dict[str, _Stock]:
        return {kind: self._stock(limits) for kind, limits in lending.items()}

    def _stock(self, limits: tuple[Limit, ...]) -> _Stock:
        watches = tuple(_Watch(limit, self.watch_count + place) for place, limit in enumerate(limits))
        stock = _Stock(self.stock_count, watches)
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
