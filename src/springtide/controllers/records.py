"""Following the record: every commit, whoever made it, in order and with no gap."""

from __future__ import annotations

import asyncio

from springtide.controllers.mailbox import Mailbox
from springtide.model.errors import StaleReadError
from springtide.model.record import Record
from springtide.planning.index import RecordChanged
from springtide.store.base import Store


class RecordFollower:
    """Keeps a copy of the record in memory, and reports each change to the mailbox."""

    def __init__(self, store: Store, mailbox: Mailbox) -> None:
        self._store = store
        self._mailbox = mailbox
        self._progress = asyncio.Condition()
        self.record = Record()
        self._was_read = False

    async def follow(self) -> None:
        """Read the record, then apply commits until the watch breaks. Raises StoreError."""
        await self._move_to(await self._store.read())
        try:
            async for commit in self._store.watch(self.record.version):
                await self._move_to(self.record.after(commit))
        except StaleReadError:
            return

    async def wait_until(self, version: int) -> None:
        """Return once the record has been read and the copy is at this version or later."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._was_read and self.record.version >= version)

    async def _move_to(self, record: Record) -> None:
        self.record = record
        self._was_read = True
        self._mailbox.report(RecordChanged(record))
        async with self._progress:
            self._progress.notify_all()
