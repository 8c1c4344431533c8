"""What to rent for what is wanted: machines packed with mixed services, at the least price for what they carry.

``choose_rentals`` is a greedy cover with a pilot. Again and again it takes the machine whose price is
lowest for the worth of what it will carry (``pack``); what an instance is worth is what it costs where it
is carried cheapest, alone. Once little is left, every next machine is tried and the rest played to its
end behind it (the pilot method: Duin and Voß, Networks 34, 1999): that is where machines stay half empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from operator import gt
from types import MappingProxyType

from springtide.model.events import Reason
from springtide.model.identifiers import CloudName, PoolName
from springtide.model.resources import describe
from springtide.planning.lines import LineLoads
from springtide.planning.market import Choice, Market, PlannedRental, Want, price_of
from springtide.planning.money import Purse, whole_milliseconds
from springtide.planning.packing import (
    FINE,
    GREEDY_WAYS,
    IN_TURN,
    WORTH_OF_A_MICRO,
    Contents,
    Problem,
    copies_of,
    domain_of,
)

_PILOT_WORK = 500
"""Instances left x offers x services left up to which every next machine is tried: bounds the time of a choice."""
_LINES_COST = 5
"""How many times the work it is to ask lines too."""


def choose_rentals(wants: tuple[Want, ...], market: Market) -> Choice:
    """What to rent. Changes nothing that it is given: purse and lines are told by whoever carries it out.

    - **Price**: an hour's price and the expected cost of an interruption (:func:`price_of`), for the worth
      of what the machine will really carry.
    - **Urgency**: ski rental's rule (Karlin et al., Algorithmica 3, 1988): whoever has waited as long as the
      cheapest machine takes to boot has paid for it once over in time lost, and may pay as much again in money.
      So a want may pay 1 + waited / boot times the lowest price, at most twice, for a machine that boots faster.
    - **Spread**: first no domain takes more than its even share; then whatever still has room.
    - **Ties**: the domain with the fewest machines of this choice, the faster boot, pool, shape.
    """
    wanted = tuple(sorted((want for want in wants if want.count > 0), key=lambda want: want.service))
    trial = _Trial.start(Problem.of(wanted, market))
    for keeps_spread in (True, False):
        trial.keeps_spread = keeps_spread
        trial.packed.clear()
        trial.fill()
    return trial.choice()


@dataclass(slots=True)
class _Load:
    """A machine being packed: the room that is left, the line beside it, and what is in it."""

    room: list[int]
    lines: LineLoads | None
    contents: dict[int, int] = field(default_factory=dict)

    def put(self, problem: Problem, number: int, each: int, count: int) -> None:
        want, size = problem.wants[each], problem.sizes[each]
        if self.lines is not None:
            site = problem.listings[number].pool.site
            self.lines.reserve(want.home, site, want.load, each not in self.contents, count)
        self.room = [have - amount * count for have, amount in zip(self.room, size, strict=True)]
        self.contents[each] = self.contents.get(each, 0) + count


@dataclass(slots=True)
class _Trial:
    """A choice in the making: what is still wanted, what is left of each bound, what is taken."""

    problem: Problem
    left: list[int]
    nodes_left: dict[PoolName, int]
    stock_left: dict[tuple[CloudName, str], int]
    purse: Purse
    lines: LineLoads | None
    domain_left: list[dict[str, int]]
    machines_in: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[int, Contents]] = field(default_factory=list)
    cost: int = 0
    keeps_spread: bool = True
    packed: dict[tuple[int, int], tuple[Contents, int]] = field(default_factory=dict)

    @classmethod
    def start(cls, problem: Problem) -> _Trial:
        market = problem.market
        uses_lines = market.lines is not None and any(want.home is not None for want in problem.wants)
        return cls(
            problem=problem,
            left=[want.count for want in problem.wants],
            nodes_left=dict(market.nodes_left),
            stock_left=dict(market.stock_left),
            purse=market.purse.copy(),
            lines=market.lines.copy() if market.lines is not None and uses_lines else None,
            domain_left=[dict(each) for each in problem.domains],
        )

    def copy(self) -> _Trial:
        return _Trial(
            problem=self.problem,
            left=list(self.left),
            nodes_left=dict(self.nodes_left),
            stock_left=dict(self.stock_left),
            purse=self.purse.copy(),
            lines=self.lines.copy() if self.lines is not None else None,
            domain_left=[dict(each) for each in self.domain_left],
            machines_in=dict(self.machines_in),
            taken=list(self.taken),
            cost=self.cost,
            keeps_spread=self.keeps_spread,
            packed=dict(self.packed),
        )

    def fill(self) -> None:
        """Rent until nothing is wanted or nothing more can be had."""
        while any(self.left):
            found = self.next_machine()
            if found is None:
                return
            if not self.is_urgent() and self.pilot_work() <= _PILOT_WORK:
                self.follow_best_pilot()
                return
            self.take(*found)

    def fill_greedily(self, way: int) -> None:
        """As :meth:`fill`, one way of packing, without trying anything."""
        while any(self.left) and (found := self.next_machine((way,))) is not None:
            self.take(*found)

    def pilot_work(self) -> int:
        work = sum(self.left) * len(self.problem.listings) * sum(1 for left in self.left if left)
        return work if self.lines is None else work * _LINES_COST

    def follow_best_pilot(self) -> None:
        """Try every next machine, play the rest to its end behind it, and keep the best end; again from there."""
        ways = (*GREEDY_WAYS, IN_TURN)
        best = min((self.played(None, way) for way in ways), key=_Trial.rank)
        done = len(self.taken)
        while done < len(best.taken):
            tries = [
                self.played((number, contents), way)
                for number in self.rentable()
                for contents in sorted({self.packed_as(number, each)[0] for each in ways})
                if contents
                for way in ways
            ]
            best = min((best, *tries), key=_Trial.rank)
            if done >= len(best.taken):
                break
            self.take(*best.taken[done])
            done += 1

    def played(self, first: tuple[int, Contents] | None, way: int) -> _Trial:
        trial = self.copy()
        if first is not None:
            trial.take(*first)
        trial.fill_greedily(way)
        return trial

    def rank(self) -> tuple[int, int, int]:
        """The least missing, by worth; then the least money; then the fewest machines."""
        missing = sum(left * worth for left, worth in zip(self.left, self.problem.worths, strict=True))
        return missing, self.cost, len(self.taken)

    def is_urgent(self) -> bool:
        return any(left and want.is_urgent for left, want in zip(self.left, self.problem.wants, strict=True))

    def next_machine(self, ways: tuple[int, ...] = GREEDY_WAYS) -> tuple[int, Contents] | None:
        """The machine to rent next and what it carries, ``None`` where none can be had."""
        urgent = self.is_urgent()
        choices = [
            (price, number, contents)
            for number in self.rentable()
            for contents, price in (self.packed_as(number, way) for way in ways)
            if contents and (not urgent or any(self.problem.wants[each].is_urgent for each, _ in contents))
        ]
        if not choices:
            return None
        cheapest = min(choices, key=self.tie_break)
        if urgent:
            most = cheapest[0] * self.patience(cheapest[1], cheapest[2])
            affordable = (choice for choice in choices if choice[0] <= most)
            cheapest = min(affordable, key=lambda each: (self.boot_seconds(each[1]), self.tie_break(each)))
        return cheapest[1], cheapest[2]

    def price_for_worth(self, number: int, contents: Contents) -> int:
        worth = sum(count * self.problem.worths[each] for each, count in contents)
        return self.price(number, contents) * WORTH_OF_A_MICRO * FINE // max(1, worth)

    def price(self, number: int, contents: Contents) -> int:
        instances = sum(count for _, count in contents)
        return price_of(self.problem.listings[number].offer, instances, self.problem.market.move_cost_micros)

    def patience(self, number: int, contents: Contents) -> Fraction:
        """How many times the lowest price the most patient urgent want in a machine may pay to be served sooner."""
        boot = whole_milliseconds(self.boot_seconds(number))
        wants = (self.problem.wants[each] for each, _ in contents)
        waited = max((want.waited_seconds for want in wants if want.is_urgent), default=0.0)
        return 1 + min(Fraction(1), Fraction(whole_milliseconds(waited), boot)) if boot else Fraction(1)

    def boot_seconds(self, number: int) -> float:
        return self.problem.listings[number].offer.boot_seconds

    def tie_break(self, choice: tuple[int, int, Contents]) -> tuple[int, int, float, int, Contents]:
        price, number, contents = choice
        return price, self.machines_in.get(self.problem.zones[number], 0), self.boot_seconds(number), number, contents

    def rentable(self) -> list[int]:
        """The listings of which one more machine can be had."""
        return [number for number in range(len(self.problem.listings)) if self.obstacle_to_renting(number) is None]

    def packed_as(self, number: int, way: int) -> tuple[Contents, int]:
        """What a machine would carry now, and its price for the worth of that.

        As less and less is left, a machine is packed as before while all of that is left still.
        """
        known = self.packed.get((number, way))
        if (
            known is None
            or self.lines is not None
            or any(self.most_of(each, number) < count for each, count in known[0])
        ):
            contents = self.pack(number, way)
            known = self.packed[number, way] = contents, self.price_for_worth(number, contents)
        return known

    def most_of(self, want: int, number: int) -> int:
        left = self.left[want]
        spread = self.problem.wants[want].spread
        if spread and self.keeps_spread:
            left = min(left, self.domain_left[want].get(domain_of(self.problem.listings[number], spread), 0))
        return left

    def pack(self, number: int, way: int) -> Contents:
        """Fill a machine of this listing with what is left: of each want as many as fit, or one each in turn."""
        load = _Load(list(self.problem.rooms[number]), self.lines.copy() if self.lines is not None else None)
        left, sizes, order = self.left, self.problem.sizes, self.problem.orders[way % len(GREEDY_WAYS)][number]
        goes_on = True
        while goes_on:
            goes_on = False
            for each in order:
                if not left[each] or any(map(gt, sizes[each], load.room)):
                    continue
                count = self.count_in(number, each, load)
                if count > 0:
                    load.put(self.problem, number, each, 1 if way == IN_TURN else count)
                    goes_on = way == IN_TURN
                    if any(map(gt, self.problem.least, load.room)):
                        return tuple(sorted(load.contents.items()))
        return tuple(sorted(load.contents.items()))

    def count_in(self, number: int, each: int, load: _Load) -> int:
        """How many more of a want go into a machine that carries a load already."""
        want, already = self.problem.wants[each], load.contents.get(each, 0)
        count = copies_of(self.problem.sizes[each], load.room, self.most_of(each, number) - already)
        if want.max_per_node:
            count = min(count, want.max_per_node - already)
        if count <= 0 or (self.problem.keeps_apart and self.problem.is_apart(each, load.contents)):
            return 0
        if load.lines is not None:
            site = self.problem.listings[number].pool.site
            count = load.lines.copies_in(want.home, site, want.load, not already, count)
        return count

    def take(self, number: int, contents: Contents) -> None:
        """Rent one machine."""
        listing = self.problem.listings[number]
        for each, count in contents:
            want = self.problem.wants[each]
            self.left[each] -= count
            if want.spread:
                domain = domain_of(listing, want.spread)
                self.domain_left[each][domain] = self.domain_left[each].get(domain, 0) - count
            if self.lines is not None:
                self.lines.reserve(want.home, listing.pool.site, want.load, True, count)
        if listing.pool.name in self.nodes_left:
            self.nodes_left[listing.pool.name] -= 1
        if listing.shape in self.stock_left:
            self.stock_left[listing.shape] -= 1
        self.purse.commit(self.problem.commitments[number])
        zone = self.problem.zones[number]
        self.machines_in[zone] = self.machines_in.get(zone, 0) + 1
        self.cost += self.price(number, contents)
        self.taken.append((number, contents))

    def obstacle_to_renting(self, number: int) -> tuple[int, Reason] | None:
        """Why no machine of a listing can be had, and how far one came: the higher, the nearer."""
        listing = self.problem.listings[number]
        pool, offer = listing.pool, listing.offer
        if self.nodes_left.get(pool.name, 1) <= 0:
            sentence = f"Pool {pool.name} has all of its {pool.max_nodes} nodes."
            return 2, Reason("node-limit", sentence, (("max_nodes", pool.max_nodes), ("pool", pool.name)))
        if self.stock_left.get(listing.shape, 1) <= 0:
            sentence = f"Cloud {offer.cloud} has no {offer.shape} in stock."
            figures = (("cloud", offer.cloud), ("shape", offer.shape), ("stock", offer.stock or 0))
            return 3, Reason("out-of-stock", sentence, figures)
        if listing.refusal is not None:
            return 4, listing.refusal
        refusal = self.purse.refusal_of(self.problem.commitments[number])
        return (6, refusal) if refusal is not None else None

    def obstacle(self, want: Want, number: int) -> tuple[int, Reason]:
        """Why a want isn't carried by one more machine of a listing."""
        listing = self.problem.listings[number]
        if not want.resources.fits_in(listing.offer.resources):
            needs, has = describe(want.resources), describe(listing.offer.resources)
            sentence = f"An instance needs {needs}; {listing.offer.shape} has {has}."
            return 0, Reason("larger-than-offer", sentence, (("shape", listing.offer.shape),))
        refusal = want.refusal_of(listing.pool, listing.offer)
        if refusal is not None:
            return 1, refusal
        rented = self.obstacle_to_renting(number)
        if (rented is None or rented[0] > 5) and self.lines is not None:
            refusal = self.lines.refusal_of(want.home, listing.pool.site, want.load, True)
            if refusal is not None:
                return 5, refusal
        return rented or (-1, Reason("no-cloud", "No pool rents nodes for it.", ()))

    def choice(self) -> Choice:
        missing = {want.service: left for want, left in zip(self.problem.wants, self.left, strict=True) if left}
        rentals = tuple(
            PlannedRental(
                self.problem.listings[number].pool,
                self.problem.listings[number].offer,
                tuple(self.problem.wants[each].service for each, count in contents for _ in range(count)),
            )
            for number, contents in self.taken
        )
        refusals = {want.service: self.refusal(want) for want in self.problem.wants if want.service in missing}
        return Choice(rentals, MappingProxyType(missing), MappingProxyType(refusals))

    def refusal(self, want: Want) -> Reason:
        """The obstacle of the listing that came nearest to carrying it; of equals the first by name."""
        obstacles = [self.obstacle(want, number) for number in range(len(self.problem.listings))]
        if not obstacles:
            return Reason("no-cloud", "The fleet has no pool that rents nodes.", ())
        return max(obstacles, key=lambda each: each[0])[1]
