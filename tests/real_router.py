"""A real HAProxy with tiny HTTP servers behind it, each on a loopback address of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.workloads import Route
from springtide.routers.base import Endpoint, RoutedService
from springtide.routers.haproxy import HaproxyRouter
from tests.required import Tool, lacks


def distribution_haproxy() -> Path:
    """The program of the distribution's package, for tests that run it beside the wheel's."""
    program = Path("/usr/sbin/haproxy")
    if not program.exists():
        lacks(Tool.HAPROXY, "install the distribution's package haproxy")
    return program


def a_free_port() -> int:
    """A port on which nobody listens now, on no loopback address that the tests use."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


@dataclass
class Upstream:
    """An instance: answers with its address; ``/hold`` waits for ``release``; ``/500`` and such fail."""

    address: str
    port: int
    delay_seconds: float = 0.0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    served: int = 0
    broken: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.address, self.port, backlog=1024)

    async def stop(self) -> None:
        """Stop listening, as an instance that has drained does."""
        self.released.set()
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.broken += 1
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        for line in head.lower().splitlines():
            if line.startswith("content-length:"):
                await reader.readexactly(int(line.split(":")[1]))
        self.served += 1
        if path == "/hold":
            await self.released.wait()
        if path == "/break":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            await writer.drain()
            return
        await asyncio.sleep(self.delay_seconds)
        status = path[1:] if path[1:].isdigit() else "200"
        body = self.address.encode()
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as the condition holds; it has five seconds."""
    for _ in range(500):
        if await is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not come true within five seconds")


def an_instance(ordinal: int, service: str = "feed/web") -> InstanceId:
    return InstanceId(f"{service.replace('/', '-')}-{ordinal}")


def an_endpoint(ordinal: int, *, accepting: bool = True, service: str = "feed/web") -> Endpoint:
    """The endpoint of ``Upstreams.instance(ordinal)``."""
    return Endpoint(an_instance(ordinal, service), f"127.0.0.{ordinal + 1}", accepting)


@dataclass
class RoutedStage:
    """A started router and the means to run instances behind it and to send requests to it."""

    router: HaproxyRouter
    directory: Path
    port: int
    target_port: int
    binary: Path | None = None
    upstreams: dict[int, Upstream] = field(default_factory=dict)

    async def run_instance(self, ordinal: int, delay_seconds: float = 0.0) -> Upstream:
        """Start an instance at 127.0.0.(ordinal + 1)."""
        upstream = Upstream(f"127.0.0.{ordinal + 1}", self.target_port, delay_seconds)
        await upstream.start()
        self.upstreams[ordinal] = upstream
        return upstream

    def routed(
        self, *endpoints: Endpoint, service: str = "feed/web", max_requests: int = 0, queue_seconds: float = 1.0
    ) -> RoutedService:
        """A service routed by a host name made of its app's name."""
        host = f"{service.partition('/')[0]}.localhost"
        route = Route(self.target_port, host, max_requests=max_requests, queue_seconds=queue_seconds)
        return RoutedService(ServiceId(service), (route,), endpoints)

    async def send(self, path: str = "/", host: str = "feed.localhost", port: int | None = None) -> tuple[int, str]:
        """One GET on a connection of its own: status and body, status 0 for a broken answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read()).decode()
        finally:
            writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return (int(head.split()[1]), body) if head else (0, "")

    def another_router(self) -> HaproxyRouter:
        """A router of a later control plane with the same directory."""
        return HaproxyRouter(self.directory, port=self.port, binary=self.binary)


@asynccontextmanager
async def a_haproxy_stage(directory: Path, binary: Path | None = None) -> AsyncIterator[RoutedStage]:
    """A started HaproxyRouter on a free port, ended with everything behind it afterwards."""
    port = a_free_port()
    stage = RoutedStage(HaproxyRouter(directory, port=port, binary=binary), directory, port, a_free_port(), binary)
    await stage.router.start()
    try:
        yield stage
    finally:
        await stage.router.close()
        await stage.another_router().stop()
        for upstream in stage.upstreams.values():
            await upstream.stop()
