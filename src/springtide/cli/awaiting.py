"""Waiting until an app's services are what is wanted of them, and giving up as soon as they can't be."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from springtide.cli.client import Client
from springtide.cli.failures import crash_failure, no_room_failure, run_failure, timeout_failure

LOOK_SECONDS = 5.0
"""The control plane answers as soon as anything has changed, at latest after so long."""
CRASHES_TO_GIVE_UP = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one service is. ``run`` is what the API says of one that runs to its end."""

    service: str
    ready: int
    minimum: int
    outdated: int
    missing: int
    crashes: int
    run: dict[str, Any] | None = None

    @property
    def completed(self) -> int:
        return self.run["completed"] if self.run is not None else 0

    @property
    def is_done(self) -> bool:
        return self.ready + self.completed >= self.minimum

    @property
    def words(self) -> str:
        if self.run is not None:
            running = f", {self.ready} running" if self.ready else ""
            return f"{self.service} {self.completed} of {self.minimum} completed{running}"
        left = f", {self.outdated} to replace" if self.outdated else ""
        return f"{self.service} {self.ready} of {self.minimum} ready{left}"


def wait_until_ready(
    client: Client,
    app: str,
    services: Collection[str],
    *,
    timeout_seconds: float,
    tell: Callable[[str], None],
    without_room: Collection[str] = (),
) -> list[Standing]:
    """Wait until each of these services has its minimum of ready instances of what is wanted by now.

    What runs to its end may have completed instead. Raises CommandError with cause, evidence and next step
    when the time is over; as soon as instances have ended several times in a row, or what runs to its end has
    failed for good; or where one of ``without_room``, of which it was foretold, has no place.
    """
    deadline, said, state = time.monotonic() + timeout_seconds, "", ""
    while True:
        left = deadline - time.monotonic()
        seen = client.get("apps", app, "progress", state=state, seconds=max(0.0, min(LOOK_SECONDS, left)))
        state = seen["state"]
        standings = [_standing(each) for each in seen["services"] if each["id"] in services]
        late = [each for each in standings if not each.is_done]
        line = ", ".join(each.words for each in (late or standings))
        if line != said:
            tell(line)
            said = line
        if not late:
            return standings
        _give_up_where_hopeless(client, late, without_room)
        if time.monotonic() >= deadline:
            raise timeout_failure(client, late[0].service, f"{timeout_seconds:g} s")


def _standing(seen: dict[str, Any]) -> Standing:
    keys = ("ready", "minimum", "outdated", "missing", "crashes", "run")
    return Standing(seen["id"], **{key: seen[key] for key in keys})


def _give_up_where_hopeless(client: Client, late: Sequence[Standing], without_room: Collection[str]) -> None:
    for each in late:
        if each.run is not None and each.run["has_failed"]:
            raise run_failure(client, each.service, each.run)
        if each.crashes >= CRASHES_TO_GIVE_UP:
            raise crash_failure(client, each.service)
        if each.missing and each.service in without_room:
            raise no_room_failure(client, each.service)
