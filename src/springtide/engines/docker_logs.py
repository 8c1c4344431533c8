"""The engine's log format: frames of standard output and error, put back together as lines.

Source: Docker Engine API, "Stream format" of ContainerAttach: 1 byte stream, 3 bytes nought, 4 bytes
length, payload.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

from aiohttp import StreamReader

HEADER = struct.Struct(">BxxxL")


async def read_lines(answer: StreamReader) -> AsyncIterator[str]:
    """Each line without its end, in the order written; the two streams are kept apart until a line is whole."""
    unfinished = {1: b"", 2: b""}
    async for stream, data in _frames(answer):
        *lines, unfinished[stream] = (unfinished.get(stream, b"") + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    for rest in unfinished.values():
        if rest:
            yield rest.decode(errors="replace")


async def read_raw_lines(answer: StreamReader) -> AsyncIterator[str]:
    """Each line of a container with a terminal: there the streams are one, and without frames."""
    async for line in answer:
        yield line.decode(errors="replace").rstrip("\r\n")


async def _frames(answer: StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    while True:
        try:
            stream, length = HEADER.unpack(await answer.readexactly(HEADER.size))
            yield stream, await answer.readexactly(length)
        except asyncio.IncompleteReadError:
            return
