"""What a deployment says before it changes anything; that only what changed changes; restart and redeploy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from springtide.cli.changes import change_lines
from springtide.model.history import LastWords
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import Readiness
from springtide.planning.index import CrashHistory
from tests.api.platforms import HandMadePlatform
from tests.builders import START
from tests.cli.terminals import Said, Terminal
from tests.cli.test_changing import carried_out

SHOP = """
name: shop
services:
  web:
    image: example/web:1
    environment: {GREETING: hello, TOKEN: hidden-1}
    deploy: {replicas: 2, resources: {reservations: {cpus: "0.05", memory: 32M}}}
    x-springtide: {team: feed, route: {host: shop.localhost, port: 8000}}
  worker:
    image: example/worker:1
    volumes: ["data:/data"]
    deploy: {resources: {reservations: {cpus: "0.05", memory: 32M}}}
    x-springtide: {team: feed}
volumes: {data: {}}
"""


LARGER = 'cpus: "0.1", memory: 32M}}}\n    x-springtide: {team: feed, r'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "compose.yaml"
    file.write_text(SHOP)
    return file


def sighted(platform: HandMadePlatform) -> None:
    """What runs has been seen, so that it can be played forward."""
    platform.index = replace(platform.index, engine_listed=True)


async def deploy(terminal: Terminal, platform: HandMadePlatform, file: Path, *words: str) -> Said:
    async with carried_out(platform, Readiness.READY):
        return await terminal.type("deploy", "-f", str(file), *words)


async def test_a_dry_run_says_what_would_be_made_and_where_and_writes_nothing(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    version = platform.record.version
    sighted(platform)
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "shop:",
        "+ shop/web: create; 2 own on feed",
        "+ shop/worker: create; 1 own on feed",
        "+ network default",
        "+ volume data",
    ]
    assert (await platform.store.read()).version == version


async def test_a_dry_run_builds_and_pulls_nothing_and_says_what_would_be(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    (shop.parent / "Dockerfile").write_text("FROM example/base:1\n")
    shop.write_text(SHOP.replace("image: example/web:1", "build: ."))
    platform.engine.machine_state.unpulled_images.add("example/worker:1")
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run")
    assert "    image: would be built" in said.out
    assert "    image: would be pulled" in said.out
    assert "building" not in said.out + said.err
    assert platform.engine.machine_state.unpulled_images == {"example/worker:1"}


async def test_what_is_as_wanted_is_neither_written_nor_waited_for(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    version = platform.record.version
    said = await deploy(terminal, platform, shop, "--json")
    assert said.json["changes"]["is_nothing"] is True
    assert said.json["ready"] == [
        {"id": "shop/web", "ready": 2, "minimum": 2},
        {"id": "shop/worker", "ready": 1, "minimum": 1},
    ]
    assert said.json["urls"]["shop/web"] == ["http://shop.localhost:8080"]
    assert (await platform.store.read()).version == version


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("TOKEN: hidden-1", "TOKEN: hidden-2", ["    environment: TOKEN changed"]),
        ("GREETING: hello, ", "NAME: n, ", ["    environment: GREETING removed, NAME added"]),
        ("replicas: 2", "replicas: 3", ["    scale: 2 → 3"]),
        ("example/web:1", "example/web:2", ["    image names: web as example/web:1 removed, web as "]),
        ("host: shop.localhost", "host: store.localhost", ["    routes: shop.localhost to 8000 removed, "]),
        ('cpus: "0.05", memory: 32M}}}\n    x-springtide: {team: feed, r', LARGER, ["    resources: 50m cpu"]),
    ],
)  # fmt: skip
async def test_a_change_is_told_by_its_field_and_never_by_the_values_of_variables(
    terminal: Terminal, platform: HandMadePlatform, shop: Path, before: str, after: str, told: list[str]
) -> None:
    await deploy(terminal, platform, shop)
    assert before in SHOP
    shop.write_text(SHOP.replace(before, after))
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run")
    assert "~ shop/web: change" in said.out
    assert "  shop/worker: unchanged" in said.out
    for each in told:
        assert each in said.out
    assert "hidden" not in said.out + said.err


async def test_only_another_template_replaces_instances(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    shop.write_text(SHOP.replace("replicas: 2", "replicas: 3"))
    assert "replaced" not in (await terminal.type("deploy", "-f", str(shop), "--dry-run")).out
    shop.write_text(SHOP.replace("hidden-1", "hidden-2"))
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run")
    assert "its instances are replaced a few at a time" in said.out


async def test_what_left_the_files_is_removed_and_its_volume_stays(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    shop.write_text(SHOP[: SHOP.index("  worker:")])
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run", "--json")
    assert {each["id"]: each["verdict"] for each in said.json["services"]} == {
        "shop/web": "unchanged",
        "shop/worker": "remove",
    }
    assert "- volume data: no longer used (it stays, with what it holds)" in change_lines(said.json)


async def test_what_would_not_fit_is_told_with_the_reasons(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    sighted(platform)
    shop.write_text(
        SHOP.replace("replicas: 2", "replicas: 90").replace("{team: feed, r", "{team: feed, ladder: [own], r")
    )
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run")
    assert said.code == 0
    assert " of 90 would not fit:" in said.out
    assert "      own: " in said.out


async def test_what_is_opened_is_told_by_deploy_by_status_and_by_why(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    shop.write_text(SHOP.replace("image: example/web:1", "image: example/web:1\n    privileged: true"))
    told = "shop/web opens more than an ordinary container has: privileged"
    assert f"! {told}" in (await deploy(terminal, platform, shop)).out
    assert told in (await terminal.type("status")).out
    assert "opens:  more than an ordinary container has: privileged" in (await terminal.type("why", "shop/web")).out


async def test_a_mistake_that_only_the_record_shows_stops_a_dry_run_too(terminal: Terminal, shop: Path) -> None:
    shop.write_text(SHOP.replace("shop.localhost", "feed.localhost"))
    said = await terminal.type("deploy", "-f", str(shop), "--dry-run")
    assert said.code == 1
    assert "feed/web has" in said.err


async def test_a_restart_asks_for_new_instances_of_the_services_named(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    said = await terminal.type("restart", "shop", "web", "--no-wait")
    assert said.out.startswith("shop/web: restarting")
    services = (await platform.store.read()).services
    assert services[ServiceId("shop/web")].restarted_at == platform.moment
    assert services[ServiceId("shop/worker")].restarted_at is None


async def test_a_restart_is_kept_by_the_next_deployment_and_changes_nothing_more(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    async with carried_out(platform, Readiness.READY):
        await terminal.type("restart", "shop", "--no-wait")
    version = (await platform.store.read()).version
    said = await terminal.type("deploy", "-f", str(shop), "--no-wait")
    assert "nothing to change" in said.out
    assert (await platform.store.read()).version == version


async def test_a_restart_of_what_there_is_not_says_what_there_is(terminal: Terminal) -> None:
    said = await terminal.type("restart", "feed", "wep")
    assert said.code == 1
    assert "There is no service 'wep'." in said.err
    assert "web" in said.err


async def test_a_redeployment_gives_new_instances_only_to_what_has_a_newer_image(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    before = dict((await platform.store.read()).services)
    platform.engine.machine_state.newer_images["example/web:1"] = "sha256:newer"
    async with carried_out(platform, Readiness.READY):
        said = await terminal.type("redeploy", "shop")
    assert said.code == 0, said.err
    assert "→ sha256:newer" in said.out
    assert "shop/worker: unchanged" in said.out
    record = await platform.store.read()
    web, worker = ServiceId("shop/web"), ServiceId("shop/worker")
    assert record.revisions[record.services[web].revision].template.image == "sha256:newer"
    assert record.services[worker] == before[worker]


async def test_a_redeployment_of_what_is_the_newest_changes_nothing_and_says_so(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    version = (await platform.store.read()).version
    said = await terminal.type("redeploy", "shop")
    assert "shop: nothing to change." in said.out
    assert (await platform.store.read()).version == version


async def test_a_deployment_that_fails_shows_the_last_words_of_what_is_gone_already(
    terminal: Terminal, platform: HandMadePlatform, shop: Path
) -> None:
    await deploy(terminal, platform, shop)
    shop.write_text(SHOP.replace("hidden-1", "hidden-2"))
    changed = (await terminal.type("deploy", "-f", str(shop), "--no-wait", "--json")).json["app"]
    record = await platform.store.read()
    revision = record.services[ServiceId("shop/web")].revision
    platform.record = record
    crash = CrashHistory(3, START, "shop-web-3 ended with exit code 7; it is replaced.", revision)
    carry = replace(platform.index.carry, crashes={ServiceId("shop/web"): crash})
    platform.index = replace(platform.index, record=record, carry=carry)
    words = LastWords(InstanceId("shop-web-3"), revision, START, ("Traceback:", "no such table"))
    platform.last_words[ServiceId("shop/web")] = words
    said = await terminal.type("deploy", "-f", str(shop))
    assert (changed, said.code) == ("shop", 1)
    for each in (
        "exit code 7",
        "2 instances of what ran before serve on",
        "shop-web-3 wrote",
        "no such table",
        "next: ",
    ):
        assert each in said.err
