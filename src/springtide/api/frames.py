"""How a command is talked with over one request: frames both ways, each a kind, a length and that many bytes.

::

    to the command      input, the end of input, the size of the terminal as "ROWS COLUMNS"
    from the command    what it writes, then its exit code, or a failure as the API's JSON

A frame is one byte, four bytes of length with the highest first, and the content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

FRAMES_TYPE = "application/vnd.springtide.frames"
HEADER = struct.Struct(">BL")
MAX_FRAME_BYTES = 2**20


class FrameKind(IntEnum):
    INPUT = 0
    OUTPUT = 1
    ERROR_OUTPUT = 2
    END_OF_INPUT = 3
    SIZE = 4
    EXIT_CODE = 5
    FAILURE = 6


class FrameError(ValueError):
    """What came is no frame."""


def packed(kind: FrameKind, content: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(content)) + content


class FrameReader:
    """Puts frames together again, however their bytes arrive."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[tuple[FrameKind, bytes]]:
        """The frames that are whole now. Raises FrameError."""
        self._left += data
        while len(self._left) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._left)
            if kind > max(FrameKind) or length > MAX_FRAME_BYTES:
                raise FrameError(f"{kind} with {length} bytes is no frame")
            end = HEADER.size + length
            if len(self._left) < end:
                return
            content, self._left = self._left[HEADER.size : end], self._left[end:]
            yield FrameKind(kind), content
