"""What would happen: the planner on a copy of the present. Nothing is written, nobody is asked for anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import APIRouter

from springtide.api.platform import Platform
from springtide.api.requests_plan import WhatIfRequest
from springtide.api.views_plan import ComparisonWire, comparison_wire
from springtide.model.errors import RefusedError
from springtide.planning.index import Index, RecordChanged, advance
from springtide.planning.outlook import simulate_what_if


def plan_routes(platform: Platform) -> APIRouter:
    routes = APIRouter(prefix="/plan", tags=["plan"])
    turn = asyncio.Lock()

    @routes.post("/what-if")
    async def what_if(asked: WhatIfRequest) -> ComparisonWire:
        """Play the present forward without and with changes, and say what differs. Changes nothing."""
        async with turn:  # one at a time, in a thread: the planner on duty never waits for more than one at play
            index = _present(platform)
            return await asyncio.to_thread(_compare, platform, index, asked)

    return routes


def _compare(platform: Platform, index: Index, asked: WhatIfRequest) -> ComparisonWire:
    suppositions = [each.supposition() for each in asked.changes]
    return comparison_wire(simulate_what_if(index, platform.now(), suppositions, _within(asked.limit_seconds)))


def _present(platform: Platform) -> Index:
    """Observations of the last plan under the newest record. Raises RefusedError before anything was observed."""
    index = platform.index
    if not index.engine_listed:
        raise RefusedError(
            "The control plane has just started and hasn't seen yet what runs.",
            remedy="Ask again in a second.",
            code="not-planned-yet",
        )
    return advance(index, [RecordChanged(platform.record)])


def _within(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() < deadline
