"""Nodes of a fleet file: the slices of each pool, in one group or in several of different shapes."""

from __future__ import annotations

from collections.abc import Sequence

from springtide.formats.entries import Entry
from springtide.formats.fleet_amounts import describe_amount, read_slice
from springtide.formats.fleet_labels import read_labels
from springtide.model.fleet import Node
from springtide.model.identifiers import NodeId, PoolName
from springtide.model.resources import NOTHING, Resources, total

_MOST_OF_ALL_NODES = 2**56
"""A hundred times as much still fits in 64 bits, so that percentages of it can be reckoned."""


def read_nodes(root: Entry) -> tuple[Node, ...]:
    """The slices of every pool, named ``<pool>-<number>``, the numbers counting on over its groups.

    No two pools can give the same name: the number holds no dash, so the last dash divides it.
    Raises the file's error where all nodes together have an absurd amount.
    """
    nodes: list[Node] = []
    so_far = NOTHING
    for name, entry in root.mapping()["pools"].mapping().items():
        number = 0
        for group in groups_of(entry):
            shape, labels = read_slice(group), read_labels(group)
            so_far += shape.times(_count(group))
            _refuse_too_many(group, so_far)
            for _ in range(_count(group)):
                number += 1
                nodes.append(Node(NodeId(f"{name}-{number}"), PoolName(name), shape, labels))
    return tuple(nodes)


def owned_by(pool: Entry) -> Resources:
    """What all slices of a pool have together."""
    return total(read_slice(group).times(_count(group)) for group in groups_of(pool))


def groups_of(pool: Entry) -> Sequence[Entry]:
    """The groups of a pool's ``slices``, which may also be a single one; none where it rents."""
    slices = pool.get("slices")
    if slices is None:
        return ()
    return slices.sequence() if slices.is_sequence else (slices,)


def _count(group: Entry) -> int:
    count = group.get("count")
    return 1 if count is None else count.whole_number()


def _refuse_too_many(group: Entry, so_far: Resources) -> None:
    for kind, amount in so_far.amounts:
        if amount > _MOST_OF_ALL_NODES:
            raise group.error(
                f"Up to here the fleet has {describe_amount(kind, amount)}, which is absurd: at most 2^56, which is"
                f" {describe_amount(kind, _MOST_OF_ALL_NODES)}, can be counted.",
                "Take noughts off, or look at the unit.",
            )
