"""Server-sent events: one message a value; a failure on the way is a message too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent

from springtide.api.errors import error_wire
from springtide.model.errors import SpringtideError

RETRY_MILLISECONDS = 1000
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Server-sent events."}
}


def event_stream(messages: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    """Answer with these messages; ends with the client, the source or the server, whichever is first."""
    return EventSourceResponse(_with_failures(messages), headers={"Cache-Control": "no-store"}, ping=15)


async def _with_failures(messages: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="springtide", retry=RETRY_MILLISECONDS)
    try:
        async for message in messages:
            yield message
    except SpringtideError as error:
        yield ServerSentEvent(event="error-sentence", data=error_wire(error).model_dump_json())
