"""The control plane at rest with 50 instances: memory, processor, and how soon it is ready after a start."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from springtide.bench.ground import ONE_POOL, compose_text, seconds_until_ready, write
from springtide.bench.report import Bench
from springtide.temporary import TemporaryPlane

INSTANCES = 50
REST_SECONDS = 20.0


async def run(folder: Path, rounds: int) -> Bench:
    """Each round ends the control plane, starts it again on what runs, and then leaves it alone."""
    bench = Bench("at_rest")
    async with TemporaryPlane(write(folder, "fleet.yaml", ONE_POOL)) as plane:
        await plane.deploy(write(folder, "compose.yaml", compose_text("bench", 1)))
        await plane.post("apps/bench/services/web/scale", {"count": INSTANCES})
        await seconds_until_ready(plane, "bench/web", INSTANCES)
        for _ in range(rounds):
            bench.add("springtide", "up to ready (goal 2)", "s", await _restart(plane))
            await seconds_until_ready(plane, "bench/web", INSTANCES)
            await asyncio.sleep(5)
            for subject, pids in _processes(plane.home).items():
                before = sum(_cpu_seconds(pid) for pid in pids)
                await asyncio.sleep(REST_SECONDS)
                used = sum(_cpu_seconds(pid) for pid in pids) - before
                bench.add(subject, "processor", "% of a core", 100 * used / REST_SECONDS)
                bench.add(subject, "memory", "MB", sum(_resident_bytes(pid) for pid in pids) / 1e6)
    return bench


async def _restart(plane: TemporaryPlane) -> float:
    await plane.command("down", "--keep")
    port, ingress = plane.api_url.rpartition(":")[2], str((await asyncio.to_thread(_state, plane.home))["ingress_port"])
    begun_at = time.perf_counter()
    await plane.command("up", "--port", port, "--ingress-port", ingress)
    return time.perf_counter() - begun_at


def _state(home: Path) -> dict[str, int]:
    return dict(json.loads((home / "control-plane.json").read_text()))


def _processes(home: Path) -> dict[str, list[int]]:
    """The control plane, and the router with all its processes."""
    routers = [pid for pid in _all_pids() if str(home / "haproxy") in _command_line(pid)]
    return {"control plane": [_state(home)["pid"]], "router": routers}


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    """Proportional set size: pages that processes share are counted once."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
