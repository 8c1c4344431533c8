"""What status, ps, why, events, logs and the lists print, for people and for programs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from springtide.engines.simulated_machine import SimulatedContainer, SimulatedInside
from springtide.model.fleet import Department, Team
from springtide.model.identifiers import InstanceId, TeamName
from springtide.model.observations import ContainerState
from springtide.model.placements import Eviction
from springtide.model.record import FLEET_ID, Change, Kind
from springtide.model.resources import Ceiling
from springtide.model.workloads import Companion, Constraint, ContainerTemplate, PlacementRules, ScalePolicy
from tests.api.platforms import FEED, HandMadePlatform, a_container, placed
from tests.builders import START, a_fleet, a_placement, a_revision, a_template, at
from tests.cli.terminals import Terminal

READS = (
    ("status",),
    ("ps",),
    ("ps", "redpacket/web"),
    ("why", "feed/web"),
    ("events",),
    ("pool", "list"),
    ("team", "list"),
    ("team", "show", "redpacket"),
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
    assert " production " in row
    assert " reclaim: It must leave" in row


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


async def test_why_names_band_share_and_hold(at_tide: Terminal, tide: HandMadePlatform) -> None:
    fresh = replace(tide.record.placements[InstanceId("redpacket-web-10")], placed_at=at(-5))
    await tide.write(*placed(fresh))
    lines = (await at_tide.type("why", "redpacket/web")).out.splitlines()
    assert "  band:   production; at least 3 stay available while guests are moved" in lines
    share = "team redpacket uses 75% of the cpu that teams lend one another (fair: 50%, by weight 1)"
    assert f"  share:  {share}" in lines
    assert any(line.startswith("  held:   only owners may move 1 of them before ") for line in lines)


async def test_why_tells_how_many_nodes_fail_which_filter(at_tide: Terminal, tide: HandMadePlatform) -> None:
    rules = PlacementRules((Constraint("zone", "a"),))
    service = replace(tide.record.services[FEED], placement=rules, scale=ScalePolicy(9, 9))
    await tide.write(Change(Kind.SERVICE, FEED, service))
    tide.explain()
    lines = (await at_tide.type("why", "feed/web")).out.splitlines()
    assert "  placed: zone==a" in lines
    assert any("own: none of the 2 nodes of pool feed" in line and "2 not zone==a" in line for line in lines)
    assert any(" have no place, " in line for line in lines)
    figures = (await at_tide.type("why", "feed/web", "--json")).json["refusals"]
    assert {"nodes": 2, "pool": "feed", "rung": "own", "fails:zone==a": 2} in [each["figures"] for each in figures]


async def test_why_says_by_which_rule_a_victim_was_chosen_for_whom_and_when_it_is_gone(
    at_tide: Terminal, tide: HandMadePlatform
) -> None:
    guest = tide.record.placements[InstanceId("redpacket-web-11")]
    notice = Eviction("gives-way", START, at(8), at(10), FEED, "band")
    await tide.write(*placed(replace(guest, eviction=notice)))
    said = await at_tide.type("why", "redpacket/web")
    line = next(line for line in said.out.splitlines() if line.startswith("  redpacket-web-11 leaves: "))
    assert "since it gives way to a higher band for feed/web; chosen since its band is lower than the others'" in line
    assert "Gone by " in line
    (told, _) = (await at_tide.type("why", "redpacket/web", "--json")).json["leaving"]
    assert (told["eviction"]["chosen_by"], told["eviction"]["beneficiary"]) == ("band", "feed/web")


async def test_a_list_of_teams_shows_shares_and_one_team_every_limit_above_it(
    at_tide: Terminal, tide: HandMadePlatform
) -> None:
    teams = (
        Team(TeamName("feed"), lending_limit=Ceiling.of(cpu_millis=150)),
        Team(TeamName("redpacket"), department="web"),
    )
    top = Department("media", nominal=Ceiling.of(cpu_millis=250))
    tree = (top, Department("web", "media", borrowing_limit=Ceiling.of(cpu_millis=400)))
    await tide.write(Change(Kind.FLEET, FLEET_ID, a_fleet(teams=teams, departments=tree)))
    listed = (await at_tide.type("team", "list")).out.splitlines()
    assert next(line for line in listed if line.startswith("redpacket")).split()[1:6] == [
        "web",
        "1",
        "78%",
        "50%",
        "cpu",
    ]
    shown = (await at_tide.type("team", "show", "redpacket")).out
    rows = [line.split() for line in shown.splitlines()]
    assert ["department", "web", "borrowing", "cpu", "200m", "400m"] in rows
    assert ["department", "media", "nominal", "cpu", "250m", "250m"] in rows
    assert "owns:     250m cpu" in shown


async def test_an_unknown_team_is_refused_with_what_comes_near(at_tide: Terminal) -> None:
    said = await at_tide.type("team", "show", "feet")
    assert said.code == 1
    assert "There is no team 'feet'." in said.err
    assert "feed" in said.err


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


async def test_logs_of_a_pod_name_the_container_of_each_line(terminal: Terminal, platform: HandMadePlatform) -> None:
    await a_pod(platform, "line of web", "line of side")
    whole = await terminal.type("logs", "feed-web-1")
    assert whole.out.splitlines() == ["feed-web-1/web | line of web", "feed-web-1/side | line of side"]
    assert (await terminal.type("logs", "feed-web-1", "--container", "side")).out == "line of side\n"
    assert (await terminal.type("logs", "feed-web-1", "--container", "web")).out == "line of web\n"
    said = await terminal.type("logs", "feed-web-1", "--container", "other")
    assert (said.code, "It has: web, side." in said.err) == (1, True)


async def test_following_a_pod_follows_each_of_its_containers(terminal: Terminal, platform: HandMadePlatform) -> None:
    pod = await a_pod(platform, "one", "two")
    pod.state = ContainerState.EXITED
    said = await terminal.type("logs", "-f", "feed-web-1")
    assert sorted(said.out.splitlines()) == ["feed-web-1/side | two", "feed-web-1/web | one"]


async def test_ps_shows_the_containers_of_a_pod(terminal: Terminal, platform: HandMadePlatform) -> None:
    await a_pod(platform, "", "")
    assert "feed-web-1 (web, side) " in (await terminal.type("ps")).out
    seen = (await terminal.type("ps", "--json")).json
    assert [each["containers"] for each in seen] == [["web", "side"]] * 3


async def a_pod(platform: HandMadePlatform, own_line: str, line_of_companion: str) -> SimulatedContainer:
    """``feed-web-1`` with a companion, each with this line in its log."""
    template = a_template(companions=(Companion("side", ContainerTemplate("sha256:2")),))
    revision = a_revision("feed/web", template=template)
    await platform.write(Change(Kind.REVISION, revision.id, revision))
    container = a_container(platform, a_placement("feed/web", 1), [own_line])
    container.companions["side"] = SimulatedInside(log=[line_of_companion])
    return container


async def test_following_the_log_of_an_instance_that_has_ended_ends(
    terminal: Terminal, platform: HandMadePlatform
) -> None:
    container = a_container(platform, a_placement("feed/web", 1), ["one"])
    container.exit_code = 0
    container.state = ContainerState.EXITED
    said = await terminal.type("logs", "-f", "feed-web-1", "--json")
    assert said.out.splitlines() == ['{"instance": "feed-web-1", "container": "web", "line": "one"}']


async def test_the_ledger_sums_rent_and_lending(at_tide: Terminal) -> None:
    said = await at_tide.type("ledger")
    assert "The ledger has no closed entries yet." in said.out
    assert "Rent so far 0.0090 EUR" in said.out
