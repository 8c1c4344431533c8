"""The record: every commit, whoever made it, in order and with no gap; and this control plane's own commits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from springtide.controllers.mailbox import Mailbox
from springtide.model.errors import StaleReadError
from springtide.model.record import Change, Kind, Record
from springtide.planning.index import RecordChanged
from springtide.store.base import Fence, ReadVersions, Store


class RecordFollower:
    """Keeps a copy of the record in memory and reports each change to the mailbox; only it commits."""

    def __init__(self, store: Store, mailbox: Mailbox) -> None:
        self._store = store
        self._mailbox = mailbox
        self._progress = asyncio.Condition()
        self.record = Record()
        self._was_read = False
        self._fence: Fence | None = None

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

    async def take_fence(self) -> Fence:
        """The right to commit, taken from every earlier control plane when first asked for. Raises StoreError."""
        if self._fence is None:
            self._fence = await self._store.acquire_fence()
        return self._fence

    async def commit(self, changes: Sequence[Change], read_versions: Mapping[Kind, int]) -> None:
        """Commit under the fence, and return once the copy shows it.

        Raises StaleReadError where a set that was read has changed since, FenceLostError where another
        control plane has taken over, StoreError.
        """
        fence = await self.take_fence()
        version = await self._store.commit(changes, read=ReadVersions(read_versions, {}), fence=fence)
        await self.wait_until(version)

    async def _move_to(self, record: Record) -> None:
        self.record = record
        self._was_read = True
        self._mailbox.report(RecordChanged(record))
        async with self._progress:
            self._progress.notify_all()
