"""10 and 50 instances from standby, ready and routed, against one-node Swarm that starts them cold."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from aiodocker import Docker

from springtide.bench.ground import LOOK_SECONDS, ONE_POOL, compose_text, seconds_until_ready, write
from springtide.bench.peers import swarm_service
from springtide.bench.report import Bench
from springtide.engines.docker import DockerEngine
from springtide.model.identifiers import InstanceId
from springtide.temporary import TemporaryPlane

COUNTS = (10, 50)
MOST = 110
GOAL = 0.1
FILL_SECONDS = 180.0


async def run(folder: Path, rounds: int) -> Bench:
    """Both in turn, round by round. Springtide's router gives each resumed instance traffic before it counts."""
    bench = Bench("standby")
    fleet = write(folder, "fleet.yaml", ONE_POOL.replace("down: 600s", "down: 3s"))
    async with TemporaryPlane(fleet) as plane, Docker() as docker:
        for count in COUNTS:
            scale = f"scale: {{min: 1, max: {MOST}, standby: {count}}}"
            await plane.deploy(write(folder, f"compose-{count}.yaml", compose_text("bench", 1, scale)))
            image = (await plane.get("instances"))[0]["image"]
            for _ in range(rounds):
                await _fill(plane, count)
                await _measure_memory(bench, plane, count)
                bench.add("springtide", f"{count} from standby", "s", await _resume(plane, count))
                await _back_to_one(plane)
                async with swarm_service(docker, folder, image) as swarm:
                    bench.add("Swarm", f"{count} cold", "s", await swarm.seconds_to_scale(1 + count))
            share = bench.median_of("springtide", f"{count} from standby") / bench.median_of("Swarm", f"{count} cold")
            bench.add("springtide", f"{count}: share of Swarm (goal {GOAL:g})", "ratio", share)
    return bench


async def _resume(plane: TemporaryPlane, count: int) -> float:
    """Seconds from the wish for so many more until all are ready and routed."""
    await plane.post("apps/bench/services/web/scale", {"minimum": 1 + count, "maximum": 1 + count})
    return await seconds_until_ready(plane, "bench/web", 1 + count)


async def _back_to_one(plane: TemporaryPlane) -> None:
    await plane.post("apps/bench/services/web/scale", {"count": 1})
    await seconds_until_ready(plane, "bench/web", 1)
    await plane.post("apps/bench/services/web/scale", {"minimum": 1, "maximum": MOST})


async def _fill(plane: TemporaryPlane, count: int) -> None:
    begun_at = time.perf_counter()
    while time.perf_counter() - begun_at < FILL_SECONDS:
        (service,) = await plane.get("services")
        if service["standby"]["paused"] >= count:
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise TimeoutError(f"{service['standby']} instead of {count} stand by after {FILL_SECONDS:g} s")


async def _measure_memory(bench: Bench, plane: TemporaryPlane, count: int) -> None:
    """What the kernel counts for those that are paused, and what Springtide counts for them."""
    paused = [each for each in await plane.get("instances") if each["state"] == "standby"]
    engine = DockerEngine((plane.home / "installation").read_text().strip())
    await engine.start()
    try:
        usage = await engine.usage([InstanceId(each["id"]) for each in paused])
    finally:
        await engine.close()
    held_mib = sum(each.memory_bytes for each in usage.values()) / 2**20
    bench.add("springtide", f"memory of {count} on standby", "MiB", held_mib)
