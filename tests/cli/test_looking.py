"""What status, ps, why, events, logs and the lists print, for people and for programs."""

from __future__ import annotations

import pytest

from springtide.model.observations import ContainerState
from tests.api.platforms import HandMadePlatform, a_container
from tests.builders import a_placement
from tests.cli.terminals import Terminal

READS = (
    ("status",),
    ("ps",),
    ("ps", "redpacket/web"),
    ("why", "feed/web"),
    ("events",),
    ("pool", "list"),
    ("team", "list"),
    ("lease", "list"),
    ("ledger",),
)


@pytest.mark.parametrize("words", READS, ids=" ".join)
async def test_every_look_prints_a_table_and_json_that_parses(at_tide: Terminal, words: tuple[str, ...]) -> None:
    for_people, for_programs = await at_tide.type(*words), await at_tide.type(*words, "--json")
    assert (for_people.code, for_programs.code) == (0, 0)
    assert for_people.out.strip()
    assert for_programs.json is not None


async def test_status_shows_services_by_rung_pools_and_money(at_tide: Terminal) -> None:
    said = await at_tide.type("status")
    row = next(line for line in said.out.splitlines() if line.startswith("redpacket/web"))
    assert "own" in row
    assert "cloud" in row
    assert "http://redpacket.localhost:8080" in row
    assert "3 rented nodes" in said.out
    assert "0.0090 EUR" in said.out


async def test_ps_of_one_service_leaves_the_others_out(at_tide: Terminal) -> None:
    said = await at_tide.type("ps", "feed/web")
    assert "feed-web-1" in said.out
    assert "redpacket-web-1" not in said.out


async def test_ps_tells_who_must_leave_and_why(at_tide: Terminal) -> None:
    said = await at_tide.type("ps", "--json", "redpacket/web")
    leaving = [each for each in said.json if each["eviction"]]
    assert [each["id"] for each in leaving] == ["redpacket-web-12"]
    table = await at_tide.type("ps", "redpacket/web")
    row = next(line for line in table.out.splitlines() if line.startswith("redpacket-web-12 "))
    assert leaving[0]["eviction"]["sentence"] in row


async def test_a_short_name_is_enough_where_it_is_clear(terminal: Terminal) -> None:
    short, full = await terminal.type("why", "web", "--json"), await terminal.type("why", "feed/web", "--json")
    assert short.json == full.json
    assert short.json["service"] == "feed/web"


async def test_an_ambiguous_name_is_refused_with_those_it_may_mean(at_tide: Terminal) -> None:
    said = await at_tide.type("why", "web")
    assert said.code == 1
    assert "'web' may be feed/web or redpacket/web." in said.err
    assert "next: Write it in full." in said.err


async def test_an_unknown_name_is_refused_with_what_comes_near(at_tide: Terminal) -> None:
    said = await at_tide.type("why", "feed/wep")
    assert said.code == 1
    assert "There is no service 'feed/wep'." in said.err
    assert "feed/web" in said.err


async def test_why_gives_the_demand_the_holdings_and_what_is_not_ready(at_tide: Terminal) -> None:
    said = await at_tide.type("why", "redpacket/web")
    assert "wants" in said.out
    assert "demand:" in said.out
    assert "2 cloud on pool burst" in said.out or "3 cloud on pool burst" in said.out
    assert "redpacket-web-15 is starting: GET /healthz: connection refused" in said.out
    assert "redpacket-web-12 leaves:" in said.out


async def test_events_come_oldest_first_and_as_many_as_asked(at_tide: Terminal) -> None:
    said = await at_tide.type("events", "-n", "2")
    lines = said.out.splitlines()
    assert len(lines) == 2
    assert "redpacket-web-12 must leave feed-2 within 10 s" in lines[0]
    assert "burst-3 is rented" in lines[1]


async def test_logs_of_an_instance_are_its_last_lines(terminal: Terminal, platform: HandMadePlatform) -> None:
    a_container(platform, a_placement("feed/web", 1), ["one", "two", "three"])
    said = await terminal.type("logs", "feed-web-1", "--tail", "2")
    assert said.out.splitlines() == ["two", "three"]


async def test_logs_of_a_service_name_the_instance_of_each_line(terminal: Terminal, platform: HandMadePlatform) -> None:
    for number in (1, 2, 3):
        a_container(platform, a_placement("feed/web", number), [f"line of {number}"])
    said = await terminal.type("logs", "web")
    assert said.out.splitlines() == [f"feed-web-{number} | line of {number}" for number in (1, 2, 3)]


async def test_following_the_log_of_an_instance_that_has_ended_ends(
    terminal: Terminal, platform: HandMadePlatform
) -> None:
    container = a_container(platform, a_placement("feed/web", 1), ["one"])
    container.exit_code = 0
    container.state = ContainerState.EXITED
    said = await terminal.type("logs", "-f", "feed-web-1", "--json")
    assert said.out.splitlines() == ['{"instance": "feed-web-1", "line": "one"}']


async def test_the_ledger_sums_rent_and_lending(at_tide: Terminal) -> None:
    said = await at_tide.type("ledger")
    assert "The ledger has no closed entries yet." in said.out
    assert "Rent so far 0.0090 EUR" in said.out
