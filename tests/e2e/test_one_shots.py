"""Services that run to their end, from a Compose file on a real engine: what waits for them, and what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import Machine, engine_says, labelled

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

SHOP = """\
name: shop
x-small: &small
  image: springtide/busybox:1
  deploy: {resources: {reservations: {cpus: "0.04", memory: 16M}}}
services:
  migrate:
    <<: *small
    command: %s
    %s
  web:
    <<: *small
    command: sleep 600
    depends_on: {migrate: {condition: service_completed_successfully}}
    x-springtide: {team: feed}
"""


def deploy(machine: Machine, folder: Path, command: str, more: str = "init: true", code: int = 0) -> Any:
    file = folder / "compose.yaml"
    file.write_text(SHOP % (f'["sh", "-c", "{command}"]', more))
    return machine.springtide("deploy", "-f", str(file), code=code)


def seen(machine: Machine, service: str) -> list[tuple[str, str, int | None]]:
    return [(each["id"], each["state"], each["exit_code"]) for each in machine.asked("ps", service)]


def containers(machine: Machine) -> int:
    return len(engine_says(lambda engine: engine.containers.list(all=True, filters=labelled(machine.installation))))


def test_a_migration_runs_once_a_revision_before_what_waits_for_it(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    said = deploy(machine, tmp_path, "sleep 1; echo migrated")
    assert "shop/migrate 1 of 1 completed" in said.stdout
    assert seen(machine, "migrate") == [("shop-migrate-1", "completed", 0)]
    assert [state for _, state, _ in seen(machine, "web")] == ["running"]
    assert machine.springtide("logs", "migrate").stdout == "migrated\n"
    assert "1 of 1 completed" in machine.springtide("status").stdout

    machine.springtide("down", "--keep")
    machine.up()
    deploy(machine, tmp_path, "sleep 1; echo migrated")
    assert seen(machine, "migrate") == [("shop-migrate-1", "completed", 0)], "neither a restart nor the same file"

    deploy(machine, tmp_path, "echo migrated again")
    assert seen(machine, "migrate") == [("shop-migrate-2", "completed", 0)]
    assert machine.springtide("logs", "migrate").stdout == "migrated again\n"
    machine.springtide("down", "shop")
    assert containers(machine) == 0


def test_a_migration_that_fails_ends_the_deployment_with_its_last_words(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    said = deploy(machine, tmp_path, "echo no such table; exit 3", code=1)
    assert "shop/migrate has failed for good: shop-migrate-1 ended with exit code 3" in said.stderr
    assert "no such table" in said.stderr
    assert seen(machine, "migrate") == [("shop-migrate-1", "failed", 3)]
    assert seen(machine, "web") == []
    why = machine.springtide("why", "migrate").stdout
    assert "exit code 3" in why
    assert "no such table" in why
    assert "It can't start: shop/migrate has failed for good" in machine.springtide("why", "web").stdout

    deploy(machine, tmp_path, "echo no such table; exit 3", code=1)
    assert seen(machine, "migrate") == [("shop-migrate-2", "failed", 3)], "deploying again tries it again"


def test_a_failing_job_is_tried_again_as_often_as_its_file_says(machine: Machine, tmp_path: Path) -> None:
    machine.up()
    said = deploy(machine, tmp_path, "echo try; exit 4", "restart: on-failure:2", code=1)
    assert "has failed for good after 3 failures in a row: shop-migrate-3 ended with exit code 4" in said.stderr
    assert seen(machine, "migrate") == [("shop-migrate-3", "failed", 4)]
    assert containers(machine) == 1
