"""The open loop: requests leave when they are due, whatever became of those before them.

Sending never waits, so one slow answer delays no other request and a stall shows in full in the
latencies ("coordinated omission" avoided): latency counts from the moment a request was due.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from springtide.load.connections import Exchange, Pool, Wire
from springtide.load.plan import LoadPlan, Target, parse_url, require_valid
from springtide.load.report import LoadProgress, LoadReport, PhaseOutcome, Tally, count, summarise
from springtide.load.schedule import DueRequest, schedule
from springtide.model.errors import RefusedError

_LONGEST_SLEEP_SECONDS = 0.05

OnProgress = Callable[[LoadProgress], None]


async def run_load(plan: LoadPlan, on_progress: OnProgress | None = None) -> LoadReport:
    """Offer the load and report what came of it; ``on_progress`` is called once a second.

    Several may run at once; they share nothing. Raises InputError for a plan that can't be carried
    out, RefusedError where the host has no address.
    """
    return await LoadRun(plan, on_progress).run()


class LoadRun:
    """One load on its way. ``report`` may be asked at any time, also after a cancellation."""

    def __init__(self, plan: LoadPlan, on_progress: OnProgress | None = None) -> None:
        require_valid(plan)
        self._plan = plan
        self._on_progress = on_progress
        self._tallies: dict[tuple[int, int], Tally] = {}
        self._in_flight: deque[Exchange] = deque()
        self._begun_at = 0.0
        self._next_progress = 1.0
        self._max_lag = 0.0
        self._late = 0
        self._connections_opened = 0

    async def run(self) -> LoadReport:
        """Send everything that the plan says, wait for the last answer or time-out, and report."""
        loop = asyncio.get_running_loop()
        pool = Pool(await _wire(self._plan))
        self._begun_at = loop.time()
        try:
            for request in schedule(self._plan):
                await self._sleep_until(self._begun_at + request.at)
                self._send(request, pool)
            await self._sleep_until(self._begun_at + self._plan.seconds)
            while self._count_in_flight():
                await self._sleep_until(loop.time() + 0.01)
        finally:
            pool.close()
            self._connections_opened = pool.opened
        return self.report()

    def report(self) -> LoadReport:
        """What came of the requests that have ended so far."""
        last = max((second for _, second in self._tallies), default=-1)
        return LoadReport(
            url=self._plan.url,
            outcome=summarise(self._tallies.values()),
            phases=self._phase_outcomes(),
            seconds=tuple(summarise(self._of_second(second)) for second in range(last + 1)),
            max_lag_ms=round(self._max_lag * 1000, 3),
            late=self._late,
            connections_opened=self._connections_opened,
        )

    def tallies_of_phase(self, phase: int) -> list[Tally]:
        """The raw outcomes of one phase, to be summarised together with another load's."""
        return [tally for (its_phase, _), tally in self._tallies.items() if its_phase == phase]

    def progress(self) -> LoadProgress:
        """Where the load stands now."""
        elapsed = asyncio.get_running_loop().time() - self._begun_at
        index, into_phase = self._phase_at(elapsed)
        phase = self._plan.phases[index]
        return LoadProgress(
            elapsed_seconds=elapsed,
            phase=phase.name,
            rps=phase.rate_at(into_phase),
            in_flight=self._count_in_flight(),
            so_far=count(self._tallies.values()),
            last=summarise(self._of_second(int(elapsed) - 1)),
            max_lag_ms=self._max_lag * 1000,
        )

    def _send(self, request: DueRequest, pool: Pool) -> None:
        due = self._begun_at + request.at
        lag = asyncio.get_running_loop().time() - due
        self._max_lag = max(self._max_lag, lag)
        if lag * 1000 > self._plan.late_milliseconds:
            self._late += 1
        exchange = Exchange(due, request.phase, request.is_post, self._book)
        self._in_flight.append(exchange)
        pool.send(exchange)

    def _book(self, exchange: Exchange, kind: str) -> None:
        latency = asyncio.get_running_loop().time() - exchange.due
        if kind == "ok" and latency > self._plan.timeout_seconds:
            kind = "timeout"
        cell = (exchange.phase, int(exchange.due - self._begun_at))
        tally = self._tallies.get(cell)
        if tally is None:
            tally = self._tallies[cell] = Tally()
        tally.add(kind, latency * 1000)

    async def _sleep_until(self, moment: float) -> None:
        """Sleep in short stretches, to notice time-outs and report progress meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            self._end_overdue(now)
            self._tell_progress(now)
            left = moment - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))

    def _end_overdue(self, now: float) -> None:
        """Requests leave in the order in which they time out, so only the oldest need a look."""
        in_flight = self._in_flight
        while in_flight:
            oldest = in_flight[0]
            if not oldest.is_done:
                if now - oldest.due < self._plan.timeout_seconds:
                    return
                oldest.finish("timeout")
                if oldest.carrier is not None:
                    oldest.carrier.abort()
            in_flight.popleft()

    def _tell_progress(self, now: float) -> None:
        if self._on_progress is not None and now - self._begun_at >= self._next_progress:
            self._next_progress = int(now - self._begun_at) + 1.0
            self._on_progress(self.progress())

    def _count_in_flight(self) -> int:
        return sum(not exchange.is_done for exchange in self._in_flight)

    def _of_second(self, second: int) -> list[Tally]:
        return [tally for (_, its_second), tally in self._tallies.items() if its_second == second]

    def _phase_at(self, elapsed: float) -> tuple[int, float]:
        begun_at = 0.0
        for index, phase in enumerate(self._plan.phases):
            if elapsed < begun_at + phase.seconds:
                return index, elapsed - begun_at
            begun_at += phase.seconds
        return len(self._plan.phases) - 1, self._plan.phases[-1].seconds

    def _phase_outcomes(self) -> tuple[PhaseOutcome, ...]:
        outcomes = []
        begun_at = 0.0
        for index, phase in enumerate(self._plan.phases):
            tallies = self.tallies_of_phase(index)
            outcomes.append(PhaseOutcome(phase.name, begun_at, phase.seconds, summarise(tallies)))
            begun_at += phase.seconds
        return tuple(outcomes)


async def _wire(plan: LoadPlan) -> Wire:
    target = parse_url(plan.url)
    head = f"{target.path} HTTP/1.1\r\nHost: {plan.host_header or target.authority}\r\nUser-Agent: springtide-load\r\n"
    body = b"x" * plan.body_bytes
    return Wire(
        address=await _address(target),
        port=target.port,
        get=f"GET {head}\r\n".encode(),
        post=f"POST {head}Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body,
    )


async def _address(target: Target) -> str:
    """``*.localhost`` is this machine, with no name server asked (RFC 6761, section 6.3)."""
    if target.host == "localhost" or target.host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise RefusedError(
            f"The host {target.host} has no address: {error}.", remedy="Check the name, or give an address."
        ) from error
    return str(found[0][4][0])
