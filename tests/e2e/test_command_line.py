"""The command line against a real engine, router and process: what a person types on a first day, and on a bad one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiodocker import Docker

from tests.real_engine import REPOSITORY, make_base_images

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

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


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    make_base_images()
    machine = Machine(tmp_path / "home", free_port(), free_port())
    try:
        yield machine
    finally:
        machine.springtide("down")


def test_from_up_to_down_with_two_bad_moments_between(machine: Machine) -> None:
    machine.up()
    said = machine.springtide("deploy", "-f", str(EXAMPLES / "feed.compose.yaml"))
    assert said.stdout.splitlines()[-1] == f"  http://feed.localhost:{machine.ingress_port}/"
    assert machine.get("feed.localhost") == 200

    assert [each["readiness"] for each in machine.asked("ps", "web")] == ["ready"] * 3
    (service,) = machine.asked("status")["services"]
    assert (service["id"], service["ready"], service["rungs"]["own"]) == ("feed/web", 3, 3)
    assert machine.asked("why", "web")["wanted"] == 3
    machine.springtide("logs", "web")

    # Somebody kills a container: it is repaired.
    first = machine.containers()
    killed = sorted(first)[0]
    kill_container(first[killed])
    until("three others run", lambda: len(machine.containers()) == 3 and machine.containers() != first)
    until("all are ready", lambda: sum(each["readiness"] == "ready" for each in machine.asked("ps")) == 3)

    # The control plane is killed: what runs keeps serving, and the next one doubles nothing.
    before = machine.containers()
    os.kill(machine.plane["pid"], signal.SIGKILL)
    assert [machine.get("feed.localhost") for _ in range(20)] == [200] * 20
    assert "No control plane runs" in machine.springtide("ps", code=1).stderr
    machine.up()
    until("it has planned again", lambda: machine.asked("status")["services"][0]["ready"] == 3)
    assert machine.containers() == before
    assert machine.get("feed.localhost") == 200

    machine.springtide("down")
    assert left_in_the_engine(machine.installation) == []
    assert machine.programs() == []


def test_down_with_keep_ends_the_control_plane_alone(machine: Machine) -> None:
    machine.up()
    machine.springtide("deploy", "-f", str(EXAMPLES / "feed.compose.yaml"))
    before = machine.containers()
    machine.springtide("down", "--keep")
    assert machine.get("feed.localhost") == 200
    assert machine.containers() == before


def test_down_after_the_control_plane_was_killed_leaves_nothing_either(machine: Machine) -> None:
    machine.up()
    machine.springtide("deploy", "-f", str(EXAMPLES / "feed.compose.yaml"))
    os.kill(machine.plane["pid"], signal.SIGKILL)
    machine.springtide("down")
    assert left_in_the_engine(machine.installation) == []
    assert machine.programs() == []


def test_an_app_that_never_gets_healthy_says_so_with_its_log(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    sick = tmp_path / "compose.yaml"
    sick.write_text(
        "name: sick\n"
        "services:\n"
        "  web:\n"
        "    image: springtide/busybox:1\n"
        '    command: ["sh", "-c", "echo I am not well; sleep 600"]\n'
        '    healthcheck: {test: ["CMD", "wget", "-qO-", "http://localhost:8000/"], interval: 1s, timeout: 1s}\n'
        '    deploy: {resources: {reservations: {cpus: "0.05", memory: 32M}}}\n'
        "    x-springtide: {team: feed}\n"
    )
    said = machine.springtide("deploy", "-f", str(sick), "--timeout", "6", code=4)
    assert "I am not well" in said.stderr
    assert "next: " in said.stderr


def test_a_missing_image_is_named(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    missing = tmp_path / "compose.yaml"
    missing.write_text(
        "name: none\nservices:\n  web:\n    image: springtide/there-is-none:1\n    x-springtide: {team: feed}\n"
    )
    said = machine.springtide("deploy", "-f", str(missing), code=1)
    assert "springtide/there-is-none:1" in said.stderr
    assert "next: " in said.stderr
