"""A durable record in SQL: SQLite in a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import Connection

from springtide.model.errors import StoreError
from springtide.model.record import Change, Commit, Entry, Kind, Record, record_of
from springtide.store.base import NOTHING_READ, Fence, ReadVersions, Retention
from springtide.store.codec import encode
from springtide.store.database import Database
from springtide.store.refusals import (
    refuse_lost_fence,
    refuse_lost_history,
    refuse_stale_reads,
    refuse_wrong_values,
)
from springtide.store.statements import (
    Encoded,
    commits_after,
    entry_versions,
    forget_history,
    oldest_kept,
    read_entries,
    read_head,
    read_newest,
    read_version,
    write_commit,
    write_fence,
)
from springtide.store.tail import CommitTail

_KEEP_ALL = Retention()
_TAIL_COMMITS = 1_000
_CATCH_UP_COMMITS = 100
"""Further behind than this, the whole record is read: that costs less than as many commits."""
_FORGET_EVERY_VERSIONS = 100


class SqlStore:
    """A store in one SQL database, shared by any number of programs on the machine.

    ``url`` is SQLAlchemy's: ``sqlite:////var/lib/springtide/record.db``. The file is made, and old
    tables are brought to the newest form, at :meth:`open` or the first call.
    ``busy_seconds``: how long a call waits for another program's write before it is a StoreError.
    ``poll_seconds``: how late, at most, a watch sees what another program has committed.
    """

    def __init__(
        self, url: str, retention: Retention = _KEEP_ALL, *, busy_seconds: float = 5.0, poll_seconds: float = 0.2
    ) -> None:
        self._database = Database(url, busy_seconds=busy_seconds)
        self._retention = retention
        self._poll_seconds = poll_seconds
        self._looked_at = 0.0
        self._seen_token: int | None = None
        self._tail = CommitTail(min(_TAIL_COMMITS, retention.commits))
        self._record = Record()
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Make or upgrade the tables now, rather than at the first call."""
        await self._database.open()

    async def acquire_fence(self) -> Fence:
        return await self._database.write(_take_fence)

    async def read(self) -> Record:
        await self._catch_up()
        if self._record.version < self._tail.oldest:
            whole = await self._database.read(_read_whole)
            self._record = max(whole, self._record, key=lambda record: record.version)
        for commit in self._tail.after(self._record.version):
            self._record = self._record.after(commit)
        return self._record

    async def list(self, kind: Kind, *, last: int | None = None) -> Sequence[Entry]:
        kept = self._retention.events if kind is Kind.EVENT else None
        count = min((each for each in (last, kept) if each is not None), default=None)
        return await self._database.read(lambda connection: read_newest(connection, kind, count))

    async def commit(
        self, changes: Sequence[Change], *, read: ReadVersions = NOTHING_READ, fence: Fence | None = None
    ) -> int:
        refuse_wrong_values(changes)
        encoded = tuple(Encoded(change, encode(change.kind, change.value)) for change in changes)
        # Shielded: a caller that is cancelled must not leave the tail behind its own commit.
        return await asyncio.shield(self._commit_in_turn(encoded, read, fence))

    async def watch(self, since: int) -> AsyncIterator[Commit]:
        closings = self._tail.closings
        while self._tail.closings == closings:
            try:
                commits = await self._next_commits(since)
            except StoreError:
                if self._tail.closings != closings:
                    return  # closed while this looked
                raise
            for commit in commits:
                yield commit
                since = commit.version

    async def close(self) -> None:
        self._tail.close()
        async with self._writing:
            await self._database.close()

    async def _commit_in_turn(self, encoded: Sequence[Encoded], read: ReadVersions, fence: Fence | None) -> int:
        def transaction(connection: Connection) -> tuple[Sequence[Commit], int]:
            head = read_head(connection, for_update=True)
            refuse_lost_fence(fence, head.fence)
            refuse_stale_reads(read, head.sets, entry_versions(connection, read.entries))
            missed = self._missed(connection, head.version)
            if not encoded:
                return missed, head.version
            commit = write_commit(connection, head, encoded)
            if commit.version % _FORGET_EVERY_VERSIONS == 0:
                forget_history(connection, commit.version, self._retention)
            return (*missed, commit), commit.version

        # In turn, so that the tail grows in the order of the commits.
        async with self._writing:
            commits, version = await self._database.write(transaction)
            self._tail.catch_up(commits, version)
        return version

    async def _catch_up(self) -> None:
        """Bring the tail to what the database holds now, whoever wrote it."""

        def look(connection: Connection) -> tuple[Sequence[Commit], int]:
            version = read_version(connection)
            return self._missed(connection, version), version

        commits, version = await self._database.read(look)
        self._tail.catch_up(commits, version)

    def _missed(self, connection: Connection, version: int) -> Sequence[Commit]:
        """The commits between the tail and ``version``; none where they are too many to be worth it."""
        held = self._tail.version
        return commits_after(connection, held) if 0 < version - held <= _CATCH_UP_COMMITS else ()

    async def _next_commits(self, since: int) -> Sequence[Commit]:
        """The commits after ``since``; waits a moment where there are none, and may return none."""
        news = self._tail.news
        commits = await self._commits_after(since)
        if not commits:
            await self._wait(news)
        return commits

    async def _commits_after(self, since: int) -> Sequence[Commit]:
        def replay(connection: Connection) -> Sequence[Commit]:
            version = read_version(connection)
            oldest = max(version - self._retention.commits, oldest_kept(connection, version))
            refuse_lost_history(since, oldest, version)
            return commits_after(connection, since)

        if self._tail.oldest <= since <= self._tail.version:
            return self._tail.after(since)
        return await self._database.read(replay)

    async def _wait(self, news: asyncio.Event) -> None:
        """Wait for a commit of this program, or look for one of another's."""
        try:
            async with asyncio.timeout(self._poll_seconds * 0.75):
                await news.wait()
        except TimeoutError:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at >= self._poll_seconds * 0.25:  # many watches share one look
                self._looked_at = now
                await self._look_for_others()

    async def _look_for_others(self) -> None:
        token = self._database.change_token()
        if token is None or token != self._seen_token:
            await self._catch_up()
            self._seen_token = token  # only now: a look that failed is made again


def _take_fence(connection: Connection) -> Fence:
    fence = Fence(read_head(connection, for_update=True).fence + 1)
    write_fence(connection, fence.number)
    return fence


def _read_whole(connection: Connection) -> Record:
    head = read_head(connection)
    return record_of(read_entries(connection), head.version, head.sets)
