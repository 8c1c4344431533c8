"""What was seen of the fleet during the demo, five times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from springtide.demo.stage import Stage
from springtide.demo.story import APPS

LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ServiceMoment:
    """One app's service: counts, and how many requests a second its ready instances carry in comfort."""

    wanted: int
    ready: int
    capacity: float
    rungs: dict[str, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """The fleet, so many seconds after the story began."""

    second: float
    services: dict[str, ServiceMoment]
    rented_nodes: int


class Timeline:
    """Looks at the fleet through the API until it is told to end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._begun_at = time.monotonic()
        self.moments: list[Moment] = []

    @property
    def second(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._begun_at

    async def follow(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Moment:
        """Look once, and keep what was seen."""
        second = self.second
        status = await self._stage.get("status")
        services = {each["app"]: _service_moment(each) for each in status["services"] if each["app"] in APPS}
        moment = Moment(second, services, status["rented_nodes"])
        self.moments.append(moment)
        return moment

    async def wait_until(self, condition: Callable[[Moment], bool], timeout_seconds: float) -> bool:
        """Look until the condition holds; whether it did in time."""
        end = self.second + timeout_seconds
        while self.second < end:
            if condition(await self.look()):
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False


def _service_moment(service: dict[str, Any]) -> ServiceMoment:
    rungs = {rung: count for rung, count in service["rungs"].items() if count}
    return ServiceMoment(service["wanted"], service["ready"], service["capacity"] or 0.0, rungs)
