"""Whatever a file holds, the answer is a model or an error for people; never a crash."""

from __future__ import annotations

import io
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from springtide.formats.compose import load_app
from springtide.formats.compose_keys import (
    DEPLOY,
    HEALTHCHECK,
    PLACEMENT,
    PORT,
    PREFERENCE,
    SERVICE,
    TOP_LEVEL,
)
from springtide.formats.dotenv import parse_dotenv
from springtide.formats.fleet import fleet_schema, parse_fleet
from springtide.formats.interpolation import interpolate
from springtide.formats.springtide_keys import OWN_PLACEMENT, ROUTE, SCALE, SERVICE_EXTENSION
from springtide.model.errors import ComposeFileError, FleetFileError, RefusedError
from tests.formats.compose_files import FLEET_TEXT, two_team_fleet

FLEET = two_team_fleet()
PATIENT = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def keys_of_schema(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {key for each in schema for key in keys_of_schema(each)}
    if not isinstance(schema, dict):
        return set()
    return {*schema.get("properties", {}), *(key for each in schema.values() for key in keys_of_schema(each))}


COMPOSE_KEYS = sorted(
    set().union(
        *(
            table.supported
            for table in (
                *(TOP_LEVEL, SERVICE, DEPLOY, HEALTHCHECK, PORT, ROUTE, SCALE, SERVICE_EXTENSION),
                *(PLACEMENT, PREFERENCE, OWN_PLACEMENT),
            )
        ),
        {
            "x-springtide",
            "resources",
            "limits",
            "reservations",
            "memory",
            "web",
            "db",
            "default",
            "condition",
            "aliases",
        },
    )
)
FLEET_KEYS = sorted(keys_of_schema(fleet_schema()) | {"feed", "home", "rented", "small"})
TEXTS = ["feed", "web", "30s", "0.1", "64M", "8080:80", "$A", "${A:-b}", "curl -f localhost", "2Mbps", "CMD"]
TEXTS += ["node.labels.zone==a", "node.labels.zone", "node", "app/db", "25%", "0 18 * * *", "UTC", "home"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(TEXTS)


def trees(keys: list[str]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(keys) | st.text(max_size=5)
    return st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=25
    )


def as_yaml(value: Any) -> str:
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(value, stream)
    return stream.getvalue()


def refusal(read: Callable[[], object], *kinds: type[Exception]) -> Exception | None:
    """What reading was refused with, ``None`` where it went well. Anything but ``kinds`` is a crash."""
    try:
        read()
    except kinds as error:
        return error
    return None


def check_compose(directory: Path, *texts: str) -> None:
    paths = [directory / f"compose{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    error = refusal(
        lambda: load_app(paths, environment={"A": "1"}, project="app", fleet=FLEET), ComposeFileError, RefusedError
    )
    assert error is None or str(error)


def check_fleet(text: str) -> None:
    error = refusal(lambda: parse_fleet(text, "springtide.yaml"), FleetFileError)
    assert error is None or str(error).startswith("springtide.yaml")


@PATIENT
@given(st.text())
def test_any_text_as_a_fleet_file(text: str) -> None:
    check_fleet(text)


@PATIENT
@given(trees(FLEET_KEYS))
def test_any_yaml_as_a_fleet_file(value: Any) -> None:
    check_fleet(as_yaml(value))


@PATIENT
@given(
    st.integers(min_value=0, max_value=len(FLEET_TEXT)),
    st.text(alphabet=string.printable, max_size=6),
    st.integers(0, 9),
)
def test_a_fleet_file_with_any_slip_of_the_pen(position: int, inserted: str, removed: int) -> None:
    check_fleet(FLEET_TEXT[:position] + inserted + FLEET_TEXT[position + removed :])


@PATIENT
@given(st.sampled_from(["departments", "links", "budgets", "reclaim", "defaults", "sites"]), trees(FLEET_KEYS))
def test_any_yaml_under_any_section_of_a_fleet_file(section: str, value: Any) -> None:
    pools = {"feed": {"team": "feed", "slices": {"cpus": 1, "memory": "1G"}}}
    check_fleet(as_yaml({"teams": {"feed": None}, "pools": pools, section: value}))


@PATIENT
@given(trees(FLEET_KEYS), trees(FLEET_KEYS))
def test_any_yaml_under_any_name_of_a_fleet_file(team: Any, group: Any) -> None:
    pools = {"feed": {"team": "feed", "slices": [{"cpus": 1, "memory": "1G"}, group]}}
    check_fleet(as_yaml({"departments": {"home": team}, "teams": {"feed": team}, "pools": pools}))


@PATIENT
@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["30s", "1h", "0"]))
def test_any_text_as_a_moment_and_a_time_zone(cron: str, zone: str, lasting: str) -> None:
    window = {"cron": cron, "for": lasting, "bandwidth": 1, "timezone": zone}
    link = {"between": ["home", "away"], "bandwidth": 1, "calendar": [window, {**window, "cron": "* * * * *"}]}
    pools = {"feed": {"site": "home", "team": "feed", "slices": {"cpus": 1, "memory": "1G"}}}
    sites = {"home": None, "away": None}
    check_fleet(as_yaml({"sites": sites, "teams": {"feed": None}, "pools": pools, "links": [link]}))


@PATIENT
@given(st.lists(st.text(alphabet="0123456789*/-,L#W", max_size=6), min_size=5, max_size=5))
def test_any_five_fields_as_a_moment(fields: list[str]) -> None:
    window = {"cron": " ".join(fields), "for": "1h", "bandwidth": 1}
    link = {"between": ["home", "away"], "bandwidth": 1, "calendar": [window]}
    pools = {"feed": {"site": "home", "team": "feed", "slices": {"cpus": 1, "memory": "1G"}}}
    sites = {"home": None, "away": None}
    check_fleet(as_yaml({"sites": sites, "teams": {"feed": None}, "pools": pools, "links": [link]}))


@PATIENT
@given(st.text(), st.text(alphabet="nodelabsptfrmhi.=! "))
def test_any_text_as_a_constraint(tmp_path: Path, one: str, other: str) -> None:
    placement = {"constraints": [one, other, f"node.labels.{one}!={other}"], "preferences": [{"spread": other}]}
    service = {"image": "x", "deploy": {"placement": placement}}
    check_compose(tmp_path, as_yaml({"x-springtide": {"team": "feed"}, "services": {"web": service}}))


@PATIENT
@given(st.text())
def test_any_text_as_a_compose_file(tmp_path: Path, text: str) -> None:
    check_compose(tmp_path, text)


@PATIENT
@given(trees(COMPOSE_KEYS))
def test_any_yaml_as_a_service(tmp_path: Path, value: Any) -> None:
    check_compose(tmp_path, as_yaml({"x-springtide": {"team": "feed"}, "services": {"web": value}}))


@PATIENT
@given(st.sampled_from(sorted(SERVICE.supported | {"x-springtide"})), trees(COMPOSE_KEYS))
def test_any_yaml_under_any_supported_key(tmp_path: Path, key: str, value: Any) -> None:
    service = {"image": "x", key: value}
    check_compose(tmp_path, as_yaml({"x-springtide": {"team": "feed"}, "services": {"web": service}}))


@PATIENT
@given(trees(COMPOSE_KEYS), trees(COMPOSE_KEYS), st.sampled_from(sorted(SERVICE.supported)))
def test_any_two_files_merged(tmp_path: Path, first: Any, second: Any, key: str) -> None:
    services = [{"services": {"web": {"image": "x", key: value}}} for value in (first, second)]
    check_compose(tmp_path, *(as_yaml({"x-springtide": {"team": "feed"}, **each}) for each in services))


@PATIENT
@given(st.text(alphabet="A$ {}:-?+b"))
def test_any_text_with_variables(text: str) -> None:
    error = refusal(lambda: interpolate(text, {"A": "1"}, set()), ValueError)
    assert error is None or str(error)


@PATIENT
@given(st.text(alphabet="A=:'\"\\$ #\n{}exportb"))
def test_any_text_as_a_dotenv_file(text: str) -> None:
    error = refusal(lambda: parse_dotenv(text, ".env", {}), ComposeFileError)
    assert error is None or str(error).startswith(".env:")
