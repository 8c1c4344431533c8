from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from springtide.formats.compose import load_app, with_images
from springtide.formats.fleet import default_fleet
from springtide.model.errors import ComposeFileError, RefusedError
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.resources import Resources
from springtide.model.workloads import Band, Dependency, Route, ScalePolicy
from tests.formats.compose_files import load, service_text, two_team_fleet, web

NOW = datetime(2026, 2, 17, 20, 0, tzinfo=UTC)
MEBIBYTE = 2**20

TIDE = """\
services:
  web:
    build: {context: ./site, dockerfile: Web, args: {VERSION: "3"}}
    deploy: {replicas: 2, resources: {reservations: {cpus: "0.05", memory: 32M}}}
    environment: {CAPACITY: "${CAPACITY:-4}", TOKEN: }
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://localhost:8000/healthz"], interval: 1s}
    x-springtide:
      team: feed
      route: feed.localhost
      ladder: [own, shared, cloud]
      scale: {min: 2, max: 60, requests_per_second: 50}
      band: batch
      line_load: 2Mbps
"""


def test_a_service_says_what_it_wants(tmp_path: Path) -> None:
    spec = load(tmp_path, TIDE, environment={"TOKEN": "secret"})
    service = spec.services[0].service
    assert (spec.name, spec.team, service.id, service.team) == ("app", "feed", "app/web", "feed")
    assert service.resources == Resources.of(cpu_millis=50, memory_bytes=32 * MEBIBYTE, pids=128)
    assert service.scale == ScalePolicy(2, 60, requests_per_second=50.0)
    assert service.ladder == (Rung.OWN, Rung.SHARED, Rung.CLOUD)
    assert (service.band, service.line_load_bits_per_second) == (Band.BATCH, 2_000_000)
    assert service.routes == (Route(8000, host="feed.localhost"),)
    assert spec.services[0].template.environment == (("CAPACITY", "4"), ("TOKEN", "secret"))


def test_a_build_starts_at_the_file_that_names_it(tmp_path: Path) -> None:
    spec = load(tmp_path, TIDE).services[0]
    assert spec.build is not None
    assert (spec.build.context, spec.build.dockerfile) == (tmp_path / "site", "Web")
    assert spec.build.arguments == (("VERSION", "3"),)
    assert spec.image == "app-web"


def test_pinned_images_make_revisions(tmp_path: Path) -> None:
    deployed = with_images(load(tmp_path, TIDE), {"web": "sha256:abc"}, NOW)
    revision = deployed.revisions[0]
    assert revision.template.image == "sha256:abc"
    assert revision.id.startswith("app/web@")
    assert len(revision.id) == len("app/web@") + 10
    assert deployed.services[0].revision == revision.id
    assert (deployed.app.services, deployed.app.deployed_at) == (("app/web",), NOW)


def test_equal_templates_make_equal_revisions_and_others_do_not(tmp_path: Path) -> None:
    def revision(text: str, image: str = "sha256:abc") -> str:
        return with_images(load(tmp_path, text), {"web": image}, NOW).revisions[0].id

    reordered = service_text("labels: [b=2, a=1]\nenvironment: {B: 2, A: 1}")
    assert revision(service_text("environment: {A: 1, B: 2}\nlabels: {a: 1, b: 2}")) == revision(reordered)
    assert revision(reordered) != revision(reordered, "sha256:abd")
    assert revision(reordered) != revision(reordered.replace("A: 1", "A: 2"))
    assert revision(service_text("user: a")) == revision(service_text("user: a\ndeploy: {replicas: 5}"))


def test_every_service_needs_a_pinned_image(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="web"):
        with_images(load(tmp_path, TIDE), {}, NOW)


def test_a_plain_service_gets_every_default(tmp_path: Path) -> None:
    spec = web(tmp_path, "user: nobody")
    assert spec.service.scale == ScalePolicy(1, 1)
    assert spec.service.ladder == FULL_LADDER
    assert spec.service.routes == ()
    assert spec.service.resources == two_team_fleet().defaults
    assert spec.template.limits.memory_bytes == 64 * MEBIBYTE
    assert (spec.template.limits.pids, spec.template.limits.cpu_millis) == (128, 0)
    assert (spec.template.networks, spec.template.aliases) == (("default",), ("web",))


@pytest.mark.parametrize(
    ("resources", "cpu_millis", "memory_mebibytes", "limit_millis"),
    [
        ("reservations: {cpus: '0.05'}", 50, 64, 0),
        ("limits: {cpus: '0.05'}", 50, 64, 50),
        ("limits: {cpus: '0.2'}", 100, 64, 200),
        ("reservations: {cpus: '0.05'}, limits: {cpus: '0.2'}", 50, 64, 200),
        ("reservations: {memory: 32M}", 100, 32, 0),
        ("reservations: {memory: 32M}, limits: {memory: 48M}", 100, 48, 0),
        ("limits: {memory: 48M}", 100, 48, 0),
    ],
)
def test_processors_count_as_reserved_and_memory_with_its_limit(
    tmp_path: Path, resources: str, cpu_millis: int, memory_mebibytes: int, limit_millis: int
) -> None:
    spec = web(tmp_path, f"deploy: {{resources: {{{resources}}}}}")
    assert spec.service.resources == Resources.of(
        cpu_millis=cpu_millis, memory_bytes=memory_mebibytes * MEBIBYTE, pids=128
    )
    assert spec.template.limits.memory_bytes == memory_mebibytes * MEBIBYTE
    assert spec.template.limits.cpu_millis == limit_millis


@pytest.mark.parametrize(
    ("body", "minimum", "maximum"),
    [
        ("deploy: {replicas: 3}", 3, 3),
        ("deploy: {replicas: 0}", 0, 0),
        ("deploy: {replicas: $N}", 4, 4),
        ("deploy: {replicas: 3}\nx-springtide: {scale: {max: 9, cpu_percent: 60}}", 3, 9),
        ("x-springtide: {scale: {max: 9, cpu_percent: 60}}", 1, 9),
        ("x-springtide: {scale: {min: 5, cpu_percent: 60}}", 5, 5),
        ("x-springtide: {scale: {min: 2, max: 5, requests_per_second: 12.5}}", 2, 5),
    ],
)
def test_the_count_lies_between_its_bounds(tmp_path: Path, body: str, minimum: int, maximum: int) -> None:
    scale = web(tmp_path, body, environment={"N": "4"}).service.scale
    assert (scale.minimum, scale.maximum) == (minimum, maximum)


@pytest.mark.parametrize(
    ("body", "routes"),
    [
        ("ports: ['8080:80']", [Route(80, listen_port=8080)]),
        ("ports: ['80']", []),
        ("ports: ['8000-8001:80-81']", [Route(80, listen_port=8000), Route(81, listen_port=8001)]),
        ("ports: ['80']\nx-springtide: {route: a.localhost}", [Route(80, "a.localhost")]),
        ("expose: [80]\nx-springtide: {route: a.localhost}", [Route(80, "a.localhost")]),
        ("ports: ['8080:80']\nx-springtide: {route: a.localhost}", [Route(80, "a.localhost", 8080)]),
        (
            "ports: ['8080:80', '9090:90']\n"
            "x-springtide: {route: {host: a.localhost, port: 90, max_requests: 4, queue: 2s}}",
            [Route(90, "a.localhost", 9090, 4, 2.0), Route(80, listen_port=8080)],
        ),
        ("ports: ['8080:80']\nx-springtide: {route: {max_requests: 4}}", [Route(80, None, 8080, 4)]),
        ("x-springtide: {route: {host: a.localhost, port: 90}}", [Route(90, "a.localhost")]),
        (
            "ports: ['1:80', '2:80']\nx-springtide: {route: a.localhost}",
            [Route(80, "a.localhost", 1), Route(80, None, 2)],
        ),
    ],
)
def test_routes_join_hosts_and_published_ports(tmp_path: Path, body: str, routes: list[Route]) -> None:
    assert list(web(tmp_path, body).service.routes) == routes


def test_a_port_that_nobody_reaches_is_worth_a_notice(tmp_path: Path) -> None:
    assert any(
        "port 80 is reached from inside only" in each for each in load(tmp_path, service_text("ports: ['80']")).notices
    )


def test_dependencies_name_services_of_the_same_app(tmp_path: Path) -> None:
    text = """
x-springtide: {team: feed}
services:
  a:
    image: x
    depends_on:
      b: {condition: service_healthy, restart: false, required: true}
      c: {condition: service_started}
  b: {image: x, depends_on: [c]}
  c: {image: x}
"""
    a, b, c = (each.service for each in load(tmp_path, text).services)
    assert a.depends_on == (Dependency(b.id, healthy=True), Dependency(c.id))
    assert b.depends_on == (Dependency(c.id),)


def test_only_networks_in_use_are_the_apps(tmp_path: Path) -> None:
    text = """
x-springtide: {team: feed}
services:
  a: {image: x, networks: {front: {aliases: [www, a]}}}
  b: {image: x, networks: [back]}
networks: {front: , back: , unused: }
"""
    spec = load(tmp_path, text)
    assert spec.networks == ("front", "back")
    assert spec.services[0].template.aliases == ("a", "www")


def test_the_fleets_only_team_needs_no_naming(tmp_path: Path) -> None:
    fleet = default_fleet(Resources.of(cpu_millis=2000, memory_bytes=2**32))
    assert load(tmp_path, "services: {web: {image: x}}", fleet=fleet).team == "default"


@pytest.mark.parametrize(
    ("project", "environment", "top", "name"),
    [
        ("given", {"COMPOSE_PROJECT_NAME": "outside"}, "name: inside", "given"),
        (None, {"COMPOSE_PROJECT_NAME": "outside"}, "name: inside", "outside"),
        (None, {"STAGE": "test"}, "name: inside-${STAGE}", "inside-test"),
        (None, {}, "", "my_shop2"),
    ],
)
def test_an_app_is_named_by_the_nearest_wish(
    tmp_path: Path, project: str | None, environment: dict[str, str], top: str, name: str
) -> None:
    directory = tmp_path / "My_Shop.2"
    directory.mkdir()
    spec = load(directory, f"{top}\n{service_text('user: a')}", environment=environment, project=project)
    assert spec.name == name


def test_a_name_given_outside_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="'My App' can't name an app"):
        load(tmp_path, service_text("user: a"), project="My App")


def test_at_least_one_file_is_needed() -> None:
    with pytest.raises(RefusedError, match="no Compose file"):
        load_app([], environment={}, project=None, fleet=two_team_fleet())


def test_variables_come_from_dotenv_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    spec = web(tmp_path, "environment: {A: $A, B: $B, P: $COMPOSE_PROJECT_NAME}", environment={"B": "outside"})
    assert dict(spec.template.environment) == {"A": "file", "B": "outside", "P": "app"}


def test_a_mistake_in_dotenv_names_its_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB C=2\n")
    with pytest.raises(ComposeFileError) as caught:
        load(tmp_path, service_text("user: a"))
    assert (caught.value.file, caught.value.line) == (str(tmp_path / ".env"), 2)


def test_a_variable_that_reads_as_empty_is_worth_a_notice(tmp_path: Path) -> None:
    spec = load(tmp_path, service_text("environment: {A: $MISSING}"))
    assert any("compose.yaml:5: the variable MISSING isn't set" in notice for notice in spec.notices)


def test_an_error_in_the_second_file_names_the_second_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(service_text("user: a"))
    second.write_text("services:\n  web:\n    volumes: [a:/b]\n")
    with pytest.raises(ComposeFileError) as caught:
        load_app([first, second], environment={}, project="app", fleet=two_team_fleet())
    assert (caught.value.file, caught.value.line) == (str(second), 3)


def test_a_share_too_small_for_one_instance_is_worth_a_notice(tmp_path: Path) -> None:
    body = "deploy: {resources: {reservations: {cpus: '0.15'}}}"
    notices = load(tmp_path, service_text(body)).notices
    assert notices == (
        "The shared part of pool 'feed' (25% of 400m cpu: 100m cpu) holds no whole instance of app/web, which counts"
        " for 150m cpu.",
    )
    alone = load(tmp_path, service_text(body + "\nx-springtide: {ladder: [own]}"))
    assert alone.notices == ()


def test_scaling_without_a_target_is_worth_a_notice(tmp_path: Path) -> None:
    spec = load(tmp_path, service_text("x-springtide: {scale: {min: 1, max: 4}}"))
    assert any("names no target" in notice for notice in spec.notices)


def test_replicas_outside_the_bounds_are_worth_a_notice(tmp_path: Path) -> None:
    spec = load(tmp_path, service_text("deploy: {replicas: 1}\nx-springtide: {scale: {min: 2, max: 2}}"))
    assert any("(2 to 2) stands above deploy.replicas (1)" in notice for notice in spec.notices)


def test_an_obsolete_version_is_worth_a_notice_and_other_extensions_are_not(tmp_path: Path) -> None:
    spec = load(tmp_path, f"version: '3.8'\nx-other: {{a: 1}}\n{service_text('x-more: 1')}")
    assert [notice for notice in spec.notices if "`version` is obsolete" in notice] == list(spec.notices)
    assert len(spec.notices) == 1


def test_signals_directories_and_grace_are_read(tmp_path: Path) -> None:
    template = web(
        tmp_path, "stop_signal: SIGINT\nworking_dir: /srv\nstop_grace_period: 1m30s\nuser: '1000:1000'"
    ).template
    assert (template.stop_signal, template.working_dir) == ("SIGINT", "/srv")
    assert (template.stop_grace_seconds, template.user) == (90.0, "1000:1000")
