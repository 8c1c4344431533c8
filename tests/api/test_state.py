"""What the API shows of a fleet whose every figure is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import httpx

from springtide.model.identifiers import InstanceId, PoolName, ServiceId
from springtide.model.leases import Lease, LedgerEntry, Rung
from springtide.model.observations import ActionFailed, Readiness
from springtide.model.placements import PlacementState
from springtide.model.record import Change, Kind
from springtide.planning.index import Carry, CrashHistory
from tests.api.platforms import HandMadePlatform, a_rental, placed
from tests.builders import START, a_placement, a_service, at


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def named(items: list[dict[str, Any]], name: str, key: str = "id") -> dict[str, Any]:
    return next(item for item in items if item[key] == name)


async def test_health_says_the_records_version(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    expected = {"status": "ok", "version": platform.record.version, "is_planning": False}
    assert await get(api, "/healthz") == expected
    assert (await api.get("http://localhost/healthz")).json() == expected


async def test_a_service_counts_its_instances_by_rung_and_says_what_the_router_saw(tide_api: httpx.AsyncClient) -> None:
    service = named(await get(tide_api, "/services"), "redpacket/web")
    assert service["rungs"] == {"own": 6, "shared": 4, "borrowed": 2, "cloud": 3}
    assert (service["instances"], service["ready"]) == (15, 14)
    assert (service["requests"], service["shed"], service["failed"], service["queued"]) == (31_912, 41, 0, 3)
    assert (service["p50_ms"], service["p95_ms"]) == (102.7, 187.4)
    assert service["url"] == "http://redpacket.localhost:8080"


async def test_a_service_with_a_port_of_its_own_shows_both_urls(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    service = platform.record.services[ServiceId("feed/web")]
    both = replace(service, routes=(replace(service.routes[0], listen_port=9001),))
    await platform.write(Change(Kind.SERVICE, service.id, both))
    assert (await get(api, "/services"))[0]["urls"] == ["http://feed.localhost:8080", "http://localhost:9001"]


async def test_the_status_has_every_pool_with_its_nodes_and_what_runs_on_them(tide_api: httpx.AsyncClient) -> None:
    status = await get(tide_api, "/status")
    assert [team["name"] for team in status["teams"]] == ["feed", "redpacket"]
    feed = named(status["pools"], "feed", "name")
    assert feed["allocatable"] == {"cpu_millis": 400, "memory_bytes": 512 * 2**20}
    assert feed["used"]["cpu_millis"] == 350
    tiles = named(feed["nodes"], "feed-2")["instances"]
    assert [tile["id"] for tile in tiles] == ["feed-web-3", "redpacket-web-11", "redpacket-web-12"]
    assert [tile["leaving"] for tile in tiles] == [False, False, True]


async def test_a_rented_node_shows_its_state_price_and_next_charge(tide_api: httpx.AsyncClient) -> None:
    nodes = named(await get(tide_api, "/pools"), "burst", "name")["nodes"]
    assert {node["id"]: node["state"] for node in nodes} == {
        "burst-1": "ready",
        "burst-2": "ready",
        "burst-3": "booting",
    }
    rental = named(nodes, "burst-3")["rental"]
    assert rental["price_micros_per_period"] == 1_000
    assert rental["committed_micros"] == 3_000
    assert rental["next_charge"] == (START + timedelta(seconds=28)).isoformat().replace("+00:00", "Z")


async def test_the_spend_is_past_rent_and_what_present_nodes_have_committed(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    past = LedgerEntry("l1", "rent", None, "rented", PoolName("burst"), START, at(10), 0, 5_000, "cloud-0")
    lent = replace(past, id="l2", kind="lend", amount_micros=70)
    await tide.write(Change(Kind.LEDGER, "l1", past), Change(Kind.LEDGER, "l2", lent))
    status, ledger = await get(tide_api, "/status"), await get(tide_api, "/ledger")
    assert status["spend_micros"] == ledger["rent_micros"] == 14_000
    assert ledger["lend_micros"] == 70
    assert [entry["amount_micros"] for entry in ledger["entries"]] == [5_000, 70]


async def test_a_node_that_goes_back_and_one_that_left_the_fleet_say_so(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    returning = replace(a_rental(9, START), state=type(a_rental(9, START).state).RETURNING)
    await platform.write(
        Change(Kind.RENTAL, "cloud-9", returning), *placed(a_placement("feed/web", 4, "feed-9", placed_at=START))
    )
    pools = await get(api, "/pools")
    assert named(named(pools, "burst", "name")["nodes"], "burst-9")["state"] == "returning"
    assert named(named(pools, "feed", "name")["nodes"], "feed-9")["state"] == "removed"


async def test_an_instance_says_where_it_is_how_it_is_and_since_when(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    platform.moment = at(90)
    instance = named(await get(api, "/instances"), "feed-web-1")
    assert (instance["node"], instance["pool"], instance["rung"]) == ("feed-1", "feed", "own")
    assert (instance["state"], instance["container"], instance["readiness"]) == ("running", "running", "ready")
    assert (instance["age_seconds"], instance["address"], instance["image"]) == (90.0, "10.0.0.2", "sha256:1")
    assert instance["eviction"] is None


async def test_an_evicted_instance_says_why_and_by_when(tide_api: httpx.AsyncClient) -> None:
    eviction = named(await get(tide_api, "/instances"), "redpacket-web-12")["eviction"]
    assert eviction["sentence"] == (
        "It must leave, since its owner reclaims the capacity for feed/web; "
        "it drains as soon as it is replaced, at latest in 8.0 s."
    )
    assert (eviction["rule"], eviction["beneficiary"]) == ("reclaim", "feed/web")


async def test_an_instance_whose_pool_is_gone_is_still_listed(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    lost = a_placement("feed/web", 7, "sold-1", placed_at=START, state=PlacementState.STOPPING)
    await platform.write(*placed(lost))
    instance = named(await get(api, "/instances"), "feed-web-7")
    assert (instance["rung"], instance["state"], instance["detail"]) == (None, "stopping", "not created yet")


async def test_why_tells_count_demand_holdings_and_refusals_in_sentences(tide_api: httpx.AsyncClient) -> None:
    why = await get(tide_api, "/why/redpacket/web")
    assert why["sentence"] == (
        "redpacket/web wants 15 and has 15 (6 own, 4 shared, 2 borrowed, 3 cloud), of which 14 are ready."
    )
    assert why["demand"]["sentence"].startswith("redpacket/web stays at 15")
    assert {(each["pool"], each["rung"]): each["count"] for each in why["holdings"]} == {
        ("redpacket", "own"): 6,
        ("redpacket", "shared"): 2,
        ("feed", "shared"): 2,
        ("feed", "borrowed"): 2,
        ("burst", "cloud"): 3,
    }
    own = next(each for each in why["refusals"] if each["code"] == "own-full")
    assert "pool redpacket has" in own["sentence"]
    assert own["figures"]["limit"] == 300


async def test_why_tells_what_the_last_probe_of_a_starting_instance_saw(tide_api: httpx.AsyncClient) -> None:
    why = await get(tide_api, "/why/redpacket/web")
    assert [(each["id"], each["readiness"], each["detail"]) for each in why["not_ready"]] == [
        ("redpacket-web-15", "starting", "GET /healthz: connection refused")
    ]
    assert [each["id"] for each in why["leaving"]] == ["redpacket-web-12"]


async def test_why_tells_of_failures_and_crashes(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    id = InstanceId("feed-web-2")
    platform.see(platform.record.placements[id], readiness=Readiness.UNREADY, detail="GET /: 500")
    failed = ActionFailed(id, START, "engine", "The engine is busy.")
    crashes = MappingProxyType({ServiceId("feed/web"): CrashHistory(3, START, "exited with code 1")})
    platform.index = replace(
        platform.index, failures=MappingProxyType({str(id): (failed,)}), carry=Carry(crashes=crashes)
    )
    why = await get(api, "/why/feed/web")
    assert [(each["id"], each["detail"]) for each in why["not_ready"]] == [("feed-web-2", "GET /: 500")]
    assert why["not_ready"][0]["failures"][0]["sentence"] == "The engine is busy."
    assert (why["crashes"]["count"], why["crashes"]["detail"]) == (3, "exited with code 1")


async def test_why_of_a_service_that_no_plan_has_seen_says_so(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    await platform.write(Change(Kind.SERVICE, "feed/new", a_service("feed/new", 2)))
    why = await get(api, "/why/feed/new")
    assert (why["demand"]["code"], why["wanted"], why["instances"]) == ("not-planned-yet", 2, 0)


async def test_why_of_an_unknown_service_suggests_the_near_one(api: httpx.AsyncClient) -> None:
    answer = await api.get("/why/fed/web")
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "unknown",
        "sentence": "There is no service 'fed/web'.",
        "remedy": "Did you mean feed/web?",
    }


async def test_samples_since_a_moment_are_the_later_ones(tide_api: httpx.AsyncClient, tide: HandMadePlatform) -> None:
    everything = await get(tide_api, "/samples")
    assert len(everything) == len(tide.samples)
    later = await get(tide_api, f"/samples?since={everything[-3]['at']}")
    assert later == everything[-2:]
    naive = everything[-3]["at"].removesuffix("Z")
    assert await get(tide_api, f"/samples?since={naive}") == later


async def test_fleet_apps_and_leases_are_plain_json(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    lease = Lease(ServiceId("feed/web"), PoolName("feed"), Rung.OWN, 3, START, START, False, 0)
    await platform.write(Change(Kind.LEASE, lease.key, lease))
    fleet = await get(api, "/fleet")
    assert fleet["nodes"][0]["allocatable"] == {"cpu_millis": 200, "memory_bytes": 256 * 2**20}
    assert fleet["reclaim"]["notice_seconds"] == 8
    assert [(app["name"], app["services"], app["is_leaving"]) for app in await get(api, "/apps")] == [
        ("feed", ["feed/web"], False)
    ]
    assert [(each["rung"], each["count"]) for each in await get(api, "/leases")] == [("own", 3)]


async def test_metrics_have_instances_by_service_and_rung(tide_api: httpx.AsyncClient) -> None:
    lines = (await tide_api.get("http://localhost/metrics")).text.splitlines()
    assert 'springtide_instances{rung="borrowed",service="redpacket/web"} 2.0' in lines
    assert 'springtide_service_shed_total{service="redpacket/web"} 41.0' in lines
    assert 'springtide_service_wanted{service="feed/web"} 3.0' in lines
    assert "springtide_rented_nodes 3.0" in lines
    assert 'springtide_spend_total{currency="EUR"} 0.009' in lines


async def test_an_unknown_path_is_refused_in_the_same_form(api: httpx.AsyncClient) -> None:
    answer = await api.get("/nonsense")
    assert (answer.status_code, answer.json()["sentence"]) == (404, "There is no GET /api/v1/nonsense.")


async def test_the_page_and_its_files_are_served_and_checked_before_a_copy_is_used(api: httpx.AsyncClient) -> None:
    for path in ("/", "/web/tide.js", "/web/tide.css", "/web/vendor/uplot/uPlot.esm.js"):
        answer = await api.get(f"http://localhost{path}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache"), path
