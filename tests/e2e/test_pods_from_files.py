"""A Compose file of which two services share a network, on a real engine: one instance, scaled and repaired whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.engines.docker_instances import COMPANION, INSTANCE
from tests.e2e.machines import Machine, engine_says, kill_container, labelled, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

# Each of the two waits until it has read the other's page from its own localhost.
POD = """\
name: pods
x-waiting: &waiting
  image: springtide/busybox:1
  deploy: {resources: {reservations: {cpus: "0.04", memory: 16M}}}
services:
  web:
    <<: *waiting
    command:
      - sh
      - -c
      - mkdir /www; echo web > /www/index.html; httpd -p 8000 -h /www;
        until wget -qO- http://127.0.0.1:9000/ 2>/dev/null; do sleep 0.1; done; exec sleep 600
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1:8000/"]}
    x-springtide: {team: feed, route: {host: pods.localhost, port: 8000}}
  side:
    <<: *waiting
    image: pods/side:1
    build:
      context: .
      dockerfile_inline: |
        FROM springtide/busybox:1
        RUN --mount=type=secret,id=word wc -c < /run/secrets/word > /length
      secrets: [word]
    network_mode: service:web
    pid: service:web
    command:
      - sh
      - -c
      - mkdir /www; echo side $$(cat /length) > /www/index.html; httpd -p 9000 -h /www;
        until wget -qO- http://127.0.0.1:8000/ 2>/dev/null; do sleep 0.1; done; exec sleep 600
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1:9000/"]}
secrets: {word: {file: ./word}}
"""


def test_a_pod_from_a_file_is_scaled_and_repaired_as_a_whole(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(POD)
    (tmp_path / "word").write_text("springtide")
    machine.up()
    machine.springtide("deploy", "-f", str(file))
    assert machine.get("pods.localhost") == 200
    machine.springtide("scale", "web=2")
    until("two pods are ready", lambda: ready_pods(machine) == ["pods-web-1", "pods-web-2"])
    assert [each["containers"] for each in machine.asked("ps", "web")] == [["web", "side"]] * 2

    logs = set(machine.springtide("logs", "web").stdout.splitlines())
    said = {"web": "side 10", "side": "web"}
    assert logs == {f"pods-web-{n}/{own} | {heard}" for n in (1, 2) for own, heard in said.items()}
    assert machine.springtide("logs", "pods-web-1", "--container", "side").stdout == "web\n"
    seen = machine.springtide("exec", "-T", "--container", "side", "pods-web-1", "ps", "-o", "args").stdout
    assert "-p 8000" in seen, "it sees the processes of web"
    assert "-p 9000" in seen

    before = containers(machine)
    kill_container(before["pods-web-1", "side"])
    until("another pod has taken its place", lambda: "pods-web-3" in ready_pods(machine))
    after = containers(machine)
    assert {*after} == {(f"pods-web-{n}", own) for n in (2, 3) for own in ("", "side")}
    assert {after["pods-web-2", own] for own in ("", "side")} <= set(before.values()), "the other pod is left alone"


def ready_pods(machine: Machine) -> list[str]:
    return [each["id"] for each in machine.asked("ps", "web") if each["readiness"] == "ready"]


def containers(machine: Machine) -> dict[tuple[str, str], str]:
    """Container ids by instance and companion, running ones."""
    rows = engine_says(lambda engine: engine.containers.list(filters=labelled(machine.installation)))
    return {(row["Labels"][INSTANCE], row["Labels"].get(COMPANION, "")): row["Id"] for row in rows}
