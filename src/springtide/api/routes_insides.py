"""What goes on inside an instance: commands to run, files to copy in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from springtide.api.conversation import Conversation
from springtide.api.errors import unknown
from springtide.api.frames import FRAMES_TYPE
from springtide.api.platform import Platform
from springtide.api.wire_base import Wire
from springtide.engines.base import Command, PathStatus
from springtide.model.errors import InputError, UnknownNameError
from springtide.model.identifiers import InstanceId

TAR = "application/x-tar"
LARGEST_MODE = 0o7777
FilePath = Annotated[str, Query(min_length=1, description="An absolute path in the instance.")]
Container = Annotated[str, Query(description="Which container of a pod, by its service's name; the first where empty.")]
FRAMES: dict[int | str, dict[str, Any]] = {
    200: {"content": {FRAMES_TYPE: {}}, "description": "What it writes, then its exit code, in frames."}
}
ARCHIVE: dict[int | str, dict[str, Any]] = {200: {"content": {TAR: {}}, "description": "A tar."}}


class PathWire(Wire):
    """What is at a path; links are followed. ``mode`` are Unix permissions as a number."""

    name: str
    is_directory: bool
    size_bytes: int
    mode: int


def inside_routes(platform: Platform) -> APIRouter:
    routes = APIRouter(prefix="/instances/{id}", tags=["engine"])

    @routes.post("/exec/stream", response_class=Response, responses=FRAMES)
    async def run(
        id: str,
        command: Annotated[list[str], Query(min_length=1, description="The command's words.")],
        env: Annotated[list[str] | None, Query(description="NAME=value, each.")] = None,
        user: str = "",
        working_dir: str = "",
        tty: bool = False,
        container: Container = "",
    ) -> Response:
        """Run a command in the instance. The body is its input, the answer its output, both in frames.

        One that is left runs on: no engine can end a command that it has begun.
        """
        wish = Command(
            words=tuple(command),
            user=user,
            working_dir=working_dir,
            environment=tuple(_variable(each) for each in env or ()),
            has_input=True,
            tty=tty,
            companion=companion_named(platform, id, container),
        )
        return Conversation(await platform.engine.run(InstanceId(id), wish))

    @routes.get("/files/status")
    async def status(id: str, path: FilePath, container: Container = "") -> PathWire:
        """What is at a path of the instance."""
        found = await _status(platform, id, path, container)
        return PathWire(name=found.name, is_directory=found.is_directory, size_bytes=found.size_bytes, mode=found.mode)

    @routes.get("/files", response_class=StreamingResponse, responses=ARCHIVE)
    async def read(id: str, path: FilePath, container: Container = "") -> StreamingResponse:
        """A file or a directory of the instance as a tar; its names begin with the path's last part."""
        await _status(platform, id, path, container)
        chunks = platform.engine.read_files(InstanceId(id), path, companion_named(platform, id, container))
        first = await anext(chunks, b"")  # a failure before it is an answer, one after it a broken stream
        return StreamingResponse(_with_first(first, chunks), media_type=TAR)

    @routes.put("/files")
    async def write(id: str, path: FilePath, request: Request, container: Container = "") -> PathWire:
        """Unpack a tar, the body, in a directory of the instance, which must exist."""
        found = await _status(platform, id, path, container)
        if not found.is_directory:
            raise InputError(f"{path} isn't a directory.", file=f"instance {id}", key="path", remedy="Name its folder.")
        companion = companion_named(platform, id, container)
        await platform.engine.write_files(InstanceId(id), path, request.stream(), companion)
        return PathWire(name=found.name, is_directory=True, size_bytes=found.size_bytes, mode=found.mode)

    return routes


def known_instance(platform: Platform, id: str) -> InstanceId:
    """Raises UnknownNameError with what comes near."""
    record = platform.record
    known = record.placements.keys() | record.standby.keys() | platform.index.instances.keys()
    if id not in known:
        raise unknown("instance", id, known)
    return InstanceId(id)


def companion_named(platform: Platform, id: str, container: str) -> str:
    """The companion that is meant: none for the first container, which may be named like any.

    Raises UnknownNameError where there is no such instance; whether it has such a companion the engine knows.
    """
    known = known_instance(platform, id)
    shown = platform.record.placements.get(known) or platform.index.instances[known]
    return "" if container == shown.service.rpartition("/")[2] else container


async def _status(platform: Platform, id: str, path: str, container: str) -> PathStatus:
    if not path.startswith("/") or "\0" in path:
        raise InputError(f"{path!r} isn't an absolute path.", file=f"instance {id}", key="path", remedy="Begin with /.")
    companion = companion_named(platform, id, container)
    found = await platform.engine.path_status(InstanceId(id), path, companion)
    if found is None:
        raise UnknownNameError(f"There is no {path} in {id}.", remedy=f"Look around: springtide exec {id} ls /")
    return found


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or "\0" in text:
        raise InputError(f"{text!r} isn't NAME=value.", file="exec", key="env", remedy="Write NAME=value.")
    return name, value


async def _with_first(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk
