"""What every store promises, run on each adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from springtide.model.errors import FenceLostError, StaleReadError
from springtide.model.events import Event, Reason
from springtide.model.fleet import Fleet, Team
from springtide.model.identifiers import PoolName, ServiceId, TeamName
from springtide.model.leases import Lease, Rung
from springtide.model.record import FLEET_ID, Change, Commit, Kind, Record
from springtide.store.base import Fence, ReadVersions, Retention, Store
from springtide.store.memory import MemoryStore
from springtide.store.sql import SqlStore

START = datetime(2026, 1, 1, tzinfo=UTC)
SHORT = Retention(commits=5, events=3)
ADAPTERS = ("memory", "sqlite")

Build = Callable[..., Store]


@pytest.fixture(params=ADAPTERS)
async def build(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Build]:
    """Build the test's store, closed at its end."""
    built: list[Store] = []

    def new(retention: Retention = Retention()) -> Store:  # noqa: B008
        is_sql = request.param == "sqlite"
        store: Store = SqlStore(f"sqlite:///{tmp_path}/record.db", retention) if is_sql else MemoryStore(retention)
        built.append(store)
        return store

    yield new
    for store in built:
        await store.close()


@pytest.fixture
def store(build: Build) -> Store:
    return build()


def ordinal(id: str = "feed/web", value: int | None = 1) -> Change:
    return Change(Kind.ORDINAL, id, value)


def event(number: int) -> Change:
    return Change(Kind.EVENT, f"{number:06}", Event(START, "feed/web", Reason("grow", "Grows.", (("by", number),))))


def lease(count: int) -> Change:
    made = Lease(
        service=ServiceId("feed/web"),
        pool=PoolName("p"),
        rung=Rung.OWN,
        count=count,
        since=START,
        counted_since=START,
        reclaimable=False,
        price_micros_per_hour=0,
    )
    return Change(Kind.LEASE, made.key, made)


def read_set(kind: Kind, version: int) -> ReadVersions:
    return ReadVersions({kind: version}, {})


def read_entry(kind: Kind, id: str, version: int) -> ReadVersions:
    return ReadVersions({}, {(kind, id): version})


async def followed(store: Store, since: int, count: int) -> list[Commit]:
    """The next so many commits of a watch."""
    seen: list[Commit] = []
    async with aclosing(store.watch(since)) as commits:  # type: ignore[type-var]
        async for commit in commits:
            seen.append(commit)
            if len(seen) == count:
                break
    return seen


async def test_a_new_record_is_empty_and_at_version_nought(store: Store) -> None:
    assert await store.read() == Record()


async def test_versions_rise_by_one(store: Store) -> None:
    versions = [await store.commit([ordinal(value=number)]) for number in range(3)]
    assert versions == [1, 2, 3]
    assert (await store.read()).version == 3


async def test_what_was_committed_is_read(store: Store) -> None:
    fleet = Fleet(teams=(Team(TeamName("feed"), weight=3),))
    await store.commit([Change(Kind.FLEET, FLEET_ID, fleet), lease(4), ordinal(value=7)])

    record = await store.read()
    assert record.fleet == fleet
    assert record.leases == {"feed/web:p:own": lease(4).value}
    assert record.ordinals == {"feed/web": 7}
    assert record.set_versions == {Kind.FLEET: 1, Kind.LEASE: 1, Kind.ORDINAL: 1}


async def test_a_record_that_was_read_does_not_change(store: Store) -> None:
    await store.commit([ordinal(value=1)])
    before = await store.read()
    await store.commit([ordinal(value=2)])
    assert before.ordinals == {"feed/web": 1}


async def test_a_set_keeps_the_version_of_its_last_change(store: Store) -> None:
    await store.commit([ordinal()])
    await store.commit([lease(1)])
    await store.commit([ordinal(value=None)])
    assert (await store.read()).set_versions == {Kind.ORDINAL: 3, Kind.LEASE: 2}


async def test_what_is_deleted_is_gone(store: Store) -> None:
    await store.commit([ordinal("a"), ordinal("b")])
    await store.commit([ordinal("a", None)])
    assert (await store.read()).ordinals == {"b": 1}
    assert [entry.id for entry in await store.list(Kind.ORDINAL)] == ["b"]


async def test_deleting_what_is_not_there_is_a_commit_like_any_other(store: Store) -> None:
    assert await store.commit([ordinal(value=None)]) == 1


async def test_of_two_changes_of_one_entry_the_later_holds(store: Store) -> None:
    await store.commit([ordinal("a", 1), ordinal("a", 2), ordinal("b", 1), ordinal("b", None)])
    assert (await store.read()).ordinals == {"a": 2}


async def test_a_commit_on_a_stale_set_is_refused_with_figures(store: Store) -> None:
    await store.commit([ordinal()])
    await store.commit([ordinal(value=2)])
    with pytest.raises(StaleReadError, match="set ordinal was read at version 1 but is at version 2"):
        await store.commit([lease(1)], read=read_set(Kind.ORDINAL, 1))


async def test_a_commit_on_a_present_set_is_taken(store: Store) -> None:
    await store.commit([ordinal()])
    await store.commit([lease(1)])
    assert await store.commit([lease(2)], read=read_set(Kind.ORDINAL, 1)) == 3


async def test_a_set_that_was_empty_and_no_longer_is_refuses(store: Store) -> None:
    await store.commit([lease(1)], read=read_set(Kind.ORDINAL, 0))
    await store.commit([ordinal()])
    with pytest.raises(StaleReadError):
        await store.commit([lease(2)], read=read_set(Kind.ORDINAL, 0))


async def test_a_commit_on_a_stale_entry_is_refused_with_figures(store: Store) -> None:
    await store.commit([ordinal("a")])
    await store.commit([ordinal("a", 2)])
    with pytest.raises(StaleReadError, match="entry ordinal/a was read at version 1 but is at version 2"):
        await store.commit([lease(1)], read=read_entry(Kind.ORDINAL, "a", 1))


async def test_an_entry_read_does_not_conflict_with_its_neighbours(store: Store) -> None:
    await store.commit([ordinal("a")])
    await store.commit([ordinal("b")])
    assert await store.commit([ordinal("a", 2)], read=read_entry(Kind.ORDINAL, "a", 1)) == 3


async def test_an_entry_that_was_not_there_refuses_once_it_is(store: Store) -> None:
    await store.commit([ordinal("a")], read=read_entry(Kind.ORDINAL, "a", 0))
    with pytest.raises(StaleReadError):
        await store.commit([ordinal("a")], read=read_entry(Kind.ORDINAL, "a", 0))


async def test_an_entry_that_was_deleted_counts_as_not_there(store: Store) -> None:
    await store.commit([ordinal("a")])
    await store.commit([ordinal("a", None)])
    with pytest.raises(StaleReadError):
        await store.commit([ordinal("b")], read=read_entry(Kind.ORDINAL, "a", 1))
    assert await store.commit([ordinal("b")], read=read_entry(Kind.ORDINAL, "a", 0)) == 3


async def test_a_read_of_more_entries_than_one_query_takes_is_checked_whole(store: Store) -> None:
    await store.commit([ordinal(f"s{number}") for number in range(6_000)])
    entries = {(Kind.ORDINAL, f"s{number}"): 1 for number in range(6_000)}
    assert await store.commit([lease(1)], read=ReadVersions({}, entries)) == 2
    await store.commit([ordinal("s5999", 2)])
    with pytest.raises(StaleReadError, match="s5999"):
        await store.commit([lease(1)], read=ReadVersions({}, entries))


async def test_the_newest_fence_commits(store: Store) -> None:
    fence = await store.acquire_fence()
    assert await store.commit([ordinal()], fence=fence) == 1


async def test_an_old_fence_is_refused(store: Store) -> None:
    old = await store.acquire_fence()
    new = await store.acquire_fence()
    assert new.number > old.number
    with pytest.raises(FenceLostError, match=f"fence {old.number}, but fence {new.number}"):
        await store.commit([ordinal()], fence=old)
    assert await store.commit([ordinal()], fence=new) == 1


async def test_a_fence_that_was_never_given_out_is_refused(store: Store) -> None:
    with pytest.raises(FenceLostError):
        await store.commit([ordinal()], fence=Fence(9))


async def test_wants_without_a_fence_pass(store: Store) -> None:
    await store.acquire_fence()
    assert await store.commit([ordinal()]) == 1


async def test_taking_a_fence_changes_neither_version_nor_sets(store: Store) -> None:
    await store.acquire_fence()
    assert await store.read() == Record()


async def test_a_refused_commit_applies_nothing(store: Store) -> None:
    await store.commit([ordinal()])
    before = await store.read()
    with pytest.raises(StaleReadError):
        await store.commit([lease(1), ordinal(value=9), event(1)], read=read_set(Kind.ORDINAL, 0))

    assert await store.read() == before
    assert await store.list(Kind.LEASE) == ()
    assert await store.list(Kind.EVENT) == ()
    assert await store.commit([ordinal(value=2)]) == 2


async def test_an_empty_commit_checks_and_returns_the_present_version(store: Store) -> None:
    fence = await store.acquire_fence()
    await store.commit([ordinal()])
    assert await store.commit([], read=read_set(Kind.ORDINAL, 1), fence=fence) == 1
    with pytest.raises(StaleReadError):
        await store.commit([], read=read_set(Kind.ORDINAL, 0))
    await store.acquire_fence()
    with pytest.raises(FenceLostError):
        await store.commit([], fence=fence)
    assert (await store.read()).version == 1


async def test_a_value_of_the_wrong_type_is_a_mistake_of_the_program(store: Store) -> None:
    with pytest.raises(TypeError, match="lease/a must be a Lease, not a int"):
        await store.commit([Change(Kind.LEASE, "a", 1)])
    assert (await store.read()).version == 0


async def test_a_set_is_listed_in_order_of_writing(store: Store) -> None:
    await store.commit([ordinal("c"), ordinal("a")])
    await store.commit([ordinal("b"), ordinal("c", 2)])
    entries = await store.list(Kind.ORDINAL)
    assert [(entry.id, entry.value, entry.version) for entry in entries] == [("a", 1, 1), ("b", 1, 2), ("c", 2, 2)]


async def test_the_last_entries_are_listed_in_order_of_writing(store: Store) -> None:
    await store.commit([event(number) for number in range(10)])
    assert [entry.id for entry in await store.list(Kind.EVENT, last=3)] == ["000007", "000008", "000009"]
    assert await store.list(Kind.EVENT, last=0) == ()
    assert len(await store.list(Kind.EVENT, last=99)) == 10


async def test_only_the_newest_events_are_kept(build: Build) -> None:
    store = build(SHORT)
    for number in range(8):
        await store.commit([event(number), lease(number)])
    assert [entry.id for entry in await store.list(Kind.EVENT)] == ["000005", "000006", "000007"]
    assert [entry.id for entry in await store.list(Kind.EVENT, last=2)] == ["000006", "000007"]
    assert len(await store.list(Kind.LEASE)) == 1


async def test_a_watch_replays_every_commit_since_an_older_version(store: Store) -> None:
    for number in range(4):
        await store.commit([ordinal(value=number), event(number)])
    expected = [Commit(number + 1, (ordinal(value=number), event(number))) for number in range(4)]
    assert await followed(store, 0, 4) == expected
    assert await followed(store, 2, 2) == expected[2:]


async def test_a_watch_goes_on_with_commits_as_they_come(store: Store) -> None:
    watching = asyncio.create_task(followed(store, 0, 2))
    await asyncio.sleep(0)
    await store.commit([ordinal(value=1)])
    await store.commit([ordinal(value=None)])
    assert [commit.changes for commit in await watching] == [(ordinal(value=1),), (ordinal(value=None),)]


async def test_a_watch_has_no_gap_while_many_commit(store: Store) -> None:
    watches = [asyncio.create_task(followed(store, 0, 60)) for _ in range(3)]

    async def write(writer: int) -> None:
        for number in range(15):
            await store.commit([ordinal(f"w{writer}", number)])

    await asyncio.gather(*(write(writer) for writer in range(4)))
    for watch in watches:
        commits = await watch
        assert [commit.version for commit in commits] == list(range(1, 61))
        record = Record()
        for commit in commits:
            record = record.after(commit)
        assert record == await store.read()


async def test_a_watch_that_starts_anywhere_among_commits_has_no_gap(store: Store) -> None:
    writing = asyncio.create_task(commit_many(store, 40))
    watches = []
    for _ in range(10):
        since = (await store.read()).version
        watches.append((since, asyncio.create_task(followed(store, since, 40 - since))))
    await writing
    for since, watch in watches:
        if since < 40:
            assert [commit.version for commit in await watch] == list(range(since + 1, 41))
        else:
            watch.cancel()


async def commit_many(store: Store, count: int) -> None:
    for number in range(count):
        await store.commit([ordinal(value=number)])
        await asyncio.sleep(0)


async def test_of_many_commits_on_the_same_read_one_is_taken(store: Store) -> None:
    attempts = [store.commit([ordinal(value=n)], read=read_set(Kind.ORDINAL, 0)) for n in range(10)]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert [answer for answer in answers if not isinstance(answer, StaleReadError)] == [1]


async def test_a_watch_from_before_what_is_kept_is_refused(build: Build) -> None:
    store = build(SHORT)
    await commit_many(store, 8)
    with pytest.raises(StaleReadError, match=r"after version 2 can't be replayed.*at version 8.*after version 3"):
        await followed(store, 2, 1)
    assert [commit.version for commit in await followed(store, 3, 5)] == [4, 5, 6, 7, 8]


async def test_a_slow_watch_that_fell_behind_what_is_kept_is_refused(build: Build) -> None:
    store = build(SHORT)
    await store.commit([ordinal()])
    commits = store.watch(0)
    assert (await anext(commits)).version == 1
    await commit_many(store, 8)
    with pytest.raises(StaleReadError):
        await anext(commits)


async def test_a_watch_from_the_future_is_refused(store: Store) -> None:
    await store.commit([ordinal()])
    with pytest.raises(StaleReadError, match="at version 1"):
        await followed(store, 7, 1)


async def test_closing_ends_watches_and_closing_twice_succeeds(store: Store) -> None:
    await store.commit([ordinal()])

    async def follow() -> list[int]:
        return [commit.version async for commit in store.watch(0)]

    watching = asyncio.create_task(follow())
    await followed(store, 0, 1)
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    assert await watching == [1]


async def test_a_caller_that_is_cancelled_leaves_a_whole_commit_or_none(store: Store) -> None:
    for number in range(5):
        attempt = asyncio.create_task(store.commit([ordinal("a", number), ordinal("b", number)]))
        for _ in range(number):
            await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
    version = await store.commit([lease(1)])
    record = await store.read()

    assert record.ordinals.get(ServiceId("feed/web")) is None
    assert record.ordinals.get(ServiceId("a")) == record.ordinals.get(ServiceId("b"))
    assert [commit.version for commit in await followed(store, 0, version)] == list(range(1, version + 1))
