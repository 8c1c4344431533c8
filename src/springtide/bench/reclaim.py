"""Reclaim with notice 0: from the owner's demand until the owner's instances are ready (goal: under 5 s)."""

from __future__ import annotations

from pathlib import Path

from springtide.bench.ground import OWNER_AND_GUEST, compose_text, seconds_until_ready, write
from springtide.bench.report import Bench
from springtide.temporary import TemporaryPlane

GUESTS, OWNERS_BEFORE, OWNERS_AFTER = 18, 1, 20


async def run(folder: Path, rounds: int) -> Bench:
    """The owner has one instance and guests fill its pool; then it wants the pool whole."""
    bench = Bench("reclaim")
    async with TemporaryPlane(write(folder, "fleet.yaml", OWNER_AND_GUEST)) as plane:
        await plane.deploy(write(folder, "owner.yaml", compose_text("owner", OWNERS_BEFORE)))
        await plane.deploy(write(folder, "guest.yaml", compose_text("guest", 1)))
        for _ in range(rounds):
            await plane.post("apps/guest/services/web/scale", {"count": GUESTS})
            await seconds_until_ready(plane, "guest/web", GUESTS)
            await plane.post("apps/owner/services/web/scale", {"count": OWNERS_AFTER})
            seconds = await seconds_until_ready(plane, "owner/web", OWNERS_AFTER)
            bench.add("springtide", f"{OWNERS_AFTER - OWNERS_BEFORE} owners ready", "s", seconds)
            await plane.post("apps/guest/services/web/scale", {"count": 1})
            await plane.post("apps/owner/services/web/scale", {"count": OWNERS_BEFORE})
            await seconds_until_ready(plane, "owner/web", OWNERS_BEFORE)
            await seconds_until_ready(plane, "guest/web", 1)
    return bench
