"""What guests use, counted toward every lending and borrowing limit of the tree as a plan goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from springtide.model.identifiers import PoolName, TeamName
from springtide.model.resources import NOTHING, Ceiling, Resources
from springtide.planning.quota_tree import STRANGER, Limit, LimitName, Member, PoolPlace, Stock, Tree, Watch


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

    @property
    def left(self) -> tuple[int, ...]:
        """What each limit has left, by its number; negative where it is broken."""
        return tuple(self._left)

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
        borrowing = self._tree.teams.get(team, STRANGER).borrowing
        for kind, more in amounts:
            stock = place.stocks.get(kind)
            if stock is not None:
                self._shift_stock(stock, team, more)
            for limit in borrowing.get(kind, ()):
                if pool not in limit.pools:
                    self._left[limit.number] -= more

    def _shift_stock(self, stock: Stock, team: TeamName, more: int) -> None:
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

    def _limit_broken_by(self, place: PoolPlace, pool: PoolName, team: TeamName, amount: Resources) -> Limit | None:
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
        if borrowing := self._tree.teams.get(team, STRANGER).borrowing:
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

    def _lent_growth(self, stock: Stock, watch: Watch, team: TeamName, more: int) -> int:
        """By how much more outsiders would borrow there if the team's use changed."""
        outside = self._outside[watch.slot]
        above = self._guests[stock.slot] - self._shareable[stock.slot]
        after = outside if team in watch.limit.teams else outside + more
        return min(after, max(0, above + more)) - min(outside, max(0, above))

    def _lent(self, stock: Stock, watch: Watch) -> int:
        """What outsiders borrow there."""
        return min(self._outside[watch.slot], max(0, self._guests[stock.slot] - self._shareable[stock.slot]))
