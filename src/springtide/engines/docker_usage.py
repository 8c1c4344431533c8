"""What containers use: from the kernel's cgroup files where the engine is local, else from its API.

Reading files costs three opens an instance; the API's statistics cost the engine a goroutine, an
inspection and 3 kB of JSON for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide.model.observations import Usage

CGROUP_ROOT = Path("/sys/fs/cgroup")
NANOSECONDS_PER_MICROSECOND = 1000


@dataclass(frozen=True, slots=True)
class CgroupFiles:
    """Reads usage under ``root``, in version 1 or 2, with either of Docker's two cgroup drivers."""

    root: Path = CGROUP_ROOT

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
        memory = self.root / "memory" / group
        return Usage(
            cpu_nanoseconds=_number(self.root / "cpuacct" / group / "cpuacct.usage"),
            memory_bytes=_number(memory / "memory.usage_in_bytes")
            - _field(memory / "memory.stat", "total_inactive_file"),
            pids=_number(self.root / "pids" / group / "pids.current"),
        )

    def _version_2(self, group: str) -> Usage:
        folder = self.root / group
        return Usage(
            cpu_nanoseconds=_field(folder / "cpu.stat", "usage_usec") * NANOSECONDS_PER_MICROSECOND,
            memory_bytes=_number(folder / "memory.current") - _field(folder / "memory.stat", "inactive_file"),
            pids=_number(folder / "pids.current"),
        )


_NO_DEVICE = 19
"""ENODEV: the kernel's answer while a cgroup is being removed under an open file."""


def usage_of_statistics(statistics: Mapping[str, Any]) -> Usage | None:
    """Usage from one answer of ``GET /containers/{id}/stats``; ``None`` where nothing runs."""
    pids = statistics.get("pids_stats", {}).get("current")
    memory = statistics.get("memory_stats", {})
    if not pids or "usage" not in memory:
        return None
    details = memory.get("stats", {})
    cache_bytes = details.get("total_inactive_file", details.get("inactive_file", 0))
    cpu_nanoseconds = int(statistics["cpu_stats"]["cpu_usage"]["total_usage"])
    return Usage(cpu_nanoseconds, int(memory["usage"]) - int(cache_bytes), int(pids))


def _number(path: Path) -> int:
    return int(path.read_text())


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
