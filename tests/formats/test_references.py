"""The references for people say what the readers do, and their examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from springtide.formats.compose_keys import (
    BUILD,
    DEPLOY,
    HEALTHCHECK,
    PLACEMENT,
    SERVICE,
    TOP_LEVEL,
    KeyTable,
)
from springtide.formats.fleet import fleet_schema, parse_fleet
from springtide.formats.springtide_keys import OWN_PLACEMENT, SCALE, SERVICE_EXTENSION
from springtide.model.identifiers import PoolName
from springtide.model.workloads import Band, Constraint
from tests.formats.compose_files import labelled_fleet, load

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def examples(name: str) -> dict[str, str]:
    """The YAML of a reference, by the heading that it stands under."""
    found = {}
    for part in re.split(r"^#+ ", (REFERENCE / name).read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"```yaml\n(.*?)```", part, re.DOTALL)
        assert len(blocks) <= 1
        found.update({part.partition("\n")[0]: str(block) for block in blocks})
    return found


FLEET_EXAMPLES = examples("fleet.md")
COMPOSE_EXAMPLES = examples("compose.md")


def row(part: str, place: str) -> set[str]:
    """The keys in the row of one table of the Compose reference."""
    text = (REFERENCE / "compose.md").read_text().partition(f"## {part}")[2].partition("\n## ")[0]
    line = next(line for line in text.splitlines() if line.startswith(f"| {place} |"))
    return set(re.findall(r"`([a-z_]+)`", line.partition("|")[2].partition("|")[2]))


@pytest.mark.parametrize("text", FLEET_EXAMPLES.values(), ids=FLEET_EXAMPLES.keys())
def test_an_example_of_a_fleet_loads(text: str) -> None:
    assert parse_fleet(text, "springtide.yaml").nodes


def test_the_fleet_reference_keeps_what_its_examples_promise() -> None:
    fleets = {title: parse_fleet(text, "springtide.yaml") for title, text in FLEET_EXAMPLES.items()}
    shared = {pool.name: pool for pool in fleets["Say what is shared"].pools}
    assert [shared[PoolName(name)].contribution_percent for name in ("feed", "own", "batch")] == [20, 0, 20]
    assert shared[PoolName("batch")].contribution_by_kind == (("cpu_millis", 50), ("gpu", 100))
    told = fleets["Tell machines apart"].nodes
    assert [(node.id, dict(node.labels)["zone"]) for node in told] == [
        ("feed-1", "a"),
        ("feed-2", "a"),
        ("feed-3", "b"),
    ]
    assert fleets["Join sites by a line"].links[0].windows[0].bits_per_second == 10**10


@pytest.mark.parametrize("text", COMPOSE_EXAMPLES.values(), ids=COMPOSE_EXAMPLES.keys())
def test_an_example_of_an_app_loads_without_a_word(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text, fleet=labelled_fleet()).notices == ()


def test_the_compose_reference_keeps_what_its_examples_promise(tmp_path: Path) -> None:
    specs = {title: load(tmp_path, text, fleet=labelled_fleet()) for title, text in COMPOSE_EXAMPLES.items()}
    web = specs["Say where instances may stand"].services[0].service.placement
    assert (web.constraints[1], web.spread, web.max_per_node) == (Constraint("zone", "b", False), ("rack",), 2)
    together = specs["Keep services together, or apart"].services[0].service.placement
    assert (together.near, together.apart, together.domain) == (("app/cache",), ("app/web", "legacy/web"), "zone")
    train = specs["Count a gpu, and give way to production"].services[0].service
    assert (train.resources["gpu"], train.band, train.scale.minimum_available) == (1, Band.BATCH, 1)


@pytest.mark.parametrize(("place", "table"), [("top level", TOP_LEVEL), ("a service", SERVICE)])
def test_the_reference_lists_what_is_supported_and_refused(place: str, table: KeyTable) -> None:
    assert row("What is supported", place) == table.supported
    assert row("What is refused", place) == set(table.refused)


@pytest.mark.parametrize(("place", "table"), [("`build`", BUILD), ("`deploy`", DEPLOY), ("`healthcheck`", HEALTHCHECK)])
def test_the_reference_lists_what_stands_inside(place: str, table: KeyTable) -> None:
    assert row("What is supported", place) >= table.supported
    if table.refused:
        assert row("What is refused", place) >= set(table.refused)


def test_the_fleet_reference_names_every_key_of_the_schema() -> None:
    text = (REFERENCE / "fleet.md").read_text()

    def keys(schema: object) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        return {*schema.get("properties", {}), *(key for each in schema.values() for key in keys(each))}

    missing = {key for key in keys(fleet_schema()) if not re.search(rf"\b{key}\b", text)}
    assert missing == set()


def test_the_compose_reference_names_every_setting_of_springtides_own() -> None:
    text = (REFERENCE / "compose.md").read_text()
    own = SERVICE_EXTENSION.supported | SCALE.supported | OWN_PLACEMENT.supported | PLACEMENT.supported
    assert {key for key in own if not re.search(rf"`([a-z]*\.)?{key}`", text)} == set()
