"""The loop: look, plan, commit, act. One plan is committed at a time, and only on what it was made from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from springtide.controllers.actions import Actor
from springtide.controllers.mailbox import Mailbox
from springtide.controllers.records import RecordFollower
from springtide.controllers.routes import RouteKeeper
from springtide.model.errors import StaleReadError
from springtide.planning.index import Index, PlanCommitted
from springtide.planning.planner import Plan, plan
from springtide.store.base import Fence, ReadVersions, Store

LEAST_GAP_SECONDS = 0.05
"""News is answered at once, but not more often than this."""

Planner = Callable[[Index, datetime], Awaitable[Plan]]


async def plan_inline(index: Index, now: datetime) -> Plan:
    """Plan in the event loop: for tests in virtual time."""
    return plan(index, now)


async def plan_in_thread(index: Index, now: datetime) -> Plan:
    """Plan off the event loop, so that the API answers meanwhile."""
    return await asyncio.to_thread(plan, index, now)


class Reconciler:
    """Has plans made from the index, commits them, and hands them to those who act."""

    def __init__(
        self,
        store: Store,
        mailbox: Mailbox,
        follower: RecordFollower,
        actor: Actor,
        routes: RouteKeeper,
        *,
        planner: Planner,
        now: Callable[[], datetime],
        on_plan: Callable[[Index, Plan], None],
    ) -> None:
        self._store = store
        self._mailbox = mailbox
        self._follower = follower
        self._actor = actor
        self._routes = routes
        self._planner = planner
        self._now = now
        self._on_plan = on_plan
        self._fence: Fence | None = None

    async def reconcile(self) -> None:
        """One round. Raises StoreError, and FenceLostError where another controller has taken over."""
        if self._fence is None:
            self._fence = await self._store.acquire_fence()
        index = self._mailbox.index()
        plan = await self._planner(index, self._now())
        if plan.changes and not await self._commit(plan):
            return
        self._mailbox.report(PlanCommitted(plan.carry), is_news=False)
        self._actor.dispatch(plan.actions)
        self._routes.want(plan.now, plan.routes)
        self._on_plan(index, plan)

    async def wait(self, period_seconds: float) -> None:
        """Wait for news or a period, and at least the least gap."""
        await asyncio.sleep(LEAST_GAP_SECONDS)
        await self._mailbox.wait_for_news(max(0.0, period_seconds - LEAST_GAP_SECONDS))

    async def _commit(self, plan: Plan) -> bool:
        """Commit the plan's changes; ``False`` where what it rests on has changed: then plan again."""
        try:
            version = await self._store.commit(
                plan.changes, read=ReadVersions(plan.read_versions, {}), fence=self._fence
            )
        except StaleReadError:
            return False
        await self._follower.wait_until(version)
        return True
