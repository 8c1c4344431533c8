"""Running a command in a container through the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiodocker.containers import DockerContainer
from aiodocker.execs import Exec
from aiodocker.stream import Message, Stream

from springtide.engines.base import Command, ExecResult, OutputStream
from springtide.engines.docker_api import DockerApi

TIMED_OUT = 124
ERROR_STREAM = 2
SILENCE_SECONDS = 0.5


async def run_in(container: DockerContainer, command: Sequence[str], timeout_seconds: float) -> ExecResult:
    """What the command wrote and its exit code; 124 after ``timeout_seconds``.

    The engine can't end a command that it has started: one that timed out runs on until it ends by itself.
    """
    output: list[bytes] = []
    try:
        async with asyncio.timeout(timeout_seconds):
            execution = await container.exec(list(command))
            await _collect(execution, output)
            exit_code = int((await execution.inspect())["ExitCode"])
    except TimeoutError:
        exit_code = TIMED_OUT
    return ExecResult(exit_code, b"".join(output).decode(errors="replace"))


async def _collect(execution: Exec, output: list[bytes]) -> None:
    async with execution.start(detach=False) as stream:
        while (message := await stream.read_out()) is not None:
            output.append(message.data)


async def begin(api: DockerApi, container: DockerContainer, command: Command, doing: str) -> DockerCommand:
    """Start the command, its streams open."""
    with api.call(doing):
        execution = await container.exec(
            list(command.words),
            stdin=command.has_input,
            tty=command.tty,
            user=command.user,
            environment=[f"{key}={value}" for key, value in command.environment],
            workdir=command.working_dir or None,
        )
        stream = execution.start(detach=False)
        await stream.__aenter__()
    return DockerCommand(api, execution, stream, doing)


class DockerCommand:
    """A command under way in a container, behind one connection of its own."""

    def __init__(self, api: DockerApi, execution: Exec, stream: Stream, doing: str) -> None:
        self._api = api
        self._execution = execution
        self._stream = stream
        self._doing = doing

    async def write(self, data: bytes) -> None:
        if self._transport() is not None:  # else it has ended, and reads no more
            with self._api.call(self._doing):
                await self._stream.write_in(data)

    async def end_input(self) -> None:
        # aiodocker can only close both ways at once, and then what the command still writes were lost.
        transport = self._transport()
        if transport is not None and transport.can_write_eof():
            transport.write_eof()

    def _transport(self) -> asyncio.Transport | None:
        response = self._stream._resp
        transport = response.connection.transport if response and response.connection else None
        return None if transport is None or transport.is_closing() else transport

    async def resize(self, rows: int, columns: int) -> None:
        with self._api.call(self._doing):
            await self._execution.resize(h=rows, w=columns)

    async def output(self) -> AsyncIterator[tuple[OutputStream, bytes]]:
        with self._api.call(self._doing):
            while (message := await self._next_message()) is not None:
                is_error = message.stream == ERROR_STREAM
                yield OutputStream.ERROR if is_error else OutputStream.OUT, message.data

    async def _next_message(self) -> Message | None:
        """The next that it says, ``None`` once it has ended.

        The engine keeps the stream open after a command that has left input unread, so that in silence it is asked.
        """
        reading = asyncio.ensure_future(self._stream.read_out())
        try:
            has_ended = False
            while not (await asyncio.wait({reading}, timeout=SILENCE_SECONDS))[0]:
                if has_ended:
                    return None
                has_ended = not (await self._execution.inspect())["Running"]
            return reading.result()
        finally:
            reading.cancel()

    async def exit_code(self) -> int:
        with self._api.call(self._doing):
            return int((await self._execution.inspect())["ExitCode"])

    async def close(self) -> None:
        await self._stream.close()
