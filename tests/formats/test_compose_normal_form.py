"""Files made up at random, short forms and long ones, one file over the other: the normal form is Docker Compose's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from springtide.formats.compose_project import read_project
from tests.formats.compose_oracle import ENVIRONMENT, ask_compose

# The oracle is a process each time, so an example is a file of several services, and none is shrunk.
FEW = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = st.sampled_from(["one", "two", "three"])
WORDS = st.sampled_from(["a", "b c", "x=y", "$SET", "${UNSET:-z}", "${NUMBER}", "$$", ""])
TRUTHS = st.booleans() | st.sampled_from(["true", "False", "yes", "off", "${TRUE}"])
SIZES = st.sampled_from(["1m", "2G", "1.5k", "100b", 4096, "64MiB", "${NUMBER}m", "3 mb"])
TIMES = st.sampled_from(["1s", "90s", "1m30s", "0.5h", "100ms", "2d", "0s", "${NUMBER}m"])
PORTS = st.integers(1, 60_000)
PAIRS = st.dictionaries(NAMES, WORDS | st.integers(-5, 5) | st.booleans() | st.none() | st.floats(0.1, 9.9), max_size=3)
PAIR_LISTS = st.lists(st.builds("{}={}".format, NAMES, WORDS) | NAMES, max_size=3, unique=True)
VARIABLES = PAIRS | PAIR_LISTS
PATHS = st.sampled_from(["./a", "../b", "/c", "~/d", ".", "/e/../f"])
TARGETS = st.sampled_from(["/data", "/srv/x", "/zz"])

SHORT_PORTS = st.one_of(
    PORTS,
    st.builds("{}".format, PORTS),
    st.builds("{}:{}".format, PORTS, PORTS),
    st.builds("127.0.0.1:{}:{}/udp".format, PORTS, PORTS),
    st.builds(
        lambda port, target, more: f"{port}-{port + more}:{target}-{target + more}", PORTS, PORTS, st.integers(0, 12)
    ),
)
LONG_PORTS = st.fixed_dictionaries(
    {"target": PORTS},
    optional={"published": PORTS.map(str), "host_ip": st.just("10.0.0.1"), "protocol": st.just("udp"), "name": NAMES},
)
SHORT_MOUNTS = st.one_of(
    TARGETS,
    st.builds("{}:{}".format, PATHS | st.just("store"), TARGETS),
    st.builds("{}:{}:{}".format, PATHS | st.just("store"), TARGETS, st.sampled_from(["ro", "rw", "z,ro", "rslave"])),
)
LONG_MOUNTS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("volume"), "source": st.just("store"), "target": TARGETS}, optional={"read_only": TRUTHS}
    ),
    st.fixed_dictionaries({"type": st.just("bind"), "source": PATHS, "target": TARGETS}),
    st.fixed_dictionaries(
        {"type": st.just("tmpfs"), "target": TARGETS, "tmpfs": st.fixed_dictionaries({"size": SIZES})}
    ),
)
HEALTH = st.fixed_dictionaries(
    {},
    optional={
        "test": st.just("curl -f x") | st.just(["CMD", "a", "$SET"]) | st.just(["NONE"]),
        "interval": TIMES,
        "timeout": TIMES,
        "retries": st.integers(0, 9) | st.just("${NUMBER}"),
        "disable": TRUTHS,
    },
)
DEPLOY = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 5) | st.just("${NUMBER}"),
        "labels": VARIABLES,
        "resources": st.fixed_dictionaries(
            {},
            optional={"limits": st.fixed_dictionaries({}, optional={"cpus": st.just("0.5")})},
        ),
        "placement": st.fixed_dictionaries({}, optional={"constraints": st.lists(WORDS, max_size=2)}),
    },
)
BUILDS = PATHS | st.fixed_dictionaries(
    {}, optional={"context": PATHS, "dockerfile": NAMES, "args": VARIABLES, "labels": VARIABLES, "no_cache": TRUTHS}
)
NETWORKS = st.lists(NAMES, max_size=3, unique=True) | st.dictionaries(
    NAMES,
    st.none() | st.fixed_dictionaries({}, optional={"aliases": st.lists(NAMES, max_size=2, unique=True)}),
    max_size=3,
)
ULIMITS = st.dictionaries(
    st.sampled_from(["nofile", "nproc"]),
    st.integers(1, 9) | st.fixed_dictionaries({"soft": PORTS, "hard": PORTS}),
    max_size=2,
)
SERVICES = st.fixed_dictionaries(
    {"image": st.just("nginx")},
    optional={
        "build": BUILDS,
        "command": st.lists(WORDS, max_size=3) | st.just("run 'a b' c"),
        "environment": VARIABLES,
        "labels": VARIABLES,
        "annotations": PAIR_LISTS,
        "sysctls": PAIRS,
        "ports": st.lists(SHORT_PORTS | LONG_PORTS, max_size=3),
        "volumes": st.lists(SHORT_MOUNTS | LONG_MOUNTS, max_size=3),
        "healthcheck": HEALTH,
        "deploy": DEPLOY,
        "networks": NETWORKS,
        "ulimits": ULIMITS,
        "shm_size": SIZES,
        "stop_grace_period": TIMES,
        "init": TRUTHS,
        "tty": TRUTHS,
        "cap_add": st.lists(NAMES, max_size=2, unique=True),
        "dns": WORDS | st.lists(WORDS, max_size=2, unique=True),
        "tmpfs": st.just("/run") | st.just(["/run", "/tmp:mode=755"]),
        "extra_hosts": st.lists(st.builds("{}={}".format, NAMES, st.just("10.0.0.1")), max_size=2, unique=True),
        "secrets": st.lists(
            st.just("token") | st.fixed_dictionaries({"source": st.just("token"), "target": NAMES}), max_size=2
        ),
        "depends_on": st.just(["other"]) | st.just({"other": {"condition": "service_healthy"}}),
    },
)
OVERRIDES = SERVICES.map(lambda service: {key: value for key, value in service.items() if key != "image"})


def written(path: Path, services: dict[str, Any]) -> Path:
    declared = {
        "networks": dict.fromkeys(("one", "two", "three")),
        "volumes": {"store": None},
        "secrets": {"token": {"file": "./token"}},
    }
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump({"services": {**services, "other": {"image": "x"}}, **declared}, text)
    path.write_text(text.getvalue())
    return path


def agree(paths: list[Path]) -> None:
    """Both make the same of the files, unless Docker Compose refuses them."""
    theirs = ask_compose(paths)
    if theirs is not None:
        assert read_project(paths, environment=ENVIRONMENT).normal_form() == theirs


@FEW
@given(st.lists(SERVICES, min_size=5, max_size=8))
def test_any_short_and_long_forms(tmp_path: Path, services: list[dict[str, Any]]) -> None:
    named = {f"s{number}": service for number, service in enumerate(services)}
    agree([written(tmp_path / "compose.yaml", named)])


@FEW
@given(st.lists(st.tuples(SERVICES, OVERRIDES), min_size=4, max_size=6))
def test_any_file_over_another(tmp_path: Path, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    first = {f"s{number}": service for number, (service, _) in enumerate(pairs)}
    second = {f"s{number}": service for number, (_, service) in enumerate(pairs)}
    agree([written(tmp_path / "compose.yaml", first), written(tmp_path / "over.yaml", second)])


@FEW
@given(st.lists(st.tuples(SERVICES, OVERRIDES), min_size=4, max_size=6))
def test_any_service_that_extends_another(tmp_path: Path, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    services = {f"base{number}": service for number, (service, _) in enumerate(pairs)}
    services |= {f"s{number}": {**service, "extends": f"base{number}"} for number, (_, service) in enumerate(pairs)}
    agree([written(tmp_path / "compose.yaml", services)])


EXPRESSIONS = st.recursive(
    st.sampled_from(["$SET", "${EMPTY}", "$UNSET", "text", "$$", "${NUMBER}", "a.b", " ", ":", "-", "'", "é"]),
    lambda inner: (
        st.builds(
            "${{{}{}{}}}".format,
            st.sampled_from(["SET", "EMPTY", "UNSET"]),
            st.sampled_from([":-", "-", ":+", "+"]),
            inner,
        )
        | st.builds("{}{}".format, inner, inner)
    ),
    max_leaves=6,
)


@FEW
@given(st.lists(EXPRESSIONS, min_size=20, max_size=30))
def test_any_expression(tmp_path: Path, expressions: list[str]) -> None:
    environment = {f"V{number}": expression for number, expression in enumerate(expressions)}
    agree([written(tmp_path / "compose.yaml", {"web": {"image": "x", "environment": environment}})])
