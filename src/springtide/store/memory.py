"""A record in memory: for tests and simulations; works in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from springtide.model.record import Change, Commit, Entry, Kind, Record
from springtide.store.base import NOTHING_READ, Fence, ReadVersions, Retention
from springtide.store.refusals import (
    refuse_lost_fence,
    refuse_lost_history,
    refuse_stale_reads,
    refuse_wrong_values,
)
from springtide.store.tail import CommitTail

_KEEP_ALL = Retention()


class MemoryStore:
    """A store that lives as long as its object.

    Closing ends its watches and keeps the record, so that a test can end one control plane and
    start the next one on what the first has left.
    """

    def __init__(self, retention: Retention = _KEEP_ALL) -> None:
        self._retention = retention
        self._record = Record()
        self._sets: dict[Kind, dict[str, Entry]] = {kind: {} for kind in Kind}
        self._tail = CommitTail(retention.commits)
        self._fence = 0

    async def acquire_fence(self) -> Fence:
        self._fence += 1
        return Fence(self._fence)

    async def read(self) -> Record:
        return self._record

    async def list(self, kind: Kind, *, last: int | None = None) -> Sequence[Entry]:
        entries = tuple(self._sets[kind].values())
        return entries if last is None else entries[max(0, len(entries) - last) :]

    async def commit(
        self, changes: Sequence[Change], *, read: ReadVersions = NOTHING_READ, fence: Fence | None = None
    ) -> int:
        refuse_wrong_values(changes)
        refuse_lost_fence(fence, self._fence)
        refuse_stale_reads(read, self._record.set_versions, self._versions_of(read))
        if changes:
            self._apply(Commit(self._record.version + 1, tuple(changes)))
        return self._record.version

    async def watch(self, since: int) -> AsyncIterator[Commit]:
        closings = self._tail.closings
        while self._tail.closings == closings:
            news = self._tail.news
            refuse_lost_history(since, self._tail.oldest, self._tail.version)
            for commit in self._tail.after(since):
                yield commit
                since = commit.version
            if since == self._tail.version:
                await news.wait()

    async def close(self) -> None:
        self._tail.close()

    def _versions_of(self, read: ReadVersions) -> dict[tuple[Kind, str], int]:
        present = ((key, self._sets[key[0]].get(key[1])) for key in read.entries)
        return {key: entry.version for key, entry in present if entry is not None}

    def _apply(self, commit: Commit) -> None:
        for change in commit.changes:
            # Taken out first, so that a set is in order of writing.
            self._sets[change.kind].pop(change.id, None)
            if change.value is not None:
                entry = Entry(change.kind, change.id, change.value, commit.version)
                self._sets[change.kind][change.id] = entry
        self._forget_old_events()
        self._record = self._record.after(commit)
        self._tail.append(commit)

    def _forget_old_events(self) -> None:
        events = self._sets[Kind.EVENT]
        while len(events) > self._retention.events:
            del events[next(iter(events))]
