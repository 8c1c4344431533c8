"""The stage: a control plane of the demo's own, run through the command line as a person would."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from springtide.demo.story import APPS, REPLICAS_WHEN_FROZEN
from springtide.model.errors import RefusedError, SpringtideError

API_PORT, INGRESS_PORT = 7070, 8080
EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "tide"


class Stage:
    """Starts a control plane in a home of its own with both apps deployed, and takes it all down again."""

    def __init__(self, home: Path | None, *, keep: bool, freeze: bool) -> None:
        self._is_temporary = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="springtide-demo-"))
        self._keep = keep
        self._freeze = freeze
        self._http: aiohttp.ClientSession | None = None
        self.api_url = ""
        self.app_urls: dict[str, str] = {}

    async def __aenter__(self) -> Stage:
        if not EXAMPLES.is_dir():
            raise RefusedError(
                f"The demo's sample app isn't at {EXAMPLES}.", remedy="Run the demo from a checkout of the project."
            )
        try:
            await self._set()
        except BaseException:
            await self._strike()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
        if not self._keep:
            await self._strike()

    async def get(self, path: str) -> Any:
        """Ask the API: ``get("services")``."""
        assert self._http is not None
        async with self._http.get(f"{self.api_url}/api/v1/{path}") as answer:
            answer.raise_for_status()
            return await answer.json()

    async def _set(self) -> None:
        ports = ("--port", str(free_port(API_PORT)), "--ingress-port", str(free_port(INGRESS_PORT)))
        started = await self._springtide("up", "--fleet", str(EXAMPLES / "fleet.yaml"), *ports)
        self.api_url = str(started["url"]).rstrip("/")
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        for app in APPS:
            deployed = await self._springtide("deploy", "-f", str(EXAMPLES / f"{app}.compose.yaml"))
            self.app_urls[app] = deployed["urls"][0]
        if self._freeze:
            for app in APPS:
                await self._springtide("scale", f"{app}/web={REPLICAS_WHEN_FROZEN}")

    async def _strike(self) -> None:
        """Take everything down. What can't be taken down is named."""
        await self._springtide("down")
        if self._is_temporary:
            await asyncio.to_thread(shutil.rmtree, self.home)

    async def _springtide(self, command: str, *arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "springtide", command, *arguments, "--home", str(self.home), "--json"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            said = (errors or output).decode().strip()
            raise SpringtideError(f"springtide {command} failed with exit code {process.returncode}: {said}")
        return json.loads(output) if output.strip() else None


def free_port(preferred: int) -> int:
    """The preferred port where nobody listens on it, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RefusedError("This machine has no free port on 127.0.0.1.", remedy="End programs that hold ports.")
