"""What a simulated instance plays inside: a few commands that can be talked with, and files by path."""

from __future__ import annotations

import asyncio
import io
import posixpath
import tarfile
from collections.abc import AsyncIterator, Mapping

from springtide.engines.base import Command, OutputStream, PathStatus
from springtide.model.mounts import READABLE_BY_ALL

FOLDER_MODE = 0o755


class SimulatedCommand:
    """Knows ``true``, ``false``, ``echo …``, ``sleep N`` and ``cat``; any other command exits with 0."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._input: asyncio.Queue[bytes] = asyncio.Queue()
        if not command.has_input:
            self._input.put_nowait(b"")

    async def write(self, data: bytes) -> None:
        self._input.put_nowait(data)

    async def end_input(self) -> None:
        self._input.put_nowait(b"")

    async def resize(self, rows: int, columns: int) -> None:
        """A simulated terminal has any size."""

    async def output(self) -> AsyncIterator[tuple[OutputStream, bytes]]:
        match self._command.words:
            case ["sleep", seconds]:
                await asyncio.sleep(float(seconds))
            case ["echo", *words]:
                yield OutputStream.OUT, f"{' '.join(words)}\n".encode()
            case ["cat"]:
                while data := await self._input.get():
                    yield OutputStream.OUT, data
            case _:
                return

    async def exit_code(self) -> int:
        return 1 if self._command.words[0] == "false" else 0

    async def close(self) -> None:
        """Nothing is held open."""


def status_in(files: Mapping[str, bytes], path: str) -> PathStatus | None:
    """What is at this path; folders are there as long as something is in them."""
    path = posixpath.normpath(path)
    name = posixpath.basename(path) or "/"
    if path in files:
        return PathStatus(name, False, len(files[path]), READABLE_BY_ALL)
    below = path.rstrip("/") + "/"
    if path == "/" or any(each.startswith(below) for each in files):
        return PathStatus(name, True, 0, FOLDER_MODE)
    return None


def packed(files: Mapping[str, bytes], path: str) -> bytes:
    """A tar of the file, or of the folder with what is in it; names begin with the path's last part."""
    path = posixpath.normpath(path)
    above = posixpath.dirname(path)
    buffer = io.BytesIO()
    with tarfile.open(mode="w", fileobj=buffer) as tar:
        if path not in files:
            folder = tarfile.TarInfo(posixpath.basename(path))
            folder.type, folder.mode = tarfile.DIRTYPE, FOLDER_MODE
            tar.addfile(folder)
        for each in sorted(files):
            if each == path or each.startswith(path.rstrip("/") + "/"):
                entry = tarfile.TarInfo(posixpath.relpath(each, above))
                entry.size, entry.mode = len(files[each]), READABLE_BY_ALL
                tar.addfile(entry, io.BytesIO(files[each]))
    return buffer.getvalue()


def unpacked(archive: bytes, directory: str) -> dict[str, bytes]:
    """The files of a tar by the path at which they end up."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [(each, tar.extractfile(each)) for each in tar if each.isfile()]
        return {
            posixpath.normpath(posixpath.join(directory, each.name)): content.read()
            for each, content in members
            if content is not None
        }
