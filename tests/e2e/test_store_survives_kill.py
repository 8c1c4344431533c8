"""Nothing that a commit returned for is lost when the program is killed, and nothing is half there."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from springtide.model.record import Commit
from springtide.store.sql import SqlStore

ROUNDS = 10
PROGRAM = Path(__file__).with_name("committing_program.py")


async def test_what_was_committed_is_there_after_kill_nine_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    moments = random.Random(20260101)
    acknowledged: list[int] = []
    for _ in range(ROUNDS):
        acknowledged += await commit_until_killed(path, moments.uniform(0.0, 0.3))
        await see_that_all_is_there(path, acknowledged)
    assert len(acknowledged) > 2 * ROUNDS


async def commit_until_killed(path: Path, seconds: float) -> list[int]:
    """Run the program, kill it so long after its first commit, and return what it printed."""
    program = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, path, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    first = await program.stdout.readline()
    await asyncio.sleep(seconds)
    program.kill()
    rest = await program.stdout.read()
    await program.wait()
    # A line that was cut off was not acknowledged.
    return [int(line) for line in (first + rest).split(b"\n")[:-1]]


async def see_that_all_is_there(path: Path, acknowledged: list[int]) -> None:
    store = SqlStore(f"sqlite:///{path}")
    record = await store.read()
    commits = await replay(store, record.version)
    await store.close()

    # One commit may have been made whose acknowledgement was never printed.
    assert acknowledged == sorted(set(acknowledged))
    assert acknowledged[-1] <= record.version
    assert [commit.version for commit in commits] == list(range(1, record.version + 1))
    expected = {f"{version}-{part}": version for version in range(1, record.version + 1) for part in range(5)}
    assert record.ordinals == expected
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def replay(store: SqlStore, version: int) -> list[Commit]:
    commits: list[Commit] = []
    async for commit in store.watch(0):
        commits.append(commit)
        if commit.version == version:
            break
    return commits
