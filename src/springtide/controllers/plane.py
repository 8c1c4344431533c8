"""The control plane: all loops together, on whichever adapters it was given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from springtide.clouds.base import CloudProvider
from springtide.controllers.actions import Actor
from springtide.controllers.chronicle import Chronicle
from springtide.controllers.instances import InstanceWatcher
from springtide.controllers.machines import MachineWatcher
from springtide.controllers.mailbox import Mailbox
from springtide.controllers.readiness import Prober
from springtide.controllers.reconciliation import Planner, Reconciler
from springtide.controllers.records import RecordFollower
from springtide.controllers.routes import RouteKeeper
from springtide.controllers.supervision import repeat
from springtide.controllers.usage import UsageWatcher
from springtide.engines.base import Engine
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from springtide.routers.base import Router
from springtide.store.base import Store

LOOK_SECONDS = 0.25
"""How often loads and clouds are looked at."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a control plane runs on, chosen by the application."""

    store: Store
    engine: Engine
    router: Router
    clouds: Mapping[str, CloudProvider]


class ControlPlane:
    """Observes, plans and acts until it is cancelled; what runs then keeps running."""

    def __init__(self, adapters: Adapters, *, planner: Planner, now: Callable[[], datetime]) -> None:
        self.adapters = adapters
        self.chronicle = Chronicle()
        self.mailbox = Mailbox()
        self.follower = RecordFollower(adapters.store, self.mailbox)
        self._prober = Prober(adapters.engine, self.mailbox, lambda: self.follower.record, now)
        self._watcher = InstanceWatcher(adapters.engine, self.mailbox, self._prober)
        self._routes = RouteKeeper(adapters.router, self.mailbox, LOOK_SECONDS)
        self._actor = Actor(
            adapters.engine,
            adapters.clouds,
            self._watcher,
            self.mailbox,
            lambda: self.follower.record,
            now,
            self.chronicle.note_last_words,
        )
        self._reconciler = Reconciler(self.mailbox, self.follower, self._carry_out, planner=planner, now=now)
        self._machines = [MachineWatcher(cloud, self.mailbox, LOOK_SECONDS) for cloud in adapters.clouds.values()]
        self._usage = UsageWatcher(adapters.engine, self.mailbox, lambda: self.follower.record, now)

    async def run(self) -> None:
        """Run every loop. Ends only by cancellation, by a defect, or by FenceLostError's successor."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(repeat("record", self.follower.follow))
                await self.follower.wait_until(0)
                loops.create_task(repeat("instances", self._watcher.watch))
                loops.create_task(repeat("usage", self._usage.look))
                for machines in self._machines:
                    loops.create_task(repeat("clouds", machines.look))
                loops.create_task(self._plan_once_sighted())
        finally:
            await self._prober.close()
            await self._actor.close()

    async def _plan_once_sighted(self) -> None:
        """Plan only when what runs has been seen and asked: a restart must not disturb what serves."""
        await self._watcher.first_round.wait()
        async with asyncio.TaskGroup() as loops:
            loops.create_task(repeat("routes", self._routes.keep))
            loops.create_task(repeat("plan", self._reconcile))

    async def _reconcile(self) -> None:
        await self._reconciler.reconcile()
        await self._reconciler.wait(self.follower.record.fleet.scaling.period_seconds)

    def _carry_out(self, index: Index, plan: Plan) -> None:
        """Let everybody who acts go on from this plan, and the chronicle show it."""
        self._actor.dispatch(plan.actions)
        self._routes.want(plan.now, plan.routes)
        self.chronicle.note(index, plan)
