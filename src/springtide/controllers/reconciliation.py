"""The loop: look, plan, commit, act. One plan is committed at a time, and only on what it was made from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from springtide.controllers.mailbox import Mailbox
from springtide.controllers.records import RecordFollower
from springtide.model.errors import StaleReadError
from springtide.planning.index import Index, PlanCommitted
from springtide.planning.planner import Plan, plan

LEAST_GAP_SECONDS = 0.05
"""News is answered at once, but not more often than this."""

Planner = Callable[[Index, datetime], Awaitable[Plan]]
CarryOut = Callable[[Index, Plan], None]
"""Takes a committed plan, and the index it was made from, to everybody who acts on it; begins, and doesn't wait."""


async def plan_inline(index: Index, now: datetime) -> Plan:
    """Plan in the event loop: for tests in virtual time."""
    return plan(index, now)


async def plan_in_thread(index: Index, now: datetime) -> Plan:
    """Plan off the event loop, so that the API answers meanwhile."""
    return await asyncio.to_thread(plan, index, now)


class Reconciler:
    """Has plans made from the index, commits them, and has them carried out."""

    def __init__(
        self,
        mailbox: Mailbox,
        follower: RecordFollower,
        carry_out: CarryOut,
        *,
        planner: Planner,
        now: Callable[[], datetime],
    ) -> None:
        self._mailbox = mailbox
        self._follower = follower
        self._carry_out = carry_out
        self._planner = planner
        self._now = now

    async def reconcile(self) -> None:
        """One round. Raises StoreError, and FenceLostError where another controller has taken over."""
        await self._follower.take_fence()
        index = self._mailbox.index()
        plan = await self._planner(index, self._now())
        if plan.changes and not await self._commit(plan):
            return
        self._mailbox.report(PlanCommitted(plan.carry), is_news=False)
        self._carry_out(index, plan)

    async def wait(self, period_seconds: float) -> None:
        """Wait for news or a period, and at least the least gap."""
        await asyncio.sleep(LEAST_GAP_SECONDS)
        await self._mailbox.wait_for_news(max(0.0, period_seconds - LEAST_GAP_SECONDS))

    async def _commit(self, plan: Plan) -> bool:
        """Commit the plan's changes; ``False`` where what it rests on has changed: then plan again."""
        try:
            await self._follower.commit(plan.changes, plan.read_versions)
        except StaleReadError:
            return False
        return True
