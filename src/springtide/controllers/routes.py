"""Traffic: the router does what the last plan says, and shows what it sees."""

from __future__ import annotations

import asyncio
from datetime import datetime

from springtide.controllers.mailbox import Mailbox
from springtide.model.observations import RouterView
from springtide.model.routing import RouteTable
from springtide.planning.index import RoutesApplied
from springtide.routers.base import Router

QUIET_PERIODS = 2
"""Where no request came since the last look, the next look may wait so many periods."""


class RouteKeeper:
    """Applies route tables in order, and looks at loads once a period; only it speaks to the router."""

    def __init__(self, router: Router, mailbox: Mailbox, period_seconds: float) -> None:
        self._router = router
        self._mailbox = mailbox
        self._period_seconds = period_seconds
        self._wanted: tuple[datetime, RouteTable] | None = None
        self._applied: RouteTable | None = None
        self._changed = asyncio.Event()
        self._last_view: RouterView | None = None

    def want(self, at: datetime, table: RouteTable) -> None:
        """Make the router follow this plan. A later plan takes the place of one not yet applied."""
        self._wanted = (at, table)
        if table != self._applied:
            self._changed.set()

    async def keep(self) -> None:
        """Apply what is wanted, look, and wait for a change or a period. Raises RouterError."""
        self._changed.clear()
        has_changed = False
        if self._wanted is not None:
            at, table = self._wanted
            if table != self._applied:
                has_changed, self._applied = True, None
                await self._router.apply(table)
                self._applied = table
            self._mailbox.report(RoutesApplied(at), is_news=False)
        view, before = await self._router.view(), self._last_view
        self._last_view = view
        self._mailbox.report(view, is_news=has_changed or _has_drained(view))
        is_quiet = before is not None and before.services == view.services
        try:
            async with asyncio.timeout(self._period_seconds * (QUIET_PERIODS if is_quiet else 1)):
                await self._changed.wait()
        except TimeoutError:
            return


def _has_drained(view: RouterView) -> bool:
    return any(not load.accepting and load.in_flight == 0 for _, load in view.endpoints)
