"""Deploying again, restarting, failing, removing on a real engine: only what changed changes, what served serves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiodocker import Docker

from tests.e2e.machines import Machine, engine_says, left_in_the_engine, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

SHOP = """
name: shop
services:
  web:
    image: springtide/busybox:1
    command: ["sh", "-c", "mkdir -p /www && echo ok > /www/index.html && {before} exec httpd -f -p 8000 -h /www"]
    environment: {{GREETING: "{greeting}"}}
    healthcheck: {{test: ["CMD", "wget", "-qO-", "http://localhost:8000/"], interval: 1s, timeout: 1s, retries: 2}}
    deploy: {{replicas: {replicas}, resources: {{reservations: {{cpus: "0.05", memory: 32M}}}}}}
    x-springtide: {{team: feed, route: {{host: shop.localhost, port: 8000}}}}
  worker:
    image: springtide/busybox:1
    command: ["sleep", "600"]
    volumes: ["data:/data"]
    deploy: {{resources: {{reservations: {{cpus: "0.05", memory: 32M}}}}}}
    x-springtide: {{team: feed}}
volumes: {{data: {{}}}}
"""


def shop(folder: Path, *, greeting: str = "hello", replicas: int = 2, before: str = "") -> Path:
    file = folder / "compose.yaml"
    file.write_text(SHOP.format(greeting=greeting, replicas=replicas, before=before))
    return file


@contextmanager
def traffic(machine: Machine) -> Iterator[list[int]]:
    """Requests one after another all the while; the answers' statuses, 0 where there was none."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                statuses.append(machine.get("shop.localhost"))
            except OSError:
                statuses.append(0)
            time.sleep(0.01)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield statuses
    finally:
        over.set()
        asking.join()


def test_a_second_deployment_restarts_nothing_and_a_changed_one_only_what_changed(
    machine: Machine, tmp_path: Path
) -> None:
    machine.up()
    file = shop(tmp_path)

    dry = machine.springtide("deploy", "-f", str(file), "--dry-run")
    assert "+ shop/web: create; 2 own on feed" in dry.stdout
    assert "+ volume data" in dry.stdout
    assert machine.asked("status")["services"] == []

    machine.springtide("deploy", "-f", str(file))
    first = machine.containers()
    assert len(first) == 3
    again = machine.springtide("deploy", "-f", str(file))
    assert "shop: nothing to change." in again.stdout
    assert machine.containers() == first

    shop(tmp_path, replicas=3)
    said = machine.springtide("deploy", "-f", str(file))
    assert "    scale: 2 → 3" in said.stdout
    assert "shop/worker: unchanged" in said.stdout
    more = machine.containers()
    assert first.items() < more.items()

    shop(tmp_path, replicas=3, greeting="good day")
    with traffic(machine) as statuses:
        said = machine.springtide("deploy", "-f", str(file))
        until("the old ones have gone", lambda: len(machine.containers()) == 4)
    assert "    environment: GREETING changed" in said.stdout
    assert "good day" not in said.stdout
    assert set(statuses) == {200}
    kept = {name: id for name, id in machine.containers().items() if more.get(name) == id}
    assert sorted(kept) == ["shop-worker-1"]


def test_a_restart_gives_every_instance_a_successor_and_loses_no_request(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    machine.springtide("deploy", "-f", str(shop(tmp_path)))
    before, revision = machine.containers(), machine.asked("ps", "web")[0]["revision"]
    with traffic(machine) as statuses:
        machine.springtide("restart", "shop", "web")
        until("the old ones have gone", lambda: len(machine.containers()) == 3)
    after = machine.containers()
    assert set(statuses) == {200}
    assert {name for name in after if after[name] in before.values()} == {"shop-worker-1"}
    assert {each["revision"] for each in machine.asked("ps", "web")} == {revision}

    said = machine.asked("redeploy", "shop")
    assert said["changes"]["is_nothing"]
    assert machine.containers() == after


@pytest.mark.parametrize(
    ("before", "greeting", "told"),
    [
        ("echo it went wrong; exit 7;", "hello", ("exit code 7", "it went wrong")),
        ("echo nobody listens; sleep 600;", "hello", ("isn't ready after", "nobody listens", "Connect call failed")),
    ],
)
def test_a_deployment_that_fails_says_why_and_leaves_the_old_revision_serving(
    machine: Machine, tmp_path: Path, before: str, greeting: str, told: tuple[str, ...]
) -> None:
    machine.up()
    machine.springtide("deploy", "-f", str(shop(tmp_path)))
    crashes = "exit" in before
    with traffic(machine) as statuses:
        words = ("deploy", "-f", str(shop(tmp_path, before=before)), "--timeout", "60" if crashes else "5")
        said = machine.springtide(*words, code=1 if crashes else 4)
        time.sleep(1)
    for each in (*told, "shop/web", "next: "):
        assert each in said.stderr, said.stderr
    assert set(statuses) == {200}
    why = machine.springtide("why", "web").stdout
    assert "0 of shop/web@" in why
    assert "2 of them serve meanwhile" in why
    assert "serve on" in machine.springtide("status").stdout

    # Corrected, it is tried at once.
    machine.springtide("deploy", "-f", str(shop(tmp_path, greeting="corrected")))
    assert machine.get("shop.localhost") == 200


def test_what_has_no_room_is_told_before_and_fails_at_once(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    file = shop(tmp_path)
    machine.springtide("deploy", "-f", str(file))
    shop(tmp_path, replicas=40)
    file.write_text(file.read_text().replace("{team: feed, route", "{team: feed, ladder: [own], route"))
    dry = machine.springtide("deploy", "-f", str(file), "--dry-run")
    assert " of 40 would not fit:" in dry.stdout
    said = machine.springtide("deploy", "-f", str(file), "--timeout", "60", code=1)
    assert "shop/web has no place for" in said.stderr
    assert "own: " in said.stderr
    assert machine.get("shop.localhost") == 200


def test_who_has_a_port_of_the_machine_gets_its_new_revision(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    file = tmp_path / "compose.yaml"
    text = (
        "name: dns\nservices:\n  web:\n    image: springtide/busybox:1\n"
        '    command: ["sleep", "600"]\n    ports: ["15353:53/udp"]\n    environment: {NUMBER: "1"}\n'
        '    deploy: {resources: {reservations: {cpus: "0.05", memory: 32M}}}\n    x-springtide: {team: feed}\n'
    )
    file.write_text(text)
    machine.springtide("deploy", "-f", str(file))
    file.write_text(text.replace('"1"', '"2"'))
    said = machine.springtide("deploy", "-f", str(file))
    assert "its instance stops before the new one starts" in said.stdout
    assert sorted(machine.containers()) == ["dns-web-2"]
    machine.springtide("restart", "dns")
    assert sorted(machine.containers()) == ["dns-web-3"]


def test_down_removes_what_deploy_made_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    engine_says(lambda engine: engine.networks.create({"Name": "somebody-elses", "Driver": "bridge"}))
    engine_says(lambda engine: volumes_of(engine).create({"Name": "somebody-elses"}))
    try:
        machine.up()
        file = shop(tmp_path)
        file.write_text(
            file.read_text()
            .replace('["data:/data"]', '["data:/data", "theirs:/theirs"]\n    networks: [default, theirs]')
            .replace("{data: {}}", "{data: {}, theirs: {external: true, name: somebody-elses}}")
            + "networks: {theirs: {external: true, name: somebody-elses}}\n"
        )
        machine.springtide("deploy", "-f", str(file))
        made = [name for name in volumes() if machine.installation in name]
        assert len(made) == 1
        machine.springtide("down", "shop")
        assert left_in_the_engine(machine.installation) == []
        assert set(made) <= set(volumes())
        machine.springtide("down", "shop", "-v")
        assert set(made).isdisjoint(volumes())
        assert "somebody-elses" in volumes()
        assert "somebody-elses" in [each["Name"] for each in networks()]
    finally:
        engine_says(remove_externals)


def volumes_of(engine: Docker) -> Any:
    return engine.volumes


def volumes() -> list[str]:
    found = engine_says(lambda engine: volumes_of(engine).list())["Volumes"] or []
    return [each["Name"] for each in found]


def networks() -> list[dict[str, str]]:
    found: list[dict[str, str]] = engine_says(lambda engine: engine.networks.list())
    return found


async def remove_externals(engine: Docker) -> None:
    await (await engine.networks.get("somebody-elses")).delete()
    await (await volumes_of(engine).get("somebody-elses")).delete()
