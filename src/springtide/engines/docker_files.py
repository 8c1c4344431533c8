"""Files into and out of containers: configs and secrets before the start, copies at any time."""

from __future__ import annotations

import base64
import io
import json
import posixpath
import stat
import tarfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from springtide.engines.base import PathStatus
from springtide.engines.docker_api import ENDLESS, NOT_FOUND, DockerApi, raise_failure
from springtide.engines.docker_mounts import folders_for_files
from springtide.model.mounts import FileMount
from springtide.model.workloads import ContainerTemplate

STATUS_HEADER = "X-Docker-Container-Path-Stat"
CHUNK_BYTES = 2**16
DIRECTORY_OF_GO = 1 << 31
"""Go's os.ModeDir, in whose form the engine tells modes; the lower nine bits are Unix's."""
PERMISSIONS = 0o777


class DockerFiles:
    """The engine's archive calls on one container."""

    def __init__(self, api: DockerApi) -> None:
        self._api = api

    async def put_in(self, container: str, template: ContainerTemplate) -> None:
        """Configs and secrets into a container that was made and not started yet.

        They go over the engine's socket into the container itself: no file of the machine is made for them
        outside the engine's own data, and they go with the container.
        """
        for folder, files in _by_call(template):
            await self.write(container, folder, _once(_pack(files, folder)), "put configs and secrets in")

    async def status(self, container: str, path: str, doing: str) -> PathStatus | None:
        client = self._api.client
        with self._api.call(doing):
            url = self._api.url(f"containers/{container}/archive")
            async with client.session.head(url, params={"path": path}) as response:
                if response.status == NOT_FOUND:
                    return None
                await raise_failure(response)
                told = json.loads(base64.b64decode(response.headers[STATUS_HEADER]))
        if told["linkTarget"] and told["linkTarget"] != path:
            return await self.status(container, told["linkTarget"], doing)
        mode = int(told["mode"])
        return PathStatus(told["name"], bool(mode & DIRECTORY_OF_GO), int(told["size"]), mode & PERMISSIONS)

    async def read(self, container: str, path: str, doing: str) -> AsyncIterator[bytes]:
        async with self._api.stream(f"containers/{container}/archive", {"path": path}, doing) as content:
            async for chunk in content.iter_chunked(CHUNK_BYTES):
                yield chunk

    async def write(self, container: str, directory: str, archive: AsyncIterator[bytes], doing: str) -> None:
        with self._api.call(doing):
            url = self._api.url(f"containers/{container}/archive")
            parameters = {"path": directory, "noOverwriteDirNonDir": "true"}
            headers = {"Content-Type": "application/x-tar"}
            async with self._api.client.session.put(
                url, params=parameters, data=archive, headers=headers, timeout=ENDLESS
            ) as response:
                await raise_failure(response)


def _by_call(template: ContainerTemplate) -> Iterator[tuple[str, list[FileMount]]]:
    """Which files go in at which folder: at one that is mounted by itself, the others at the root."""
    mounted = {*folders_for_files(template), *(mount.target for mount in template.mounts)}
    folders = {each.target: posixpath.dirname(each.target) for each in template.files}
    places = {target: folder if folder in mounted else "/" for target, folder in folders.items()}
    for place in sorted(set(places.values())):
        yield place, [each for each in template.files if places[each.target] == place]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _pack(files: Iterable[FileMount], folder: str) -> bytes:
    """A tar of these files alone: the engine makes folders that are missing and leaves others as they are."""
    buffer = io.BytesIO()
    with tarfile.open(mode="w", fileobj=buffer, format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(posixpath.relpath(file.target, folder))
            entry.size, entry.mode = len(file.content), stat.S_IMODE(file.mode)
            entry.uid, entry.gid = file.uid, file.gid
            entry.mtime = int(time.time())
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
