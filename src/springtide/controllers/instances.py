"""Watching the engine: what runs, from one list and every event since."""

from __future__ import annotations

import asyncio

from springtide.controllers.mailbox import Mailbox
from springtide.controllers.readiness import Prober
from springtide.engines.base import Engine
from springtide.model.identifiers import InstanceId
from springtide.model.observations import EngineInstance
from springtide.planning.index import InstanceMissing, InstanceSeen, InstancesListed

GATHER_SECONDS = 0.03
LOOKED_AT_SINGLY = 2
"""Events of one burst are looked at together, and by one list where they are more than this."""
LOOK_AGAIN_SECONDS = 10.0
"""However quiet the events, the whole list is compared this often."""


class InstanceWatcher:
    """Reports every instance's state, and tells the prober whom to ask."""

    def __init__(self, engine: Engine, mailbox: Mailbox, prober: Prober) -> None:
        self._engine = engine
        self._mailbox = mailbox
        self._prober = prober
        self._known: dict[InstanceId, EngineInstance] = {}
        self._changed: asyncio.Queue[InstanceId] = asyncio.Queue()
        self.first_round = asyncio.Event()
        """Set once the engine was listed and each of its instances was asked once whether it is ready."""

    async def watch(self) -> None:
        """List, then follow events until the connection breaks. Raises EngineError."""
        collector = asyncio.create_task(self._collect())
        try:
            await self._list_all()
            if not self.first_round.is_set():
                await self._prober.wait_for_first_answers()
                self.first_round.set()
            while not collector.done():
                await self._look()
            collector.result()
        finally:
            collector.cancel()
            await asyncio.gather(collector, return_exceptions=True)

    def look_at(self, id: InstanceId) -> None:
        """Report this instance soon, together with others of whom there is news."""
        self._changed.put_nowait(id)

    async def _collect(self) -> None:
        async for id in self._engine.watch():
            self._changed.put_nowait(id)

    async def _list_all(self) -> None:
        """Take over the whole list. Who is missing from it is asked for singly: it may be newer than the list."""
        listed = {instance.id: instance for instance in await self._engine.list()}
        if not self._known and not self.first_round.is_set():
            self._mailbox.report(InstancesListed(tuple(listed.values())))
        for id, instance in listed.items():
            self._report(id, instance)
        for id in [each for each in self._known if each not in listed]:
            self._report(id, await self._engine.get(id))

    async def _look(self) -> None:
        """Wait for the next burst of news and look at everyone in it: singly if few, else by one list."""
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                ids = {await self._changed.get()}
        except TimeoutError:
            await self._list_all()
            return
        await asyncio.sleep(GATHER_SECONDS)
        while not self._changed.empty():
            ids.add(self._changed.get_nowait())
        listed = {each.id: each for each in await self._engine.list()} if len(ids) > LOOKED_AT_SINGLY else {}
        for id in sorted(ids):
            self._report(id, listed[id] if id in listed else await self._engine.get(id))

    def _report(self, id: InstanceId, instance: EngineInstance | None) -> None:
        if self._known.get(id) == instance:
            return
        if instance is None:
            del self._known[id]
            self._mailbox.report(InstanceMissing(id))
        else:
            self._known[id] = instance
            self._mailbox.report(InstanceSeen(instance))
        self._prober.follow(id, instance)
