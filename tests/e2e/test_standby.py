"""Standby on a real engine: paused containers that no name leads to, resumed to serve real requests."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from springtide.engines.docker_instances import INSTANCE
from tests.e2e.machines import Machine, engine_says, labelled, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

STANDING_BY = """\
name: tide
services:
  web:
    image: springtide/busybox:1
    command: [sh, -c, "mkdir /www; hostname -i > /www/index.html; exec httpd -f -p 8000 -h /www"]
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1:8000/"]}
    deploy: {resources: {reservations: {cpus: "0.02", memory: 16M}}}
    x-springtide:
      team: feed
      route: {host: standby.localhost, port: 8000}
      scale: {min: 1, max: 8, standby: 2}
  peer:
    image: springtide/busybox:1
    command: [sleep, "600"]
    deploy: {resources: {reservations: {cpus: "0.02", memory: 16M}}}
    x-springtide: {team: feed}
"""


def test_who_stands_by_is_paused_unnamed_and_serves_when_more_are_wanted(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(STANDING_BY)
    machine.up()
    machine.springtide("deploy", "-f", str(file))
    until("two stand by", lambda: machine.asked("status")["services"][1]["standby"]["paused"] == 2)
    states = containers(machine)
    waiting = sorted(id for id, state in states.items() if state == "paused")
    assert len(waiting) == 2
    assert [each["state"] for each in machine.asked("ps", "web") if each["id"] in waiting] == ["standby"] * 2
    assert "2 of 2 paused" in machine.springtide("why", "web").stdout

    assert len(addresses(machine)) == 1, "no name leads to who is paused"
    machine.springtide("scale", "web=3..8")
    until("three are ready", lambda: len(ready(machine)) == 3)
    assert set(waiting) < set(ready(machine)), "they were resumed, and nobody was started in their place"
    until("all three answer", lambda: len({page(machine) for _ in range(9)}) == 3)
    until("two stand by again", lambda: machine.asked("status")["services"][1]["standby"]["paused"] == 2)

    machine.springtide("down", "tide")
    until("nothing is left", lambda: containers(machine) == {})


def page(machine: Machine) -> str:
    """What one request through the router is answered: the address of who serves it."""
    address = f"http://127.0.0.1:{machine.ingress_port}/"
    request = urllib.request.Request(address, headers={"Host": "standby.localhost"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.read().decode())


def ready(machine: Machine) -> list[str]:
    return [each["id"] for each in machine.asked("ps", "web") if each["readiness"] == "ready"]


def addresses(machine: Machine) -> set[str]:
    """Where the peer finds web by its name."""
    told = machine.springtide("exec", "-T", "tide-peer-1", "nslookup", "web").stdout
    answers = told.split("Name:", 1)[1] if "Name:" in told else ""
    return {line.split()[-1] for line in answers.splitlines() if line.startswith("Address")}


def containers(machine: Machine) -> dict[str, Any]:
    """The state of each container, by instance."""
    rows = engine_says(lambda engine: engine.containers.list(filters=labelled(machine.installation), all=True))
    return {row["Labels"][INSTANCE]: row["State"] for row in rows}
