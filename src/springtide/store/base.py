"""The protocol of stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from springtide.model.record import Change, Commit, Entry, Kind, Record


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to commit as a controller. A higher number takes the right from all lower ones."""

    number: int


@dataclass(frozen=True, slots=True)
class ReadVersions:
    """What a commit rests on. A commit is refused where any of these has changed since.

    ``sets``: whole sets, with the set's version when it was read. ``entries``: single entries by
    (kind, id), with the entry's version, 0 for "was not there".
    """

    sets: Mapping[Kind, int]
    entries: Mapping[tuple[Kind, str], int]


NOTHING_READ = ReadVersions({}, {})


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history a store keeps: commits for watchers, and events for people."""

    commits: int = 10_000
    events: int = 5_000


class Store(Protocol):
    """A versioned record with optimistic commits.

    Durable stores lose nothing that ``commit`` returned for, also on ``kill -9``.
    Every method raises StoreError where the record can't be read or written (a full disk, say);
    then nothing has changed, and the call may be made again.
    """

    async def acquire_fence(self) -> Fence:
        """Take the right to commit: the returned fence makes every earlier one invalid."""
        ...

    async def read(self) -> Record:
        """The whole record (without events), consistent."""
        ...

    async def list(self, kind: Kind, *, last: int | None = None) -> Sequence[Entry]:
        """The entries of one set in order of writing; only the ``last`` so many where given."""
        ...

    async def commit(
        self, changes: Sequence[Change], *, read: ReadVersions = NOTHING_READ, fence: Fence | None = None
    ) -> int:
        """Apply all changes as one, and return the new version (versions rise by one).

        Raises StaleReadError where something in ``read`` has changed, FenceLostError where a newer
        fence was acquired; then nothing is applied. Without changes, checks and returns the
        present version. Wants written by the API carry no fence.
        """
        ...

    def watch(self, since: int) -> AsyncIterator[Commit]:
        """Every commit after version ``since``, in order, none missing, then later ones as they come.

        Ends when the store is closed. Raises StaleReadError where commits after ``since`` are no
        longer kept, or where ``since`` lies in the future (another record): read again.
        """
        ...

    async def close(self) -> None:
        """Release files and connections. Closing twice succeeds."""
        ...
