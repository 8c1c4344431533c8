"""A control plane of one's own for as long as a demo or a measurement lasts, run as a person would run it."""

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

from springtide.model.errors import RefusedError, SpringtideError

API_PORT, INGRESS_PORT = 7070, 8080
ANSWER_SECONDS = 30.0
LOG_LINES = 30


class TemporaryPlane:
    """Starts a control plane in a home of its own, and takes down all that it made.

    Everything goes through the command line and the HTTP API, as for anybody else. With ``keep`` it
    is left running. Ports are the usual ones where they are free.
    """

    def __init__(self, fleet_file: Path, *, home: Path | None = None, keep: bool = False) -> None:
        self._fleet_file = fleet_file
        self._is_temporary = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="springtide-"))
        self._keep = keep
        self._http: aiohttp.ClientSession | None = None
        self.api_url = ""

    async def __aenter__(self) -> TemporaryPlane:
        ports = ("--port", str(free_port(API_PORT)), "--ingress-port", str(free_port(INGRESS_PORT)))
        try:
            started = await self.command("up", "--fleet", str(self._fleet_file), *ports)
        except BaseException:
            await self._end()
            raise
        self.api_url = str(started["url"]).rstrip("/")
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
        if not self._keep:
            await self._end()

    async def command(self, name: str, *arguments: str) -> Any:
        """Run ``springtide NAME …`` on this home; its decoded JSON. Raises SpringtideError with what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "springtide", name, *arguments, "--home", str(self.home), "--json"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            said = (errors.strip() or output.strip()).decode()
            raise SpringtideError(f"springtide {name} ended with exit code {process.returncode}: {said}")
        return json.loads(output) if output.strip() else None

    async def deploy(self, compose_file: Path) -> list[str]:
        """Deploy an app and wait until it is ready; its URLs, service by service."""
        deployed = await self.command("deploy", "-f", str(compose_file))
        return [str(url) for urls in deployed["urls"].values() for url in urls]

    async def get(self, path: str) -> Any:
        """Ask the API: ``get("services")``."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Any) -> Any:
        """Tell the API: ``post("apps/feed/services/web/scale", {"count": 3})``."""
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        if self._http is None:
            raise RuntimeError("the control plane isn't up yet")
        try:
            async with self._http.request(method, f"{self.api_url}/api/v1/{path}", json=body) as answer:
                said = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SpringtideError(f"The control plane no longer answers: {error}.{self._last_words()}") from error
        if answer.status >= 400:
            raise SpringtideError(f"{method} {path} was answered {answer.status}: {said}")
        return said

    def _last_words(self) -> str:
        """The end of the control plane's log: its home may be gone before anybody can look."""
        log = self.home / "control-plane.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "".join(f"\n  {line}" for line in lines[-LOG_LINES:])

    async def _end(self) -> None:
        if (self.home / "springtide.db").exists():
            await self.command("down")
        if self._is_temporary:
            await asyncio.to_thread(shutil.rmtree, self.home)


def free_port(preferred: int) -> int:
    """The preferred port where nobody listens on it, else any free one. Raises RefusedError."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RefusedError("This machine has no free port on 127.0.0.1.", remedy="End programs that hold ports.")
