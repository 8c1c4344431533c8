"""Run by a test: fills a record's disk (a file size limit stands for it), then makes room."""

from __future__ import annotations

import asyncio
import json
import resource
import sys

from springtide.model.errors import StoreError
from springtide.model.record import Change, Kind
from springtide.store.sql import SqlStore

ENTRIES_PER_COMMIT = 50


def batch(number: int) -> list[Change]:
    return [Change(Kind.ORDINAL, f"{number}-{each}", each) for each in range(ENTRIES_PER_COMMIT)]


async def main(path: str) -> None:
    store = SqlStore(f"sqlite:///{path}")
    await store.commit(batch(0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    refusal = ""
    while not refusal:
        try:
            await store.commit(batch((await store.read()).version))
        except StoreError as error:
            refusal = str(error)
    when_full = await store.read()
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    version = await store.commit(batch(when_full.version))
    await store.close()
    print(json.dumps([refusal, when_full.version, len(when_full.ordinals), version]))


asyncio.run(main(sys.argv[1]))
