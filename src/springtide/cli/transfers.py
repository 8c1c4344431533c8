"""Bytes to and from a running control plane: tars in either direction, and talks with commands."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Lock
from typing import IO, Any, cast

from springtide.api.frames import FRAMES_TYPE, FrameKind, FrameReader, packed
from springtide.cli.client import Client

CHUNK_BYTES = 2**16
TAR = "application/x-tar"


@contextmanager
def download(client: Client, *path: str, **query: Any) -> Iterator[IO[bytes]]:
    """What the control plane sends, to be read as it comes."""
    with closing(client.connection(None)) as connection:
        yield cast("IO[bytes]", client.exchange(connection, "GET", path, query))


def upload(client: Client, write: Callable[[IO[bytes]], None], *path: str, **query: Any) -> None:
    """Send what ``write`` writes, as it comes."""
    with closing(client.connection(None)) as connection:
        with client.reaching():
            _begin(connection, "PUT", client.target(path, query), TAR)
            body = ChunkedBody(connection)
            write(cast("IO[bytes]", body))
            body.end()
        client.answer(connection)


class ChunkedBody(io.RawIOBase):
    """A request's body that grows, written to by one or more threads (RFC 9112, section 7.1)."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._writing = Lock()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        content = bytes(data)
        if content:
            with self._writing:
                self._connection.send(b"%x\r\n%b\r\n" % (len(content), content))
        return len(content)

    def end(self) -> None:
        with self._writing:
            self._connection.send(b"0\r\n\r\n")


class Talk:
    """A command under way in an instance, as ``exec`` sees it."""

    def __init__(self, connection: http.client.HTTPConnection, body: ChunkedBody) -> None:
        self._connection = connection
        self._body = body

    def send(self, kind: FrameKind, content: bytes = b"") -> None:
        """Tell the command something; nothing once it has gone."""
        try:
            self._body.write(packed(kind, content))
        except OSError:
            return

    def frames(self, client: Client) -> Iterator[tuple[FrameKind, bytes]]:
        """What it says, until it has ended."""
        reader = FrameReader()
        response = client.answer(self._connection)
        with client.reaching():
            while data := response.read1(CHUNK_BYTES):
                yield from reader.feed(data)


@contextmanager
def talk(client: Client, *path: str, **query: Any) -> Iterator[Talk]:
    """Begin a command. Raises ApiError, NoControlPlaneError."""
    with closing(client.connection(None)) as connection:
        with client.reaching():
            _begin(connection, "POST", client.target(path, query), FRAMES_TYPE)
        yield Talk(connection, ChunkedBody(connection))


def _begin(connection: http.client.HTTPConnection, method: str, target: str, content_type: str) -> None:
    connection.putrequest(method, target)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
