"""Loops that go on: an error is logged once with its cause, and the loop tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from springtide.model.errors import AdapterError, FenceLostError, StoreError

log = structlog.get_logger()


async def repeat(name: str, step: Callable[[], Awaitable[None]], pause_seconds: float = 0.5) -> None:
    """Run ``step`` for ever, with a pause after each failure of an adapter or the store.

    Only the first failure of a row is logged, and the recovery. FenceLostError ends the loop: another
    controller has taken over. So does anything else: it is a defect, and whoever runs the loops lets
    it end the process with its cause.
    """
    failing = False
    while True:
        try:
            await step()
        except FenceLostError:
            raise
        except (AdapterError, StoreError) as error:
            if not failing:
                log.warning("loop_failing", loop=name, code=error.code, error=str(error))
            failing = True
            await asyncio.sleep(pause_seconds)
        else:
            if failing:
                log.info("loop_recovered", loop=name)
            failing = False
