"""The references for people say what the readers do, and their examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from springtide.formats.compose_keys import DEPLOY, HEALTHCHECK, SERVICE, TOP_LEVEL, KeyTable
from springtide.formats.fleet import fleet_schema, parse_fleet
from tests.formats.compose_files import load

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def example(name: str) -> str:
    blocks = re.findall(r"```yaml\n(.*?)```", (REFERENCE / name).read_text(), re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def row(part: str, place: str) -> set[str]:
    """The keys in the row of one table of the Compose reference."""
    text = (REFERENCE / "compose.md").read_text().partition(f"## {part}")[2].partition("\n## ")[0]
    line = next(line for line in text.splitlines() if line.startswith(f"| {place} |"))
    return set(re.findall(r"`([a-z_]+)`", line.partition("|")[2].partition("|")[2]))


def test_the_examples_load(tmp_path: Path) -> None:
    spec = load(tmp_path, example("compose.md"))
    assert [each.name for each in spec.services] == ["web", "cache"]
    assert len(parse_fleet(example("fleet.md"), "springtide.yaml").pools) == 4


@pytest.mark.parametrize(("place", "table"), [("top level", TOP_LEVEL), ("a service", SERVICE)])
def test_the_reference_lists_what_is_supported_and_refused(place: str, table: KeyTable) -> None:
    assert row("What is supported", place) == table.supported
    assert row("What is refused", place) == set(table.refused)


@pytest.mark.parametrize(("place", "table"), [("`deploy`", DEPLOY), ("`healthcheck`", HEALTHCHECK)])
def test_the_reference_lists_what_stands_inside(place: str, table: KeyTable) -> None:
    assert row("What is supported", place) >= table.supported
    assert row("What is refused", place) >= set(table.refused)


def test_the_fleet_reference_names_every_key_of_the_schema() -> None:
    text = (REFERENCE / "fleet.md").read_text()

    def keys(schema: object) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        inner = [*schema.get("properties", {}).values(), schema.get("additionalProperties"), schema.get("items")]
        return {*schema.get("properties", {}), *(key for each in inner for key in keys(each))}

    missing = {key for key in keys(fleet_schema()) if not re.search(rf"\b{key}\b", text)}
    assert missing == set()
