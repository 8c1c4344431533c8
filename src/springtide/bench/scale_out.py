"""1 → 51 instances, cold, ready and routed, against the bare engine API, Docker Compose and one-node Swarm."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

from aiodocker import Docker

from springtide.bench.bare_engine import BareRun
from springtide.bench.ground import ONE_POOL, compose_text, peer_text, seconds_until_ready, write
from springtide.bench.peers import compose_project, swarm_service
from springtide.bench.report import Bench
from springtide.engines.docker_instances import ContainerNames
from springtide.temporary import TemporaryPlane

FEW, MANY = 1, 51
SCALED = "1 to 51 ready and routed"
PEERS = {"bare engine API": ("50 ready", 1.1), "Docker Compose": ("1 to 51 ready", 0.45), "Swarm": ("1 to 51 run", 0.9)}
"""What of each peer is measured, and at most which share of it Springtide is to take."""


async def run(folder: Path, rounds: int) -> Bench:
    """All in turn, round by round, on the same engine with the same image and settings."""
    bench = Bench("scale_out")
    async with AsyncExitStack() as stack:
        docker = await stack.enter_async_context(Docker())
        plane = await stack.enter_async_context(TemporaryPlane(write(folder, "fleet.yaml", ONE_POOL)))
        await plane.deploy(write(folder, "compose.yaml", compose_text("bench", FEW)))
        image = (await plane.get("instances"))[0]["image"]
        for _ in range(rounds):
            await plane.post("apps/bench/services/web/scale", {"count": MANY})
            bench.add("springtide", SCALED, "s", await seconds_until_ready(plane, "bench/web", MANY))
            await plane.post("apps/bench/services/web/scale", {"count": FEW})
            await seconds_until_ready(plane, "bench/web", FEW)
            await _measure_peers(bench, docker, folder, image)
    for peer, (metric, goal) in PEERS.items():
        share = bench.median_of("springtide", SCALED) / bench.median_of(peer, metric)
        bench.add("springtide", f"share of {peer} (goal {goal:g})", "ratio", share)
    return bench


async def _measure_peers(bench: Bench, docker: Docker, folder: Path, image: str) -> None:
    bare = BareRun(docker, image, ContainerNames(f"bare-{os.getpid()}"))
    bench.add("bare engine API", PEERS["bare engine API"][0], "s", await bare.seconds_to_start(MANY - FEW))
    await bare.remove(MANY - FEW)
    async with compose_project(docker, folder, peer_text(image)) as compose:
        await compose.seconds_to_scale("web", FEW)
        bench.add("Docker Compose", PEERS["Docker Compose"][0], "s", await compose.seconds_to_scale("web", MANY))
    async with swarm_service(docker, folder, image) as swarm:
        bench.add("Swarm", PEERS["Swarm"][0], "s", await swarm.seconds_to_scale(MANY))
