"""Capacity of many nodes as arrays, and the one question asked of it: where does this fit best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from springtide.planning.layout import BoolArray, IntArray

STRANDED_WEIGHT = 3
"""How much worse than plain left-overs it is to leave much of one kind beside little of another: what is left of the
one can then be used by nobody. On crowded fleets (``test_optimum.py``) 3 reached the optimum more often than 0: 90%
against 85% of the family ``mixed``, 79% against 75% of ``crossing``."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An amount as columns: ``asked`` are those of which there must be enough; ``None`` where no node has the kind."""

    vector: IntArray
    asked: IntArray
    amounts: IntArray
    is_possible: bool = True


@dataclass(slots=True)
class Space:
    """What each node (a row) has of each kind (a column).

    ``free``: nothing is placed there. ``leaving``: held by what is about to go. ``promised``: waits for
    somebody and is nobody else's, neither now nor later. A node that isn't ready boots; one that
    doesn't accept is on its way out.
    """

    allocatable: IntArray
    free: IntArray
    leaving: IntArray
    promised: IntArray
    is_ready: BoolArray
    accepts: BoolArray

    def later(self, rows: IntArray) -> IntArray:
        """What the rows have once all that leaves has left, without what is promised."""
        later: IntArray = self.free[rows] + self.leaving[rows] - self.promised[rows]
        return later

    def fits_now(self, row: int, ask: Ask) -> bool:
        """Whether the ask fits on a node at once without touching what is promised."""
        if not self.is_ready[row] or not self.fits_later(row, ask):
            return False
        return bool((self.free[row, ask.asked] >= ask.amounts).all())

    def fits_later(self, row: int, ask: Ask) -> bool:
        """Whether the ask fits on a node once all that leaves has left."""
        if not ask.is_possible or not self.accepts[row]:
            return False
        asked = ask.asked
        later = self.free[row, asked] + self.leaving[row, asked] - self.promised[row, asked]
        return bool((later >= ask.amounts).all())

    def copy(self) -> Space:
        """A copy to try things on."""
        return Space(
            self.allocatable,
            self.free.copy(),
            self.leaving.copy(),
            self.promised.copy(),
            self.is_ready,
            self.accepts,
        )

    def best(self, rows: IntArray, ask: Ask, *, is_now: bool, ranks: IntArray | None = None) -> int | None:
        """The row among these where the ask fits, at once or once all that leaves has left, and leaves the least.

        What is left counts in permille of the node: the sum over the kinds asked for, and their imbalance.
        The lowest rank wins before that; of equal ones the first.
        """
        if not len(rows) or not ask.is_possible:
            return None
        cells = np.ix_(rows, ask.asked)
        free = self.free[cells]
        left = free + self.leaving[cells] - self.promised[cells] - ask.amounts
        fits = self.accepts[rows] & (left >= 0).all(axis=1)
        if is_now:
            fits &= self.is_ready[rows] & (free >= ask.amounts).all(axis=1)
        found = np.flatnonzero(fits)
        if not len(found):
            return None
        if len(found) == 1 or not len(ask.asked):
            return int(rows[found[0]])
        if ranks is not None:
            found = found[ranks[rows[found]] == ranks[rows[found]].min()]
        whole = np.maximum(self.allocatable[cells][found], 1)
        permille = left[found] * 1000 // whole
        stranded = permille.max(axis=1) - permille.min(axis=1)
        return int(rows[found[int((permille.sum(axis=1) + STRANDED_WEIGHT * stranded).argmin())]])
