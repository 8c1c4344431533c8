"""The live view: status and newest sample, worked out once for everybody who looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from springtide.api.platform import Platform
from springtide.api.standing import take_standing
from springtide.api.views_fleet import status_wire
from springtide.api.views_services import sample_wire
from springtide.api.wire import TideWire

PERIOD_SECONDS = 0.5


class LiveView:
    """Hands the same text to all who follow; nothing is worked out while nobody does."""

    def __init__(self, platform: Platform, period_seconds: float = PERIOD_SECONDS) -> None:
        self._platform = platform
        self._period_seconds = period_seconds
        self._turn = asyncio.Lock()
        self._text = ""
        self._due = 0.0

    async def follow(self) -> AsyncIterator[str]:
        """The view as JSON, now and then once a period."""
        while True:
            yield await self._present()
            await asyncio.sleep(max(0.0, self._due - asyncio.get_running_loop().time()))

    async def _present(self) -> str:
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if not self._text or now >= self._due:
                self._text = await asyncio.to_thread(self._look)
                self._due = now + self._period_seconds
            return self._text

    def _look(self) -> str:
        standing = take_standing(self._platform)
        sample = sample_wire(standing.sample) if standing.sample else None
        return TideWire(status=status_wire(standing), sample=sample).model_dump_json()
