"""What one HAProxy worker counts and which servers it has, read from ``show stat``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

SHOW_BACKENDS_AND_SERVERS = "show stat -1 6 -1"


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server as one worker has it. ``status`` is HAProxy's word: ``no check``, ``DRAIN``, ``MAINT``."""

    address: str
    status: str
    in_flight: int

    @property
    def is_accepting(self) -> bool:
        return not self.status.startswith(("DRAIN", "MAINT", "DOWN"))


@dataclass(frozen=True, slots=True)
class BackendRow:
    """A backend as one worker has it; counts are since that worker's start."""

    requests: int
    queued: int
    present: int
    answers_5xx: int
    connection_errors: int
    broken: int
    is_http: bool
    servers: Mapping[str, ServerRow]

    @property
    def waiting(self) -> int:
        """Requests in the queue, or held because no endpoint accepts."""
        if any(each.is_accepting for each in self.servers.values()):
            return self.queued
        return max(0, self.present - sum(each.in_flight for each in self.servers.values()))


Rows = Mapping[str, BackendRow]


def parse_statistics(text: str) -> Rows:
    """Read the CSV of ``show stat`` (management guide, section 9.1), by backend name."""
    servers: dict[str, dict[str, ServerRow]] = {}
    backends: dict[str, BackendRow] = {}
    lines = [line for line in text.splitlines() if line]
    if not lines:
        return {}
    lines[0] = lines[0].removeprefix("# ")
    for row in csv.DictReader(lines):
        name, what = row["pxname"], row["svname"]
        own = servers.setdefault(name, {})
        if what == "BACKEND":
            backends[name] = _backend_row(row, own)
        else:
            own[what] = ServerRow(row["addr"], row["status"], _number(row["scur"]) + _number(row["qcur"]))
    return backends


def _backend_row(row: Mapping[str, str], servers: Mapping[str, ServerRow]) -> BackendRow:
    return BackendRow(
        requests=_number(row["stot"]),
        queued=_number(row["qcur"]),
        present=_number(row["scur"]),
        answers_5xx=_number(row["hrsp_5xx"]),
        connection_errors=_number(row["econ"]),
        broken=_number(row["srv_abrt"]),
        is_http=row["mode"] == "http",
        servers=servers,
    )


def _number(text: str) -> int:
    return int(text or 0)
