"""Running totals per service that outlive HAProxy's workers, each of which counts from nought."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from springtide.model.identifiers import ServiceId
from springtide.routers.haproxy_configuration import failed_variable, service_of, shed_variable
from springtide.routers.haproxy_socket import MasterSocket
from springtide.routers.haproxy_statistics import BackendRow, Rows

_VALUE = re.compile(r"value=<(-?\d+)>")


@dataclass(frozen=True, slots=True)
class Counts:
    """Running totals of one service."""

    requests: int = 0
    shed: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.requests + other.requests, self.shed + other.shed, self.failed + other.failed)


@dataclass(slots=True)
class Tally:
    """Totals per service over all workers, ended ones included, so that counters never fall.

    ``ended`` holds what ended workers had counted when last seen; a worker's very last requests,
    between the last look and its end, are not in it.
    """

    ended: dict[ServiceId, Counts] = field(default_factory=dict)
    live: dict[int, Mapping[ServiceId, Counts]] = field(default_factory=dict)

    def observe(self, workers: Iterable[int], counts: Mapping[int, Mapping[ServiceId, Counts]]) -> bool:
        """Take in the counts of live workers (one that gave none keeps its last); returns whether any ended."""
        gone = self.live.keys() - set(workers)
        for pid in gone:
            for service, last in self.live.pop(pid).items():
                self.ended[service] = self.ended.get(service, Counts()) + last
        is_news = bool(gone) or bool(counts.keys() - self.live.keys())
        self.live.update(counts)
        return is_news

    def total(self, service: ServiceId) -> Counts:
        total = self.ended.get(service, Counts())
        for counts in self.live.values():
            total = total + counts.get(service, Counts())
        return total


class WorkerCounters:
    """Reads a worker's counts; ``show stat`` lumps all 5xx together, so variables tell 503 apart.

    The variables are asked for only when a backend's 5xx have changed: at rest this costs nothing.
    """

    def __init__(self, master: MasterSocket) -> None:
        self._master = master
        self._known: dict[tuple[int, str], tuple[int, Counts]] = {}

    async def read(self, pid: int, rows: Rows) -> Mapping[ServiceId, Counts]:
        """The worker's counts by service."""
        booked: dict[ServiceId, Counts] = {}
        for name, row in rows.items():
            counts = await self._count(pid, name, row)
            service = service_of(name)
            booked[service] = booked.get(service, Counts()) + counts
        return booked

    def forget_all_but(self, workers: Iterable[int]) -> None:
        alive = set(workers)
        self._known = {key: value for key, value in self._known.items() if key[0] in alive}

    async def _count(self, pid: int, name: str, row: BackendRow) -> Counts:
        if not row.is_http:
            return Counts(row.requests, 0, row.connection_errors + row.broken)
        seen, errors = self._known.get((pid, name), (0, Counts()))
        if row.answers_5xx != seen:
            errors = await self._read_errors(pid, name) or errors
            self._known[pid, name] = (row.answers_5xx, errors)
        return Counts(row.requests, errors.shed, errors.failed + row.broken)

    async def _read_errors(self, pid: int, name: str) -> Counts | None:
        """``None`` where the worker has just ended."""
        questions = (f"get var {shed_variable(name)}", f"get var {failed_variable(name)}")
        values = [int(each) for each in _VALUE.findall(await self._master.ask_worker(pid, questions))]
        return Counts(shed=values[0], failed=values[1]) if len(values) == 2 else None
