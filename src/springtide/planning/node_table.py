"""The board's nodes: rows of arrays, to which rented ones are added, and what is asked of rows again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from springtide.model.fleet import Node, Pool
from springtide.model.identifiers import NodeId, PoolName
from springtide.model.mappings import thawed
from springtide.model.resources import Resources
from springtide.model.workloads import Constraint
from springtide.planning.ground import Ground
from springtide.planning.layout import BoolArray, IntArray, ask_vector, attributes_of, node_vector
from springtide.planning.space import Ask, Space

_SPARE_ROWS = 16


@dataclass(slots=True)
class NodeTable:
    """Nodes by row, rows by node and by pool, classes of nodes with equal attributes, and their capacity."""

    kinds: tuple[str, ...]
    column_of: dict[str, int]
    nodes: list[Node]
    row_of: dict[NodeId, int]
    rows_of_pool: dict[PoolName, IntArray]
    class_of: IntArray
    classes: list[Mapping[str, str]]
    space: Space
    _masks: dict[Constraint, BoolArray] = field(default_factory=dict)
    _asks: dict[Resources, Ask] = field(default_factory=dict)
    _domains: dict[str, IntArray] = field(default_factory=dict)

    @classmethod
    def start(cls, ground: Ground, kinds: Iterable[str]) -> NodeTable:
        """The fleet's nodes with what is in use taken off; ``kinds`` are those that rented nodes add."""
        layout = ground.layout
        table = cls(
            kinds=layout.kinds,
            column_of=layout.column_of,
            nodes=list(layout.nodes),
            row_of=thawed(layout.row_of),
            rows_of_pool=thawed(layout.rows_of_pool),
            class_of=np.concatenate([layout.class_of, np.zeros(_SPARE_ROWS, dtype=np.int64)]),
            classes=list(layout.classes),
            space=_space_of(ground),
        )
        table._add_kinds(set(kinds).difference(layout.kinds))
        return table

    def amount_of(self, row: IntArray) -> Resources:
        """One row of an array as resources."""
        return Resources(tuple((kind, value) for kind, value in zip(self.kinds, row.tolist(), strict=True) if value))

    def ask(self, amount: Resources) -> Ask:
        """An amount as columns."""
        ask = self._asks.get(amount)
        if ask is None:
            known = Resources(tuple(each for each in amount.amounts if each[0] in self.column_of))
            vector = np.array(ask_vector(known, self.column_of), dtype=np.int64)
            asked = np.flatnonzero(vector > 0)
            is_possible = all(kind in self.column_of for kind, value in amount.amounts if value > 0)
            ask = self._asks[amount] = Ask(vector, asked, vector[asked], is_possible)
        return ask

    def add(self, node: Node, pool: Pool | None, *, is_ready: bool, accepts: bool) -> int:
        """Put an empty node into a row of its own, and say which."""
        row = len(self.nodes)
        self.nodes.append(node)
        if row >= len(self.space.free):
            self._add_rows()
        self.row_of[node.id] = row
        self.class_of[row] = len(self.classes)
        self.classes.append(dict(attributes_of(node, pool)))
        self._domains.clear()
        self._masks.clear()
        whole = np.array(node_vector(node.allocatable, self.column_of), dtype=np.int64)
        space = self.space
        space.allocatable[row], space.free[row] = whole, whole
        space.is_ready[row], space.accepts[row] = is_ready, accepts
        ids = sorted([*(self.nodes[r].id for r in self.rows_of_pool.get(node.pool, ())), node.id])
        self.rows_of_pool[node.pool] = np.array([self.row_of[id] for id in ids], dtype=np.int64)
        return row

    def remove(self, id: NodeId) -> Node | None:
        """Take a node out; its row stays empty and takes nothing."""
        row = self.row_of.pop(id, None)
        if row is None:
            return None
        node = self.nodes[row]
        self.rows_of_pool[node.pool] = self.rows_of_pool[node.pool][self.rows_of_pool[node.pool] != row]
        self.space.accepts[row] = False
        return node

    def rows_in(self, pools: Iterable[PoolName]) -> IntArray:
        """The rows of these pools, by node id."""
        found = [self.rows_of_pool[pool] for pool in pools if pool in self.rows_of_pool]
        if len(found) == 1:
            return found[0]
        rows = sorted({int(row) for part in found for row in part}, key=lambda row: self.nodes[row].id)
        return np.array(rows, dtype=np.int64)

    def rows_where(self, constraint: Constraint) -> BoolArray:
        """By row whether its attributes meet a constraint: asked once for each class of nodes."""
        if constraint not in self._masks:
            by_class = np.array([constraint.is_met_by(each) for each in self.classes] or [False], dtype=np.bool_)
            self._masks[constraint] = by_class[self.class_of]
        return self._masks[constraint]

    def domain_of(self, label: str) -> IntArray:
        """By row a number for the value of a label, 0 where there is none; every node is a domain ``node``."""
        if label not in self._domains:
            if label == "node":
                self._domains[label] = np.arange(len(self.class_of), dtype=np.int64)
            else:
                values: dict[str | None, int] = {None: 0}
                numbers = [values.setdefault(each.get(label), len(values)) for each in self.classes] or [0]
                self._domains[label] = np.array(numbers, dtype=np.int64)[self.class_of]
        return self._domains[label]

    def _add_kinds(self, fresh: set[str]) -> None:
        if not fresh:
            return
        self.kinds = (*self.kinds, *sorted(fresh))
        self.column_of = {kind: column for column, kind in enumerate(self.kinds)}
        space = self.space
        for name in ("allocatable", "free", "leaving", "promised"):
            setattr(space, name, _grown(getattr(space, name), 0, len(fresh)))

    def _add_rows(self) -> None:
        space, more = self.space, max(_SPARE_ROWS, len(self.nodes) // 2)
        self.class_of = np.concatenate([self.class_of, np.zeros(more, dtype=np.int64)])
        for name in ("allocatable", "free", "leaving", "promised"):
            setattr(space, name, _grown(getattr(space, name), more, 0))
        for name in ("is_ready", "accepts"):
            setattr(space, name, np.concatenate([getattr(space, name), np.zeros(more, dtype=np.bool_)]))


def _space_of(ground: Ground) -> Space:
    """The fleet's nodes with what is in use taken off, and spare rows for rented ones."""
    allocatable = _grown(ground.layout.allocatable, _SPARE_ROWS, 0)
    free = allocatable.copy()
    free[: len(ground.used)] -= ground.used
    open_rows = np.arange(len(free)) < len(ground.used)
    return Space(allocatable, free, np.zeros_like(free), np.zeros_like(free), open_rows, open_rows.copy())


def _grown(array: IntArray, rows: int, columns: int) -> IntArray:
    """A copy with so many more rows and columns of noughts."""
    grown = np.zeros((array.shape[0] + rows, array.shape[1] + columns), dtype=np.int64)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
