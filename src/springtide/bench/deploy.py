"""Deploying a file of 20 services, first and with nothing to change, against ``docker-compose up -d``."""

from __future__ import annotations

import time
from pathlib import Path

from aiodocker import Docker

from springtide.bench.ground import EXAMPLES, ONE_POOL, write
from springtide.bench.peers import compose_project
from springtide.bench.report import Bench
from springtide.temporary import TemporaryPlane

SERVICES = 20
GOAL = 0.7
FIRST, AGAIN = "first time", "nothing to change"


async def run(folder: Path, rounds: int) -> Bench:
    """The same 20 services, each on two of three networks, half of them waiting for another to start.

    ``docker-compose up -d`` ends once all are started; ``springtide deploy`` only once all are ready.
    """
    bench = Bench("deploy")
    async with TemporaryPlane(write(folder, "fleet.yaml", ONE_POOL)) as plane, Docker() as docker:
        image = await _image(plane, folder)
        ours = write(folder, "compose.yaml", f"name: twenty\n{twenty_services(image)}\nx-springtide: {{team: bench}}\n")
        for _ in range(rounds):
            for metric in (FIRST, AGAIN):
                begun_at = time.perf_counter()
                await plane.command("deploy", "-f", str(ours))
                bench.add("springtide", metric, "s", time.perf_counter() - begun_at)
            await plane.command("down", "twenty")
            async with compose_project(docker, folder, twenty_services(image)) as compose:
                for metric in (FIRST, AGAIN):
                    bench.add("Docker Compose", metric, "s", await compose.up())
    for metric in (FIRST, AGAIN):
        share = bench.median_of("springtide", metric) / bench.median_of("Docker Compose", metric)
        bench.add("springtide", f"{metric}: share of Docker Compose (goal {GOAL:g})", "ratio", share)
    return bench


async def _image(plane: TemporaryPlane, folder: Path) -> str:
    """The id of the sample app's image, built once."""
    text = f"name: one\nservices: {{web: {{build: {EXAMPLES}}}}}\nx-springtide: {{team: bench}}\n"
    await plane.command("deploy", "-f", str(write(folder, "one.yaml", text)))
    image = (await plane.get("instances"))[0]["image"]
    await plane.command("down", "one")
    return str(image)


def twenty_services(image: str) -> str:
    """20 services as both tools read them, ten of which wait for another to start."""
    lines = ["services:"]
    for number in range(1, SERVICES + 1):
        lines += [
            f"  s{number}:",
            f"    image: {image}",
            "    init: true",
            f'    environment: {{NUMBER: "{number}"}}',
            "    mem_limit: 32M",
            "    cpus: 0.05",
            f"    networks: [front, back{1 + number % 2}]",
        ]
        if number > SERVICES // 2:
            lines.append(f"    depends_on: [s{number - SERVICES // 2}]")
    return "\n".join([*lines, "networks: {front: {}, back1: {}, back2: {}}"])
