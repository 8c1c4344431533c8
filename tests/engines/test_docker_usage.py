"""Usage from control groups of both versions, and from the engine's statistics."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.engines.docker_usage import CgroupFiles, network_bytes, usage_of_statistics
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


NET_DEV = """Inter-|   Receive                                           |  Transmit
 face |bytes  packets errs drop fifo frame compressed multicast|bytes  packets errs drop fifo colls carrier compressed
    lo:   500       5    0    0    0     0          0         0   500        5    0    0    0     0       0          0
  eth0:  1000      10    0    0    0     0          0         0   200        2    0    0    0     0       0          0
  eth1:    30       1    0    0    0     0          0         0     4        1    0    0    0     0       0          0
"""


def a_group_with_a_process(tmp_path: Path, network: str) -> CgroupFiles:
    """A container in version 2 whose one process is on a network of its own, or on ours."""
    group = tmp_path / "cgroup" / "docker" / CONTAINER
    write(tmp_path / "cgroup" / "cgroup.controllers", "cpu memory pids\n")
    for name, text in (("cpu.stat", "usage_usec 1\n"), ("memory.current", "9\n"), ("memory.stat", "inactive_file 0\n")):
        write(group / name, text)
    write(group / "pids.current", "1\n")
    write(group / "cgroup.procs", "42\n")
    processes = tmp_path / "proc"
    write(processes / "self" / "ns" / "net", "")
    write(processes / "42" / "net" / "dev", NET_DEV)
    (processes / "42" / "ns").mkdir()
    if network == "host":
        (processes / "42" / "ns" / "net").hardlink_to(processes / "self" / "ns" / "net")
    else:
        write(processes / "42" / "ns" / "net", "")
    return CgroupFiles(tmp_path / "cgroup", processes)


@pytest.mark.parametrize(("network", "expected"), [("bridge", (1030, 204)), ("host", (0, 0))])
def test_traffic_is_what_a_process_of_the_container_sees_unless_it_is_on_the_hosts_network(
    tmp_path: Path, network: str, expected: tuple[int, int]
) -> None:
    usage = a_group_with_a_process(tmp_path, network).usage(CONTAINER)
    assert usage is not None
    assert (usage.received_bytes, usage.sent_bytes) == expected


def test_lines_of_a_network_table_that_say_nothing_count_for_nothing() -> None:
    assert network_bytes("no table\n eth0: 1 2\n") == (0, 0)


def test_statistics_sum_the_traffic_of_all_networks() -> None:
    statistics = {
        "pids_stats": {"current": 1},
        "memory_stats": {"usage": 1},
        "cpu_stats": {"cpu_usage": {"total_usage": 1}},
        "networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 1}, "eth1": {"rx_bytes": 20, "tx_bytes": 2}},
    }
    assert usage_of_statistics(statistics) == Usage(1, 1, 1, received_bytes=30, sent_bytes=3)
