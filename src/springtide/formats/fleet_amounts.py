"""Amounts of resources in a fleet file: ``{cpus: 0.2, memory: 256M, pids: 4096, resources: {gpu: 1}}``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from springtide.formats.entries import Entry, near_name
from springtide.formats.quantities import parse_bytes, parse_cpus
from springtide.model.fleet import Cloud, Node
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Ceiling, Resources, describe

DEFAULT_SLICE_PIDS = 4096
MOST_OF_A_KIND = 2**50
"""More than any machine or line has, and little enough to be summed over ten thousand of them."""

KEY_OF_KIND: Mapping[str, str] = {CPU_MILLIS: "cpus", MEMORY_BYTES: "memory", PIDS: "pids"}

Amounts = Mapping[str, tuple[int, Entry]]
"""The amount of each kind that is named, and where it stands."""

_PARSERS: Mapping[str, Callable[[str | int | float], int]] = {
    CPU_MILLIS: parse_cpus,
    MEMORY_BYTES: parse_bytes,
    PIDS: int,
}


def named_kinds(entry: Entry) -> Iterator[tuple[str, Entry]]:
    """Each kind that is named, and where: ``cpus``, ``memory``, ``pids``, then those under ``resources``."""
    for kind, key in KEY_OF_KIND.items():
        named = entry.get(key)
        if named is not None:
            yield kind, named
    further = entry.get("resources")
    for kind, named in further.mapping().items() if further else ():
        if kind in KEY_OF_KIND:
            raise named.error(f"{kind!r} has a key of its own.", "Write it as `cpus`, `memory` or `pids`.")
        yield kind, named


def read_amounts(entry: Entry) -> Iterator[tuple[str, int, Entry]]:
    """Each amount that is named: its kind, its integer amount, and where it stands."""
    for kind, named in named_kinds(entry):
        parse = _PARSERS.get(kind)
        amount = named.whole_number() if parse is None else named.parsed(parse)
        yield kind, bounded(named, amount, partial(describe_amount, kind)), named


def bounded(entry: Entry, amount: int, described: Callable[[int], str]) -> int:
    """The amount, where it isn't absurd. Raises the file's error above :data:`MOST_OF_A_KIND`."""
    if amount > MOST_OF_A_KIND:
        sentence = f"{described(amount)} is absurd: at most 2^50, which is {described(MOST_OF_A_KIND)}, can be counted."
        raise entry.error(sentence, "Take noughts off, or look at the unit.")
    return amount


def read_slice(entry: Entry) -> Resources:
    """What one node has. Raises the file's error for an amount that isn't above nought."""
    amounts = {PIDS: DEFAULT_SLICE_PIDS}
    for kind, amount, named in read_amounts(entry):
        if amount <= 0:
            raise named.error(f"A node must have more than {amount} of this.", "Write what the node has.")
        amounts[kind] = amount
    return Resources.of(amounts)


def kinds_of(nodes: Iterable[Node], clouds: Iterable[Cloud]) -> frozenset[str]:
    """The kinds that any node has, owned or on offer; processors, memory and processes always."""
    shapes = [node.allocatable for node in nodes]
    shapes += [offer.resources for cloud in clouds for offer in cloud.offers]
    return frozenset(KEY_OF_KIND).union(*(shape.kinds for shape in shapes))


def check_kind(kind: str, named: Entry, kinds: frozenset[str]) -> None:
    """Raise the file's error for a kind that no node has, with those that exist."""
    if kind in kinds:
        return
    further = sorted(kinds - set(KEY_OF_KIND))
    listed = ", ".join([*KEY_OF_KIND.values(), *further])
    remedy = near_name(kind, further) or "Leave it out, or give it to a node."
    raise named.error(f"No node and no offer has {kind!r}; the kinds are {listed}.", remedy)


def read_limits(entry: Entry | None, kinds: frozenset[str]) -> Amounts:
    """The amounts of a limit. Raises the file's error for a kind that no node has."""
    limits = {}
    for kind, amount, named in read_amounts(entry) if entry else ():
        check_kind(kind, named, kinds)
        limits[kind] = (amount, named)
    return limits


def ceiling(limits: Amounts) -> Ceiling:
    """The limits without their places."""
    return Ceiling.of((kind, amount) for kind, (amount, _) in limits.items())


def describe_amount(kind: str, amount: int) -> str:
    """Plain words for one amount, nought included: ``250m cpu``, ``0 gpu``."""
    if amount:
        return describe(Resources.of({kind: amount}))
    return f"0 {KEY_OF_KIND.get(kind, kind)}"
