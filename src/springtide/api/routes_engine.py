"""What only the engine can tell or do: logs, and images built or pinned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Query
from fastapi.responses import PlainTextResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from springtide.api.image_lookups import find_images
from springtide.api.platform import Platform
from springtide.api.requests import FindImagesRequest, ResolveRequest
from springtide.api.routes_insides import Container, companion_named
from springtide.api.streams import STREAM, event_stream
from springtide.api.wire_apps import FoundImagesWire, ImageWire
from springtide.model.builds import BuildSpec
from springtide.model.errors import InputError
from springtide.model.identifiers import InstanceId

MOST_LINES = 100_000
Tail = Annotated[int, Query(ge=0, le=MOST_LINES, description="So many of the last lines.")]


def engine_routes(platform: Platform) -> APIRouter:
    routes = APIRouter(tags=["engine"])

    @routes.post("/images/build")
    async def build(wish: Annotated[BuildSpec, Body()]) -> ImageWire:
        """Build an image from a directory of the control plane's machine; the image's immutable id."""
        _check_context(wish.context)
        return ImageWire(image=await platform.engine.build(wish))

    @routes.post("/images/resolve")
    async def resolve(wish: ResolveRequest) -> ImageWire:
        """The immutable reference of an image; pulled where the engine doesn't have it."""
        return ImageWire(image=await platform.engine.resolve_image(wish.reference))

    @routes.post("/images/find")
    async def find(wish: FindImagesRequest) -> FoundImagesWire:
        """The immutable references of many images at once."""
        return await find_images(platform.engine, wish.references, wish.pull)

    @routes.get("/instances/{id}/logs", response_class=PlainTextResponse)
    async def logs(id: str, tail: Tail = 100, container: Container = "") -> PlainTextResponse:
        """The last lines of what the instance wrote, standard output and error as one."""
        companion = companion_named(platform, id, container)
        return PlainTextResponse(await platform.engine.logs(InstanceId(id), tail=tail, companion=companion))

    @routes.get("/instances/{id}/logs/stream", response_class=EventSourceResponse, responses=STREAM)
    async def follow_logs(id: str, tail: Tail = 100, container: Container = "") -> EventSourceResponse:
        """The last lines, then each new one (``event: line``); ``event: end`` when the instance has ended."""
        companion = companion_named(platform, id, container)
        return event_stream(_lines(platform.engine.follow_logs(InstanceId(id), tail=tail, companion=companion)))

    return routes


def _check_context(path: Path) -> None:
    if "\0" in str(path) or not path.is_absolute() or not path.is_dir():
        raise InputError(
            f"{str(path)!r} is no directory of this machine.",
            file="images/build",
            key="context",
            remedy="Give an absolute path to the directory that has the Dockerfile.",
        )


async def _lines(lines: AsyncIterator[str]) -> AsyncIterator[ServerSentEvent]:
    async for line in lines:
        yield ServerSentEvent(event="line", data=line.rstrip("\n"))
    yield ServerSentEvent(event="end", data="")
