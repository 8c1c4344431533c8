"""Amounts of resources: integers per kind, so that sums are exact and laws can be equalities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CPU_MILLIS = "cpu_millis"
MEMORY_BYTES = "memory_bytes"
PIDS = "pids"


@dataclass(frozen=True, slots=True)
class Resources:
    """Integer amounts by kind; a kind that isn't named counts as nought.

    ``amounts`` is sorted by kind and holds no noughts: equal resources are equal objects.
    Build with :meth:`of`. Amounts may be negative after a subtraction.
    """

    amounts: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, amounts: Mapping[str, int] | Iterable[tuple[str, int]] = (), /, **named: int) -> Resources:
        """Build from a mapping, pairs or keywords: ``Resources.of(cpu_millis=50)``."""
        merged = {**dict(amounts), **named}
        return cls(tuple(sorted((kind, amount) for kind, amount in merged.items() if amount)))

    def __getitem__(self, kind: str) -> int:
        return next((amount for name, amount in self.amounts if name == kind), 0)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind, _ in self.amounts)

    def __add__(self, other: Resources) -> Resources:
        if not other.amounts:
            return self
        merged = dict(self.amounts)
        for kind, amount in other.amounts:
            merged[kind] = merged.get(kind, 0) + amount
        return _built(merged, is_sorted=len(merged) == len(self.amounts))

    def __sub__(self, other: Resources) -> Resources:
        if not other.amounts:
            return self
        merged = dict(self.amounts)
        for kind, amount in other.amounts:
            merged[kind] = merged.get(kind, 0) - amount
        return _built(merged, is_sorted=len(merged) == len(self.amounts))

    def __bool__(self) -> bool:
        return bool(self.amounts)

    def times(self, count: int) -> Resources:
        """The same amounts ``count`` times."""
        return Resources.of((kind, amount * count) for kind, amount in self.amounts)

    def percent(self, share: int) -> Resources:
        """``share`` percent of each amount, rounded down, each kind apart."""
        return Resources.of((kind, amount * share // 100) for kind, amount in self.amounts)

    def without(self, kind: str) -> Resources:
        """The same amounts but for one kind."""
        return Resources(tuple(each for each in self.amounts if each[0] != kind))

    def at_least_zero(self) -> Resources:
        """Negative amounts become nought."""
        if all(amount > 0 for _, amount in self.amounts):
            return self
        return Resources(tuple(each for each in self.amounts if each[1] > 0))

    def at_most(self, other: Resources) -> Resources:
        """Of each kind the lower amount; what one of the two doesn't have counts as nought."""
        return Resources.of((kind, min(self[kind], other[kind])) for kind in {*self.kinds, *other.kinds})

    def fits_in(self, room: Resources) -> bool:
        """Whether each amount asked for is at most what ``room`` has of that kind.

        A kind that isn't asked for never blocks, however overdrawn ``room`` is on it.
        """
        have = dict(room.amounts)
        return all(amount <= have.get(kind, 0) for kind, amount in self.amounts if amount > 0)

    def lacking_in(self, room: Resources) -> tuple[str, ...]:
        """The kinds of which ``room`` has too little."""
        have = dict(room.amounts)
        return tuple(kind for kind, amount in self.amounts if amount > 0 and amount > have.get(kind, 0))

    def copies_in(self, room: Resources) -> int:
        """How many copies fit in ``room`` as one heap (not node by node)."""
        have = dict(room.amounts)
        return min((max(0, have.get(kind, 0)) // amount for kind, amount in self.amounts if amount > 0), default=0)


def _built(amounts: dict[str, int], *, is_sorted: bool) -> Resources:
    """Without the noughts; sorting is left out where no kind has come in: sums are made by the million."""
    pairs = [pair for pair in amounts.items() if pair[1]]
    return Resources(tuple(pairs if is_sorted else sorted(pairs)))


NOTHING = Resources()


@dataclass(frozen=True, slots=True)
class Ceiling:
    """At most these amounts of the kinds that are named; a kind that isn't named has no ceiling.

    ``amounts`` is sorted by kind and may hold noughts: nothing of that kind. Build with :meth:`of`.
    """

    amounts: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, amounts: Mapping[str, int] | Iterable[tuple[str, int]] = (), /, **named: int) -> Ceiling:
        """Build from a mapping, pairs or keywords: ``Ceiling.of(cpu_millis=500)``."""
        return cls(tuple(sorted({**dict(amounts), **named}.items())))

    def __bool__(self) -> bool:
        return bool(self.amounts)

    def capped(self, amount: Resources) -> Resources:
        """The amount, cut to the ceiling, each kind apart."""
        most = dict(self.amounts)
        return Resources.of((kind, min(value, most.get(kind, value))) for kind, value in amount.amounts)

    def excess(self, use: Resources) -> Resources:
        """By how much a use is above the ceiling, each kind apart."""
        return Resources.of((kind, use[kind] - most) for kind, most in self.amounts if use[kind] > most)


NO_CEILING = Ceiling()


def total(many: Iterable[Resources]) -> Resources:
    """The sum of many."""
    merged: dict[str, int] = {}
    for each in many:
        for kind, amount in each.amounts:
            merged[kind] = merged.get(kind, 0) + amount
    return Resources.of(merged)


def describe(resources: Resources) -> str:
    """Plain words for people: ``250m cpu, 64 MiB memory``."""
    return ", ".join(_describe_amount(kind, amount) for kind, amount in resources.amounts) or "nothing"


def _describe_amount(kind: str, amount: int) -> str:
    if kind == CPU_MILLIS:
        return f"{amount}m cpu"
    if kind == MEMORY_BYTES:
        return f"{amount / 2**20:.4g} MiB memory"
    return f"{amount} {kind}"
