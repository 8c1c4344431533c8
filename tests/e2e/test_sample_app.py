"""The sample app, run as a process on loopback: its capacity, its HTTP, its way of stopping."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.real_engine import REPOSITORY

APP = REPOSITORY / "examples" / "tide" / "app.py"
MIB = 2**20


@dataclass
class RunningApp:
    process: asyncio.subprocess.Process
    port: int
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def status(self, method: str = "GET", path: str = "/", data: bytes | None = None) -> int:
        async with self.client.request(method, self.url + path, data=data) as response:
            await response.read()
            return response.status

    async def say(self, text: bytes) -> bytes:
        """Everything that is answered to these bytes until the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer


@pytest.fixture
async def app() -> AsyncIterator[RunningApp]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"PORT": str(port), "HOST": "127.0.0.1", "CONCURRENCY": "2", "QUEUE": "3", "WORK_MS": "200"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", str(APP), env={**os.environ, **settings})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        running = RunningApp(process, port, client)
        await until_healthy(running)
        yield running
    if process.returncode is None:
        process.kill()
        await process.wait()


async def until_healthy(app: RunningApp) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert await app.status(path="/healthz") == 200
                return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)


async def test_beyond_capacity_and_queue_it_sheds(app: RunningApp) -> None:
    statuses = Counter(await asyncio.gather(*(app.status("POST", data=b"x" * 1000) for _ in range(12))))
    assert statuses == {200: 5, 503: 7}


async def test_health_is_answered_at_once_even_when_full(app: RunningApp) -> None:
    load = [asyncio.create_task(app.status()) for _ in range(12)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.15):
        assert await app.status(path="/healthz") == 200
    await asyncio.gather(*load)


async def test_bodies_are_read_to_the_end_on_a_connection_that_is_kept(app: RunningApp) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"y" * 70_000

    async with app.client.post(app.url, data=b"x" * 1_000_000) as response:
        assert (await response.text()).split()[-1] == "1000000"
    async with app.client.post(app.url, data=pieces()) as response:
        assert (await response.text()).split()[-1] == "210000"
        assert response.headers["Connection"] == "keep-alive"


async def test_two_requests_sent_at_once_are_answered_in_turn(app: RunningApp) -> None:
    text = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = await app.say(text)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b"200 2\n") < answer.index(b"200 0\n")


@pytest.mark.parametrize("text", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"])
async def test_what_is_not_a_request_is_refused(app: RunningApp, text: bytes) -> None:
    assert (await app.say(text)).startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(app: RunningApp) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
    writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"ab")
    assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def test_on_sigterm_it_finishes_what_it_has_and_exits_with_0(app: RunningApp) -> None:
    load = [asyncio.create_task(app.status("POST", data=b"x")) for _ in range(5)]
    await asyncio.sleep(0.05)
    app.process.send_signal(signal.SIGTERM)
    assert await asyncio.gather(*load) == [200] * 5
    assert await asyncio.wait_for(app.process.wait(), 5) == 0


async def test_idle_connections_do_not_hold_it_back_from_stopping(app: RunningApp) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", app.port)
    app.process.terminate()
    assert await asyncio.wait_for(app.process.wait(), 2) == 0
    writer.close()


async def test_it_takes_little_memory(app: RunningApp) -> None:
    await asyncio.gather(*(app.status("POST", data=b"x" * 10_000) for _ in range(50)))
    pages = int(Path(f"/proc/{app.process.pid}/statm").read_text().split()[1])
    assert pages * os.sysconf("SC_PAGE_SIZE") < 25 * MIB
