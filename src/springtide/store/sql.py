"""A durable record in SQL: SQLite in a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from springtide.model.errors import StoreError
from springtide.model.record import Change, Commit, Entry, Kind, Record, record_of
from springtide.store.base import NOTHING_READ, Fence, ReadVersions, Retention
from springtide.store.codec import decode, decode_changes, encode, encode_changes
from springtide.store.database import Database
from springtide.store.refusals import (
    refuse_lost_fence,
    refuse_lost_history,
    refuse_stale_reads,
    refuse_wrong_values,
)
from springtide.store.schema import COMMITS, ENTRIES, RECORD_HEAD
from springtide.store.tail import CommitTail

_KEEP_ALL = Retention()
_TAIL_COMMITS = 1_000
_CATCH_UP_COMMITS = 100
"""Further behind than this, the whole record is read: that costs less than as many commits."""
_COMMITS_PER_QUERY = 500
_IDS_PER_QUERY = 5_000
_PRUNE_EVERY_VERSIONS = 100

_HEAD = select(RECORD_HEAD.c.fence, RECORD_HEAD.c.version, RECORD_HEAD.c.set_versions)
_VERSION = select(RECORD_HEAD.c.version)
_ENTRY = select(ENTRIES.c.kind, ENTRIES.c.id, ENTRIES.c.version, ENTRIES.c.value)
_TAKE_OUT = delete(ENTRIES).where(ENTRIES.c.kind == bindparam("of"), ENTRIES.c.id == bindparam("named"))
_PUT_IN = insert(ENTRIES)
_LOG = insert(COMMITS)


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the record stands: the newest fence, its version, and each set's."""

    fence: int
    version: int
    sets: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A change with its value as text, so that encoding is done before the database is held."""

    change: Change
    text: str


class SqlStore:
    """A store in one SQL database, shared by any number of programs on the machine.

    ``url`` is SQLAlchemy's: ``sqlite+aiosqlite:////var/lib/springtide/record.db``. The file is made,
    and old tables are brought to the newest form, at :meth:`open` or the first call.
    ``poll_seconds``: how late, at most, a watch sees what another program has committed.
    """

    def __init__(
        self, url: str, retention: Retention = _KEEP_ALL, *, busy_seconds: float = 5.0, poll_seconds: float = 0.2
    ) -> None:
        self._database = Database(url, busy_seconds=busy_seconds)
        self._retention = retention
        self._poll_seconds = poll_seconds
        self._tail = CommitTail(min(_TAIL_COMMITS, retention.commits))
        self._record = Record()
        self._looked_at = 0.0
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Make or upgrade the tables now, rather than at the first call."""
        await self._database.open()

    async def acquire_fence(self) -> Fence:
        async with self._writing, self._database.writing() as connection:
            head = await _read_head(connection, for_update=True)
            await connection.execute(update(RECORD_HEAD).values(fence=head.fence + 1))
        return Fence(head.fence + 1)

    async def read(self) -> Record:
        await self._catch_up()
        if self._record.version < self._tail.oldest:
            whole = await self._read_whole()
            self._record = max(whole, self._record, key=lambda record: record.version)
        for commit in self._tail.after(self._record.version):
            self._record = self._record.after(commit)
        return self._record

    async def list(self, kind: Kind, *, last: int | None = None) -> Sequence[Entry]:
        kept = self._retention.events if kind is Kind.EVENT else None
        count = min((each for each in (last, kept) if each is not None), default=None)
        newest_first = _ENTRY.where(ENTRIES.c.kind == kind).order_by(ENTRIES.c.sequence.desc()).limit(count)
        async with self._database.reading() as connection:
            rows = (await connection.execute(newest_first)).all()
        return tuple(self._entry(row) for row in reversed(rows))

    async def commit(
        self, changes: Sequence[Change], *, read: ReadVersions = NOTHING_READ, fence: Fence | None = None
    ) -> int:
        refuse_wrong_values(changes)
        encoded = tuple(_Encoded(change, encode(change.kind, change.value)) for change in changes)
        # Shielded: a caller that is cancelled must not leave a transaction half-sent.
        return await asyncio.shield(self._commit_in_turn(encoded, read, fence))

    async def watch(self, since: int) -> AsyncIterator[Commit]:
        await self._database.open()
        closings = self._tail.closings
        while self._tail.closings == closings:
            try:
                commits = await self._next_commits(since)
            except StoreError:
                if self._tail.closings != closings:
                    return  # closed under our feet
                raise
            for commit in commits:
                yield commit
                since = commit.version

    async def close(self) -> None:
        self._tail.close()
        async with self._writing:
            await self._database.close()

    async def _commit_in_turn(self, encoded: Sequence[_Encoded], read: ReadVersions, fence: Fence | None) -> int:
        # One at a time: SQLite has one writer, and waiting here costs no polling of its lock.
        async with self._writing:
            async with self._database.writing() as connection:
                head = await _read_head(connection, for_update=True)
                refuse_lost_fence(fence, head.fence)
                refuse_stale_reads(read, head.sets, await _entry_versions(connection, read.entries))
                if not encoded:
                    return head.version
                missed = await self._missed(connection, head.version)
                commit = Commit(head.version + 1, tuple(each.change for each in encoded))
                await _write(connection, commit, encoded, head)
                await self._forget_history(connection, commit.version)
            self._tail.catch_up((*missed, commit), commit.version)
        return commit.version

    async def _forget_history(self, connection: AsyncConnection, version: int) -> None:
        if version % _PRUNE_EVERY_VERSIONS:
            return
        await connection.execute(delete(COMMITS).where(COMMITS.c.version <= version - self._retention.commits))
        events = select(ENTRIES.c.sequence).where(ENTRIES.c.kind == Kind.EVENT)
        oldest_kept = events.order_by(ENTRIES.c.sequence.desc()).limit(1).offset(self._retention.events - 1)
        too_old = ENTRIES.c.sequence < oldest_kept.scalar_subquery()
        await connection.execute(delete(ENTRIES).where(ENTRIES.c.kind == Kind.EVENT, too_old))

    async def _read_whole(self) -> Record:
        async with self._database.reading() as connection:
            head = await _read_head(connection)
            rows = (await connection.execute(_ENTRY.where(ENTRIES.c.kind != Kind.EVENT))).all()
        return record_of((self._entry(row) for row in rows), head.version, head.sets)

    async def _catch_up(self) -> None:
        """Bring the tail to what the database holds now, whoever wrote it."""
        self._looked_at = asyncio.get_running_loop().time()
        async with self._database.reading() as connection:
            version = (await connection.execute(_VERSION)).scalar_one()
            missed = await self._missed(connection, version)
        self._tail.catch_up(missed, version)

    async def _missed(self, connection: AsyncConnection, version: int) -> Sequence[Commit]:
        """The commits between the tail and ``version``; none where they are too many to be worth it."""
        if not 0 < version - self._tail.version <= _CATCH_UP_COMMITS:
            return ()
        return await self._logged(connection, self._tail.version)

    async def _next_commits(self, since: int) -> Sequence[Commit]:
        """The commits after ``since``; waits a moment where there are none, and may return none."""
        news = self._tail.news
        commits = await self._commits_after(since)
        if not commits:
            await self._wait(news)
        return commits

    async def _commits_after(self, since: int) -> Sequence[Commit]:
        if self._tail.oldest <= since <= self._tail.version:
            return self._tail.after(since)
        async with self._database.reading() as connection:
            version = (await connection.execute(_VERSION)).scalar_one()
            first = (await connection.execute(select(func.min(COMMITS.c.version)))).scalar()
            before_first = version if first is None else first - 1
            refuse_lost_history(since, max(version - self._retention.commits, before_first), version)
            return await self._logged(connection, since)

    async def _logged(self, connection: AsyncConnection, since: int) -> Sequence[Commit]:
        later = select(COMMITS.c.version, COMMITS.c.changes).where(COMMITS.c.version > since)
        rows = await connection.execute(later.order_by(COMMITS.c.version).limit(_COMMITS_PER_QUERY))
        return [self._logged_commit(row.version, row.changes) for row in rows]

    async def _wait(self, news: asyncio.Event) -> None:
        """Wait for a commit of this program, or look for one of another's."""
        try:
            async with asyncio.timeout(self._poll_seconds * 0.75):
                await news.wait()
        except TimeoutError:
            # Many watches share one look.
            if asyncio.get_running_loop().time() - self._looked_at >= self._poll_seconds * 0.25:
                await self._catch_up()

    def _entry(self, row: Any) -> Entry:
        try:
            return Entry(Kind(row.kind), row.id, decode(Kind(row.kind), row.value), row.version)
        except ValueError as error:
            raise self._unreadable(f"the entry {row.kind}/{row.id}", error) from error

    def _logged_commit(self, version: int, changes: str) -> Commit:
        try:
            return Commit(version, decode_changes(changes))
        except ValueError as error:
            raise self._unreadable(f"commit {version}", error) from error

    def _unreadable(self, what: str, error: ValueError) -> StoreError:
        return StoreError(
            f"In the record {self._database.place}, {what} can't be understood: {error}.",
            remedy="It was damaged or written by another version of Springtide: start that one, or restore a backup.",
        )


async def _read_head(connection: AsyncConnection, *, for_update: bool = False) -> _Head:
    row = (await connection.execute(_HEAD.with_for_update() if for_update else _HEAD)).one()
    sets = {Kind(kind): version for kind, version in json.loads(row.set_versions).items()}
    return _Head(row.fence, row.version, sets)


async def _entry_versions(
    connection: AsyncConnection, keys: Iterable[tuple[Kind, str]]
) -> Mapping[tuple[Kind, str], int]:
    """Present versions of these entries, without those that aren't there."""
    ids: dict[Kind, list[str]] = {}
    for kind, id in keys:
        ids.setdefault(kind, []).append(id)
    versions: dict[tuple[Kind, str], int] = {}
    for kind, wanted in ids.items():
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            some = wanted[start : start + _IDS_PER_QUERY]
            query = select(ENTRIES.c.id, ENTRIES.c.version).where(ENTRIES.c.kind == kind, ENTRIES.c.id.in_(some))
            versions.update({(kind, row.id): row.version for row in await connection.execute(query)})
    return versions


async def _write(connection: AsyncConnection, commit: Commit, encoded: Sequence[_Encoded], head: _Head) -> None:
    last = {(each.change.kind, each.change.id): each for each in encoded}
    await connection.execute(_TAKE_OUT, [{"of": kind, "named": id} for kind, id in last])
    puts = [
        {"kind": kind, "id": id, "version": commit.version, "value": each.text}
        for (kind, id), each in last.items()
        if each.change.value is not None
    ]
    if puts:
        await connection.execute(_PUT_IN, puts)
    changes = encode_changes((each.change, each.text) for each in encoded)
    await connection.execute(_LOG, {"version": commit.version, "changes": changes})
    sets = {**head.sets, **dict.fromkeys((kind for kind, _ in last), commit.version)}
    await connection.execute(
        update(RECORD_HEAD).values(version=commit.version, set_versions=json.dumps(sets)),
    )
