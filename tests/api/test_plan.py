"""``POST plan/what-if``: the present played forward twice, over HTTP, changing nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from springtide.model.record import Change, Kind
from springtide.planning.played_world import PlayedWorld
from tests.api.platforms import REDPACKET, HandMadePlatform, a_platform
from tests.api.serving import called, served
from tests.api.tides import keep_flowing
from tests.builders import a_service


@pytest.fixture(autouse=True)
async def _flowing(tide: HandMadePlatform) -> None:
    await keep_flowing(tide)


async def asked(api: httpx.AsyncClient, *changes: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await api.post("/plan/what-if", json={"changes": list(changes), **body})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def of_service(said: dict[str, Any], id: str) -> dict[str, Any]:
    return next(each for each in said["services"] if each["id"] == id)


async def test_a_spike_shows_counts_rungs_money_and_rest_on_both_sides(tide_api: httpx.AsyncClient) -> None:
    said = await asked(
        tide_api,
        {"kind": "spike", "service": REDPACKET, "requests_per_second": 360},
        {"kind": "cloud-out", "cloud": "rented"},
    )
    redpacket = of_service(said, REDPACKET)
    assert said["supposed"] == ["redpacket/web has 360 requests a second", "cloud rented is out of stock"]
    assert redpacket["before"]["wanted"] < redpacket["after"]["wanted"] == 18
    assert sum(redpacket["after"]["rungs"].values()) == 18 - redpacket["after"]["missing"]
    assert said["before"]["at_rest"]
    assert said["after"]["at_rest"]
    assert said["before"]["rest_seconds"] > 0
    assert said["after"]["rent_micros_per_hour"] == said["after"]["rented_nodes"] * 360_000
    assert said["currency"] == "EUR"


async def test_what_runs_short_is_told_with_its_reasons(tide_api: httpx.AsyncClient) -> None:
    said = await asked(tide_api, {"kind": "service-limit", "service": REDPACKET, "minimum": 60, "maximum": 60})
    after = of_service(said, REDPACKET)["after"]
    assert (said["holds"], said["short"]) == (False, [REDPACKET])
    assert after["missing"] == 60 - after["ready"] > 0
    assert after["short_seconds"] > 0
    assert "node-limit" in [each["code"] for each in after["refusals"]]


async def test_a_node_less_names_who_must_leave_it(tide_api: httpx.AsyncClient, tide: HandMadePlatform) -> None:
    said = await asked(tide_api, {"kind": "node-less", "node": "feed-2"})
    on_node = {id for id, each in tide.record.placements.items() if each.node == "feed-2"}
    leaving = {each["instance"]: each for each in said["after"]["departures"]}
    assert on_node <= set(leaving)
    assert leaving["feed-web-3"]["rule"] == "node-leaves"


async def test_nothing_is_changed_by_asking(tide_api: httpx.AsyncClient, tide: HandMadePlatform) -> None:
    version, index = tide.record.version, tide.index
    before = (await tide_api.get("/status")).json()
    await asked(tide_api, {"kind": "team-more", "team": "ads", "nodes": 2, "shape": {"cpu_millis": 200}})
    assert (await tide.store.read()).version == tide.record.version == version
    assert tide.index is index
    assert (await tide_api.get("/status")).json() == before


async def test_the_present_load_carries_on(tide_api: httpx.AsyncClient) -> None:
    said = await asked(tide_api, {"kind": "spike", "service": REDPACKET, "times": 2, "seconds": 60})
    redpacket = of_service(said, REDPACKET)
    figures = [redpacket[side]["demand"]["figures"]["load"] for side in ("before", "after")]
    assert figures == [290.0, 580.0]
    assert said["is_at_height"]
    assert 50 < said["at_seconds"] < 60


async def test_the_newest_record_counts(tide_api: httpx.AsyncClient, tide: HandMadePlatform) -> None:
    """A service that was wanted since the last plan is there on both sides."""
    await tide.write(Change(Kind.SERVICE, "feed/late", a_service("feed/late", 1)))
    said = await asked(tide_api)
    assert of_service(said, "feed/late")["before"]["wanted"] == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"kind": "node-less", "node": "feed-9"}, 404, "unknown"),
        ({"kind": "spike", "service": "feed/wob", "times": 2}, 404, "unknown"),
        ({"kind": "service-limit", "service": "feed/web", "minimum": 30}, 409, "contradiction"),
        ({"kind": "spike", "service": "feed/web", "times": 0}, 422, "bad-input"),
        ({"kind": "nonsense"}, 422, "bad-input"),
        ({"kind": "node-less", "node": "feed-1", "nodes": 3}, 422, "bad-input"),
        ({"kind": "nodes-more", "pool": "feed", "count": 10**9}, 422, "bad-input"),
    ],
    ids=str,
)
async def test_what_cannot_be_supposed_is_refused(
    tide_api: httpx.AsyncClient, change: dict[str, Any], status: int, code: str
) -> None:
    answer = await tide_api.post("/plan/what-if", json={"changes": [change]})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["sentence"]
    assert answer.json()["remedy"] or code == "absurd-amount"


async def test_a_load_that_was_not_measured_yet_cannot_be_multiplied(
    tide_api: httpx.AsyncClient, tide: HandMadePlatform
) -> None:
    tide.index = replace(tide.index, loads={})
    answer = await tide_api.post(
        "/plan/what-if", json={"changes": [{"kind": "spike", "service": REDPACKET, "times": 2}]}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "no-load")
    assert answer.json()["remedy"] == "Suppose a rate: redpacket/web=300rps."


async def test_before_anything_was_seen_it_says_so() -> None:
    async with called(await a_platform()) as api:
        answer = await api.post("/plan/what-if", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-planned-yet")


async def test_an_answer_whose_time_runs_out_is_no_answer(
    tide_api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("springtide.api.routes_plan.time.monotonic", iter([0.0, *range(1, 1000)]).__next__)
    said = await asked(tide_api, limit_seconds=5)
    assert not said["holds"]
    assert said["before"]["stopped"]["code"] == said["after"]["stopped"]["code"] == "out-of-time"


async def test_the_api_answers_while_an_outlook_is_played(
    tide: HandMadePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real HTTP: the outlook's first step waits until another request was answered."""
    loop, began, answered = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    earnest = PlayedWorld.step

    def step(world: PlayedWorld) -> Any:
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(30)
        return earnest(world)

    monkeypatch.setattr(PlayedWorld, "step", step)
    async with served(tide) as url, httpx.AsyncClient(base_url=url, timeout=60) as api:
        asking = asyncio.create_task(api.post("/api/v1/plan/what-if", json={}))
        await began.wait()
        health = await api.get("/api/v1/services")
        assert (health.status_code, asking.done()) == (200, False)
        answered.set()
        assert (await asking).json()["before"]["at_rest"]
