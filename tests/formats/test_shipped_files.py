"""The files that come with the project are taken as they are."""

from __future__ import annotations

from pathlib import Path

from springtide.formats.compose import load_app
from springtide.formats.fleet import default_fleet
from springtide.model.resources import Resources

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_ordinary_app_of_the_readme_is_taken_without_a_notice() -> None:
    fleet = default_fleet(Resources.of(cpu_millis=2_000, memory_bytes=4 * 2**30))
    spec = load_app([EXAMPLES / "shop" / "compose.yaml"], environment={}, project=None, fleet=fleet)
    assert (spec.name, spec.notices) == ("shop", ())
    assert {each.service.name for each in spec.services} == {"web", "worker", "orders"}
