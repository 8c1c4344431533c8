"""What a build may ask of who started it: a gRPC server at our end of a connection that the engine answers.

The engine's builder (BuildKit) is the client on it. It asks for secrets by name while a step that mounts
one runs, so that neither the request nor the image ever holds them.
Source: moby/buildkit, session/secrets/secrets.proto; Docker Engine API, ``POST /session``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from springtide.engines.docker_api import CONNECT_SECONDS, OLDEST_API, DockerApi, dotted
from springtide.engines.protobuf_fields import field_of, text_of
from springtide.model.errors import EngineError

GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
CHECK_HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
SWITCHED = "101"
CHUNK_BYTES = 2**16
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def build_session(api: DockerApi, secrets: Mapping[str, bytes]) -> AsyncIterator[str]:
    """The id of a session that is open until this is left. Raises EngineError where the engine has no BuildKit."""
    id = uuid4().hex
    with TemporaryDirectory(prefix="springtide-build-") as folder:
        socket = str(Path(folder) / "session")
        server = Server([Answers(secrets)], codec=Unchanged())
        await server.start(path=socket)
        try:
            async with _joined(await _ask_for_session(api, id), await asyncio.open_unix_connection(socket)):
                yield id
        finally:
            server.close()
            await server.wait_closed()


@asynccontextmanager
async def _joined(engine: Connection, own: Connection) -> AsyncIterator[None]:
    """What comes on either connection goes out on the other until this is left."""
    passing = [asyncio.create_task(_pass_on(*ends)) for ends in ((engine[0], own[1]), (own[0], engine[1]))]
    try:
        yield
    finally:
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        for _, writer in (engine, own):
            writer.close()


class Answers:
    """What the builder may ask: whether we are there, and for secrets. Anything else is unimplemented."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = secrets

    def __mapping__(self) -> dict[str, Handler]:
        return {
            CHECK_HEALTH: Handler(self._health, Cardinality.UNARY_UNARY, bytes, bytes),
            GET_SECRET: Handler(self._secret, Cardinality.UNARY_UNARY, bytes, bytes),
        }

    async def _health(self, stream: Stream[bytes, bytes]) -> None:
        await stream.recv_message()
        await stream.send_message(SERVING)

    async def _secret(self, stream: Stream[bytes, bytes]) -> None:
        name = text_of(await stream.recv_message() or b"", 1)
        if name not in self._secrets:
            raise GRPCError(Status.NOT_FOUND, f"the Compose file gives this build no secret {name}")
        await stream.send_message(field_of(1, self._secrets[name]))


class Unchanged(CodecBase):
    """Messages as the bytes that they are."""

    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: object) -> bytes:
        return message

    def decode(self, data: bytes, message_type: object) -> bytes:
        return data


async def _ask_for_session(api: DockerApi, id: str) -> Connection:
    """A connection of its own that the engine has turned round: from here on it asks and we answer."""
    request = (
        f"POST /v{dotted(OLDEST_API)}/session HTTP/1.1\r\n"
        "Host: springtide\r\n"
        "Connection: Upgrade\r\n"
        "Upgrade: h2c\r\n"
        f"X-Docker-Expose-Session-Uuid: {id}\r\n"
        "X-Docker-Expose-Session-Name: springtide\r\n"
        "X-Docker-Expose-Session-Sharedkey: \r\n"
        f"X-Docker-Expose-Session-Grpc-Method: {GET_SECRET}\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    with api.call("open a build session"):
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await _connect(api)
            writer.write(request.encode())
            head = await _head_of_answer(reader)
    if head.split(" ", 2)[1:2] != [SWITCHED]:
        writer.close()
        said = head.partition("\r")[0] or "it hung up"
        raise EngineError(
            f"The Docker Engine at {api.host} has no BuildKit: {said}.",
            remedy="Build with another engine, and name the image under `image`.",
        )
    return reader, writer


async def _head_of_answer(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
    except asyncio.IncompleteReadError as cut_off:
        return cut_off.partial.decode(errors="replace")


async def _connect(api: DockerApi) -> Connection:
    if api.is_local:
        return await asyncio.open_unix_connection(api.host.removeprefix("unix://"))
    address = urlsplit(api.host)
    return await asyncio.open_connection(address.hostname, address.port)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass  # the other end has gone: the build itself tells why
