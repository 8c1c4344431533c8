"""Building images with the engine's own builders, over its API: BuildKit, and the classic one for what only that can.

With BuildKit the context travels as a tar in the request, as ever; what the build asks for meanwhile goes
over a session of its own. Its progress are messages of protocol buffers (moby/buildkit, api/services/control).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import aiohttp
from aiodocker.exceptions import DockerError

from springtide.engines.docker_api import ENDLESS, UNREACHABLE, DockerApi, dotted, raise_failure
from springtide.engines.docker_build_context import pack_context
from springtide.engines.docker_build_session import build_session
from springtide.engines.docker_instances import ContainerNames
from springtide.engines.protobuf_fields import fields_of, text_of, values_of
from springtide.model.builds import BuildSpec
from springtide.model.errors import EngineError, LacksCapabilityError

LAST_LINES = 20
CLASSIC, BUILDKIT = "1", "2"
KNOWS_LIMITS = (1, 42)
"""From this API on BuildKit holds steps to ``shm_size`` and ``ulimits``; before, only the classic builder does."""
FAILED_UNDER_WAY = 500
TRACE = "moby.buildkit.trace"
VERTEXES, LOGS = 1, 3
"""In a trace: steps that have changed, and what they wrote."""
STEP_NAME, STEP_STARTED, STEP_ENDED, LOG_TEXT = 3, 5, 6, 4


class DockerBuilds:
    """Builds images, which carry the installation's label."""

    def __init__(self, api: DockerApi, names: ContainerNames) -> None:
        self._api = api
        self._names = names

    async def build(self, spec: BuildSpec) -> str:
        """The new image's id. Raises EngineError with the build's last lines, LacksCapabilityError before anything."""
        _refuse_missing_dockerfile(spec)
        builder = await self._builder_for(spec)
        progress = Progress()
        archive, dockerfile = await asyncio.to_thread(pack_context, spec)
        parameters = [*build_parameters(spec, dockerfile, self._names.labels), ("version", builder)]
        with archive:
            try:
                async with self._session(spec, builder) as session:
                    await self._follow(archive, [*parameters, *session], progress)
            except EngineError as error:
                if not isinstance(error.__cause__, DockerError) or error.__cause__.status == UNREACHABLE:
                    raise
                shown = "\n".join([*progress.last_lines, error.__cause__.message.strip()])
                raise EngineError(
                    f"Building {_shown_dockerfile(spec)} failed. Its last lines:\n{shown}\n",
                    remedy="Correct the Dockerfile or the files that it copies, and deploy again.",
                ) from error
        if not progress.image:
            raise EngineError(f"The Docker Engine built {_shown_dockerfile(spec)} but named no image.")
        return progress.image

    async def _builder_for(self, spec: BuildSpec) -> str:
        if not (spec.shm_size_bytes or spec.ulimits) or await self._api.version() >= KNOWS_LIMITS:
            return BUILDKIT
        if spec.secrets:
            raise LacksCapabilityError(
                f"Build secrets together with shm_size or ulimits need Docker API {dotted(KNOWS_LIMITS)}; "
                f"the engine at {self._api.host} speaks {dotted(await self._api.version())}.",
                remedy="Upgrade the engine, or drop one of the two.",
            )
        return CLASSIC

    @asynccontextmanager
    async def _session(self, spec: BuildSpec, builder: str) -> AsyncIterator[list[tuple[str, str]]]:
        if builder == CLASSIC:
            yield []
            return
        async with build_session(self._api, {secret.id: secret.content for secret in spec.secrets}) as session:
            yield [("session", session)]

    async def _follow(self, archive: IO[bytes], parameters: list[tuple[str, str]], progress: Progress) -> None:
        """Let the engine build to the end."""
        headers = {"Content-Type": "application/x-tar"}
        with self._api.call("build an image"):
            async with self._api.client.session.post(
                self._api.url("build"), params=parameters, data=archive, headers=headers, timeout=ENDLESS
            ) as response:
                await raise_failure(response)
                async for line in _lines(response.content):
                    progress.add(json.loads(line))


class Progress:
    """What a build has told so far: its last lines, and the image once there is one."""

    def __init__(self) -> None:
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.image = ""

    def add(self, message: Mapping[str, Any]) -> None:
        """One message of the stream, of either builder. Raises DockerError where it says that there is no image."""
        if "error" in message:
            raise DockerError(FAILED_UNDER_WAY, str(message["error"]))
        told = message.get("aux")
        if message.get("id") == TRACE:
            self.last_lines.extend(_lines_of_trace(base64.b64decode(told or "")))
        elif isinstance(told, Mapping):
            self.image = told.get("ID", self.image)
        self.last_lines.extend(str(message.get("stream", "")).splitlines())


def build_parameters(spec: BuildSpec, dockerfile: str, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The query of ``POST /build``. ``dockerfile`` is its name in the context that is sent."""
    ulimits = [{"Name": each.name, "Soft": each.soft, "Hard": each.hard} for each in spec.ulimits]
    said = {
        "dockerfile": dockerfile,
        "target": spec.target,
        "networkmode": spec.network,
        "platform": spec.platform,
        "nocache": "1" if spec.no_cache else "",
        "pull": "1" if spec.pull else "",
        "shmsize": str(spec.shm_size_bytes or ""),
        "ulimits": json.dumps(ulimits) if ulimits else "",
        "cachefrom": json.dumps(spec.cache_from) if spec.cache_from else "",
        "buildargs": json.dumps(dict(spec.arguments)),
        "labels": json.dumps({**dict(spec.labels), **labels}),
        "rm": "1",
        "forcerm": "1",
    }
    repeated = [("extrahosts", f"{name}:{address}") for name, address in spec.extra_hosts]
    repeated += [("t", tag) for tag in spec.tags]
    return [*((key, value) for key, value in said.items() if value), *repeated]


def _lines_of_trace(trace: bytes) -> list[str]:
    """Steps as they begin, and what they write. A trace that can't be read tells nothing: the error comes apart."""
    try:
        begun = [text_of(step, STEP_NAME) for step in values_of(trace, VERTEXES) if _has_just_begun(step)]
        written = [text_of(log, LOG_TEXT) for log in values_of(trace, LOGS)]
    except (ValueError, binascii.Error):
        return []
    return [*begun, *(line for text in written for line in text.splitlines())]


def _has_just_begun(step: bytes) -> bool:
    said = {number for number, _ in fields_of(step)}
    return STEP_STARTED in said and STEP_ENDED not in said


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Each line, however long: a trace may hold much output."""
    unfinished = b""
    async for chunk in content.iter_any():
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
    if unfinished.strip():
        yield unfinished


def _refuse_missing_dockerfile(spec: BuildSpec) -> None:
    if not spec.dockerfile_text and not (spec.context / spec.dockerfile).is_file():
        raise EngineError(
            f"There is no {spec.dockerfile} in {spec.context}, so nothing can be built.",
            remedy="Write one, or name another under build: dockerfile.",
        )


def _shown_dockerfile(spec: BuildSpec) -> str:
    return f"{spec.context} (dockerfile_inline)" if spec.dockerfile_text else str(spec.context / Path(spec.dockerfile))
