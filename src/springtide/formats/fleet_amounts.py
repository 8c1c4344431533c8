"""Amounts of resources in a fleet file: ``{cpus: 0.2, memory: 256M, pids: 4096, resources: {gpu: 1}}``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from springtide.formats.entries import Entry
from springtide.formats.quantities import parse_bytes, parse_cpus
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources

DEFAULT_SLICE_PIDS = 4096

_BUILT_IN: tuple[tuple[str, str, Callable[[str | int | float], int]], ...] = (
    ("cpus", CPU_MILLIS, parse_cpus),
    ("memory", MEMORY_BYTES, parse_bytes),
    ("pids", PIDS, int),
)


def read_amounts(entry: Entry) -> Iterator[tuple[str, int, Entry]]:
    """Each amount that is named: its kind, its integer amount, and where it stands."""
    for key, kind, parse in _BUILT_IN:
        named = entry.get(key)
        if named is not None:
            yield kind, named.parsed(parse), named
    further = entry.get("resources")
    for kind, named in further.mapping().items() if further else ():
        if kind in (CPU_MILLIS, MEMORY_BYTES, PIDS):
            raise named.error(f"{kind!r} has a key of its own.", "Write it as `cpus`, `memory` or `pids`.")
        yield kind, named.whole_number(), named


def read_slice(entry: Entry) -> Resources:
    """What one node has. Raises the file's error for an amount that isn't above nought."""
    amounts = {PIDS: DEFAULT_SLICE_PIDS}
    for kind, amount, named in read_amounts(entry):
        if amount <= 0:
            raise named.error(f"A node must have more than {amount} of this.", "Write what the node has.")
        amounts[kind] = amount
    return Resources.of(amounts)
