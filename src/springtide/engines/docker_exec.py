"""Running a command in a container through the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiodocker.containers import DockerContainer
from aiodocker.execs import Exec

from springtide.engines.base import ExecResult

TIMED_OUT = 124


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
