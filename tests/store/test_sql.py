"""What the SQL store does beyond the contract: migrations, other programs, and failing files."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from springtide.model.errors import FenceLostError, StaleReadError, StoreError
from springtide.model.events import Event, Reason
from springtide.model.record import Change, Commit, Kind
from springtide.store.base import ReadVersions, Retention
from springtide.store.migrations import configuration
from springtide.store.schema import HEAD, METADATA
from springtide.store.sql import SqlStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}", poll_seconds=0.02)
    yield store
    await store.close()


@pytest.fixture
async def other(path: Path) -> AsyncIterator[SqlStore]:
    """The same record as another program opens it: the two share nothing but the file."""
    other = SqlStore(f"sqlite:///{path}", poll_seconds=0.02)
    yield other
    await other.close()


def ordinal(value: int, id: str = "feed/web") -> Change:
    return Change(Kind.ORDINAL, id, value)


async def first_commit(store: SqlStore, since: int) -> Commit:
    return await anext(store.watch(since))


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


async def test_what_was_committed_is_there_after_reopening(store: SqlStore, path: Path) -> None:
    fence = await store.acquire_fence()
    await store.commit([ordinal(7)], fence=fence)
    expected = await store.read()
    await store.close()

    reopened = SqlStore(f"sqlite:///{path}")
    assert await reopened.read() == expected
    assert (await first_commit(reopened, 0)).changes == (ordinal(7),)
    assert (await reopened.acquire_fence()).number == fence.number + 1
    await reopened.close()


async def test_only_its_owner_may_read_the_record_and_its_log(store: SqlStore, path: Path) -> None:
    await store.read()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}, modes


async def test_the_log_is_synced_at_every_commit(store: SqlStore, path: Path) -> None:
    await store.open()
    asked = await store._database.read(
        lambda connection: [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in SETTINGS]
    )
    assert dict(zip(SETTINGS, asked, strict=True)) == {"journal_mode": "wal", "synchronous": 2}


SETTINGS = ("journal_mode", "synchronous")


async def test_a_commit_of_another_program_makes_a_read_stale(store: SqlStore, other: SqlStore) -> None:
    await store.commit([ordinal(1)])
    await other.commit([ordinal(2)])
    with pytest.raises(StaleReadError):
        await store.commit([ordinal(3)], read=ReadVersions({Kind.ORDINAL: 1}, {}))
    assert (await store.read()).ordinals == {"feed/web": 2}


async def test_a_fence_of_another_program_ends_this_ones(store: SqlStore, other: SqlStore) -> None:
    fence = await store.acquire_fence()
    await other.acquire_fence()
    with pytest.raises(FenceLostError):
        await store.commit([ordinal(1)], fence=fence)


async def test_a_watch_sees_what_another_program_commits(store: SqlStore, other: SqlStore) -> None:
    await store.commit([ordinal(1)])
    watching = asyncio.create_task(first_commit(store, 1))
    await asyncio.sleep(0)
    await other.commit([ordinal(2)])
    assert await watching == Commit(2, (ordinal(2),))


async def test_two_programs_that_commit_at_once_leave_no_gap(store: SqlStore, other: SqlStore) -> None:
    async def write(writer: SqlStore, name: str) -> list[int]:
        return [await writer.commit([ordinal(number, name)]) for number in range(30)]

    async def follow(watcher: SqlStore) -> list[int]:
        seen: list[int] = []
        async for commit in watcher.watch(0):
            seen.append(commit.version)
            if commit.version == 60:
                break
        return seen

    watches = [asyncio.create_task(follow(each)) for each in (store, other, store)]
    versions = await asyncio.gather(write(store, "a"), write(other, "b"))
    assert sorted(versions[0] + versions[1]) == list(range(1, 61))
    assert await asyncio.gather(*watches) == [list(range(1, 61))] * 3
    assert await store.read() == await other.read()


async def test_a_program_that_fell_far_behind_reads_the_whole_record(store: SqlStore, other: SqlStore) -> None:
    await store.read()
    for number in range(150):
        await other.commit([ordinal(number)])
    assert await store.read() == await other.read()
    assert (await first_commit(store, 0)).version == 1


async def test_old_commits_and_events_leave_the_file(path: Path) -> None:
    store = SqlStore(f"sqlite:///{path}", Retention(commits=10, events=4))
    for number in range(100):
        seen = Event(datetime(2026, 1, 1, tzinfo=UTC), "feed/web", Reason("grow", "Grows."))
        await store.commit([ordinal(number), Change(Kind.EVENT, f"{number:03}", seen)])
    await store.close()
    assert rows(path, "SELECT min(version), max(version) FROM commits") == [(91, 100)]
    assert rows(path, "SELECT id FROM entries ORDER BY sequence") == [
        ("096",),
        ("097",),
        ("098",),
        ("feed/web",),
        ("099",),
    ]


def test_the_tables_written_down_are_those_the_migrations_make(path: Path) -> None:
    asyncio.run(open_and_close(path))
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


async def open_and_close(path: Path) -> None:
    store = SqlStore(f"sqlite:///{path}")
    await store.open()
    await store.close()


def test_a_record_at_head_opens_without_alembic(path: Path) -> None:
    asyncio.run(open_and_close(path))
    program = f"""
import asyncio, sys
from springtide.store.sql import SqlStore
store = SqlStore("sqlite:///{path}")
asyncio.run(store.open())
print("alembic" in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


async def test_two_programs_may_make_the_record_at_once(store: SqlStore, other: SqlStore) -> None:
    await asyncio.gather(store.open(), other.open())
    await store.commit([ordinal(1)])
    assert (await other.read()).ordinals == {"feed/web": 1}


async def test_a_record_of_a_newer_version_is_refused_and_left_alone(store: SqlStore, path: Path) -> None:
    await open_and_close(path)
    tamper(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"revision 9999.*newer version"):
        await store.open()
    assert rows(path, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_a_file_that_is_no_database_is_named_with_a_remedy(store: SqlStore, path: Path) -> None:
    path.write_bytes(b"not a database, " * 1_000)
    with pytest.raises(StoreError, match=r"record\.db.*not a database.*backup"):
        await store.read()
    assert path.read_bytes() == b"not a database, " * 1_000


async def test_a_damaged_value_is_named_with_a_remedy(path: Path, store: SqlStore, other: SqlStore) -> None:
    await store.commit([ordinal(1)])
    tamper(path, "UPDATE entries SET value = 'damaged'")
    with pytest.raises(StoreError, match=r"ordinal/feed/web.*backup"):
        await other.list(Kind.ORDINAL)


async def test_a_folder_that_is_missing_is_named_with_a_remedy(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/missing/record.db")
    with pytest.raises(StoreError, match=r"missing/record\.db.*can't be opened.*folder exists"):
        await store.read()
    await store.close()


async def test_a_record_that_another_program_holds_is_a_store_error_and_the_retry_succeeds(path: Path) -> None:
    store = SqlStore(f"sqlite:///{path}", busy_seconds=0.01)
    await store.commit([ordinal(1)])
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it locked"):
        await store.commit([ordinal(2)])
    assert (await store.read()).ordinals == {"feed/web": 1}
    holder.execute("ROLLBACK")
    holder.close()
    assert await store.commit([ordinal(2)]) == 2
    await store.close()


def test_a_full_disk_refuses_whole_commits_and_takes_them_again_when_there_is_room(path: Path) -> None:
    program = Path(__file__).with_name("full_disk_program.py")
    answer = subprocess.run([sys.executable, program, path], capture_output=True, text=True, check=True)
    refusal, version_when_full, entries_when_full, version = json.loads(answer.stdout)

    assert str(path) in refusal
    assert "full" in refusal
    assert "nothing was half-written" in refusal
    assert version_when_full > 1
    assert entries_when_full == version_when_full * 50
    assert version == version_when_full + 1
    assert rows(path, "SELECT count(*) FROM entries") == [(version * 50,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_closed_store_says_so(store: SqlStore) -> None:
    await store.open()
    await store.close()
    with pytest.raises(StoreError, match="has been closed"):
        await store.read()


def test_an_asyncio_driver_is_refused_with_the_url_to_write(path: Path) -> None:
    with pytest.raises(StoreError, match=r"Write sqlite:// in place of sqlite\+aiosqlite://"):
        SqlStore(f"sqlite+aiosqlite:///{path}")
