"""Watching use: cpu of the services that scale by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from springtide.controllers.mailbox import Mailbox
from springtide.engines.base import Engine
from springtide.model.identifiers import InstanceId
from springtide.model.observations import UsageSample
from springtide.model.record import Record

LOOK_SECONDS = 1.0


class UsageWatcher:
    """Samples what instances use, but only of services whose scale asks for it."""

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
        return sorted(id for id, placement in record.placements.items() if placement.service in by_cpu)
