"""The live view: what has changed of the status, and the newest sample, worked out once for all who look at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from springtide.api.platform import Platform
from springtide.api.standing import take_standing
from springtide.api.views_fleet import status_wire
from springtide.api.views_services import sample_wire
from springtide.api.wire import StatusWire

PERIOD_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Look:
    """The status field by field, and the sample, as JSON."""

    fields: Mapping[str, str]
    sample: str

    def text_after(self, seen: Mapping[str, str]) -> str:
        """The message for somebody who has seen these fields: those that are different now, and the sample."""
        news = ",".join(f'"{name}":{text}' for name, text in self.fields.items() if seen.get(name) != text)
        return f'{{"status":{{{news}}},"sample":{self.sample}}}'


class LiveView:
    """Hands all who follow what is new to them; nothing is worked out while nobody does."""

    def __init__(self, platform: Platform, period_seconds: float = PERIOD_SECONDS) -> None:
        self._platform = platform
        self._period_seconds = period_seconds
        self._turn = asyncio.Lock()
        self._look: _Look | None = None
        self._due = 0.0

    async def follow(self) -> AsyncIterator[str]:
        """The whole view as JSON, then once a period those fields of the status that have changed."""
        seen: Mapping[str, str] = {}
        while True:
            look = await self._present()
            yield look.text_after(seen)
            seen = look.fields
            await asyncio.sleep(max(0.0, self._due - asyncio.get_running_loop().time()))

    async def _present(self) -> _Look:
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._look is None or now >= self._due:
                self._look = await asyncio.to_thread(self._take_look)
                self._due = now + self._period_seconds
            return self._look

    def _take_look(self) -> _Look:
        standing = take_standing(self._platform)
        sample = sample_wire(standing.sample).model_dump_json() if standing.sample else "null"
        return _Look(_by_field(status_wire(standing)), sample)


def _by_field(status: StatusWire) -> dict[str, str]:
    return {name: status.model_dump_json(include={name})[len(name) + 4 : -1] for name in StatusWire.model_fields}
