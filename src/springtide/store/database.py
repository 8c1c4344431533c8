"""One SQL database: its connections, its transactions, and what its failures mean."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from springtide.model.errors import StoreError
from springtide.store.failures import store_failure
from springtide.store.schema import HEAD, revision_of, upgrade

_BEGIN = "springtide_begin"


class Database:
    """Transactions on one database; every failure is a StoreError that names ``place``.

    Connects at the first transaction, and brings the tables to the newest form then.
    ``busy_seconds``: how long a transaction waits for another program's write to end.
    """

    def __init__(self, url: str, *, busy_seconds: float) -> None:
        self.place = make_url(url).render_as_string(hide_password=True)
        self._engine = create_async_engine(url, connect_args=_connect_arguments(url, busy_seconds))
        self._writer = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._opening = asyncio.Lock()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_open = False
        self._is_closed = False
        if self._engine.dialect.name == "sqlite":
            self.place = str(make_url(url).database)
            event.listen(self._engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A consistent snapshot."""
        await self.open()
        async with self._transaction(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that no other write can cut into; rolled back where the block raises."""
        await self.open()
        async with self._transaction(self._writer) as connection:
            yield connection

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
        """Refuse new transactions, let the running ones end, close. Closing twice succeeds."""
        self._is_closed = True
        await self._idle.wait()
        await self._engine.dispose()

    async def _bring_to_head(self) -> None:
        async with self._transaction(self._engine) as connection:
            revision = await connection.run_sync(revision_of)
        if revision == HEAD:
            return
        async with self._transaction(self._writer) as connection:
            await connection.run_sync(self._upgrade)

    def _upgrade(self, connection: Connection) -> None:
        from alembic.util import CommandError  # noqa: PLC0415, for the reason that upgrade() gives

        try:
            upgrade(connection)
        except CommandError as error:
            raise StoreError(
                f"The record {self.place} has tables of revision {revision_of(connection)}, "
                f"which this version of Springtide (revision {HEAD}) doesn't know.",
                remedy="It was written by a newer version: start that one.",
            ) from error

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        self._running += 1
        self._idle.clear()
        try:
            async with engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise store_failure(error, self.place) from error
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()


def _connect_arguments(url: str, busy_seconds: float) -> dict[str, Any]:
    return {"timeout": busy_seconds} if make_url(url).get_backend_name() == "sqlite" else {}


def _set_up_sqlite(connection: Any, _: object) -> None:
    # The driver's own BEGIN comes too late for reads and without IMMEDIATE: we send our own.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL syncs the log at every commit: what has been committed survives a loss of power.
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
