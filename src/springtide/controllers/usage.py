"""Watching use: cpu of the services that scale by it, network of those that load lines between sites."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from springtide.controllers.mailbox import Mailbox
from springtide.engines.base import Engine
from springtide.model.identifiers import InstanceId
from springtide.model.observations import UsageSample
from springtide.model.record import Record
from springtide.planning.line_use import away_from_home

LOOK_SECONDS = 1.0


class UsageWatcher:
    """Samples what instances use, but only where scale asks for it, or an instance away from home loads a line."""

    def __init__(
        self, engine: Engine, mailbox: Mailbox, record: Callable[[], Record], now: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._mailbox = mailbox
        self._record = record
        self._now = now

    async def look(self) -> None:
        """Sample once, then wait. Raises EngineError."""
        ids = self._asked_for()
        if ids:
            usage = await self._engine.usage(ids)
            self._mailbox.report(UsageSample(self._now(), tuple(usage.items())), is_news=False)
        await asyncio.sleep(LOOK_SECONDS)

    def _asked_for(self) -> list[InstanceId]:
        record = self._record()
        by_cpu = {id for id, service in record.services.items() if service.scale.cpu_percent is not None}
        asked = {id for id, placement in record.placements.items() if placement.service in by_cpu}
        return sorted(asked.union(away_from_home(record)))
