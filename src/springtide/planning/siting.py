"""Where a service's instances may stand by its placement rules: filters over nodes, and how many fail which.

What a rule asks of a node's labels is asked once for each class of nodes. What it asks about other
instances (so many a node, near, apart, spread) is counted by row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from springtide.model.identifiers import ServiceId
from springtide.model.placements import Placement
from springtide.model.resources import Resources
from springtide.model.workloads import Service, goes_first
from springtide.planning.board import Board
from springtide.planning.crossings import Crossings
from springtide.planning.layout import BoolArray, IntArray

NODE_DOMAIN = "node"
"""The domain that every node is by itself."""
LINE = "line"
"""The filter of nodes that the line carries no more for."""


@dataclass(slots=True)
class Siting:
    """Placement rules on a board; a trial's siting also counts what the trial has placed."""

    board: Board
    tried: dict[ServiceId, dict[int, int]] = field(default_factory=dict)
    gone: dict[ServiceId, dict[int, int]] = field(default_factory=dict)
    """Whom the trial asks to leave, or supposes absent: nobody can be near them, nor need be apart from them later."""
    crossings: Crossings | None = None
    """Lines as the trial has them; ``None`` while they are as on the board."""

    def copy(self) -> Siting:
        """The same, to suppose more."""
        tried, gone = ({id: dict(rows) for id, rows in each.items()} for each in (self.tried, self.gone))
        return Siting(self.board, tried, gone, self.crossings.copy() if self.crossings is not None else None)

    def add(self, service: ServiceId, row: int, *, is_now: bool = True) -> None:
        """Count an instance that only the trial has placed, or that waits there for others to leave."""
        lines = self._lines_of_its_own()
        if lines is not None:
            reserve = lines.reserve if is_now else lines.promise
            reserve(self.board.services[service], self.board.table.nodes[row].id)
        _count(self.tried, service, row)

    def suppose_gone(self, placement: Placement) -> None:
        """From now on an instance is nobody's neighbour, and about to be off the lines."""
        lines = self._lines_of_its_own()
        if lines is not None:
            lines.let_leave(placement)
        row = self.board.table.row_of.get(placement.node)
        if row is not None:
            _count(self.gone, placement.service, row)

    def _lines_of_its_own(self) -> Crossings | None:
        if self.crossings is None and self.board.crossings is not None:
            self.crossings = self.board.crossings.copy()
        return self.crossings

    def open_rows(self, service: Service, rows: IntArray, *, is_now: bool = True) -> IntArray:
        """Those of the rows on which the service's rules allow one more instance, now or once all who leave have."""
        for _, allowed in self.filters(service, rows, is_now=is_now):
            rows = rows[allowed[rows]]
        return rows

    def filters(self, service: Service, rows: IntArray, *, is_now: bool = True) -> list[tuple[str, BoolArray]]:
        """The rules that say anything, in words, with whether each row passes."""
        rules = service.placement
        found = [(str(each), self.board.table.rows_where(each)) for each in rules.constraints] if rules else []
        if rules.max_per_node:
            count = self._counts(service.id)
            found.append((f"at most {rules.max_per_node} a node", count < rules.max_per_node))
        for other in rules.near:
            if not self.may_go_first(service, other):
                found.append((f"near {other}", self._domains_of(self._neighbours(other), rules.domain)))
        for other, domain in self.board.kept_apart(service):
            there = self._counts(other) if is_now else self._neighbours(other)
            found.append((f"apart from {other}", ~self._domains_of(there, domain)))
        crossings = self.crossings or self.board.crossings
        if crossings is not None and (carried := crossings.open_rows(service, is_now=is_now)) is not None:
            found.append((LINE, carried))
        return found

    def ranks(self, service: Service) -> IntArray | None:
        """By row how crowded its domains are, the lower the better; ``None`` where nothing asks for a spread."""
        ranks: IntArray | None = None
        for label in service.placement.spread:
            domains = self.board.table.domain_of(label)
            counts = self._counts(service.id)
            crowd = np.bincount(domains, weights=counts, minlength=int(domains.max(initial=0)) + 1).astype(np.int64)
            ranks = crowd[domains] if ranks is None else ranks * (int(crowd.max(initial=0)) + 1) + crowd[domains]
        return ranks

    def _counts(self, service: ServiceId) -> IntArray:
        counts = np.zeros(len(self.board.table.class_of), dtype=np.int64)
        board = self.board
        for found in (board.standing(service), board.coming.get(service, {}), self.tried.get(service, {})):
            for row, count in found.items():
                counts[row] += count
        return counts

    def _neighbours(self, service: ServiceId) -> IntArray:
        """By row, how many of a service stay or come: those who are about to leave don't count."""
        counts, board = self._counts(service), self.board
        for id in board.departing.get(service, frozenset()) & board.leaving:
            row = board.table.row_of.get(board.placements[id].node)
            if row is not None:
                counts[row] -= 1
        for row, count in self.gone.get(service, {}).items():
            counts[row] -= count
        return counts

    def _domains_of(self, counts: IntArray, label: str) -> BoolArray:
        """The rows in whose domain any is counted."""
        domains = self.board.table.domain_of(label)
        present: BoolArray = np.isin(domains, domains[counts > 0])
        return present

    def may_go_first(self, service: Service, other: ServiceId) -> bool:
        """Of two services that want to be near each other, the first by id needn't wait for the other."""
        if self._counts(other).any():
            return False
        theirs = self.board.services.get(other)
        return theirs is not None and goes_first(service.id, other, theirs.placement)


def _count(counts: dict[ServiceId, dict[int, int]], service: ServiceId, row: int) -> None:
    mine = counts.setdefault(service, {})
    mine[row] = mine.get(row, 0) + 1


def tally_refusals(siting: Siting, service: Service, rows: IntArray) -> tuple[tuple[str, int], ...]:
    """How many of these nodes fail which filter: each counts once, under the first that it fails.

    In this order: nodes on their way out, the service's rules, nodes that still boot, then what they
    have too little of, the kind of which most lack enough first.
    """
    space, ask = siting.board.table.space, siting.board.table.ask(service.resources)
    tally: list[tuple[str, int]] = []

    def keep(name: str, passes: BoolArray) -> None:
        nonlocal rows
        failed = len(rows) - int(passes.sum())
        if failed:
            tally.append((name, failed))
        rows = rows[passes]

    keep("closed", space.accepts[rows])
    for name, allowed in siting.filters(service, rows):
        keep(name, allowed[rows])
    keep("booting", space.is_ready[rows])
    kinds = sorted(service.resources.kinds, key=lambda kind: _lacking(siting, service.resources, kind, rows))
    for kind in reversed(kinds):
        keep(kind, _has(siting, service.resources, kind, rows))
    if len(rows) and ask.is_possible:
        tally.append(("fits", len(rows)))
    return tuple(tally)


def _has(siting: Siting, amount: Resources, kind: str, rows: IntArray) -> BoolArray:
    board = siting.board
    if amount[kind] <= 0:
        return np.ones(len(rows), dtype=np.bool_)
    if kind not in board.table.column_of:
        return np.zeros(len(rows), dtype=np.bool_)
    column, space = board.table.column_of[kind], board.table.space
    free = space.free[rows, column]
    later = free + space.leaving[rows, column] - space.promised[rows, column]
    enough: BoolArray = np.minimum(free, later) >= amount[kind]
    return enough


def _lacking(siting: Siting, amount: Resources, kind: str, rows: IntArray) -> int:
    return len(rows) - int(_has(siting, amount, kind, rows).sum())
