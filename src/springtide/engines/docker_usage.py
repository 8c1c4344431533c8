"""What containers use: from the kernel's cgroup files where the engine is local, else from its API.

Reading files costs five opens an instance; the API's statistics cost the engine a goroutine, an
inspection and 3 kB of JSON for each. Network counters have no cgroup: the kernel shows them to any
process of the container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide.model.observations import Usage

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROCESSES = Path("/proc")
NANOSECONDS_PER_MICROSECOND = 1000


@dataclass(frozen=True, slots=True)
class CgroupFiles:
    """Reads usage under ``root``, in version 1 or 2, with either of Docker's two cgroup drivers."""

    root: Path = CGROUP_ROOT
    processes: Path = PROCESSES

    def usage(self, container: str) -> Usage | None:
        """``None`` where the container has no cgroup where Docker usually makes it."""
        for group in (f"docker/{container}", f"system.slice/docker-{container}.scope"):
            try:
                return self._version_2(group) if self.is_version_2 else self._version_1(group)
            except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
                continue
            except OSError as error:
                if error.errno != _NO_DEVICE:
                    raise
        return None

    @property
    def is_version_2(self) -> bool:
        return (self.root / "cgroup.controllers").exists()

    def _version_1(self, group: str) -> Usage:
        memory, pids = self.root / "memory" / group, self.root / "pids" / group
        received, sent = self._network_bytes(pids)
        return Usage(
            cpu_nanoseconds=_number(self.root / "cpuacct" / group / "cpuacct.usage"),
            memory_bytes=_number(memory / "memory.usage_in_bytes")
            - _field(memory / "memory.stat", "total_inactive_file"),
            pids=_number(pids / "pids.current"),
            received_bytes=received,
            sent_bytes=sent,
        )

    def _version_2(self, group: str) -> Usage:
        folder = self.root / group
        received, sent = self._network_bytes(folder)
        return Usage(
            cpu_nanoseconds=_field(folder / "cpu.stat", "usage_usec") * NANOSECONDS_PER_MICROSECOND,
            memory_bytes=_number(folder / "memory.current") - _field(folder / "memory.stat", "inactive_file"),
            pids=_number(folder / "pids.current"),
            received_bytes=received,
            sent_bytes=sent,
        )

    def _network_bytes(self, group: Path) -> tuple[int, int]:
        """Received and sent as one of the group's processes sees it; nought on the host's own network.

        Nought too where the kernel doesn't let us look, as without root.
        """
        try:
            process = next(iter((group / "cgroup.procs").read_text().split()), None)
            if process is None or self._network_of(process) == self._network_of("self"):
                return 0, 0
            return network_bytes((self.processes / process / "net" / "dev").read_text())
        except OSError:
            return 0, 0

    def _network_of(self, process: str) -> int:
        """The network namespace of a process."""
        return (self.processes / process / "ns" / "net").stat().st_ino


_NO_DEVICE = 19
"""ENODEV: the kernel's answer while a cgroup is being removed under an open file."""


def network_bytes(table: str) -> tuple[int, int]:
    """Received and sent, from ``/proc/<pid>/net/dev``: of all interfaces but the container's own loopback."""
    received = sent = 0
    for line in table.splitlines():
        interface, found, counters = line.partition(":")
        numbers = counters.split()
        if found and interface.strip() != "lo" and len(numbers) > _SENT_COLUMN:
            received += int(numbers[0])
            sent += int(numbers[_SENT_COLUMN])
    return received, sent


_SENT_COLUMN = 8


def of_pod(usages: Sequence[Usage]) -> Usage:
    """What the containers of one instance use together; their network is one, and the first tells of it."""
    return Usage(
        cpu_nanoseconds=sum(each.cpu_nanoseconds for each in usages),
        memory_bytes=sum(each.memory_bytes for each in usages),
        pids=sum(each.pids for each in usages),
        received_bytes=usages[0].received_bytes,
        sent_bytes=usages[0].sent_bytes,
    )


def usage_of_statistics(statistics: Mapping[str, Any]) -> Usage | None:
    """Usage from one answer of ``GET /containers/{id}/stats``; ``None`` where nothing runs."""
    pids = statistics.get("pids_stats", {}).get("current")
    memory = statistics.get("memory_stats", {})
    if not pids or "usage" not in memory:
        return None
    details = memory.get("stats", {})
    cache_bytes = details.get("total_inactive_file", details.get("inactive_file", 0))
    cpu_nanoseconds = int(statistics["cpu_stats"]["cpu_usage"]["total_usage"])
    networks = (statistics.get("networks") or {}).values()
    return Usage(
        cpu_nanoseconds=cpu_nanoseconds,
        memory_bytes=int(memory["usage"]) - int(cache_bytes),
        pids=int(pids),
        received_bytes=sum(int(each.get("rx_bytes", 0)) for each in networks),
        sent_bytes=sum(int(each.get("tx_bytes", 0)) for each in networks),
    )


def _number(path: Path) -> int:
    return int(path.read_text())


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
