"""A router in memory, over virtual time: offered load is set, counters and in-flight follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from springtide.model.errors import PortTakenError, SpringtideError
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import EndpointLoad, RouterView, ServiceLoad
from springtide.routers.base import Endpoint, RoutedService, RouteTable


@dataclass(slots=True)
class _Traffic:
    """What one service is offered, and what has become of it; fractions until they are shown."""

    requests_per_second: float = 0.0
    failing_share: float = 0.0
    requests: float = 0.0
    shed: float = 0.0
    failed: float = 0.0


@dataclass(slots=True)
class _Drain:
    """An endpoint that finishes what it had."""

    in_flight: int
    until: datetime


@dataclass(slots=True)
class _Scripted:
    """What goes wrong, in order, and ports that others hold."""

    errors: list[SpringtideError] = field(default_factory=list)
    taken_ports: set[int] = field(default_factory=set)


class SimulatedRouter:
    """Passes the contract of routers without a network.

    ``now`` is the virtual clock. A request takes ``service_seconds``; what an endpoint was serving
    when it began to drain is gone ``drain_seconds`` later. What exceeds the endpoints' limits
    waits, at most the route's ``queue_seconds`` long, and beyond that is shed.
    """

    def __init__(
        self, now: Callable[[], datetime], *, service_seconds: float = 0.1, drain_seconds: float = 0.1
    ) -> None:
        self._now = now
        self._service_seconds = service_seconds
        self._drain_seconds = drain_seconds
        self._table: RouteTable = ()
        self._traffic: dict[ServiceId, _Traffic] = {}
        self._drains: dict[InstanceId, _Drain] = {}
        self._held: dict[InstanceId, int] = {}
        self._counted_until = now()
        self._starts = 1
        self._scripted = _Scripted()

    # The stage's side

    def offer(self, service: ServiceId, requests_per_second: float, *, failing_share: float = 0.0) -> None:
        """From now on the service is sent so many requests, of which this share fails."""
        self._count()
        traffic = self._traffic.setdefault(service, _Traffic())
        traffic.requests_per_second = requests_per_second
        traffic.failing_share = failing_share

    def hold(self, instance: InstanceId, requests: int = 1) -> None:
        """These requests stay in flight at the instance, draining or not, until released."""
        self._held[instance] = self._held.get(instance, 0) + requests

    def release(self, instance: InstanceId) -> None:
        """The requests that were held are answered."""
        self._held.pop(instance, None)

    def fail_next(self, error: SpringtideError, times: int = 1) -> None:
        """The next calls of ``start``, ``apply`` or ``view`` raise this, before anything changes."""
        self._scripted.errors.extend([error] * times)

    def take_port(self, port: int) -> None:
        """Another program listens on this port."""
        self._scripted.taken_ports.add(port)

    def restart(self) -> None:
        """The router dies and comes back with the same routes; its counters begin again."""
        self._count()
        self._starts += 1
        for traffic in self._traffic.values():
            traffic.requests = traffic.shed = traffic.failed = 0.0

    @property
    def table(self) -> RouteTable:
        """The table as last applied."""
        return self._table

    # The protocol

    async def start(self) -> None:
        self._fail_if_scripted()

    async def apply(self, table: RouteTable) -> None:
        self._fail_if_scripted()
        self._count()
        before = dict(self._endpoint_loads())
        self._table = table
        endpoints = {each.instance: each for routed in table for each in routed.endpoints}
        for instance, endpoint in endpoints.items():
            self._note_drain(endpoint, before.get(instance))
        self._drains = {each: drain for each, drain in self._drains.items() if each in endpoints}
        self._refuse_taken_ports()

    async def view(self) -> RouterView:
        self._fail_if_scripted()
        self._count()
        return RouterView(
            at=self._now(),
            generation=f"simulated-{self._starts}",
            services=tuple((each.service, self._service_load(each)) for each in self._table),
            endpoints=tuple(self._endpoint_loads()),
        )

    async def close(self) -> None:
        """Nothing to let go of: what was applied stays."""

    async def stop(self) -> None:
        self._table = ()
        self._drains.clear()

    # Arithmetic

    def _fail_if_scripted(self) -> None:
        if self._scripted.errors:
            raise self._scripted.errors.pop(0)

    def _refuse_taken_ports(self) -> None:
        for routed in self._table:
            for route in routed.routes:
                if route.listen_port in self._scripted.taken_ports:
                    raise PortTakenError(
                        f"{routed.service} can't be reached: another program listens on port {route.listen_port}.",
                        remedy="Stop that program, or choose another port.",
                    )

    def _note_drain(self, endpoint: Endpoint, before: EndpointLoad | None) -> None:
        if endpoint.accepting:
            self._drains.pop(endpoint.instance, None)
        elif endpoint.instance not in self._drains:
            held = self._held.get(endpoint.instance, 0)
            in_flight = before.in_flight - held if before is not None else 0
            until = _later(self._now(), self._drain_seconds)
            self._drains[endpoint.instance] = _Drain(in_flight, until)

    def _count(self) -> None:
        """Book what has arrived since the last look, at the rates and endpoints that held meanwhile."""
        now = self._now()
        seconds = (now - self._counted_until).total_seconds()
        self._counted_until = now
        for routed in self._table:
            traffic = self._traffic.get(routed.service)
            if traffic is None:
                continue
            carried = min(traffic.requests_per_second, self._carried_per_second(routed))
            traffic.requests += traffic.requests_per_second * seconds
            traffic.shed += (traffic.requests_per_second - carried) * seconds
            traffic.failed += carried * traffic.failing_share * seconds

    def _carried_per_second(self, routed: RoutedService) -> float:
        limit = max((route.max_requests for route in routed.routes), default=0)
        accepting = _accepting(routed)
        if accepting and not limit:
            return float("inf")
        return len(accepting) * limit / self._service_seconds

    def _service_load(self, routed: RoutedService) -> ServiceLoad:
        traffic = self._traffic.get(routed.service, _Traffic())
        excess = max(0.0, traffic.requests_per_second - self._carried_per_second(routed))
        queue_seconds = max((route.queue_seconds for route in routed.routes), default=0.0)
        carries = traffic.requests_per_second > 0 and _accepting(routed)
        latency = 1000 * (self._service_seconds + (queue_seconds if excess else 0.0)) if carries else None
        return ServiceLoad(
            requests=_whole(traffic.requests),
            failed=_whole(traffic.failed),
            shed=_whole(traffic.shed),
            queued=round(excess * queue_seconds),
            p50_ms=latency,
            p95_ms=latency,
            p99_ms=latency,
        )

    def _endpoint_loads(self) -> list[tuple[InstanceId, EndpointLoad]]:
        loads = []
        for routed in self._table:
            shares = self._spread(routed)
            for endpoint in routed.endpoints:
                served = shares.get(endpoint.instance, 0) + self._draining(endpoint)
                in_flight = served + self._held.get(endpoint.instance, 0)
                loads.append((endpoint.instance, EndpointLoad(endpoint.accepting, in_flight)))
        return loads

    def _spread(self, routed: RoutedService) -> dict[InstanceId, int]:
        """What is being served, evenly over the accepting endpoints, the first taking the remainder."""
        accepting = _accepting(routed)
        if not accepting:
            return {}
        offered = self._traffic.get(routed.service, _Traffic()).requests_per_second
        served = round(min(offered, self._carried_per_second(routed)) * self._service_seconds)
        share, remainder = divmod(served, len(accepting))
        return {each.instance: share + (number < remainder) for number, each in enumerate(accepting)}

    def _draining(self, endpoint: Endpoint) -> int:
        drain = self._drains.get(endpoint.instance)
        return drain.in_flight if drain is not None and self._now() < drain.until else 0


def _accepting(routed: RoutedService) -> list[Endpoint]:
    return [each for each in routed.endpoints if each.accepting]


def _whole(amount: float) -> int:
    """Whole requests; the small allowance keeps sums of fractions from falling short."""
    return int(amount + 1e-6)


def _later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)
