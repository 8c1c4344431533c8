"""``springtide plan`` on files alone: no control plane is asked."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from springtide.cli.main import build_app

TIDE = Path(__file__).resolve().parents[2] / "examples" / "tide"


def planned(*words: str) -> tuple[int, str]:
    files = ["--fleet", str(TIDE / "fleet.yaml"), "-f", str(TIDE / "redpacket.compose.yaml")]
    result = CliRunner().invoke(build_app(), ["plan", *files, *words])
    return result.exit_code, result.output


def test_a_peak_is_planned_from_files() -> None:
    code, output = planned("--demand", "web=300rps", "--json")
    said = json.loads(output)
    (service,) = said["services"]
    assert code == 0
    assert said["at_rest"]
    assert (service["wanted"], service["placed"], service["missing"]) == (15, 15, 0)
    assert {holding["rung"] for holding in service["holdings"]} == {"own", "shared", "borrowed", "cloud"}
    assert len(said["rentals"]) == 2
    assert said["rent_micros_per_hour"] == 2 * 360_000


def test_what_has_no_place_is_said_in_sentences() -> None:
    code, output = planned("--demand", "web=40")
    assert code == 0
    assert "16 missing: cloud: Pool burst has all of its 6 nodes." in output
    assert "6 machines rented, 2.1600 EUR an hour; at rest after" in output


def test_a_demand_that_is_none_is_refused_with_what_to_write() -> None:
    code, output = planned("--demand", "web=lots")
    assert code == 1
    assert "'web=lots' is no demand." in output
    assert "Write web=12 or feed/web=300rps." in output
