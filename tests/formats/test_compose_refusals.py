"""Whatever Springtide can't do of a Compose file is refused at its line, with what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.compose_keys import BUILD, DEPLOY, SERVICE, TOP_LEVEL
from springtide.formats.compose_part_keys import CONFIG
from tests.formats.compose_files import load, refusal, service_text

# Lines of the one service start at 5: (its lines, line, key, words of the sentence, words of the remedy).
OF_A_SERVICE = {
    "a misspelt key": ("enviroment: {A: 1}", 5, ".enviroment", "isn't known here", "'environment'"),
    "a misspelt extension": ("x-springtied: {}", 5, ".x-springtied", "is nobody's", "'x-springtide'"),
    "an unknown setting": ("x-springtide:\n  rout: a", 6, ".x-springtide.rout", "isn't known", "'route'"),
    "a range for one port": ("ports: ['8000-8010:80']", 5, ".ports[0]", "range 8000-8010", "one port of it"),
    "ranges that differ": ("ports: ['8000-8010:80-81']", 5, ".ports[0]", "aren't equally long", "as many ports"),
    "a port of one address": ("ports: ['127.0.0.1:8080:80']", 5, ".ports[0]", "binds one address", "'8080:80'"),
    "a port that is none": ("ports: ['eighty']", 5, ".ports[0]", "'eighty' isn't a port", "1 to 65535"),
    "a port beyond the last": ("ports: ['65536']", 5, ".ports[0]", "'65536' isn't a port", "1 to 65535"),
    "a long port without target": ("ports: [{published: 80}]", 5, ".ports[0]", "which port", "`target:`"),
    "a long port on one address": ("ports: [{target: 80, host_ip: ::1}]", 5, ".ports[0].host_ip", "'host_ip'", "Leave"),
    "a port published twice": (
        "ports:\n  - 8080:80\n  - 8080:81",
        7,
        ".ports[1]",
        "published on line 6",
        "another port",
    ),
    "a route without a known port": ("x-springtide: {route: a.b}", 5, ".x-springtide.route", "which port", "port: …"),
    "a route to one of several ports": (
        "expose: [80, 81]\nx-springtide: {route: a.b}",
        6,
        ".x-springtide.route",
        "several ports (80, 81)",
        "port: 80",
    ),
    "a host with capitals": (
        "x-springtide: {route: {host: A.b, port: 1}}",
        5,
        ".x-springtide.route.host",
        "'A.b'",
        "small letters",
    ),
    "a host with an empty part": (
        "x-springtide: {route: {host: a..b, port: 1}}",
        5,
        ".x-springtide.route.host",
        "'a..b'",
        "",
    ),
    "a route to nowhere": ("x-springtide: {route: {port: 1}}", 5, ".x-springtide.route", "no host name", "`host:`"),
    "a negative bound on requests": (
        "x-springtide: {route: {host: a, port: 1, max_requests: -1}}",
        5,
        ".x-springtide.route.max_requests",
        "-1 requests",
        "0 for no limit",
    ),
    "an unknown rung": ("x-springtide: {ladder: [own, clowd]}", 5, ".x-springtide.ladder[1]", "'clowd'", "'cloud'"),
    "a rung twice": (
        "x-springtide:\n  ladder:\n  - own\n  - own",
        8,
        ".x-springtide.ladder[1]",
        "line 7 already",
        "once",
    ),
    "a ladder without rungs": ("x-springtide: {ladder: []}", 5, ".x-springtide.ladder", "nowhere", "own, shared"),
    "an unknown band": ("x-springtide: {band: bach}", 5, ".x-springtide.band", "'bach'", "'batch'"),
    "bounds the wrong way round": (
        "x-springtide:\n  scale:\n    min: 5\n    max: 2",
        7,
        ".x-springtide.scale.min",
        "5 instances (line 7) are more than at most 2 (line 8)",
        "Lower",
    ),
    "more replicas than the bound": (
        "deploy: {replicas: 5}\nx-springtide: {scale: {max: 2}}",
        5,
        ".deploy.replicas",
        "(line 5) are more than at most 2 (line 6)",
        "",
    ),
    "a scale to nought": ("x-springtide: {scale: {min: 0}}", 5, ".x-springtide.scale.min", "0 instances", "at least 1"),
    "a target of nought": (
        "x-springtide: {scale: {requests_per_second: 0}}",
        5,
        ".x-springtide.scale.requests_per_second",
        "never be met",
        "more than 0",
    ),
    "a standby": ("x-springtide: {scale: {standby: 4}}", 5, ".x-springtide.scale.standby", "at most 1", "Raise `max`"),
    "a rate that is none": ("x-springtide: {line_load: 2MB}", 5, ".x-springtide.line_load", "'2MB' isn't a rate", ""),
    "an unknown team": ("x-springtide: {team: fed}", 5, ".x-springtide.team", "no team 'fed'", "'feed'"),
    "two teams": (
        "x-springtide: {team: redpacket}",
        5,
        ".x-springtide.team",
        "'feed' (line 1) and 'redpacket'",
        "two apps",
    ),
    "negative replicas": ("deploy: {replicas: -1}", 5, ".deploy.replicas", "-1 instances", "at least 0"),
    "replicas that are no number": ("deploy: {replicas: two}", 5, ".deploy.replicas", "a whole number, not 'two'", ""),
    "more reserved than allowed": (
        "deploy:\n  resources:\n    reservations: {memory: 64M}\n    limits: {memory: 32M}",
        7,
        ".deploy.resources.reservations.memory",
        "64 MiB is reserved, but the limit (line 8) is 32 MiB",
        "at most",
    ),
    "no processors": (
        "deploy: {resources: {limits: {cpus: 0}}}",
        5,
        ".deploy.resources.limits.cpus",
        "no amount",
        "more than 0",
    ),
    "reserved devices": (
        "deploy: {resources: {reservations: {devices: []}}}",
        5,
        ".deploy.resources.reservations.devices",
        "'devices'",
        "Leave it out",
    ),
    "a service larger than any node": (
        "deploy:\n  resources:\n    reservations: {cpus: '3'}",
        6,
        ".deploy.resources",
        "'web' wants 3000m cpu; the largest node of any pool has 400m cpu",
        "larger nodes",
    ),
    "a service too large taken together": (
        "deploy: {resources: {reservations: {cpus: '0.2', memory: 400M}}}",
        5,
        ".deploy.resources",
        "no node of any pool has all of that at once",
        "Lower it",
    ),
    "an unknown dependency": ("depends_on: [bd]", 5, ".depends_on[0]", "no service 'bd'", ""),
    "a dependency on itself": ("depends_on: [web]", 5, ".depends_on[0]", "web needs web (line 5)", "Take one"),
    "a dependency without condition": (
        "depends_on: {web: {}}",
        5,
        ".depends_on.web",
        "names no condition",
        "service_started",
    ),
    "a condition that is none": (
        "depends_on: {web: {condition: service_helthy}}",
        5,
        ".depends_on.web.condition",
        "'service_helthy' isn't a condition",
        "'service_healthy'",
    ),
    "an optional dependency": (
        "depends_on: {web: {condition: service_started, required: false}}",
        5,
        ".depends_on.web.required",
        "is required",
        "Leave it out",
    ),
    "a dependency that restarts": (
        "depends_on: {web: {condition: service_started, restart: true}}",
        5,
        ".depends_on.web.restart",
        "restarts nothing",
        "Leave",
    ),
    "an undeclared network": ("networks: [frnt]", 5, ".networks[0]", "no network 'frnt'", "default"),
    "two instances at one address": (
        "networks: {default: {ipv4_address: 10.0.0.1}}\ndeploy: {replicas: 2}",
        5,
        ".networks",
        "no second instance can stand beside it",
        "the address",
    ),
    "two instances of one name": (
        "container_name: web1\nscale: 2",
        5,
        ".container_name",
        "no second instance can stand beside",
        "Leave the name",
    ),
    "a name that is none": ("container_name: -a", 5, ".container_name", "'-a' can't name", "letters"),
    "an address without a network": (
        "network_mode: host\nmac_address: 02:42:ac:11:00:02",
        6,
        ".mac_address",
        "no such address",
        "Leave it out",
    ),
    "a service on every node": ("deploy: {mode: global}", 5, ".deploy.mode", "'global'", "`replicas`"),
    "an address before instances": ("deploy: {endpoint_mode: vip}", 5, ".deploy.endpoint_mode", "leads to", "dnsrr"),
    "two instances at one port of the machine": (
        "ports: ['53:53/udp']\nscale: 2",
        3,
        "",
        "no second instance can stand beside it",
        "the port of the machine",
    ),
    "a network mode that is none": ("network_mode: brigde", 5, ".network_mode", "'brigde' isn't supported", "bridge"),
    "a volume named like a drive": ("volumes: ['a:/x']", 5, ".volumes[0]", "drive of Windows", "two letters"),
    "processes of a container": ("pid: container:x", 5, ".pid", "within one instance only", "Leave `pid` out"),
    "a mount of another kind": (
        "volumes: [{type: image, source: x, target: /x}]",
        5,
        ".volumes[0].type",
        "'image' aren't supported",
        "volume, bind or tmpfs",
    ),
    "a mount at no absolute path": ("volumes: ['./a:b']", 5, ".volumes[0]", "isn't an absolute path", "'/b'"),
    "a folder without a source": ("volumes: [{type: bind, target: /x}]", 5, ".volumes[0]", "which folder", "source"),
    "two mounts at one place": ("tmpfs: /x\nvolumes: [/x]", 6, ".volumes[0]", "mounted at /x already, on line 5", ""),
    "an undeclared volume": ("volumes: ['data:/x']", 5, ".volumes[0]", "no volume 'data'", "top-level `volumes`"),
    "an undeclared secret": ("secrets: [token]", 5, ".secrets[0]", "no secret 'token'", "top-level `secrets`"),
    "limits that differ": (
        "mem_limit: 64M\ndeploy: {resources: {limits: {memory: 32M}}}",
        5,
        ".mem_limit",
        "differ",
        "Leave `mem_limit` out",
    ),
    "a device that is none": ("devices: ['a/b=c']", 5, ".devices[0]", "isn't a device of the machine", "path"),
    "half a limit": ("ulimits: {nofile: {soft: 1}}", 5, ".ulimits.nofile", "hard limit is missing", "`hard:`"),
    "a test of no kind": ("healthcheck: {test: [curl, -f]}", 5, ".healthcheck.test", "start with 'curl'", '"CMD"'),
    "an empty test": ("healthcheck: {test: []}", 5, ".healthcheck.test", "start with ''", '"CMD"'),
    "an interval without a unit": (
        "healthcheck: {interval: 30}",
        5,
        ".healthcheck.interval",
        "'30' isn't a duration",
        "",
    ),
    "an interval of nought": ("healthcheck: {interval: 0s}", 5, ".healthcheck.interval", "more than 0s", "30s"),
    "no retries": ("healthcheck: {retries: 0}", 5, ".healthcheck.retries", "0 retries", "at least 1"),
    "a command that can't be split": ("command: echo 'a", 5, ".command", "no closing quotation", "list"),
    "a command that is a mapping": ("command: {a: b}", 5, ".command", "text, not a mapping", ""),
    "a nameless variable": ("environment: ['=x']", 5, ".environment[0]", "'' can't be a variable's name", "NAME=value"),
    "a list as a variable": ("environment: {A: [1]}", 5, ".environment.A", "text or a number, not a list", ""),
    "one of Springtide's labels": (
        "labels: {springtide.app: x}",
        5,
        ".labels.springtide.app",
        "Springtide's own",
        "another",
    ),
    "a relative directory": ("working_dir: srv", 5, ".working_dir", "isn't an absolute path", "'/srv'"),
    "a signal that is none": ("stop_signal: stop please", 5, ".stop_signal", "isn't a signal", "SIGTERM"),
    "a user as a number": ("user: 1000", 5, ".user", "text, not 1000", "quotes"),
    "a remote build": ("build: https://x.org/a.git", 5, ".build", "isn't a local directory", "Check it out"),
    "a malformed variable": ("user: ${A B}", 5, ".user", "isn't a variable in braces", "`$$`"),
    "an unclosed variable": ("user: ${A", 5, ".user", "never closed", "`$$`"),
    "a required variable": (
        "user: ${A:?say who}",
        5,
        ".user",
        "A is required and not set: say who",
        "set the variable",
    ),
    "a key twice": ("user: a\nuser: b", 6, ".user", "first is on line 5", "Keep one"),
}

WHOLE_FILES = {
    "no services": ("name: a\n", 1, "", "no services", "services:"),
    "an empty file": ("", 1, "", "no services", "services:"),
    "a list": ("- a\n", 1, "", "a mapping (`key: value` lines), not a list", ""),
    "an empty service": ("services:\n  web:\n", 2, "services.web", "'web' is empty", "`image:`"),
    "a service without an image": (
        "x-springtide: {team: feed}\nservices:\n  web: {user: a}\n",
        3,
        "services.web",
        "has no image",
        "`build:`",
    ),
    "a service with spaces": (
        "services:\n  my web: {image: x}\n",
        2,
        "services.my web",
        "can't name a service",
        "letters",
    ),
    "a name with capitals": (
        "name: Shop\nservices: {web: {image: x}}\n",
        1,
        "name",
        "can't name an app",
        "small letters",
    ),
    "no team among several": (
        "services:\n  web: {image: x}\n",
        2,
        "services.web",
        "2 teams (feed, redpacket)",
        "team: feed",
    ),
    "a circle of dependencies": (
        "x-springtide: {team: feed}\nservices:\n  a: {image: x, depends_on: [b]}\n"
        "  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}\n",
        3,
        "services.a.depends_on[0]",
        "a needs b (line 3), b needs c (line 4), c needs a (line 5)",
        "Take one",
    ),
    "a secret that isn't there": (
        service_text("secrets: [token]") + "secrets:\n  token:\n    file: ./nowhere\n",
        8,
        "secrets.token.file",
        "can't be read: No such file",
        "Check the path",
    ),
    "a secret of an unset variable": (
        service_text("secrets: [token]") + "secrets:\n  token: {environment: NOWHERE}\n",
        7,
        "secrets.token.environment",
        "NOWHERE isn't set",
        "`file:`",
    ),
    "a config that others keep": (
        service_text("configs: [site]") + "configs:\n  site: {external: true}\n",
        7,
        "configs.site.external",
        "'external'",
        "`file:`",
    ),
    "a config of two sources": (
        service_text("configs: [site]") + "configs:\n  site:\n    content: a\n    file: b\n",
        8,
        "configs.site.content",
        "only one of",
        "Keep one",
    ),
    "one host for two services": (
        "x-springtide: {team: feed}\nservices:\n  a: {image: x, x-springtide: {route: {host: h, port: 1}}}\n"
        "  b: {image: x, x-springtide: {route: {host: h, port: 1}}}\n",
        4,
        "services.b.x-springtide.route",
        "another service already, on line 3",
        "of its own",
    ),
    "one port for two services": (
        "x-springtide: {team: feed}\nservices:\n  a: {image: x, ports: ['80:1']}\n  b: {image: x, ports: ['80:1']}\n",
        4,
        "services.b.ports[0]",
        "published on line 3",
        "host name",
    ),
}


@pytest.mark.parametrize(("body", "line", "key", "words", "remedy"), OF_A_SERVICE.values(), ids=OF_A_SERVICE.keys())
def test_a_service_is_refused_for(tmp_path: Path, body: str, line: int, key: str, words: str, remedy: str) -> None:
    error = refusal(tmp_path, service_text(body))
    assert (error.line, error.key) == (line, f"services.web{key}"), str(error)
    assert words in error.sentence
    assert remedy in error.remedy


@pytest.mark.parametrize(("text", "line", "key", "words", "remedy"), WHOLE_FILES.values(), ids=WHOLE_FILES.keys())
def test_a_file_is_refused_for(tmp_path: Path, text: str, line: int, key: str, words: str, remedy: str) -> None:
    error = refusal(tmp_path, text, project=None)
    assert (error.line, error.key) == (line, key), str(error)
    assert words in error.sentence
    assert remedy in error.remedy


@pytest.mark.parametrize("key", sorted(SERVICE.refused))
def test_no_key_of_a_service_is_ignored(tmp_path: Path, key: str) -> None:
    error = refusal(tmp_path, service_text(f"{key}: x"))
    assert (error.line, error.key) == (5, f"services.web.{key}")
    assert repr(key) in error.sentence
    assert error.remedy


@pytest.mark.parametrize("key", sorted(TOP_LEVEL.refused))
def test_no_key_of_the_top_level_is_ignored(tmp_path: Path, key: str) -> None:
    error = refusal(tmp_path, f"{key}: x\n{service_text('user: a')}")
    assert (error.line, error.key) == (1, key)


@pytest.mark.parametrize(
    ("place", "key"),
    [
        *(("build: {%s: x}", key) for key in sorted(BUILD.refused)),
        *(("deploy: {%s: x}", key) for key in sorted(DEPLOY.refused)),
    ],
)
def test_no_key_inside_a_service_is_ignored(tmp_path: Path, place: str, key: str) -> None:
    error = refusal(tmp_path, service_text(place % key))
    assert (error.line, error.key.rpartition(".")[2]) == (5, key)


@pytest.mark.parametrize("key", sorted({*CONFIG.refused} - {"driver", "driver_opts"}))
def test_no_option_of_a_config_is_ignored(tmp_path: Path, key: str) -> None:
    value = {"external": "true", "labels": "{a: b}"}.get(key, "x")
    error = refusal(
        tmp_path, f"{service_text('configs: [site]')}configs: {{site: {{environment: A, {key}: {value}}}}}\n"
    )
    assert (error.line, error.key) == (6, f"configs.site.{key}")


def test_the_file_that_all_this_is_tried_on_is_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, service_text("user: a")).name == "app"
