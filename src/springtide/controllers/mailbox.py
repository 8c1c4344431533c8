"""The mailbox: loops put facts in, the planner takes the advanced index out."""

from __future__ import annotations

import asyncio

from springtide.planning.index import Index, Observation, advance


class Mailbox:
    """Collects observations in order and folds them into the index when somebody looks."""

    def __init__(self) -> None:
        self._index = Index()
        self._unread: list[Observation] = []
        self._news = asyncio.Event()

    def report(self, *facts: Observation, is_news: bool = True) -> None:
        """Add facts. News wakes the planner at once; the rest waits for its next look."""
        self._unread.extend(facts)
        if is_news and facts:
            self._news.set()

    def index(self) -> Index:
        """The index after everything reported so far."""
        unread, self._unread = self._unread, []
        self._index = advance(self._index, unread)
        return self._index

    async def wait_for_news(self, timeout_seconds: float) -> None:
        """Return when news has come since the last call, or after the time-out."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
