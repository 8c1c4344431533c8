"""The fleet's nodes as rows of arrays: laid out once for each fleet file, shared by all plans until it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from springtide.model.fleet import EMPTY_FLEET, Fleet, Node, Pool
from springtide.model.identifiers import NodeId, PoolName
from springtide.model.resources import Resources
from springtide.planning.quota_tree import Tree

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LARGEST_AMOUNT = 2**48
"""No node has more of a kind than this (256 TiB of memory), and nothing that asks for more fits: sums stay exact."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows are nodes by id, columns are kinds of resources by name. ``healthy`` sums a pool's nodes.

    Nodes with the same attributes (labels and site) are of one class.
    """

    fleet: Fleet
    kinds: tuple[str, ...]
    nodes: tuple[Node, ...]
    row_of: Mapping[NodeId, int]
    allocatable: IntArray
    pools: Mapping[PoolName, Pool]
    rows_of_pool: Mapping[PoolName, IntArray]
    class_of: IntArray
    classes: tuple[Mapping[str, str], ...]
    healthy: Mapping[PoolName, Resources]
    tree: Tree

    @property
    def column_of(self) -> dict[str, int]:
        return {kind: column for column, kind in enumerate(self.kinds)}


def lay_out(fleet: Fleet, kinds: Iterable[str] = ()) -> Layout:
    """Lay a fleet's nodes out, with columns for their kinds and for those named."""
    known = {kind for node in fleet.nodes for kind, _ in node.allocatable.amounts}
    columns = tuple(sorted(known.union(kinds)))
    by_id = {node.id: node for node in fleet.nodes}
    nodes = tuple(by_id[id] for id in sorted(by_id))
    column_of = {kind: column for column, kind in enumerate(columns)}
    vectors: dict[Resources, list[int]] = {}
    for node in nodes:
        if node.allocatable not in vectors:
            vectors[node.allocatable] = node_vector(node.allocatable, column_of)
    rows: dict[PoolName, list[int]] = {}
    for row, node in enumerate(nodes):
        rows.setdefault(node.pool, []).append(row)
    numbers: dict[tuple[tuple[str, str], ...], int] = {}
    pools = {pool.name: pool for pool in reversed(fleet.pools)}
    class_of = [numbers.setdefault(attributes_of(node, pools.get(node.pool)), len(numbers)) for node in nodes]
    table = [vectors[node.allocatable] for node in nodes]
    return Layout(
        fleet=fleet,
        kinds=columns,
        nodes=nodes,
        row_of=MappingProxyType({node.id: row for row, node in enumerate(nodes)}),
        allocatable=np.array(table, dtype=np.int64).reshape(len(nodes), len(columns)),
        pools=MappingProxyType(pools),
        rows_of_pool=MappingProxyType({pool: np.array(found, dtype=np.int64) for pool, found in rows.items()}),
        class_of=np.array(class_of, dtype=np.int64),
        classes=tuple(MappingProxyType(dict(attributes)) for attributes in numbers),
        healthy=MappingProxyType({pool: _sum(nodes[row].allocatable for row in found) for pool, found in rows.items()}),
        tree=Tree.of(fleet),
    )


def attributes_of(node: Node, pool: Pool | None) -> tuple[tuple[str, str], ...]:
    """What placement constraints may ask of a node: its labels, and its site."""
    return (*node.labels, ("site", pool.site)) if pool is not None else node.labels


EMPTY_LAYOUT = lay_out(EMPTY_FLEET)


def node_vector(amount: Resources, column_of: Mapping[str, int]) -> list[int]:
    """What a node has, by column, cut to the largest amount there is."""
    vector = [0] * len(column_of)
    for kind, value in amount.amounts:
        vector[column_of[kind]] = max(-LARGEST_AMOUNT, min(value, LARGEST_AMOUNT))
    return vector


def ask_vector(amount: Resources, column_of: Mapping[str, int]) -> list[int]:
    """What an instance asks for or holds, by column; what is too large for every node stays too large.

    Amounts below nought count as nought: who holds less than nothing frees no room for others.
    """
    vector = [0] * len(column_of)
    for kind, value in amount.amounts:
        vector[column_of[kind]] = max(0, min(value, LARGEST_AMOUNT + 1))
    return vector


def _sum(amounts: Iterable[Resources]) -> Resources:
    """A sum in which equal amounts, of which a pool has many, are added once each."""
    counts: dict[Resources, int] = {}
    for amount in amounts:
        counts[amount] = counts.get(amount, 0) + 1
    sums: dict[str, int] = {}
    for amount, count in counts.items():
        for kind, value in amount.amounts:
            sums[kind] = sums.get(kind, 0) + value * count
    return Resources.of(sums)
