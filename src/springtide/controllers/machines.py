"""Watching the clouds: rented machines and offers, looked at once a period."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from springtide.clouds.base import CloudProvider
from springtide.controllers.mailbox import Mailbox
from springtide.model.observations import CloudView


class MachineWatcher:
    """Reports what one cloud shows; only a change is news."""

    def __init__(self, cloud: CloudProvider, mailbox: Mailbox, period_seconds: float) -> None:
        self._cloud = cloud
        self._mailbox = mailbox
        self._period_seconds = period_seconds
        self._last: CloudView | None = None

    async def look(self) -> None:
        """Look once, then wait for a period. Raises CloudError."""
        view = await self._cloud.view()
        is_news = self._last is None or replace(self._last, at=view.at) != view
        self._last = view
        self._mailbox.report(view, is_news=is_news)
        await asyncio.sleep(self._period_seconds)
