"""The command line against a real engine, router and process: what a person types on a first day, and on a bad one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.machines import EXAMPLES, Machine, kill_container, left_in_the_engine, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]


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
