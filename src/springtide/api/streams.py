"""Server-sent events: one message a value; a failure on the way is a message too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent

from springtide.api.errors import error_wire
from springtide.model.errors import SpringtideError

RETRY_MILLISECONDS = 1000
PING_SECONDS = 15
ENDING_SECONDS = 1.0
"""So long a stream may take to end by itself when the server is told to end."""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Server-sent events."}
}


def event_stream(messages: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    """Answer with these messages; ends with the client, the source or the server, whichever is first."""
    ended = anyio.Event()
    return EventSourceResponse(
        _until(ended, _with_failures(messages)),
        headers={"Cache-Control": "no-store"},
        ping=PING_SECONDS,
        shutdown_event=ended,
        shutdown_grace_period=ENDING_SECONDS,
    )


async def _with_failures(messages: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="springtide", retry=RETRY_MILLISECONDS)
    try:
        async for message in messages:
            yield message
    except SpringtideError as error:
        yield ServerSentEvent(event="failure", data=error_wire(error).model_dump_json())


async def _until(ended: anyio.Event, messages: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    """The messages until the server ends: its clients then see a whole answer, not a broken one."""
    ending = asyncio.ensure_future(ended.wait())
    upcoming = _next(messages)
    try:
        while True:
            await asyncio.wait({upcoming, ending}, return_when=asyncio.FIRST_COMPLETED)
            message = upcoming.result() if upcoming.done() else None
            if message is None:
                return
            yield message
            upcoming = _next(messages)
    finally:
        upcoming.cancel()
        ending.cancel()
        await asyncio.gather(upcoming, ending, return_exceptions=True)


def _next(messages: AsyncIterator[ServerSentEvent]) -> asyncio.Task[ServerSentEvent | None]:
    async def step() -> ServerSentEvent | None:
        return await anext(messages, None)

    return asyncio.create_task(step(), name="next message")
