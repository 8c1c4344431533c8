"""Latencies of the last seconds per service, from HAProxy's log datagrams.

HAProxy sends one short datagram a request and never waits: what nobody reads is dropped, so
percentiles rest on a sample when the control plane is busy, and counters never rest on the log.
"""

from __future__ import annotations

import asyncio
import socket
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from springtide.model.identifiers import ServiceId
from springtide.routers.haproxy_configuration import service_of

WINDOW_SECONDS = 10


def _bucket_bounds() -> tuple[int, ...]:
    """Upper bounds in milliseconds: exact below 32, then at most 4% apart, to about ten minutes."""
    bounds = list(range(32))
    while bounds[-1] < 600_000:
        bounds.append(max(bounds[-1] + 1, int(bounds[-1] * 1.04)))
    return tuple(bounds)


_BOUNDS = _bucket_bounds()


@dataclass(slots=True)
class LatencyWindow:
    """A histogram a second, of which the last ten count."""

    seconds: dict[int, dict[int, int]] = field(default_factory=dict)

    def add(self, milliseconds: int, now: float) -> None:
        second = int(now)
        if second not in self.seconds:
            self._forget(second)
        histogram = self.seconds.setdefault(second, {})
        bucket = min(bisect_left(_BOUNDS, milliseconds), len(_BOUNDS) - 1)
        histogram[bucket] = histogram.get(bucket, 0) + 1

    def percentiles(self, shares: tuple[float, ...], now: float) -> tuple[float | None, ...]:
        """The latency in milliseconds below which each share of the requests stayed."""
        self._forget(int(now))
        merged: dict[int, int] = {}
        for histogram in self.seconds.values():
            for bucket, count in histogram.items():
                merged[bucket] = merged.get(bucket, 0) + count
        return tuple(_percentile(merged, share) for share in shares)

    def _forget(self, second: int) -> None:
        for old in [each for each in self.seconds if each <= second - WINDOW_SECONDS]:
            del self.seconds[old]


def _percentile(histogram: dict[int, int], share: float) -> float | None:
    left = sum(histogram.values()) * share
    for bucket in sorted(histogram):
        left -= histogram[bucket]
        if left <= 0:
            return float(_BOUNDS[bucket])
    return None


class LatencyLog(asyncio.DatagramProtocol):
    """Listens for HAProxy's log lines ``backend status milliseconds`` on a unix datagram socket."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._windows: dict[ServiceId, LatencyWindow] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind(str(self._path))
        self._path.chmod(0o600)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=listener)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def datagram_received(self, data: bytes, addr: object) -> None:
        words = data.decode(errors="replace").split()
        if len(words) == 3 and "::" in words[0] and words[1].isdigit() and words[2].isdigit():
            window = self._windows.setdefault(service_of(words[0]), LatencyWindow())
            window.add(int(words[2]), self._now())

    def percentiles(self, service: ServiceId) -> tuple[float | None, float | None, float | None]:
        """p50, p95 and p99 of a service in milliseconds, ``None`` without requests."""
        window = self._windows.get(service)
        if window is None:
            return None, None, None
        p50, p95, p99 = window.percentiles((0.5, 0.95, 0.99), self._now())
        return p50, p95, p99
