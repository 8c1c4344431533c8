"""What was seen of the fleet during the demo, five times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from springtide.demo.stage import Stage
from springtide.demo.story import APPS

LOOK_SECONDS = 0.2
LOOKS_AT_INSTANCES = 5
"""Every so many looks each instance is looked at too."""


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


@dataclass(frozen=True, slots=True)
class Start:
    """How long one instance took from its grant until it was ready."""

    seconds: float
    was_standby: bool


class Timeline:
    """Looks at the fleet through the API until it is told to end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._begun_at = time.monotonic()
        self.moments: list[Moment] = []
        self.starts: dict[str, Start] = {}
        """By instance, of those that became ready since the story began."""
        self._ready_before: set[str] = set()

    @property
    def second(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._begun_at

    async def follow(self) -> None:
        """Look for ever."""
        self._ready_before = {each["id"] for each in await self._ready_instances()}
        while True:
            await self.look()
            if len(self.moments) % LOOKS_AT_INSTANCES == 0:
                await self._note_starts()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Moment:
        """Look once, and keep what was seen."""
        second = self.second
        status = await self._stage.get("status")
        services = {each["app"]: _service_moment(each) for each in status["services"] if each["app"] in APPS}
        moment = Moment(second, services, status["rented_nodes"])
        self.moments.append(moment)
        return moment

    async def _note_starts(self) -> None:
        """Keep how long each took that is ready now and wasn't at the last look."""
        for each in await self._ready_instances():
            if each["id"] not in self._ready_before:
                self._ready_before.add(each["id"])
                self.starts[each["id"]] = Start(_seconds_to_ready(each), each["was_standby"])

    async def _ready_instances(self) -> list[dict[str, Any]]:
        instances: list[dict[str, Any]] = await self._stage.get("instances")
        return [each for each in instances if each["readiness"] == "ready" and each["app"] in APPS]

    async def wait_until(self, condition: Callable[[Moment], bool], timeout_seconds: float) -> bool:
        """Look until the condition holds; whether it did in time."""
        end = self.second + timeout_seconds
        while self.second < end:
            if condition(await self.look()):
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False


def _seconds_to_ready(instance: dict[str, Any]) -> float:
    granted, ready = (datetime.fromisoformat(instance[key]) for key in ("placed_at", "readiness_since"))
    return (ready - granted).total_seconds()


def _service_moment(service: dict[str, Any]) -> ServiceMoment:
    rungs = {rung: count for rung, count in service["rungs"].items() if count}
    return ServiceMoment(service["wanted"], service["ready"], service["capacity"] or 0.0, rungs)
