"""1 → 51 instances, cold, ready and routed, against the bare engine API with the same concurrency."""

from __future__ import annotations

import os
from pathlib import Path

from aiodocker import Docker

from springtide.bench.bare_engine import BareRun
from springtide.bench.ground import ONE_POOL, compose_text, seconds_until_ready, write
from springtide.bench.report import Bench
from springtide.engines.docker_instances import ContainerNames
from springtide.temporary import TemporaryPlane

FEW, MANY = 1, 51


async def run(folder: Path, rounds: int) -> Bench:
    """Both in turn, round by round, on the same engine with the same image and settings."""
    bench = Bench("scale_out")
    async with TemporaryPlane(write(folder, "fleet.yaml", ONE_POOL)) as plane, Docker() as docker:
        await plane.deploy(write(folder, "compose.yaml", compose_text("bench", FEW)))
        image = (await plane.get("instances"))[0]["image"]
        bare = BareRun(docker, image, ContainerNames(f"bare-{os.getpid()}"))
        for _ in range(rounds):
            await plane.post("apps/bench/services/web/scale", {"count": MANY})
            bench.add(
                "springtide", "1 to 51 ready and routed", "s", await seconds_until_ready(plane, "bench/web", MANY)
            )
            await plane.post("apps/bench/services/web/scale", {"count": FEW})
            await seconds_until_ready(plane, "bench/web", FEW)
            bench.add("bare engine API", "50 ready", "s", await bare.seconds_to_start(MANY - FEW))
            await bare.remove(MANY - FEW)
    ratio = bench.median_of("springtide", "1 to 51 ready and routed") / bench.median_of("bare engine API", "50 ready")
    bench.add("springtide", "share of the bare API (goal 1.1)", "ratio", ratio)
    return bench
