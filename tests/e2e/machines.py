"""This machine as its user has it: a home, its ports, its commands, and what its engine and programs show."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiodocker import Docker

from tests.real_engine import REPOSITORY

EXAMPLES = REPOSITORY / "examples" / "tide"


@dataclass(frozen=True)
class Machine:
    """This machine as its user has it: one home, its ports, and what its programs show."""

    home: Path
    api_port: int
    ingress_port: int

    def springtide(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "springtide", *words]
        environment = {**os.environ, "SPRINGTIDE_HOME": str(self.home)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == code, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def asked(self, *words: str) -> Any:
        return json.loads(self.springtide(*words, "--json").stdout)

    def up(self) -> None:
        ports = ("--port", str(self.api_port), "--ingress-port", str(self.ingress_port))
        self.springtide("up", "--fleet", str(EXAMPLES / "fleet.yaml"), *ports)

    def get(self, host: str) -> int:
        """The status of one request through the router."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ingress_port}/", headers={"Host": host})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)

    def containers(self) -> dict[str, str]:
        """Container ids by instance, running ones."""
        rows = engine_says(lambda engine: engine.containers.list(filters=labelled(self.installation)))
        return {row["Labels"]["springtide.instance"]: row["Id"] for row in rows}

    @property
    def installation(self) -> str:
        return (self.home / "installation").read_text().strip()

    @property
    def plane(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.home / "control-plane.json").read_text())
        return state

    def programs(self) -> list[str]:
        """Command lines of programs that work on this home."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if f"{self.home}" in line:
                    found.append(line)
        return found


def engine_says(question: Callable[[Docker], Awaitable[Any]]) -> Any:
    """Ask the engine itself."""

    async def ask() -> Any:
        async with Docker(url="unix:///var/run/docker.sock") as engine:
            return await question(engine)

    return asyncio.run(ask())


def labelled(installation: str) -> str:
    return json.dumps({"label": [f"springtide.installation={installation}"]})


def left_in_the_engine(installation: str) -> list[Any]:
    """Containers, networks and images of this installation, in any state."""
    filters = labelled(installation)

    async def ask(engine: Docker) -> list[Any]:
        containers = await engine.containers.list(all=True, filters=filters)
        images = await engine.images.list(filters=json.loads(filters))
        return [*containers, *images, *await engine.networks.list(filters=json.loads(filters))]

    found: list[Any] = engine_says(ask)
    return found


def kill_container(id: str) -> None:
    engine_says(lambda engine: engine.containers.container(id).kill())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def until(what: str, is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
