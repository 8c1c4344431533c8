"""Services that share a network are one instance: what becomes of them, and when they can't be."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.app_specs import with_images
from springtide.model.errors import ComposeFileError
from springtide.model.identifiers import ServiceId
from springtide.model.resources import Resources
from springtide.model.workloads import Dependency, ExecProbe, ScalePolicy, Template
from tests.formats.compose_files import labelled_fleet, load
from tests.formats.test_compose import NOW

MEBIBYTE = 2**20
HEAD = "x-springtide: {team: feed}\nservices:\n"
"""Two lines: a file's first service stands on line 3."""

POD = """\
  web:
    build: ./web
    deploy: {replicas: 2, resources: {reservations: {cpus: '0.05', memory: 32M}}}
    ports: ["8080:80"]
    depends_on: {db: {condition: service_started}}
  log:
    image: tailer
    network_mode: service:cache
    pid: service:web
    mem_limit: 16M
    stop_grace_period: 45s
    healthcheck: {test: tail -n 1 /log}
  cache:
    build: ./cache
    network_mode: service:web
    deploy: {resources: {reservations: {cpus: '0.1', memory: 8M}}}
    depends_on: {db: {condition: service_healthy}}
  db: {image: postgres}
  report:
    image: reporter
    depends_on: {log: {condition: service_healthy}}
"""


def test_services_that_share_a_network_are_one_instance(tmp_path: Path) -> None:
    spec = load(tmp_path, HEAD + POD, fleet=labelled_fleet())
    assert [each.name for each in spec.services] == ["web", "db", "report"]
    web = spec.services[0]
    assert web.service.scale == ScalePolicy(2, 2)
    assert [each.name for each in web.template.companions] == ["cache", "log"], "log's network is that of cache"
    assert [(each.name, each.image, each.build is not None) for each in web.images] == [
        ("web", "app-web", True),
        ("cache", "app-cache", True),
        ("log", "tailer", False),
    ]


def test_a_pod_counts_for_all_its_containers_each_within_its_own_limits(tmp_path: Path) -> None:
    fleet = labelled_fleet()
    web = load(tmp_path, HEAD + POD, fleet=fleet).services[0]
    cpu_of_log, pids = fleet.defaults["cpu_millis"], fleet.defaults["pids"]
    assert web.service.resources == Resources.of(
        cpu_millis=50 + 100 + cpu_of_log, memory_bytes=(32 + 8 + 16) * MEBIBYTE, pids=3 * pids
    )
    assert [each.limits.memory_bytes // MEBIBYTE for each in web.template.containers] == [32, 8, 16]
    assert [each.kernel.cpu_shares for each in web.template.containers] == [51, 102, cpu_of_log * 1024 // 1000]
    assert web.template.stop_grace_seconds == 45, "the last of them to stop has that long"


def test_a_companion_is_watched_and_joined_to_others_of_its_pod(tmp_path: Path) -> None:
    log = load(tmp_path, HEAD + POD, fleet=labelled_fleet()).services[0].template.companions[1].template
    assert type(log) is not Template
    assert log.isolation.pid == "service:web"
    assert log.healthcheck.probe == ExecProbe(("/bin/sh", "-c", "tail -n 1 /log"))
    assert (log.network_mode, log.networks, log.aliases) == ("", ("default",), ())


def test_what_a_companion_needs_its_pod_needs_and_who_needs_a_companion_needs_its_pod(tmp_path: Path) -> None:
    web, db, report = (each.service for each in load(tmp_path, HEAD + POD, fleet=labelled_fleet()).services)
    assert web.depends_on == (Dependency(db.id, healthy=True),), "the stricter of two wishes counts"
    assert report.depends_on == (Dependency(web.id, healthy=True),)


def test_each_container_of_a_pod_is_pinned_to_its_image(tmp_path: Path) -> None:
    spec = load(tmp_path, HEAD + POD, fleet=labelled_fleet())
    images = {each.name: f"sha256:{each.name}" for each in spec.images}
    template = with_images(spec, images, NOW).revisions[0].template
    assert [each.image for each in template.containers] == ["sha256:web", "sha256:cache", "sha256:log"]
    other = with_images(spec, {**images, "log": "sha256:new"}, NOW).revisions[0]
    assert other.id != with_images(spec, images, NOW).revisions[0].id


def test_containers_of_a_pod_start_in_the_order_in_which_they_need_one_another(tmp_path: Path) -> None:
    text = f"""{HEAD}  web: {{image: x}}
  a: {{image: x, network_mode: 'service:web', depends_on: [b], ipc: 'service:c'}}
  b: {{image: x, network_mode: 'service:web'}}
  c: {{image: x, network_mode: 'service:a', depends_on: []}}
"""
    with pytest.raises(ComposeFileError, match="circle"):
        load(tmp_path, text)
    companions = load(tmp_path, text.replace("service:a", "service:web")).services[0].template.companions
    assert [each.name for each in companions] == ["b", "c", "a"]


def test_a_container_may_wait_until_another_of_its_pod_is_healthy(tmp_path: Path) -> None:
    text = f"""{HEAD}  vpn: {{image: x, healthcheck: {{test: ready}}}}
  torrent:
    image: x
    network_mode: service:vpn
    depends_on: {{vpn: {{condition: service_healthy}}, other: {{condition: service_healthy}}}}
  other: {{image: x}}
"""
    vpn = load(tmp_path, text).services[0]
    assert [(each.name, each.waits_for) for each in vpn.template.companions] == [("torrent", ("vpn",))]
    assert vpn.service.depends_on == (Dependency(ServiceId("app/other"), healthy=True),)


def test_who_is_near_a_companion_is_near_its_pod(tmp_path: Path) -> None:
    text = f"""{HEAD}  web: {{image: x}}
  side: {{image: x, network_mode: 'service:web'}}
  other: {{image: x, x-springtide: {{placement: {{near: side}}}}}}
"""
    assert load(tmp_path, text).services[1].service.placement.near == ("app/web",)


@pytest.mark.parametrize(
    "said",
    [
        "deploy: {replicas: 3}",
        "scale: 5",
        "x-springtide: {scale: {min: 2, max: 5}, ladder: [own], band: batch, line_load: 2Mbps}",
        "x-springtide: {team: feed, placement: {site: home}}",
        "expose: [9000]",
        "hostname: ''",
    ],
)
def test_a_companion_may_say_what_its_pod_says(tmp_path: Path, said: str) -> None:
    text = f"""{HEAD}  web:
    image: x
    x-springtide:
      {{scale: {{min: 2, max: 5}}, ladder: [own], band: batch, line_load: 2Mbps, placement: {{site: home}}}}
  side:
    image: x
    network_mode: service:web
    {said}
"""
    assert load(tmp_path, text).services[0].service.scale == ScalePolicy(2, 5)


OF_A_COMPANION = {
    "ports": ("ports: ['1:2']", ".ports", "`ports` can't be a companion's", "under 'web'"),
    "a host name": ("hostname: a", ".hostname", "share one network and its names", "under 'web'"),
    "name servers": ("dns: 1.1.1.1", ".dns", "share one network and its names", "under 'web'"),
    "hosts": ("extra_hosts: [a=1.1.1.1]", ".extra_hosts", "share one network and its names", "under 'web'"),
    "another count": ("deploy: {replicas: 3}", ".deploy.replicas", "of which there are 1", "Leave it out here"),
    "another scale": ("scale: 2", ".scale", "both are one instance", "write it at 'web'"),
    "a range": ("x-springtide: {scale: {max: 2}}", ".x-springtide.scale", "both are one instance", "'web'"),
    "a route": ("x-springtide: {route: {host: a, port: 1}}", ".x-springtide.route", "says otherwise", "'web'"),
    "rungs": ("x-springtide: {ladder: [own]}", ".x-springtide.ladder", "says otherwise", "'web'"),
    "a band": ("x-springtide: {band: batch}", ".x-springtide.band", "says otherwise", "'web'"),
    "a line load": ("x-springtide: {line_load: 1Mbps}", ".x-springtide.line_load", "says otherwise", "'web'"),
    "a place": ("x-springtide: {placement: {site: home}}", ".x-springtide.placement", "says otherwise", "'web'"),
    "a node of its kind": (
        "deploy: {placement: {max_replicas_per_node: 1}}",
        ".deploy.placement",
        "says otherwise",
        "'web'",
    ),
    "processes of a stranger": ("pid: service:db", ".pid", "within one instance only", "network_mode: service:db"),
    "memory of nobody": ("ipc: service:side", ".ipc", "within one instance only", "leave `ipc` out"),
    "waiting for the end of another of the pod": (
        "depends_on: {web: {condition: service_completed_successfully}}",
        ".depends_on.web.condition",
        "no container may end",
        "service_healthy",
    ),
    "more than any node has": (
        "deploy: {resources: {reservations: {memory: 500M}}}",
        "",
        "564 MiB memory",
        "give the fleet larger nodes",
    ),
}


@pytest.mark.parametrize(("said", "key", "words", "remedy"), OF_A_COMPANION.values(), ids=OF_A_COMPANION.keys())
def test_a_companion_is_refused_for(tmp_path: Path, said: str, key: str, words: str, remedy: str) -> None:
    side = f"  side:\n    image: x\n    network_mode: service:web\n    {said}\n"
    error = refused(tmp_path, f"{HEAD}{side}  web: {{image: x}}\n  db: {{image: x}}\n")
    if key:
        assert (error.line, error.key) == (6, f"services.side{key}")
    assert words in error.sentence
    assert remedy in error.remedy


PODS = {
    "a network of nobody": (
        "  web: {image: x}\n  side: {image: x, network_mode: 'service:wbe'}\n",
        "services.side.network_mode",
        "no service 'wbe'",
        "'web'",
    ),
    "a network of its own": (
        "  web: {image: x, network_mode: 'service:web'}\n",
        "services.web.network_mode",
        "web shares that of web",
        "Let one of them",
    ),
    "networks in a circle": (
        "  a: {image: x, network_mode: 'service:b'}\n  b: {image: x, network_mode: 'service:a'}\n",
        "services.b.network_mode",
        "a shares that of b, b shares that of a",
        "Let one of them",
    ),
    "needs that go in a circle once folded": (
        "  web: {image: x}\n  side: {image: x, network_mode: 'service:web', depends_on: [db]}\n"
        "  db: {image: x, depends_on: [web]}\n",
        "services.side.network_mode",
        "db needs web",
        "Take one of the dependencies out",
    ),
}


@pytest.mark.parametrize(("body", "key", "words", "remedy"), PODS.values(), ids=PODS.keys())
def test_there_is_no_pod_of(tmp_path: Path, body: str, key: str, words: str, remedy: str) -> None:
    error = refused(tmp_path, HEAD + body)
    assert error.key == key
    assert words in error.sentence
    assert remedy in error.remedy


def refused(directory: Path, text: str) -> ComposeFileError:
    with pytest.raises(ComposeFileError) as caught:
        load(directory, text)
    return caught.value
