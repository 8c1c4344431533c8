"""What happened and what happens: events, and the live view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from springtide.api.live import LiveView
from springtide.api.news import Lost, follow_after, follow_last, last_events, parse_position, position_of
from springtide.api.platform import Platform
from springtide.api.streams import STREAM, event_stream
from springtide.api.wire import EventWire

MOST_EVENTS = 5_000
Last = Annotated[int, Query(ge=0, le=MOST_EVENTS, description="So many of the latest.")]


def event_routes(platform: Platform) -> APIRouter:
    routes = APIRouter(tags=["events"])
    live = LiveView(platform)

    @routes.get("/events")
    async def events(last: Last = 100) -> list[EventWire]:
        """The latest events, oldest first: every grant, refusal, move and victim in a sentence."""
        return await last_events(platform.store, last)

    @routes.get("/events/stream", response_class=EventSourceResponse, responses=STREAM)
    async def stream_events(
        last: Last = 0, last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None
    ) -> EventSourceResponse:
        """Events as they come (``event: event``), none missing; ``event: lost`` says where some are no longer kept."""
        if last_event_id is not None:
            return event_stream(_messages(follow_after(platform.store, parse_position(last_event_id))))
        return event_stream(_messages(follow_last(platform.store, last)))

    @routes.get("/stream", response_class=EventSourceResponse, responses=STREAM)
    async def stream_tide() -> EventSourceResponse:
        """The status and the newest sample (``event: tide``): the first whole, then twice a second what has changed.

        Of the status each later message has only the fields that are different now, each in full."""
        return event_stream(ServerSentEvent(event="tide", data=text) async for text in live.follow())

    return routes


async def _messages(news: AsyncIterator[EventWire | Lost]) -> AsyncIterator[ServerSentEvent]:
    async for each in news:
        if isinstance(each, Lost):
            yield ServerSentEvent(event="lost", data=each.sentence)
        else:
            yield ServerSentEvent(event="event", id=str(position_of(each)), data=each.model_dump_json())
