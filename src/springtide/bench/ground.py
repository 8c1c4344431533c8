"""The ground that measurements stand on: one fleet and one app each, in files of their own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from springtide.temporary import TemporaryPlane

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "tide"
LOOK_SECONDS = 0.05

ONE_POOL = """
teams: {bench: {}}
sites: {home: {}}
pools:
  bench: {site: home, team: bench, slices: {count: 2, cpus: 2, memory: 1536M}}
scaling: {up: 1s, down: 600s, home: 60s, period: 0.5s}
"""

QUICK_TO_FALL = ONE_POOL.replace("down: 600s", "down: 3s")

OWNER_AND_GUEST = """
teams: {owner: {}, guest: {}}
sites: {home: {}}
pools:
  owner: {site: home, team: owner, slices: {count: 2, cpus: 0.5, memory: 512M}, contribution: 50%}
  guest: {site: home, team: guest, slices: {count: 1, cpus: 0.1, memory: 64M}, contribution: 0%}
reclaim: {notice: 0s, grace: 2s}
scaling: {up: 1s, down: 600s, home: 60s, period: 0.5s}
"""


def compose_text(app: str, replicas: int, scale: str = "") -> str:
    """A Compose file of the sample app, routed, with so many replicas or a scale of its own.

    Ready instances are probed every 10 s, as Kubernetes does unless told otherwise.
    """
    return f"""
name: {app}
services:
  web:
    build: {EXAMPLES}
    environment: {{CONCURRENCY: "4", QUEUE: "8", WORK_MS: "100"}}
    deploy: {{replicas: {replicas}, resources: {{reservations: {{cpus: "0.05", memory: 32M}}}}}}
    healthcheck: {{test: ["CMD", "wget", "-qO-", "http://localhost:8000/healthz"], interval: 10s}}
    x-springtide:
      team: {app}
      route: {{host: {app}.localhost, port: 8000, max_requests: 4}}
      {scale}
"""


def peer_text(image: str) -> str:
    """The same service for Docker Compose, of an image that is there."""
    return f"""
services:
  web:
    image: {image}
    pull_policy: never
    init: true
    environment: {{CONCURRENCY: "4", QUEUE: "8", WORK_MS: "100"}}
    mem_limit: 32M
"""


def write(folder: Path, name: str, text: str) -> Path:
    """Write one of the files a measurement starts from."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


async def seconds_until_ready(plane: TemporaryPlane, service: str, count: int, timeout_seconds: float = 120.0) -> float:
    """Seconds from now until exactly so many instances are wanted, ready and routed."""
    begun_at = time.perf_counter()
    while time.perf_counter() - begun_at < timeout_seconds:
        found = next(each for each in await plane.get("services") if each["id"] == service)
        if found["wanted"] == found["ready"] == found["routed"] == found["instances"] == count:
            return time.perf_counter() - begun_at
        await asyncio.sleep(LOOK_SECONDS)
    raise TimeoutError(f"{service} hasn't {count} instances ready within {timeout_seconds:g} s: {found}")
