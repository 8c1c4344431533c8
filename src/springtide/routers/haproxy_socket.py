"""Talks to HAProxy over the socket of its master process.

The master's socket reaches every worker process, those included that only finish old connections
after a reload; a worker's own socket would not. Commands: HAProxy management guide, section 9.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from springtide.model.errors import RouterError

_LINE_BYTES = 8000
"""HAProxy reads one line into a buffer of 16 KiB."""
_ANSWER_SECONDS = 5.0
_PATIENCE_SECONDS = (0.2, 1.0, _ANSWER_SECONDS)


@dataclass(frozen=True, slots=True)
class Processes:
    """The master's process id and those of its workers, the one in charge first."""

    master: int
    workers: tuple[int, ...]
    failed_reloads: int


class MasterSocket:
    """One request, one connection: nothing to keep alive, nothing to go stale."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def processes(self) -> Processes:
        """Raises RouterError where HAProxy doesn't answer."""
        return _parse_processes(await self._ask_line("show proc"))

    async def ask_worker(self, pid: int, commands: Sequence[str]) -> str:
        """Send commands to one worker, many in a round trip; returns all answers, one after the other.

        A worker that has ended meanwhile answers with an empty text.
        """
        answers = [await self._ask_worker_line(pid, "; ".join((f"@!{pid}", *batch))) for batch in _batches(commands)]
        return "".join(answers)

    async def _ask_worker_line(self, pid: int, line: str) -> str:
        """Ask again where no answer comes: the master forgets a question to a worker that is just ending."""
        for seconds in _PATIENCE_SECONDS[:-1]:
            with suppress(TimeoutError):
                return _unless_ended(await self._exchange(line, seconds))
            if pid not in (await self.processes()).workers:
                return ""
        return _unless_ended(await self._ask_line(line))

    async def reload(self) -> None:
        """Ask the master to read its configuration anew; it answers before that is done."""
        await self._ask_line("reload")

    async def _ask_line(self, line: str) -> str:
        try:
            return await self._exchange(line, _ANSWER_SECONDS)
        except TimeoutError as error:
            raise self._silence(f"no answer within {_ANSWER_SECONDS:g} s") from error

    async def _exchange(self, line: str, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_unix_connection(str(self.path))
                try:
                    writer.write(line.encode() + b"\n")
                    writer.write_eof()
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except TimeoutError:
            raise
        except OSError as error:
            raise self._silence(str(error)) from error

    def _silence(self, detail: str) -> RouterError:
        return RouterError(
            f"HAProxy doesn't answer on {self.path}: {detail}.",
            remedy="It is started again within a second; if not, see haproxy.log beside the socket.",
            code="router-silent",
        )


def _unless_ended(answer: str) -> str:
    return "" if answer.startswith("Can't find the target PID") else answer


def _batches(commands: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for command in commands:
        if batch and size + len(command) > _LINE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(command)
        size += len(command) + 2
    if batch:
        yield batch


def _parse_processes(text: str) -> Processes:
    """Read ``show proc``: a line a process with its id, type and the number of reloads it has seen."""
    master = 0
    failed = 0
    workers: list[tuple[int, int]] = []
    for words in (line.split() for line in text.splitlines()):
        if len(words) >= 3 and words[1] == "master":
            master = int(words[0])
            failed = int(words[4].rstrip("]")) if words[3:4] == ["[failed:"] else 0
        elif len(words) >= 3 and words[1] == "worker":
            workers.append((int(words[2]), int(words[0])))
    if not master:
        raise RouterError(f"HAProxy's master answered {text[:200]!r} instead of its process list.")
    return Processes(master, tuple(pid for _, pid in sorted(workers)), failed)
