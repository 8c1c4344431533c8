"""Run by a test, and killed: commits for ever, and prints each version once its commit has returned."""

from __future__ import annotations

import asyncio
import sys

from springtide.model.record import Change, Kind
from springtide.store.sql import SqlStore


async def main(path: str) -> None:
    store = SqlStore(f"sqlite:///{path}")
    while True:
        number = (await store.read()).version + 1
        changes = [Change(Kind.ORDINAL, f"{number}-{part}", number) for part in range(5)]
        print(await store.commit(changes), flush=True)


asyncio.run(main(sys.argv[1]))
