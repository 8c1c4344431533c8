"""Waiting until an app's services are what is wanted of them, and giving up as soon as they can't be."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from springtide.cli.client import Client
from springtide.cli.failures import crash_failure, no_room_failure, timeout_failure

LOOK_SECONDS = 5.0
"""The control plane answers as soon as anything has changed, at latest after so long."""
CRASHES_TO_GIVE_UP = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one service is."""

    service: str
    ready: int
    minimum: int
    outdated: int
    missing: int
    crashes: int

    @property
    def is_done(self) -> bool:
        return self.ready >= self.minimum

    @property
    def words(self) -> str:
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

    Raises CommandError with cause, evidence and next step when the time is over; as soon as instances have
    ended several times in a row; or where one of ``without_room``, of which it was foretold, has no place.
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
    counts = (seen[key] for key in ("ready", "minimum", "outdated", "missing", "crashes"))
    return Standing(seen["id"], *counts)


def _give_up_where_hopeless(client: Client, late: Sequence[Standing], without_room: Collection[str]) -> None:
    for each in late:
        if each.crashes >= CRASHES_TO_GIVE_UP:
            raise crash_failure(client, each.service)
        if each.missing and each.service in without_room:
            raise no_room_failure(client, each.service)
