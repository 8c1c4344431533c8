"""Usage from control groups of both versions, and from the engine's statistics."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.engines.docker_usage import CgroupFiles, usage_of_statistics
from springtide.model.observations import Usage

CONTAINER = "0123abcd"
BOTH_DRIVERS = pytest.mark.parametrize("group", [f"docker/{CONTAINER}", f"system.slice/docker-{CONTAINER}.scope"])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@BOTH_DRIVERS
def test_version_1_is_read_from_three_hierarchies(tmp_path: Path, group: str) -> None:
    write(tmp_path / "cpuacct" / group / "cpuacct.usage", "123456789\n")
    write(tmp_path / "memory" / group / "memory.usage_in_bytes", "5000\n")
    write(tmp_path / "memory" / group / "memory.stat", "inactive_file 7\ntotal_inactive_file 1000\n")
    write(tmp_path / "pids" / group / "pids.current", "3\n")
    assert CgroupFiles(tmp_path).usage(CONTAINER) == Usage(123456789, 4000, 3)


@BOTH_DRIVERS
def test_version_2_is_read_from_one_folder_and_counts_microseconds(tmp_path: Path, group: str) -> None:
    write(tmp_path / "cgroup.controllers", "cpu memory pids\n")
    write(tmp_path / group / "cpu.stat", "usage_usec 2500\nuser_usec 2000\n")
    write(tmp_path / group / "memory.current", "5000\n")
    write(tmp_path / group / "memory.stat", "anon 1\ninactive_file 1000\n")
    write(tmp_path / group / "pids.current", "3\n")
    assert CgroupFiles(tmp_path).usage(CONTAINER) == Usage(2_500_000, 4000, 3)


def test_a_container_without_a_control_group_has_no_usage(tmp_path: Path) -> None:
    assert CgroupFiles(tmp_path).usage(CONTAINER) is None


def test_statistics_of_what_does_not_run_are_none() -> None:
    assert usage_of_statistics({"pids_stats": {}, "memory_stats": {}, "cpu_stats": {}}) is None


@pytest.mark.parametrize("cache", [{"total_inactive_file": 1000}, {"inactive_file": 1000}])
def test_statistics_leave_the_file_cache_out_of_memory(cache: dict[str, int]) -> None:
    statistics = {
        "pids_stats": {"current": 3},
        "memory_stats": {"usage": 5000, "stats": cache},
        "cpu_stats": {"cpu_usage": {"total_usage": 99}},
    }
    assert usage_of_statistics(statistics) == Usage(99, 4000, 3)
