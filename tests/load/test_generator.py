"""The generator against tiny servers: what it sends, what it books, and that it repeats nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from springtide.load import LoadPlan, LoadProgress, LoadReport, LoadRun, RatePhase, run_load
from springtide.model.errors import RefusedError
from tests.real_router import a_free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answer = Callable[["Server", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Reads requests and lets ``answer`` deal with them."""

    answer: Answer
    port: int = 0
    connections: int = 0
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                if "Content-Length: " in head:
                    await reader.readexactly(int(head.partition("Content-Length: ")[2].split()[0]))
                self.requests.append(head)
                await self.answer(self, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def a_server(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def answering(answer: bytes, *, closes: bool = False) -> Answer:
    async def write(_: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if closes:
            writer.close()

    return write


async def never(_: Server, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def a_plan(port: int, requests: int = 10, timeout_seconds: float = 2.0, host_header: str | None = None) -> LoadPlan:
    """All requests within 50 ms."""
    return LoadPlan(
        f"http://feed.localhost:{port}/path",
        (RatePhase("burst", 0.05, requests / 0.05, requests / 0.05),),
        host_header=host_header,
        timeout_seconds=timeout_seconds,
    )


def counts(report: LoadReport) -> tuple[int, int, int, dict[str, int]]:
    outcome = report.outcome
    assert outcome.total == outcome.ok + outcome.shed + outcome.failed
    return outcome.total, outcome.ok, outcome.shed, dict(outcome.failures)


async def test_half_of_the_requests_are_posts_with_a_body_and_the_host_is_the_urls() -> None:
    async with a_server(answering(OK)) as server:
        report = await run_load(a_plan(server.port))
        assert counts(report) == (10, 10, 0, {})
        assert sum(head.startswith("POST /path HTTP/1.1") for head in server.requests) == 5
        assert all(f"Host: feed.localhost:{server.port}\r\n" in head for head in server.requests)


async def test_another_host_header_can_be_asked_for() -> None:
    async with a_server(answering(OK)) as server:
        await run_load(a_plan(server.port, host_header="pay.localhost"))
        assert all("Host: pay.localhost\r\n" in head for head in server.requests)


async def test_connections_are_kept_and_used_again() -> None:
    async with a_server(answering(OK)) as server:
        report = await run_load(LoadPlan(f"http://127.0.0.1:{server.port}/", (RatePhase("calm", 0.2, 100, 100),)))
        assert report.outcome.ok == 20
        assert server.connections == report.connections_opened < 10


async def test_a_connection_that_the_server_announced_to_close_is_replaced() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    async with a_server(answering(closing, closes=True)) as server:
        assert counts(await run_load(a_plan(server.port))) == (10, 10, 0, {})
        assert server.connections == 10


async def test_a_connection_closed_after_a_request_was_written_is_a_failure_and_nothing_is_repeated() -> None:
    async with a_server(answering(b"", closes=True)) as server:
        assert counts(await run_load(a_plan(server.port))) == (10, 0, 0, {"reset": 10})
        assert len(server.requests) == 10


async def test_an_answer_cut_short_is_a_failure() -> None:
    async with a_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", closes=True)) as server:
        assert counts(await run_load(a_plan(server.port))) == (10, 0, 0, {"reset": 10})


async def test_an_answer_that_ends_with_the_connection_is_whole() -> None:
    async with a_server(answering(b"HTTP/1.0 200 OK\r\n\r\nok", closes=True)) as server:
        assert counts(await run_load(a_plan(server.port))) == (10, 10, 0, {})


async def test_what_is_not_http_is_a_failure() -> None:
    async with a_server(answering(b"SSH-2.0-nonsense\r\n")) as server:
        assert counts(await run_load(a_plan(server.port))) == (10, 0, 0, {"broken": 10})


async def test_503_is_shed_and_other_errors_are_failures_by_status() -> None:
    statuses = [b"503", b"500", b"404", b"302"]

    async def in_turn(server: Server, writer: asyncio.StreamWriter) -> None:
        status = statuses[len(server.requests) % 4]
        writer.write(b"HTTP/1.1 " + status + b" Said\r\nContent-Length: 0\r\n\r\n")

    async with a_server(in_turn) as server:
        assert counts(await run_load(a_plan(server.port, 8))) == (8, 2, 2, {"http-404": 2, "http-500": 2})


async def test_a_refused_connection_is_a_failure_of_its_own_kind() -> None:
    assert counts(await run_load(a_plan(a_free_port()))) == (10, 0, 0, {"refused": 10})


async def test_an_answer_that_comes_too_late_is_a_time_out_and_delays_nobody() -> None:
    async with a_server(never) as server:
        report = await run_load(a_plan(server.port, timeout_seconds=0.2))
        assert counts(report) == (10, 0, 0, {"timeout": 10})
        assert len(server.requests) == 10


async def test_latency_counts_from_the_moment_a_request_was_due() -> None:
    async def slowly(_: Server, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(OK)

    async with a_server(slowly) as server:
        outcome = (await run_load(a_plan(server.port))).outcome
        assert outcome.p50_ms is not None
        assert 95 <= outcome.p50_ms < 1000


async def test_a_generator_that_is_late_says_so() -> None:
    async with a_server(answering(OK)) as server:
        run = asyncio.create_task(run_load(a_plan(server.port)))
        await asyncio.sleep(0.01)
        until = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < until:
            pass
        report = await run
        assert report.max_lag_ms >= 50
        assert report.late > 0


async def test_phases_and_seconds_add_up_to_the_whole() -> None:
    phases = (RatePhase("calm", 0.5, 20, 20), RatePhase("high", 0.7, 50, 50))
    async with a_server(answering(OK)) as server:
        report = await run_load(LoadPlan(f"http://127.0.0.1:{server.port}/", phases))
    assert [(each.name, each.outcome.total) for each in report.phases] == [("calm", 10), ("high", 35)]
    assert [each.total for each in report.seconds] == [35, 10]


async def test_progress_is_told_each_second() -> None:
    told: list[LoadProgress] = []
    async with a_server(answering(OK)) as server:
        plan = LoadPlan(f"http://127.0.0.1:{server.port}/", (RatePhase("calm", 1.2, 20, 20),))
        await run_load(plan, told.append)
    (progress,) = told
    assert (progress.phase, progress.rps, progress.last.total) == ("calm", 20, 20)


async def test_two_loads_at_once_share_nothing() -> None:
    async with a_server(answering(OK)) as first, a_server(answering(OK)) as second:
        reports = await asyncio.gather(run_load(a_plan(first.port)), run_load(a_plan(second.port, 20)))
        assert [report.outcome.ok for report in reports] == [10, 20]
        assert (len(first.requests), len(second.requests)) == (10, 20)


async def test_a_cancelled_load_still_has_a_report() -> None:
    some = asyncio.Event()

    async def until_some(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if len(server.requests) == 5:
            some.set()

    async with a_server(until_some) as server:
        run = LoadRun(LoadPlan(f"http://127.0.0.1:{server.port}/", (RatePhase("long", 60, 100, 100),)))
        task = asyncio.create_task(run.run())
        await some.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert run.report().outcome.total >= 4


async def test_a_host_without_an_address_is_refused() -> None:
    plan = LoadPlan("http://nobody.invalid/", (RatePhase("calm", 1, 1, 1),))
    with pytest.raises(RefusedError, match=r"nobody\.invalid has no address"):
        await run_load(plan)
