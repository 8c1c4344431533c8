"""Images of a Docker Engine: building from a directory, and finding the immutable name of one."""

from __future__ import annotations

import asyncio
import tarfile
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from aiodocker.exceptions import DockerError

from springtide.engines.base import Pull
from springtide.engines.docker_api import NOT_FOUND, UNREACHABLE, DockerApi, label_filter
from springtide.engines.docker_ignore import IgnoreRules
from springtide.engines.docker_instances import ContainerNames
from springtide.model.errors import EngineError, ImageMissingError

LAST_LINES = 20
IN_MEMORY_BYTES = 16 * 2**20
ID_LENGTH = 12


class DockerImages:
    """Builds, resolves and removes images; what it builds carries the installation's label and a tag."""

    def __init__(self, api: DockerApi, names: ContainerNames) -> None:
        self._api = api
        self._names = names

    async def build(self, context: Path, dockerfile: str, arguments: Mapping[str, str]) -> str:
        """The new image's id. Raises EngineError with the build's last lines."""
        if not (context / dockerfile).is_file():
            raise EngineError(
                f"There is no {dockerfile} in {context}, so nothing can be built.",
                remedy="Write one, or name another under build: dockerfile.",
            )
        last_lines: deque[str] = deque(maxlen=LAST_LINES)
        with await asyncio.to_thread(pack_context, context, dockerfile) as archive:
            try:
                image = await self._run_build(archive, dockerfile, arguments, last_lines)
            except EngineError as error:
                if not isinstance(error.__cause__, DockerError) or error.__cause__.status == UNREACHABLE:
                    raise
                shown = "\n".join([*last_lines, error.__cause__.message.strip()])
                raise EngineError(
                    f"Building {context / dockerfile} failed. Its last lines:\n{shown}\n",
                    remedy="Correct the Dockerfile or the files that it copies, and deploy again.",
                ) from error
        await self._keep(image)
        return image

    async def resolve(self, reference: str, pull: Pull) -> str:
        """The repository digest of a pulled image, the id of any other. Raises ImageMissingError."""
        if pull is not Pull.ALWAYS:
            present = await self._find(reference)
            if present is not None:
                return present
            if pull is Pull.NEVER:
                raise self._missing(reference, "may not be pulled now")
        await self._pull(reference)
        pulled = await self._find(reference)
        if pulled is None:
            raise self._missing(reference, "has gone again")
        return pulled

    async def delete_all(self) -> None:
        """Remove every image that this installation built."""
        with self._api.call("list images"):
            images = await self._api.client.images.list(filters=label_filter(self._names.labels))
        for image in images:
            with self._api.call(f"remove the image {image['Id']}", tolerate=(NOT_FOUND,)):
                await self._api.client.images.delete(image["Id"], force=True)

    async def _run_build(
        self, archive: IO[bytes], dockerfile: str, arguments: Mapping[str, str], last_lines: deque[str]
    ) -> str:
        image = ""
        steps = self._api.client.images.build(
            fileobj=archive,
            encoding="identity",
            path_dockerfile=dockerfile,
            buildargs=arguments,
            labels=self._names.labels,
            rm=True,
            forcerm=True,
            stream=True,
        )
        with self._api.call(f"build {dockerfile}"):
            async for step in steps:
                last_lines.extend(str(step.get("stream", "")).splitlines())
                image = step.get("aux", {}).get("ID", image)
        if not image:
            raise EngineError(f"The Docker Engine built {dockerfile} but named no image.")
        return image

    async def _keep(self, image: str) -> None:
        """Tag the image, so that pruning dangling images doesn't take it."""
        short = image.removeprefix("sha256:")[:ID_LENGTH]
        with self._api.call(f"tag the image {image}"):
            await self._api.client.images.tag(image, f"springtide-{self._names.installation}", tag=short)

    async def _find(self, reference: str) -> str | None:
        with self._api.call(f"look up the image {reference}"):
            try:
                return self._immutable_name(reference, await self._api.client.images.inspect(reference))
            except DockerError as error:
                if error.status != NOT_FOUND:
                    raise
        return None

    def _missing(self, reference: str, detail: str) -> ImageMissingError:
        return ImageMissingError(
            f"The image {reference} isn't on the engine at {self._api.host} and {detail}.",
            remedy="Correct its name, or build it (build: in the Compose file), or load it: docker load.",
        )

    async def _pull(self, reference: str) -> None:
        try:
            with self._api.call(f"pull the image {reference}"):
                await self._api.client.images.pull(reference)
        except EngineError as error:
            if not isinstance(error.__cause__, DockerError) or error.__cause__.status == UNREACHABLE:
                raise
            why = error.__cause__.message.strip().rstrip(".")
            raise self._missing(reference, f"can't be pulled: {why}") from error

    @staticmethod
    def _immutable_name(reference: str, inspected: Mapping[str, Any]) -> str:
        """The digest under the reference's own repository, else the image's id."""
        repository = _repository(reference)
        digests: Iterable[str] = inspected.get("RepoDigests") or ()
        return next((each for each in digests if each.partition("@")[0] == repository), str(inspected["Id"]))


def pack_context(context: Path, dockerfile: str) -> IO[bytes]:
    """The directory as a tar, without what ``.dockerignore`` leaves out; the Dockerfile is always in."""
    rules = IgnoreRules.read(context, always=(dockerfile, ".dockerignore"))
    archive = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  handed to the caller
    with tarfile.open(mode="w", fileobj=archive) as tar:
        for path in sorted(context.rglob("*")):
            name = path.relative_to(context).as_posix()
            if not rules.leaves_out(name):
                tar.add(path, name, recursive=False, filter=_as_root)
    archive.seek(0)
    return archive


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _repository(reference: str) -> str:
    """``host:5000/team/app`` of ``host:5000/team/app:tag@sha256:…``."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
