"""A load step to enough ready capacity, on own machines (goal: under 3 s)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from springtide.bench.ground import LOOK_SECONDS, QUICK_TO_FALL, compose_text, seconds_until_ready, write
from springtide.bench.report import Bench
from springtide.load.generator import LoadRun
from springtide.load.plan import LoadPlan, RatePhase
from springtide.temporary import TemporaryPlane

CALM_RPS, STEP_RPS, PER_INSTANCE_RPS = 40.0, 200.0, 20.0
LEAST = 3
CALM_SECONDS, STEP_SECONDS = 3.0, 10.0
SCALE = "scale: {min: 3, max: 40, requests_per_second: 20}"


async def run(folder: Path, rounds: int) -> Bench:
    """Real traffic steps from 40 to 200 requests a second at once; each round begins at 3 instances."""
    bench = Bench("load_step")
    async with TemporaryPlane(write(folder, "fleet.yaml", QUICK_TO_FALL)) as plane:
        (url,) = await plane.deploy(write(folder, "compose.yaml", compose_text("bench", LEAST, SCALE)))
        for _ in range(rounds):
            seconds, load = await _step(plane, url)
            outcome = load.report().outcome
            bench.add("springtide", "step to capacity ready", "s", seconds)
            bench.add("springtide", "requests lost", "count", outcome.failed)
            bench.add("springtide", "requests shed", "count", outcome.shed)
            await seconds_until_ready(plane, "bench/web", LEAST)
    return bench


async def _step(plane: TemporaryPlane, url: str) -> tuple[float, LoadRun]:
    """Seconds from the step until ready instances carry the new rate, within the tolerance."""
    phases = (
        RatePhase("calm", CALM_SECONDS, CALM_RPS, CALM_RPS),
        RatePhase("step", STEP_SECONDS, STEP_RPS, STEP_RPS),
    )
    load = LoadRun(LoadPlan(url, phases))
    running = asyncio.create_task(load.run())
    begun_at = time.perf_counter()
    await asyncio.sleep(CALM_SECONDS)
    while True:
        (service,) = await plane.get("services")
        if service["routed"] * PER_INSTANCE_RPS >= STEP_RPS:
            break
        await asyncio.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - begun_at - CALM_SECONDS
    await running
    return seconds, load
