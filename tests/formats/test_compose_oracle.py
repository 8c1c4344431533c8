"""The same small files through Docker Compose itself: what both understand, they understand alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from springtide.formats.compose import AppSpec, load_app
from springtide.formats.durations import parse_duration
from springtide.formats.fleet import default_fleet
from springtide.model.resources import Resources
from tests.formats.compose_oracle import ENVIRONMENT, ask_compose

FLEET = default_fleet(Resources.of(cpu_millis=64_000, memory_bytes=64 * 2**30))


def both(directory: Path, *texts: str) -> tuple[dict[str, Any], AppSpec]:
    """What Docker Compose and Springtide make of the same files."""
    paths = []
    for number, text in enumerate(texts):
        paths.append(directory / f"compose{number}.yaml")
        paths[-1].write_text(text)
    theirs = ask_compose(paths)
    assert theirs is not None
    return theirs, load_app(paths, environment=ENVIRONMENT, project=None, fleet=FLEET)


def service(body: str) -> str:
    return "services:\n  web:\n    image: x\n" + "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))


ENVIRONMENTS = {
    "a mapping of every scalar": """
environment:
  A: 1.50
  B: 0x10
  D: true
  E: 1e6
  F: 1234567.5
  G: 100000.0
  H: 0.00001
  I: 1_000
  J: yes
  K: 1e21
  L: -0.5
  M: ""
  N: "0777"
  O: 'single $$ quoted'
  P: 123456789012
""",
    "a list": "environment: ['A=1', 'B=', 'C=a=b', 'D= spaced ', SET, UNSET]",
    "values from outside": "environment: {SET: , UNSET: , EMPTY: }",
    "a merged anchor": "x-base: &base {A: base, B: base}\nenvironment: {<<: *base, B: own}",
}

EXPRESSIONS = (
    "$SET ${SET} $UNSET|${EMPTY}",
    "${UNSET:-default} ${UNSET-default} ${EMPTY:-default} ${EMPTY-default} ${SET:-default}",
    "${SET:+other} ${SET+other} ${EMPTY:+other} ${EMPTY+other} ${UNSET:+other} ${UNSET+other}",
    "${SET:?message} ${SET?message} ${EMPTY?message}",
    "${UNSET:-${EMPTY:-${SET}}} ${UNSET-$SET} ${UNSET:-a$$b} ${UNSET:-}",
    "$$SET $$$SET $${SET} a$ 5$ $5 $. ${DOLLAR}",
    "${UNSET:-a}b}",
    '${UNSET:-{"a":1}}',
    "${UNSET:-{}",
    "$SET_x $SET.x $SET-x ${UNSET:-a:-b} ${UNSET--b} ${UNSET:-it's}",
)

COMMANDS = (
    "command: echo hello",
    """command: echo "a b" 'c d' e\\ f""",
    "command: ['echo', 'a b', '$$HOME']",
    "command: sh -c 'exit 0; echo \"x\"'",
    "entrypoint: ['/bin/a', '-x']\ncommand: b",
    "entrypoint: /bin/a -x 'y z'",
    "command: []",
    'command: ""',
    "command: ${UNSET:-run --fast}",
)


@pytest.mark.parametrize("body", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_environments_come_out_as_in_compose(tmp_path: Path, body: str) -> None:
    theirs, ours = both(tmp_path, service(body))
    expected = {key: value for key, value in theirs["services"]["web"]["environment"].items() if value is not None}
    assert dict(ours.services[0].template.environment) == expected


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_come_out_as_in_compose(tmp_path: Path, expression: str) -> None:
    theirs, ours = both(tmp_path, service(f"environment:\n  E: {json.dumps(expression)}"))
    assert dict(ours.services[0].template.environment) == theirs["services"]["web"]["environment"]


@pytest.mark.parametrize("body", COMMANDS)
def test_commands_come_out_as_in_compose(tmp_path: Path, body: str) -> None:
    theirs, ours = both(tmp_path, service(body))
    expected = theirs["services"]["web"]
    for key in ("command", "entrypoint"):
        given = getattr(ours.services[0].template, key)
        assert (None if given is None else list(given)) == expected[key]


def test_ports_come_out_as_in_compose(tmp_path: Path) -> None:
    ports = 'ports: ["8080:80", 8443:443, "9000", {target: 1, published: "2"}, {target: 3, published: 4}]'
    theirs, ours = both(tmp_path, service(ports))
    expected = {
        (each["target"], int(each["published"])) for each in theirs["services"]["web"]["ports"] if "published" in each
    }
    assert {(route.target_port, route.listen_port) for route in ours.services[0].service.routes} == expected


@pytest.mark.parametrize("duration", ["30s", "1m30s", "500ms", "1.5s", "2h", "1h1m1s", "90s", "1d", "0.25m"])
def test_durations_come_out_as_in_compose(tmp_path: Path, duration: str) -> None:
    body = f"healthcheck: {{test: [CMD, x], interval: {duration}, timeout: {duration}}}\nstop_grace_period: {duration}"
    theirs, ours = both(tmp_path, service(body))
    expected = theirs["services"]["web"]
    template = ours.services[0].template
    assert template.healthcheck.interval_seconds == parse_duration(expected["healthcheck"]["interval"])
    assert template.healthcheck.timeout_seconds == parse_duration(expected["healthcheck"]["timeout"])
    assert template.stop_grace_seconds == parse_duration(expected["stop_grace_period"])


@pytest.mark.parametrize("memory", ["32M", "64m", "1.5g", "1gb", "100k", "2048b", "12MiB", "4096K", "1G"])
def test_memory_comes_out_as_in_compose(tmp_path: Path, memory: str) -> None:
    body = f"deploy: {{replicas: 3, resources: {{limits: {{memory: {memory}, cpus: '0.5', pids: 50}}}}}}"
    theirs, ours = both(tmp_path, service(body))
    expected = theirs["services"]["web"]["deploy"]
    limits = ours.services[0].template.limits
    assert limits.memory_bytes == int(expected["resources"]["limits"]["memory"])
    assert limits.pids == expected["resources"]["limits"]["pids"]
    assert limits.cpu_millis == 1000 * expected["resources"]["limits"]["cpus"]
    assert ours.services[0].service.scale.minimum == expected["replicas"]


def test_networks_labels_and_dependencies_come_out_as_in_compose(tmp_path: Path) -> None:
    text = """
services:
  web:
    image: x
    networks: {front: {aliases: [www]}}
    labels: {a: 1, b: , c: 2.0}
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_started}}
  db: {image: x, networks: [front, back], labels: [a=1, b]}
  cache: {image: x, depends_on: [db]}
networks: {front: , back: {}, unused: }
"""
    theirs, ours = both(tmp_path, text)
    assert set(ours.networks) == set(theirs["networks"])
    for each in ours.services:
        expected = theirs["services"][each.name]
        assert set(each.template.networks) == set(expected["networks"])
        assert dict(each.template.labels) == expected.get("labels", {})
        needed = {str(need.service).split("/")[1]: need.healthy for need in each.service.depends_on}
        conditions = {name: need["condition"] for name, need in expected.get("depends_on", {}).items()}
        assert needed == {name: condition == "service_healthy" for name, condition in conditions.items()}


def test_several_files_merge_as_in_compose(tmp_path: Path) -> None:
    base = """
name: first
services:
  web:
    build: ./app
    environment: {A: base, B: base}
    labels: [x=1, y=2]
    command: [base]
    ports: ["8080:80"]
    depends_on: [db]
    healthcheck: {test: [CMD, base], interval: 10s}
    deploy: {replicas: 2, resources: {limits: {cpus: "1", memory: 64M}}}
  db: {image: x}
"""
    over = """
name: second
services:
  web:
    build: {dockerfile: Other, args: {K: v}}
    environment: [B=over, C=over]
    labels: {y: 3}
    command: [over]
    ports: ["8081:81"]
    depends_on: {more: {condition: service_healthy}}
    healthcheck: {test: [CMD, over]}
    deploy: {resources: {limits: {memory: 32M}}}
  more: {image: x}
"""
    theirs, ours = both(tmp_path, base, over)
    expected = theirs["services"]["web"]
    web = next(each for each in ours.services if each.name == "web")
    assert ours.name == theirs["name"]
    assert {each.name for each in ours.services} == set(theirs["services"])
    assert dict(web.template.environment) == expected["environment"]
    assert dict(web.template.labels) == expected["labels"]
    assert list(web.template.command or ()) == expected["command"]
    assert {route.listen_port for route in web.service.routes} == {int(each["published"]) for each in expected["ports"]}
    assert {str(need.service).split("/")[1] for need in web.service.depends_on} == set(expected["depends_on"])
    assert web.template.healthcheck.interval_seconds == 10
    assert web.service.scale.minimum == expected["deploy"]["replicas"]
    assert web.template.limits.memory_bytes == int(expected["deploy"]["resources"]["limits"]["memory"])
    assert web.template.limits.cpu_millis == 1000 * expected["deploy"]["resources"]["limits"]["cpus"]
    assert web.build is not None
    assert str(web.build.context) == expected["build"]["context"]
    assert web.build.dockerfile == expected["build"]["dockerfile"]
    assert dict(web.build.arguments) == expected["build"]["args"]


def test_placement_merges_as_in_compose(tmp_path: Path) -> None:
    base = """
deploy:
  placement:
    constraints: [node.labels.zone!=a, "node.labels.rack != ${NUMBER}"]
    preferences: [{spread: node.labels.zone}]
    max_replicas_per_node: 4
"""
    over = """
deploy:
  placement:
    constraints: [node.platform.os!=windows]
    preferences: [{spread: node.labels.rack}]
    max_replicas_per_node: 2
"""
    theirs, ours = both(tmp_path, service(base), service(over))
    expected = theirs["services"]["web"]["deploy"]["placement"]
    rules = ours.services[0].service.placement
    names = {"zone": "node.labels.zone", "rack": "node.labels.rack", "os": "node.platform.os"}
    written = {"".join(each.split()) for each in expected["constraints"]}
    assert {f"{names[each.key]}!={each.value}" for each in rules.constraints} == written
    assert not any(each.is_equal for each in rules.constraints)
    assert [names[label] for label in rules.spread] == [each["spread"] for each in expected["preferences"]]
    assert rules.max_per_node == expected["max_replicas_per_node"]


def test_a_dotenv_file_reads_as_in_compose(tmp_path: Path) -> None:
    lines = r"""
# a comment
A=1
export B = two words # another
C="x ${A} $A\n y" # another
D='x ${A}'
E=${A}-${Z:-q}
F=
SET
H=a#b
I="several
lines"
J: colon
K=it's
M="say \"hi\" \$A"
N= around\040
Q='a\'b'
R=${SET}.
S="tab\tx\\y"
T=a\nb
U=a $$A b
NUMBER=9
"""
    (tmp_path / ".env").write_text(lines.replace("\\040", "  "))
    names = [*"ABCDEFHIJKMNQRSTU", "NUMBER", "SET"]
    theirs, ours = both(tmp_path, service(f"environment: [{', '.join(names)}]"))
    assert dict(ours.services[0].template.environment) == theirs["services"]["web"]["environment"]


def test_the_directory_names_the_app_as_in_compose(tmp_path: Path) -> None:
    directory = tmp_path / "My_App.v2"
    directory.mkdir()
    theirs, ours = both(directory, service("command: x"))
    assert ours.name == theirs["name"] == "my_appv2"
