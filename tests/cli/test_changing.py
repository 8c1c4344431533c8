"""What deploy, scale and down do through the API, and how they fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from springtide.cli import ending
from springtide.cli.deploying import app_json
from springtide.formats.app_specs import DeployedApp, with_images
from springtide.formats.compose import load_app
from springtide.model.identifiers import AppName, ServiceId
from springtide.model.observations import Readiness
from springtide.model.record import Change, Kind
from springtide.planning.index import CrashHistory
from tests.api.platforms import HandMadePlatform, a_container, placed
from tests.builders import START, a_placement
from tests.cli.conftest import PLAIN_FLEET
from tests.cli.terminals import Terminal

COMPOSE = """
name: shop
services:
  web:
    build: .
    deploy: {replicas: 2, resources: {reservations: {cpus: "0.05", memory: 32M}}}
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://localhost:8000/healthz"]}
    x-springtide: {team: feed, route: {host: shop.localhost, port: 8000}}
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "LOOK_SECONDS", 0.01)


@pytest.fixture
def compose_file(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM springtide/busybox:1\n")
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    return file


@asynccontextmanager
async def carried_out(platform: HandMadePlatform, readiness: Readiness, detail: str = "") -> AsyncIterator[None]:
    """Stand in for the controllers: place what is wanted, clear what isn't."""

    async def follow() -> None:
        async for commit in platform.store.watch(platform.record.version):
            platform.record = await platform.store.read()
            platform.index = replace(platform.index, record=platform.record)
            for change in commit.changes:
                if change.kind is Kind.SERVICE and change.value is not None:
                    await start(change.value.id)
                elif change.kind is Kind.APP and change.value is not None and not change.value.services:
                    await clear(change.value.name)

    async def start(id: ServiceId) -> None:
        service = platform.record.services[id]
        numbers = range(1, service.scale.minimum + 1)
        placements = [
            a_placement(id, number, "feed-1", placed_at=START, revision=service.revision) for number in numbers
        ]
        for placement in placements:
            a_container(platform, placement, ["Traceback:", "it went wrong"])
        platform.see(*placements, readiness=readiness, detail=detail)
        await platform.write(*placed(*placements))

    async def clear(name: AppName) -> None:
        gone = [each.instance for each in platform.record.placements.values() if each.service.startswith(f"{name}/")]
        await platform.write(*(Change(Kind.PLACEMENT, id, None) for id in gone), Change(Kind.APP, name, None))

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_deployment_ends_by_printing_the_url(
    terminal: Terminal, platform: HandMadePlatform, compose_file: Path
) -> None:
    async with carried_out(platform, Readiness.READY, "GET /healthz: 200"):
        said = await terminal.type("deploy", "-f", str(compose_file))
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "  http://shop.localhost:8080/"
    assert "shop/web 2 of 2 ready" in said.out
    assert platform.record.services[ServiceId("shop/web")].scale.minimum == 2


async def test_a_deployment_as_json_prints_nothing_else(
    terminal: Terminal, platform: HandMadePlatform, compose_file: Path
) -> None:
    async with carried_out(platform, Readiness.READY):
        said = await terminal.type("deploy", "-f", str(compose_file), "--json")
    assert said.json["ready"] == [{"id": "shop/web", "ready": 2, "minimum": 2}]
    assert said.json["urls"] == {"shop/web": ["http://shop.localhost:8080"]}
    assert "building" in said.err


async def test_without_waiting_a_deployment_is_done_when_it_is_wanted(terminal: Terminal, compose_file: Path) -> None:
    said = await terminal.type("deploy", "-f", str(compose_file), "--no-wait", "-p", "other")
    assert said.code == 0
    assert "other is deployed" in said.out


async def test_a_deployment_that_never_gets_ready_shows_probe_log_and_next_step(
    terminal: Terminal, platform: HandMadePlatform, compose_file: Path
) -> None:
    async with carried_out(platform, Readiness.UNREADY, "GET /healthz: 503"):
        said = await terminal.type("deploy", "-f", str(compose_file), "--timeout", "1")
    assert said.code == 4
    assert "error: shop/web isn't ready after 1 s:" in said.err
    assert "shop-web-1 is unready: GET /healthz: 503" in said.err
    assert "it went wrong" in said.err
    assert "next: It goes on trying. See: springtide why shop/web" in said.err


async def test_a_deployment_that_crashes_again_and_again_fails_early(
    terminal: Terminal, platform: HandMadePlatform, compose_file: Path
) -> None:
    crashes = CrashHistory(3, START, "exit code 7")
    carry = replace(platform.index.carry, crashes={ServiceId("shop/web"): crashes})
    platform.index = replace(platform.index, carry=carry)
    async with carried_out(platform, Readiness.STARTING):
        said = await terminal.type("deploy", "-f", str(compose_file), "--json")
    failure = json.loads(said.err[said.err.index("{") :])
    assert said.code == 1
    assert failure["code"] == "crashes"
    assert "3 instances in a row failed, the last so: exit code 7" in failure["sentence"]
    assert "  it went wrong" in failure["evidence"]


async def test_a_compose_file_with_a_mistake_is_refused_with_its_line(terminal: Terminal, compose_file: Path) -> None:
    compose_file.write_text(COMPOSE.replace("build: .", "bild: ."))
    said = await terminal.type("deploy", "-f", str(compose_file))
    assert said.code == 1
    assert f"error: {compose_file}:5:" in said.err
    assert "next:" in said.err


async def test_an_unknown_team_is_refused(terminal: Terminal, compose_file: Path) -> None:
    compose_file.write_text(COMPOSE.replace("team: feed", "team: nobody"))
    said = await terminal.type("deploy", "-f", str(compose_file))
    assert said.code == 1
    assert "nobody" in said.err


async def test_variables_come_from_the_named_file(
    terminal: Terminal, platform: HandMadePlatform, compose_file: Path
) -> None:
    compose_file.write_text(COMPOSE.replace("replicas: 2", 'replicas: "${COUNT}"'))
    (compose_file.parent / "numbers").write_text("COUNT=1\n")
    async with carried_out(platform, Readiness.READY):
        said = await terminal.type(
            "deploy", "-f", str(compose_file), "--env-file", str(compose_file.parent / "numbers"), "--json"
        )
    assert said.json["ready"] == [{"id": "shop/web", "ready": 1, "minimum": 1}]


async def test_scaling_sets_a_count_or_a_range(terminal: Terminal, platform: HandMadePlatform) -> None:
    assert (await terminal.type("scale", "web=5")).out == "feed/web: 5 instances\n"
    assert (await terminal.type("scale", "feed/web=2..8")).out == "feed/web: 2 to 8 instances\n"
    service = (await platform.store.read()).services[ServiceId("feed/web")]
    assert (service.scale.minimum, service.scale.maximum) == (2, 8)


async def test_a_count_that_is_none_is_refused_before_anything_changes(
    terminal: Terminal, platform: HandMadePlatform
) -> None:
    said = await terminal.type("scale", "web=5", "web=many")
    assert said.code == 1
    assert "'web=many' isn't a count." in said.err
    assert (await platform.store.read()).services[ServiceId("feed/web")].scale.minimum == 3


async def test_the_control_planes_own_refusals_keep_their_code_and_remedy(terminal: Terminal) -> None:
    said = await terminal.type("scale", "web=9..2", "--json")
    assert said.code == 1
    assert json.loads(said.err)["code"] == "bad-input"
    assert "above the maximum" in json.loads(said.err)["sentence"]


async def test_down_with_an_app_waits_until_it_is_gone(terminal: Terminal, platform: HandMadePlatform) -> None:
    async with carried_out(platform, Readiness.READY):
        said = await terminal.type("down", "feed")
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "feed is gone."
    assert platform.record.placements == {}


async def test_down_keeps_volumes_unless_they_are_asked_for(terminal: Terminal, platform: HandMadePlatform) -> None:
    machine = platform.engine.machine_state
    machine.volumes = {(AppName("feed"), "data"): {}, (AppName("other"), "data"): {}}
    async with carried_out(platform, Readiness.READY):
        assert (await terminal.type("down", "feed")).code == 0
        assert len(machine.volumes) == 2
        said = await terminal.type("down", "feed", "--volumes")
    assert said.code == 0, said.err
    assert machine.volumes == {(AppName("other"), "data"): {}}


async def test_down_says_what_is_left_when_its_time_is_over(terminal: Terminal) -> None:
    said = await terminal.type("down", "feed", "--timeout", "1")
    assert said.code == 4
    assert "After 1 s this is left: 3 instances, 1 app." in said.err


async def test_down_of_an_unknown_app_says_what_there_is(terminal: Terminal) -> None:
    said = await terminal.type("down", "fed")
    assert said.code == 1
    assert "There is no app 'fed'." in said.err
    assert "feed" in said.err


def test_an_app_arrives_at_the_api_as_it_was_sent(compose_file: Path) -> None:
    spec = load_app([compose_file], environment={}, project=None, fleet=PLAIN_FLEET)
    deployed = with_images(spec, {"web": "sha256:1"}, START)
    sent = json.loads(json.dumps(app_json(deployed)))
    assert TypeAdapter(DeployedApp).validate_python(sent) == deployed


RICH = """
name: rich
services:
  web:
    image: example/web:1
    privileged: true
    cap_add: [NET_ADMIN]
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    ports: ["15353:53/udp"]
    volumes: ["data:/data", {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
    networks: {default: {aliases: [front]}}
    configs: [motd]
    healthcheck: {test: ["CMD", "true"], interval: 3s, start_period: 1s}
    deploy: {placement: {constraints: ["node.labels.zone == a"]}, resources: {reservations: {memory: 32M}}}
    x-springtide: {team: feed, ladder: [own], scale: {max: 1}}
  side: {image: example/side:1, network_mode: "service:web", x-springtide: {team: feed}}
volumes: {data: {labels: {a: b}}}
configs: {motd: {content: hello}}
"""


def test_an_app_with_all_that_templates_can_say_arrives_as_it_was_sent(tmp_path: Path) -> None:
    (tmp_path / "rich.yaml").write_text(RICH)
    zoned = replace(PLAIN_FLEET, nodes=tuple(replace(each, labels=(("zone", "a"),)) for each in PLAIN_FLEET.nodes))
    spec = load_app([tmp_path / "rich.yaml"], environment={}, project=None, fleet=zoned)
    deployed = with_images(spec, {"web": "sha256:1", "side": "sha256:2"}, START)
    sent = json.loads(json.dumps(app_json(deployed)))
    assert TypeAdapter(DeployedApp).validate_python(sent) == deployed


@pytest.mark.parametrize(("policy", "image"), [("missing", "sha256:old"), ("always", "sha256:new")])
async def test_an_image_is_pulled_anew_where_the_file_says_always(
    terminal: Terminal, platform: HandMadePlatform, tmp_path: Path, policy: str, image: str
) -> None:
    machine = platform.engine.machine_state
    machine.images["shop:1"], machine.newer_images["shop:1"] = "sha256:old", "sha256:new"
    async with carried_out(platform, Readiness.READY):
        said = await terminal.type("deploy", "-f", str(pulling(tmp_path, policy)))
    assert said.code == 0, said.err
    (web,) = [each for each in platform.record.revisions.values() if each.service == "shop/web"]
    assert web.template.image == image


async def test_an_image_that_is_missing_and_may_not_be_pulled_is_named(
    terminal: Terminal, platform: HandMadePlatform, tmp_path: Path
) -> None:
    platform.engine.machine_state.unpulled_images.add("shop:1")
    said = await terminal.type("deploy", "-f", str(pulling(tmp_path, "never")))
    assert said.code == 1
    assert "shop:1 of web is missing" in said.err
    assert "docker load" in said.err
    assert "shop/web" not in platform.record.services


def pulling(folder: Path, policy: str) -> Path:
    file = folder / "compose.yaml"
    service = f"{{image: 'shop:1', pull_policy: {policy}, x-springtide: {{team: feed}}}}"
    file.write_text(f"name: shop\nservices:\n  web: {service}\n")
    return file
