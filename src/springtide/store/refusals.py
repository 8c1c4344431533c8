"""When a commit is refused: the same sentences for every store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from springtide.model.errors import FenceLostError, StaleReadError
from springtide.model.record import VALUE_TYPES, Change, Kind
from springtide.store.base import Fence, ReadVersions


def refuse_wrong_values(changes: Sequence[Change]) -> None:
    """Raise TypeError where a value isn't of its set's type: a mistake of the program, not of people."""
    for change in changes:
        expected = VALUE_TYPES[change.kind]
        if change.value is not None and not isinstance(change.value, expected):
            found = type(change.value).__name__
            raise TypeError(f"{change.kind}/{change.id} must be a {expected.__name__}, not a {found}")


def refuse_lost_fence(fence: Fence | None, newest: int) -> None:
    """Raise FenceLostError unless the fence is the newest one, or none is needed."""
    if fence is not None and fence.number != newest:
        raise FenceLostError(
            f"This controller holds fence {fence.number}, but fence {newest} has been given out since.",
            remedy="Another controller has taken over; stop this one.",
        )


def refuse_stale_reads(read: ReadVersions, sets: Mapping[Kind, int], entries: Mapping[tuple[Kind, str], int]) -> None:
    """Raise StaleReadError where a set or an entry has another version than the one that was read.

    ``sets`` and ``entries`` hold present versions; what they don't name is at version 0.
    """
    for kind, version in read.sets.items():
        if sets.get(kind, 0) != version:
            raise _stale(f"The set {kind}", version, sets.get(kind, 0))
    for key, version in read.entries.items():
        if entries.get(key, 0) != version:
            raise _stale(f"The entry {key[0]}/{key[1]}", version, entries.get(key, 0))


def refuse_lost_history(since: int, oldest: int, newest: int) -> None:
    """Raise StaleReadError unless every commit after ``since`` is kept: ``oldest <= since <= newest``."""
    if not oldest <= since <= newest:
        raise StaleReadError(
            f"Commits after version {since} can't be replayed: the record is at version {newest} "
            f"and keeps the commits after version {oldest}.",
            remedy="Read the whole record and watch from its version.",
        )


def _stale(what: str, read: int, present: int) -> StaleReadError:
    return StaleReadError(
        f"{what} was read at version {read} but is at version {present} now.",
        remedy="Read again and decide again.",
    )
