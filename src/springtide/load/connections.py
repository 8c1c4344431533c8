"""Keep-alive HTTP/1.1 connections that carry one request at a time and never repeat one."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EMFILE: "out-of-files",
    errno.ENFILE: "out-of-files",
}
_IDLE_SECONDS = 20.0
"""A connection idle for longer isn't used again: servers close idle connections at some time."""


class Exchange:
    """One request on its way. ``finish`` books it once; whatever comes later is ignored."""

    __slots__ = ("_book", "carrier", "due", "is_done", "is_post", "phase")

    def __init__(self, due: float, phase: int, is_post: bool, book: Callable[[Exchange, str], None]) -> None:
        self.due = due
        self.phase = phase
        self.is_post = is_post
        self.is_done = False
        self._book = book
        self.carrier: Connection | None = None

    def finish(self, kind: str) -> None:
        if not self.is_done:
            self.is_done = True
            self._book(self, kind)


@dataclass(frozen=True, slots=True)
class Wire:
    """Where to connect, and the two requests as bytes."""

    address: str
    port: int
    get: bytes
    post: bytes


class Pool:
    """Idle connections, the one used last on top, and as many more as the load needs."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.opened = 0

    def send(self, exchange: Exchange) -> None:
        """Write the request at once on an idle connection, or on a new one as soon as it is open."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable(self._loop.time()):
                connection.send(exchange, self._request(exchange))
                return
            connection.abort()
        task = self._loop.create_task(self._open_and_send(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_and_send(self, exchange: Exchange) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self), self._wire.address, self._wire.port
            )
        except OSError as error:
            exchange.finish(_KINDS.get(error.errno or 0, "unreachable"))
            return
        self.opened += 1
        if exchange.is_done:
            self.take_back(connection)
        else:
            connection.send(exchange, self._request(exchange))

    def _request(self, exchange: Exchange) -> bytes:
        return self._wire.post if exchange.is_post else self._wire.get

    def made(self, connection: Connection) -> None:
        self._open.add(connection)

    def take_back(self, connection: Connection) -> None:
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Drop every connection; requests still on one are booked as broken."""
        for task in tuple(self._opening):
            task.cancel()
        for connection in tuple(self._open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One request at a time; tells the exchange how it ended, and the pool when it is free again."""

    _transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._has_headers = False
        self._has_length = False
        self._is_closing = False
        self.idle_since = 0.0

    def is_usable(self, now: float) -> bool:
        return not self._is_closing and not self._transport.is_closing() and now - self.idle_since < _IDLE_SECONDS

    def send(self, exchange: Exchange, request: bytes) -> None:
        self._exchange = exchange
        self._has_headers = self._has_length = False
        exchange.carrier = self
        self._transport.write(request)

    def abort(self) -> None:
        self._is_closing = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._pool.made(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._finish("broken")
        if self._is_closing:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._pool.lost(self)
        is_whole = exc is None and self._has_headers and not self._has_length
        self._finish(self._kind() if is_whole else "reset")

    # httptools calls these three

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        self._has_headers = True

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._has_headers = self._has_length = False
            return
        if self._exchange is None or not self._parser.should_keep_alive():
            self._is_closing = True
        self._finish(self._kind())
        if not self._is_closing:
            self._pool.take_back(self)

    def _kind(self) -> str:
        status = self._parser.get_status_code()
        if status == 503:
            return "shed"
        return "ok" if status < 400 else f"http-{status}"

    def _finish(self, kind: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.finish(kind)
