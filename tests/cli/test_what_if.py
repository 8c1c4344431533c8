"""``springtide plan --what-if`` on what runs, and on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from springtide.api.requests_plan import WhatIfRequest
from springtide.cli.suppositions import read_supposition
from springtide.model.errors import InputError, RefusedError, SpringtideError
from tests.api.platforms import HandMadePlatform, a_high_tide
from tests.api.tides import keep_flowing
from tests.cli.terminals import Terminal

TIDE = Path(__file__).resolve().parents[2] / "examples" / "tide"
FILES = ("--fleet", str(TIDE / "fleet.yaml"), "-f", str(TIDE / "redpacket.compose.yaml"))
SERVICES = ("feed/web", "redpacket/web", "feed/thumbs")


@pytest.fixture
async def tide() -> HandMadePlatform:
    """The high tide goes on flowing."""
    tide = await a_high_tide()
    await keep_flowing(tide)
    return tide


async def test_a_spike_on_what_runs_prints_the_difference(at_tide: Terminal) -> None:
    said = await at_tide.type("plan", "--what-if", "redpacket/web=400rps for 2m", "--what-if", "cloud-rented")
    assert said.code == 0
    assert "What if redpacket/web has 400 requests a second for 120 s; cloud rented is out of stock?" in said.out
    assert "It doesn't hold: redpacket/web has less than it wants while the spike lasts." in said.out
    row = next(line for line in said.out.splitlines() if line.startswith("redpacket/web "))
    assert "→ 20" in row
    assert "own" in row
    assert "cloud: Cloud rented has no small in stock." in said.out
    assert "rent an hour while the spike lasts" in said.out
    assert "at rest after" in said.out


async def test_who_would_have_to_leave_is_said_with_the_rule(at_tide: Terminal) -> None:
    said = await at_tide.type("plan", "-w", "node-redpacket-1")
    assert "redpacket-web-1 leaves redpacket-1: its node leaves" in said.out


async def test_with_nothing_supposed_the_present_is_played_forward(at_tide: Terminal) -> None:
    said = await at_tide.type("plan")
    assert said.code == 0
    assert "What if nothing is changed?" in said.out
    assert "It holds: every service has what it wants once it is at rest." in said.out


async def test_json_is_one_document_and_nothing_is_written(at_tide: Terminal, tide: HandMadePlatform) -> None:
    version = tide.record.version
    said = await at_tide.type("plan", "--json", "-w", "team+ads,nodes=2,cpus=0.2,memory=256M", "-w", "redpacket/web=9")
    assert said.json["supposed"][0].startswith("team ads joins with 2 nodes of 200m cpu")
    assert said.json["after"]["at_rest"]
    assert (await tide.store.read()).version == version


async def test_an_answer_that_takes_too_long_is_inconclusive(at_tide: Terminal) -> None:
    said = await at_tide.type("plan", "-w", "redpacket/web=400rps for 7d", "--timeout", "100ms")
    assert said.code == 4
    assert "Nobody can say." in said.out
    assert "not at rest" in said.out


async def test_what_the_fleet_does_not_have_is_refused_with_what_comes_near(at_tide: Terminal) -> None:
    said = await at_tide.type("plan", "-w", "node-fed-2", "--json")
    assert said.code == 1
    error = json.loads(said.err)
    assert (error["code"], error["sentence"]) == ("unknown", "The fleet has no node of its own 'fed-2'.")
    assert "feed-2" in error["remedy"]


def test_files_show_the_same_difference_from_where_they_come_to_rest(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    said = terminal.run("plan", *FILES, "--demand", "web=100rps", "--what-if", "web=x3", "--json")
    (service,) = said.json["services"]
    assert said.code == 0
    assert (service["before"]["wanted"], service["after"]["wanted"]) == (5, 15)
    assert said.json["before"]["rest_seconds"] == 0
    assert said.json["holds"]
    assert said.json["after"]["rented_nodes"] == 2


def test_files_and_what_runs_are_not_mixed(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    assert terminal.run("plan", *FILES[:2]).code == 2
    assert terminal.run("plan", *FILES[2:]).code == 2
    assert terminal.run("plan", "--demand", "web=3").code == 2
    assert terminal.run("plan", "-w", "web=3", "--timeout", "soon").code == 2


def test_without_a_control_plane_it_says_how_to_start_one(tmp_path: Path) -> None:
    said = Terminal(tmp_path).run("plan", "-w", "web=3")
    assert (said.code, "next: Start it: springtide up" in said.err) == (1, True)


READ: tuple[tuple[str, dict[str, Any]], ...] = (
    ("node-feed-2", {"kind": "node-less", "node": "feed-2"}),
    ("node+feed=2", {"kind": "nodes-more", "pool": "feed", "count": 2, "shape": None}),
    (
        "node+feed=2,cpus=1,memory=2G,gpu=1",
        {
            "kind": "nodes-more",
            "pool": "feed",
            "count": 2,
            "shape": {"pids": 4096, "cpu_millis": 1000, "memory_bytes": 2 * 2**30, "gpu": 1},
        },
    ),
    (
        "team+ads nodes=3 cpus=0.5 pids=100 contribution=25% weight=2",
        {
            "kind": "team-more",
            "team": "ads",
            "nodes": 3,
            "contribution_percent": 25,
            "weight": 2,
            "shape": {"pids": 100, "cpu_millis": 500},
        },
    ),
    ("pool.feed.contribution=25%", {"kind": "pool-limit", "pool": "feed", "contribution_percent": 25}),
    ("pool.feed.lending.cpus=0.5", {"kind": "pool-limit", "pool": "feed", "lending": {"cpu_millis": 500}}),
    ("pool.burst.max_nodes=10", {"kind": "pool-limit", "pool": "burst", "max_nodes": 10}),
    (
        "department.media.nominal.memory=1G",
        {
            "kind": "team-limit",
            "team": "media",
            "limit": "nominal",
            "amounts": {"memory_bytes": 2**30},
            "is_department": True,
        },
    ),
    ("budget.hour=2.50", {"kind": "budget", "period": "hour", "limit_micros": 2_500_000}),
    ("budget.day=none", {"kind": "budget", "period": "day", "limit_micros": None}),
    ("feed/web=12", {"kind": "service-limit", "service": "feed/web", "minimum": 12, "maximum": 12}),
    ("thumbs=2..8", {"kind": "service-limit", "service": "feed/thumbs", "minimum": 2, "maximum": 8}),
    ("thumbs.maximum=8", {"kind": "service-limit", "service": "feed/thumbs", "maximum": 8}),
    ("thumbs=x2.5", {"kind": "spike", "service": "feed/thumbs", "times": 2.5, "seconds": None}),
    (
        "thumbs=300rps for 1m30s",
        {"kind": "spike", "service": "feed/thumbs", "requests_per_second": 300.0, "seconds": 90.0},
    ),
    ("cloud-rented", {"kind": "cloud-out", "cloud": "rented"}),
)


@pytest.mark.parametrize(("text", "wire"), READ, ids=lambda each: each if isinstance(each, str) else "")
def test_every_form_is_read_into_what_the_api_takes(text: str, wire: dict[str, Any]) -> None:
    assert read_supposition(text, SERVICES) == wire
    (change,) = TypeAdapter(WhatIfRequest).validate_python({"changes": [wire]}).changes
    assert change.supposition()


UNREADABLE = (
    "",
    "web",
    "node-",
    "node+feed=two",
    "team+ads",
    "team+ads,nodes=3",
    "team+ads,nodes",
    "team+ads,cpus=lots",
    "team+ads,cpus=1,cpus=2",
    "pool.feed.contribution=lots",
    "pool.feed.lending.cpus=0.00001",
    "pool.feed=3",
    "budget.year=3",
    "budget.hour=free",
    "feed/web=x",
    "feed/web=x4 for ever",
    "feed/web=4..",
    "cloud-",
)


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InputError) as refused:
        read_supposition(text, SERVICES)
    assert repr(text) in refused.value.sentence
    assert "node-feed-2" in refused.value.remedy


@pytest.mark.parametrize(
    ("text", "code"), [("web=x4", "ambiguous"), ("wob=x4", "unknown"), ("wob.minimum=1", "unknown")]
)
def test_a_service_in_short_must_be_clear(text: str, code: str) -> None:
    with pytest.raises(SpringtideError) as refused:
        read_supposition(text, SERVICES)
    assert isinstance(refused.value, RefusedError)
    assert refused.value.code == code
