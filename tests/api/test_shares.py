"""Shares, quotas and limits as the API shows them: each figure worked out by hand from the fleet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from springtide.model.fleet import Department, Link, LinkWindow, Team
from springtide.model.identifiers import InstanceId, SiteName, TeamName
from springtide.model.placements import Eviction
from springtide.model.record import FLEET_ID, Change, Kind
from springtide.model.resources import Ceiling
from springtide.model.workloads import Band, Constraint, PlacementRules
from tests.api.platforms import FEED, REDPACKET, HandMadePlatform, placed
from tests.api.test_state import get, named
from tests.builders import MIB, START, a_fleet, at

GIGABIT = 10**9


async def test_a_share_is_what_a_team_uses_beyond_its_own_of_what_its_cohort_lends(
    tide_api: httpx.AsyncClient,
) -> None:
    shares = await get(tide_api, "/shares")
    # Of each pool's 400m cpu 25% is shared and 100m more is lent: 200m, twice. Memory: all 512 MiB of each.
    everything = {"cpu_millis": 400, "memory_bytes": 1024 * MIB}
    assert shares["cohorts"] == [{"cohort": "", "teams": ["feed", "redpacket"], "capacity": everything}]
    redpacket = named(shares["teams"], "redpacket", "team")
    assert redpacket["beyond_own"]["cpu_millis"] == 6 * 50  # 4 shared, 2 borrowed: who has notice still uses it
    assert (redpacket["dominant"], redpacket["part"], redpacket["share"]) == ("cpu_millis", 0.75, 0.75)
    assert redpacket["fair_part"] == 0.5
    assert (redpacket["own"]["cpu_millis"], redpacket["own_used"]["cpu_millis"]) == (300, 300)
    feed = named(shares["teams"], "feed", "team")
    assert (feed["dominant"], feed["share"], feed["beyond_own"]) == (None, 0.0, {})
    assert (feed["own_used"]["cpu_millis"], feed["lent"]["cpu_millis"]) == (150, 200)


async def test_a_weight_divides_the_share_and_raises_the_fair_part(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    teams = (Team(TeamName("feed")), Team(TeamName("redpacket"), weight=3))
    await tide.write(Change(Kind.FLEET, FLEET_ID, a_fleet(teams=teams)))
    redpacket = named((await get(tide_api, "/shares"))["teams"], "redpacket", "team")
    assert (redpacket["weight"], redpacket["part"], redpacket["fair_part"]) == (3, 0.75, 0.75)
    assert redpacket["share"] == 0.25


async def test_every_limit_of_a_team_and_a_department_says_what_counts_toward_it(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    await tide.write(Change(Kind.FLEET, FLEET_ID, _a_tree()))
    shares = await get(tide_api, "/shares")
    feed, redpacket = shares["teams"]
    assert feed["limits"] == [{"limit": "lending_limit", "kind": "cpu_millis", "used": 100, "most": 150}]
    assert redpacket["limits"] == []
    (media,) = shares["departments"]
    assert (media["department"], media["cohort"]) == ("media", "red")
    assert media["limits"] == [
        {"limit": "nominal", "kind": "cpu_millis", "used": 250, "most": 250},
        {"limit": "borrowing_limit", "kind": "memory_bytes", "used": 128 * MIB, "most": 256 * MIB},
    ]


async def test_the_status_tells_the_tree_with_its_ceilings_the_lines_and_the_terms(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    await tide.write(Change(Kind.FLEET, FLEET_ID, _a_tree()))
    status = await get(tide_api, "/status")
    (media,) = status["departments"]
    assert (media["cohort"], media["nominal"], media["lending_limit"]) == ("red", {"cpu_millis": 250}, {})
    assert status["teams"][0]["lending_limit"] == {"cpu_millis": 150}
    (link,) = status["links"]
    assert (link["name"], link["bits_per_second"], link["base_bits_per_second"]) == ("home-away", 10 * GIGABIT, GIGABIT)
    assert status["terms"] == {"notice_seconds": 8.0, "grace_seconds": 2.0, "hold_seconds": 30.0}
    pool = status["pools"][0]
    assert (pool["contribution_by_kind"], pool["cohort"]) == ({"gpu": 50}, None)
    assert [(node["zone"], node["labels"]) for node in pool["nodes"]] == [("a", {"rack": "r1", "zone": "a"})] * 2
    assert status["shares"] == await get(tide_api, "/shares")


def _a_tree() -> Any:
    """``redpacket`` in a department of its own, which lends to ``feed`` as before, with ceilings and labels."""
    fleet = a_fleet()
    window = LinkWindow("0 12 * * *", 3600, 10 * GIGABIT)
    limit = Ceiling.of(memory_bytes=256 * MIB)
    return replace(
        fleet,
        departments=(Department("media", nominal=Ceiling.of(cpu_millis=250), borrowing_limit=limit, cohort="red"),),
        teams=(
            Team(TeamName("feed"), lending_limit=Ceiling.of(cpu_millis=150), cohort="red"),
            Team(TeamName("redpacket"), department="media"),
        ),
        links=(Link((SiteName("home"), SiteName("away")), GIGABIT, windows=(window,)),),
        pools=(replace(fleet.pools[0], contribution_by_kind=(("gpu", 50),)), *fleet.pools[1:]),
        nodes=tuple(replace(node, labels=(("rack", "r1"), ("zone", "a"))) for node in fleet.nodes),
    )


async def test_a_service_tells_its_band_its_placement_and_what_stands_in_its_way(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    rules = PlacementRules((Constraint("zone", "a"),), ("rack",), 2, apart=(FEED,), domain="rack")
    service = replace(tide.record.services[REDPACKET], band=Band.BATCH, placement=rules)
    await tide.write(Change(Kind.SERVICE, REDPACKET, service))
    told = named(await get(tide_api, "/services"), "redpacket/web")
    assert (told["band"], told["available"]) == ("batch", 3)
    assert told["placement"] == {
        "constraints": ["zone==a"],
        "spread": ["rack"],
        "max_per_node": 2,
        "near": [],
        "apart": ["feed/web"],
        "domain": "rack",
    }
    assert told["demand"]["sentence"].startswith("redpacket/web stays at 15")
    assert "own-full" in [each["code"] for each in told["refusals"]]
    assert told["refusals"] == (await get(tide_api, "/why/redpacket/web"))["refusals"]


async def test_a_victim_says_by_which_rule_it_was_chosen_and_for_whom(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    guest = tide.record.placements[InstanceId("redpacket-web-11")]
    notice = Eviction("fair-share", START, at(8), at(10), FEED, "youngest")
    await tide.write(*placed(replace(guest, eviction=notice)))
    (first, second) = (await get(tide_api, "/status"))["notices"]
    assert (first["instance"], first["chosen_by"], first["beneficiary"]) == ("redpacket-web-11", "youngest", "feed/web")
    assert first["sentence"] == (
        "redpacket-web-11 leaves feed-2, since its team uses more than its fair share for feed/web; "
        "chosen since it is the youngest."
    )
    assert (first["drain_by"], second["instance"]) == ("2026-01-01T12:00:08Z", "redpacket-web-12")
    told = named((await get(tide_api, "/why/redpacket/web"))["leaving"], "redpacket-web-11")["eviction"]
    assert told["chosen_by"] == "youngest"
    assert "chosen since it is the youngest" in told["sentence"]


async def test_guests_are_held_for_a_while_and_owners_never(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    fresh = replace(tide.record.placements[InstanceId("redpacket-web-10")], placed_at=at(-5))
    await tide.write(*placed(fresh))
    instances = await get(tide_api, "/instances")
    held = {each["id"]: each["held_until"] for each in instances if each["held_until"] is not None}
    assert held == {"redpacket-web-10": "2026-01-01T12:00:25Z"}
    assert (await get(tide_api, "/why/redpacket/web"))["held"] == {"count": 1, "until": "2026-01-01T12:00:25Z"}
    assert (await get(tide_api, "/why/feed/web"))["held"] is None
