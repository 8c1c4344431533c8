"""One SQL database: its threads, its transactions, and what its failures mean."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from springtide.model.errors import StoreError
from springtide.store.failures import store_failure
from springtide.store.schema import HEAD, revision_of, upgrade

Result = TypeVar("Result")

_BEGIN = "springtide_begin"


class Database:
    """Runs whole transactions in threads of its own; every failure is a StoreError that names ``place``.

    A transaction is one trip to a thread: an asyncio driver makes one a statement, which cost three
    times the processor. Reads and writes have a thread each, so that a read never waits for a write.
    ``busy_seconds``: how long a transaction waits for another program's write to end.
    """

    def __init__(self, url: str, *, busy_seconds: float) -> None:
        parsed = make_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        self.place = str(parsed.database) if is_sqlite else parsed.render_as_string(hide_password=True)
        if parsed.get_dialect().is_async:
            raise StoreError(
                f"The record {self.place} runs in threads of its own, not on the asyncio driver {parsed.drivername}.",
                remedy=f"Write {parsed.get_backend_name()}:// in place of {parsed.drivername}://.",
            )
        self._engine = _sqlite_engine(parsed, busy_seconds) if is_sqlite else create_engine(parsed)
        self._write_engine = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._probe = _ChangeProbe(str(parsed.database)) if is_sqlite else None
        self._opening = asyncio.Lock()
        self._is_open = False
        self._is_closed = False

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do the work on a consistent snapshot."""
        await self.open()
        return await self._run(self._reader, self._engine, work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do the work in a transaction that no other write can cut into.

        Where it raises, nothing of it is applied. A caller that is cancelled doesn't stop it.
        """
        await self.open()
        return await self._run(self._writer, self._write_engine, work)

    def change_token(self) -> int | None:
        """Another number after every commit, whoever made it; ``None`` where only a transaction can tell."""
        return self._probe.token() if self._probe is not None else None

    async def open(self) -> None:
        """Make the tables, or bring them to the newest form. Opening twice is opening once."""
        if self._is_closed:
            raise StoreError(f"The record {self.place} has been closed.", remedy="Open a new store.")
        if self._is_open:
            return
        async with self._opening:
            if not self._is_open:
                await self._bring_to_head()
                self._is_open = True

    async def close(self) -> None:
        """Refuse new transactions, let running ones end, close. Closing twice succeeds."""
        self._is_closed = True
        for thread in (self._writer, self._reader):
            await asyncio.to_thread(thread.shutdown)
        await asyncio.to_thread(self._engine.dispose)
        if self._probe is not None:
            self._probe.close()

    async def _bring_to_head(self) -> None:
        if await self._run(self._reader, self._engine, revision_of) != HEAD:
            await self._run(self._writer, self._write_engine, self._upgrade)

    def _upgrade(self, connection: Connection) -> None:
        from alembic.util import CommandError  # noqa: PLC0415, for the reason that upgrade() gives

        found = revision_of(connection)
        try:
            upgrade(connection)
        except CommandError as error:
            raise StoreError(
                f"The record {self.place} has tables of revision {found}, "
                f"which this version of Springtide (revision {HEAD}) doesn't know.",
                remedy="It was written by a newer version: start that one.",
            ) from error

    async def _run(self, thread: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(thread, self._transaction, engine, work)

    def _transaction(self, engine: Engine, work: Callable[[Connection], Result]) -> Result:
        try:
            with engine.begin() as connection:
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise store_failure(error, self.place) from error


class _ChangeProbe:
    """Asks SQLite whether a file has been written to, by any program: 0.1 ms, against 1 ms for a transaction.

    It runs on the event loop: the answer stands in shared memory, and it waits for no lock.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def token(self) -> int | None:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None  # locked or broken: the transaction that follows says which

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_seconds})
    event.listen(engine, "do_connect", lambda *_: _make_private(str(url.database)))
    event.listen(engine, "connect", partial(_set_up_sqlite, busy_seconds=busy_seconds))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(path: str) -> None:
    """A new record is its owner's alone, since secrets of apps stand in it; SQLite gives its log the same mode."""
    with suppress(OSError):  # the connection that follows says what is wrong
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _set_up_sqlite(connection: Any, _: object, *, busy_seconds: float) -> None:
    # The driver's own BEGIN comes too late for reads and without IMMEDIATE: we send our own.
    connection.isolation_level = None
    _switch_to_write_ahead(connection, time.monotonic() + busy_seconds)
    # FULL syncs the log at every commit: what has been committed survives a loss of power.
    connection.execute("PRAGMA synchronous=FULL")


def _switch_to_write_ahead(connection: Any, deadline: float) -> None:
    """Write ahead, so that readers never wait. The switch itself doesn't wait for others, so this does."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
