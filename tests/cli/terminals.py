"""A terminal on a served control plane: commands run in a thread, as the API answers in the test's loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from springtide.api.platform import Platform
from springtide.cli.homes import Home, Ports
from springtide.cli.main import build_app
from tests.api.serving import served


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str
    raw: bytes = b""
    """Standard output as bytes."""

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Runs commands on one home."""

    home: Path

    def run(self, *words: str, given: bytes = b"") -> Said:
        environment = {"SPRINGTIDE_HOME": str(self.home), "COLUMNS": "200"}
        result = CliRunner().invoke(build_app(), list(words), env=environment, input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)

    async def type(self, *words: str, given: bytes = b"") -> Said:
        """Run a command while the test's loop goes on; ``given`` is its standard input."""
        return await asyncio.to_thread(self.run, *words, given=given)


@asynccontextmanager
async def a_terminal(platform: Platform, home: Path) -> AsyncIterator[Terminal]:
    """A terminal whose home says that this platform's control plane runs."""
    async with served(platform) as url:
        with Home(home).occupied(Ports(int(url.rpartition(":")[2]), 8080)):
            yield Terminal(home)
