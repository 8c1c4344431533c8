"""Events arrive once each and in order, whenever a reader comes, goes and comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from springtide.api.live import LiveView
from springtide.api.news import Lost, Position, follow_after, follow_last, parse_position, position_of
from springtide.api.wire import EventWire, StatusWire
from springtide.model.errors import InputError
from springtide.model.events import Event, Reason
from springtide.model.identifiers import InstanceId
from springtide.model.record import Change, Kind
from springtide.store.base import Retention
from springtide.store.memory import MemoryStore
from tests.api.platforms import HandMadePlatform
from tests.api.serving import served
from tests.builders import START, a_service, at


async def say(store: MemoryStore, *sentences: str) -> int:
    """One commit with these events, and something else in it."""
    version = (await store.read()).version + 1
    events = [
        Change(Kind.EVENT, f"{version:012d}-{n:04d}", Event(START, "feed/web", Reason("said", sentence)))
        for n, sentence in enumerate(sentences)
    ]
    return await store.commit([Change(Kind.SERVICE, "feed/web", a_service(count=version)), *events])


async def take(news: AsyncIterator[EventWire | Lost], count: int) -> list[EventWire | Lost]:
    async with asyncio.timeout(5):
        return [await anext(news) for _ in range(count)]


def sentences(news: list[EventWire | Lost]) -> list[str]:
    return [each.sentence for each in news]


async def test_the_last_events_come_oldest_first(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    await say(platform.store, "one", "two")
    await say(platform.store, "three")
    events = (await api.get("/events?last=2")).json()
    assert [event["sentence"] for event in events] == ["two", "three"]
    assert (events[0]["subject"], events[0]["code"], events[0]["at"]) == ("feed/web", "said", "2026-01-01T12:00:00Z")


async def test_between_the_past_and_the_first_new_event_nothing_is_lost_or_doubled() -> None:
    store = MemoryStore()
    await say(store, "one", "two")
    news = follow_last(store, 100)
    first = await take(news, 1)
    await say(store, "three")  # while the past is still being handed out
    assert sentences(first + await take(news, 2)) == ["one", "two", "three"]


@pytest.mark.parametrize("seen", range(7))
async def test_a_reader_that_stopped_anywhere_goes_on_with_the_next_event(seen: int) -> None:
    store = MemoryStore()
    everything = ["a", "b", "c", "d", "e", "f", "g"]
    await say(store, "a", "b", "c")
    await say(store)
    await say(store, "d")
    await say(store, "e", "f", "g")
    before = await take(follow_last(store, 100), seen)
    last = before[-1] if before else None
    position = position_of(last) if isinstance(last, EventWire) else Position(0)
    after = await take(follow_after(store, parse_position(str(position))), len(everything) - seen)
    assert sentences(before + after) == everything


async def test_a_reader_whose_commits_are_forgotten_is_told_and_gets_the_events_that_are_kept() -> None:
    store = MemoryStore(Retention(commits=2, events=100))
    await say(store, "one", "two")
    seen = await take(follow_last(store, 100), 1)
    for sentence in ("three", "four", "five"):
        await say(store, sentence)
    assert isinstance(seen[0], EventWire)
    news = follow_after(store, position_of(seen[0]))
    found = await take(news, 5)
    assert isinstance(found[0], Lost)
    assert found[0].sentence.startswith("Events after version 1 may be missing")
    assert sentences(found[1:]) == ["two", "three", "four", "five"]
    await say(store, "six")
    assert sentences(await take(news, 1)) == ["six"]


async def test_a_reader_from_another_record_gets_this_records_events() -> None:
    store = MemoryStore()
    await say(store, "one")
    found = await take(follow_after(store, Position(500, "x")), 2)
    assert isinstance(found[0], Lost)
    assert sentences(found[1:]) == ["one"]


async def test_following_ends_when_the_store_is_closed() -> None:
    store = MemoryStore()
    await say(store, "one")
    news = follow_last(store, 1)
    assert sentences(await take(news, 1)) == ["one"]
    waiting = asyncio.create_task(anext(news, None))
    await asyncio.sleep(0)  # it watches now
    await store.close()
    async with asyncio.timeout(5):
        assert await waiting is None


@pytest.mark.parametrize("text", ["", "7", "x/y", "-1/a", "1.5/a", "9" * 30 + "/a", "²/a"])
async def test_what_is_no_position_is_refused(text: str, api: httpx.AsyncClient) -> None:
    with pytest.raises(InputError, match="is no position in the events"):
        parse_position(text)


async def read_messages(lines: AsyncIterator[str], event: str, count: int) -> list[dict[str, Any]]:
    """The next messages of this kind, as their JSON and their position."""
    found: list[dict[str, Any]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        async for line in lines:
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif fields:
                if fields.get("event") == event:
                    found.append({**json.loads(fields["data"]), "position": fields.get("id")})
                fields = {}
            if len(found) == count:
                break
    return found


async def test_over_http_a_reader_that_lost_its_line_misses_nothing(platform: HandMadePlatform) -> None:
    await say(platform.store, "one", "two", "three")
    async with served(platform) as address, httpx.AsyncClient(base_url=address) as client:
        path = "/api/v1/events/stream"
        async with client.stream("GET", path, params={"last": 50}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            first = await read_messages(answer.aiter_lines(), "event", 2)
        await say(platform.store, "four")
        async with client.stream("GET", path, headers={"Last-Event-ID": first[-1]["position"]}) as answer:
            lines = answer.aiter_lines()
            rest = await read_messages(lines, "event", 2)
            await say(platform.store, "five")
            rest += await read_messages(lines, "event", 1)
    assert [each["sentence"] for each in first + rest] == ["one", "two", "three", "four", "five"]


async def test_a_wrong_position_is_refused_before_the_stream_begins(api: httpx.AsyncClient) -> None:
    answer = await api.get("/events/stream", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["sentence"]) == (
        422,
        "Last-Event-ID: 'yesterday' is no position in the events.",
    )


async def test_the_tide_stream_sends_status_and_newest_sample(tide: HandMadePlatform) -> None:
    async with (
        served(tide) as address,
        httpx.AsyncClient(base_url=address) as client,
        client.stream("GET", "/api/v1/stream") as answer,
    ):
        lines = answer.aiter_lines()
        (message,) = await read_messages(lines, "tide", 1)
        assert message["status"]["services"][1]["rungs"] == {"own": 6, "shared": 4, "borrowed": 2, "cloud": 3}
        assert message["sample"]["services"]["redpacket/web"]["wanted"] == 15


@pytest.mark.looptime
async def test_the_live_view_is_worked_out_once_a_period_for_all_who_look(platform: HandMadePlatform) -> None:
    asked = 0

    class CountedPlatform(HandMadePlatform):
        def now(self) -> datetime:
            nonlocal asked
            asked += 1
            return START + timedelta(seconds=asked)

    counted = CountedPlatform(record=platform.record, index=platform.index)
    view = LiveView(counted, period_seconds=0.5)
    followers = [view.follow() for _ in range(20)]
    for turn in (1, 2, 3):
        texts = set(await asyncio.gather(*(anext(follower) for follower in followers)))
        assert [json.loads(text)["status"]["at"] for text in texts] == [f"2026-01-01T12:00:0{turn}Z"]


@pytest.mark.looptime
async def test_only_what_has_changed_of_the_status_is_sent_again(tide: HandMadePlatform) -> None:
    view = LiveView(tide)
    early, late = view.follow(), view.follow()
    whole = json.loads(await anext(early))["status"]
    assert set(whole) == set(StatusWire.model_fields)
    tide.moment = at(1)
    assert json.loads(await anext(early))["status"] == {"at": "2026-01-01T12:00:01Z"}
    tide.see(tide.record.placements[InstanceId("redpacket-web-15")])
    assert set(json.loads(await anext(early))["status"]) == {"services", "pools"}
    assert set(json.loads(await anext(late))["status"]) == set(StatusWire.model_fields)  # the first is always whole


async def test_a_server_that_is_told_to_end_ends_its_streams(tide: HandMadePlatform) -> None:
    async with httpx.AsyncClient(timeout=10) as client, asyncio.timeout(20):
        async with served(tide) as address:
            answer = await client.send(client.build_request("GET", f"{address}/api/v1/stream"), stream=True)
            lines = answer.aiter_lines()
            await read_messages(lines, "tide", 1)
        assert [line async for line in lines if line.startswith("event: failure")] == []  # and no broken answer
