"""A command in an instance over one HTTP request: its input comes in while its output goes out."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import Response
from starlette.types import Receive, Scope, Send

from springtide.api.errors import error_wire
from springtide.api.frames import FRAMES_TYPE, FrameError, FrameKind, FrameReader, packed
from springtide.engines.base import OutputStream, RunningCommand
from springtide.model.errors import SpringtideError

KINDS = {OutputStream.OUT: FrameKind.OUTPUT, OutputStream.ERROR: FrameKind.ERROR_OUTPUT}


class Conversation(Response):
    """Answers with what the command writes; ends with the command, or when the client has gone.

    Not a streaming response of Starlette's: that reads the request itself, to see the client go.
    """

    def __init__(self, command: RunningCommand) -> None:
        super().__init__(media_type=FRAMES_TYPE)
        self._command = command

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(key, value) for key, value in self.raw_headers if key != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        listening = asyncio.create_task(self._listen(receive))
        speaking = asyncio.create_task(self._speak(send))
        try:
            await asyncio.wait({listening, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done() and not listening.cancelled() and listening.exception() is not None:
                speaking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await speaking
        finally:
            listening.cancel()
            speaking.cancel()
            await asyncio.gather(listening, speaking, return_exceptions=True)
            await self._command.close()

    async def _listen(self, receive: Receive) -> None:
        """Pass on what comes, until the client says that there is no more. Raises ClientGoneError."""
        reader = FrameReader()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            try:
                for kind, content in reader.feed(message.get("body", b"")):
                    await self._take(kind, content)
            except (FrameError, UnicodeDecodeError):
                raise ClientGoneError from None  # nobody of ours would say that

    async def _take(self, kind: FrameKind, content: bytes) -> None:
        match kind:
            case FrameKind.INPUT:
                # What a command that has just ended doesn't take is nobody's loss; its output tells the rest.
                with contextlib.suppress(SpringtideError):
                    await self._command.write(content)
            case FrameKind.END_OF_INPUT:
                await self._command.end_input()
            case FrameKind.SIZE:
                rows, _, columns = content.decode().partition(" ")
                if rows.isdigit() and columns.isdigit():
                    with contextlib.suppress(SpringtideError):
                        await self._command.resize(int(rows), int(columns))
            case _:
                raise FrameError(f"{kind.name} isn't for a command")

    async def _speak(self, send: Send) -> None:
        try:
            async for stream, data in self._command.output():
                await _say(send, packed(KINDS[stream], data))
            await _say(send, packed(FrameKind.EXIT_CODE, str(await self._command.exit_code()).encode()))
        except SpringtideError as error:
            await _say(send, packed(FrameKind.FAILURE, error_wire(error).model_dump_json().encode()))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class ClientGoneError(Exception):
    """Whoever asked listens no longer."""


async def _say(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
