"""What every cloud promises, run on each adapter that can be run without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from springtide.clouds.base import CloudProvider, RentRequest
from springtide.clouds.booked import BookedCloud
from springtide.clouds.books import Books, Order, accept, take_back
from springtide.clouds.faults import Faults
from springtide.clouds.simulated import SimulatedCloud, SimulatedCloudState
from springtide.clouds.slices import SlicesCloud
from springtide.model.errors import CloudError, OutOfStockError
from springtide.model.fleet import Cloud, CloudFaults, Offer
from springtide.model.identifiers import CloudName, PoolName, SiteName
from springtide.model.observations import MachineState
from springtide.model.resources import Resources

START = datetime(2026, 1, 1, tzinfo=UTC)
POOL = PoolName("elastic")
OFFER = Offer(
    cloud=CloudName("sky"),
    shape="small",
    resources=Resources.of(cpu_millis=100),
    price_micros_per_hour=360_000,
    billing_period_seconds=10,
    boot_seconds=4.0,
    stock=3,
)
OFFER_OF_ONE = replace(OFFER, stock=1)
PERIOD_MICROS = 1_000


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


Build = Callable[..., BookedCloud]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["slices", "simulated"])
def build(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Build:
    """Build a cloud; all of one test share its memory, as after a restart or with two owners."""
    state = SimulatedCloudState()

    def built(owner: str = "me", *, offer: Offer = OFFER, faults: CloudFaults = CloudFaults()) -> BookedCloud:  # noqa: B008
        settings = Cloud(CloudName("sky"), str(request.param), SiteName("sky"), (offer,), faults)
        if request.param == "slices":
            return SlicesCloud(settings, tmp_path / "books.json", owner, now=clock)
        return SimulatedCloud(settings, state, owner, now=clock)

    return built


@pytest.fixture
def cloud(build: Build) -> BookedCloud:
    return build()


def asking(token: str = "t1", shape: str = "small") -> RentRequest:
    return RentRequest(token, POOL, shape)


async def tokens(cloud: CloudProvider) -> list[str]:
    return [machine.token for machine in (await cloud.view()).machines]


async def stock(cloud: CloudProvider) -> int | None:
    return (await cloud.view()).offers[0].stock


async def test_a_rented_machine_boots_and_is_ready_after_its_boot_time(cloud: BookedCloud, clock: Clock) -> None:
    await cloud.rent(asking())
    clock.advance(3.9)
    [booting] = (await cloud.view()).machines
    clock.advance(0.1)
    [ready] = (await cloud.view()).machines

    assert (booting.state, ready.state) == (MachineState.BOOTING, MachineState.READY)
    assert (ready.token, ready.pool, ready.shape, ready.cloud) == ("t1", POOL, "small", cloud.name)


async def test_the_charge_begins_when_the_request_is_accepted(cloud: BookedCloud, clock: Clock) -> None:
    clock.advance(7)
    await cloud.rent(asking())
    clock.advance(60)

    [machine] = (await cloud.view()).machines
    assert machine.since == START + timedelta(seconds=7)


async def test_a_view_says_when_it_was_taken_and_by_whom(cloud: BookedCloud, clock: Clock) -> None:
    clock.advance(1)
    view = await cloud.view()
    assert (view.cloud, view.at, view.machines, view.offers) == ("sky", START + timedelta(seconds=1), (), (OFFER,))


async def test_the_same_token_rents_once(cloud: BookedCloud) -> None:
    await cloud.rent(asking())
    await cloud.rent(asking())
    assert await tokens(cloud) == ["t1"]


async def test_the_same_token_at_the_same_time_rents_once(cloud: BookedCloud) -> None:
    await asyncio.gather(*(cloud.rent(asking()) for _ in range(8)))
    assert await tokens(cloud) == ["t1"]
    assert await stock(cloud) == 2


async def test_a_request_that_arrives_again_after_the_return_rents_nothing(cloud: BookedCloud) -> None:
    await cloud.rent(asking())
    await cloud.give_back("t1")
    await cloud.rent(asking())
    assert await tokens(cloud) == []


async def test_a_rented_token_is_confirmed_even_when_stock_has_run_out(build: Build) -> None:
    cloud = build(offer=OFFER_OF_ONE)
    await cloud.rent(asking())
    await cloud.rent(asking())
    assert await tokens(cloud) == ["t1"]


async def test_stock_falls_with_each_rental_and_rises_with_each_return(cloud: BookedCloud) -> None:
    await cloud.rent(asking("t1"))
    await cloud.rent(asking("t2"))
    fallen = await stock(cloud)
    await cloud.give_back("t1")
    assert (fallen, await stock(cloud)) == (1, 2)


async def test_what_is_out_of_stock_is_refused_with_figures(cloud: BookedCloud) -> None:
    for token in ("t1", "t2", "t3"):
        await cloud.rent(asking(token))
    with pytest.raises(OutOfStockError, match="3 of 3 are rented"):
        await cloud.rent(asking("t4"))
    assert await tokens(cloud) == ["t1", "t2", "t3"]


async def test_many_at_once_never_rent_more_than_the_stock(cloud: BookedCloud) -> None:
    answers = await asyncio.gather(*(cloud.rent(asking(f"t{n}")) for n in range(9)), return_exceptions=True)
    assert sum(isinstance(answer, OutOfStockError) for answer in answers) == 6
    assert len(await tokens(cloud)) == 3


async def test_an_offer_without_a_stated_stock_never_runs_out(build: Build) -> None:
    cloud = build(offer=replace(OFFER, stock=None))
    for number in range(5):
        await cloud.rent(asking(f"t{number}"))
    assert len(await tokens(cloud)) == 5
    assert await stock(cloud) is None


async def test_a_shape_that_is_not_offered_is_refused_and_named(cloud: BookedCloud) -> None:
    with pytest.raises(CloudError, match=r"no shape giant.*It offers small"):
        await cloud.rent(asking(shape="giant"))


async def test_giving_back_removes_the_machine(cloud: BookedCloud) -> None:
    await cloud.rent(asking("t1"))
    await cloud.rent(asking("t2"))
    await cloud.give_back("t1")
    assert await tokens(cloud) == ["t2"]


async def test_giving_back_what_is_gone_succeeds(cloud: BookedCloud) -> None:
    await cloud.give_back("never")
    await cloud.rent(asking())
    await cloud.give_back("t1")
    await cloud.give_back("t1")
    assert await tokens(cloud) == []


async def test_an_owner_sees_only_its_own_machines_but_shares_the_stock(build: Build) -> None:
    mine, theirs = build("me"), build("them")
    await mine.rent(asking("t1"))
    await theirs.rent(asking("t2"))
    assert (await tokens(mine), await tokens(theirs)) == (["t1"], ["t2"])
    assert await stock(mine) == 1


async def test_an_owner_can_not_give_back_what_another_rents(build: Build) -> None:
    mine, theirs = build("me"), build("them")
    await theirs.rent(asking("t2"))
    await mine.give_back("t2")
    assert await tokens(theirs) == ["t2"]


async def test_machines_outlive_the_control_plane(build: Build) -> None:
    first = build()
    await first.rent(asking())
    await first.close()
    assert await tokens(build()) == ["t1"]


async def test_every_started_period_is_charged_in_full(cloud: BookedCloud, clock: Clock) -> None:
    await cloud.rent(asking())
    at_once = await cloud.bill()
    clock.advance(10)
    one_whole = await cloud.bill()
    clock.advance(0.001)
    second_started = await cloud.bill()
    assert (at_once, one_whole, second_started) == (PERIOD_MICROS, PERIOD_MICROS, 2 * PERIOD_MICROS)


async def test_a_returned_machine_stays_on_the_bill_and_costs_no_more(cloud: BookedCloud, clock: Clock) -> None:
    await cloud.rent(asking("t1"))
    clock.advance(15)
    await cloud.give_back("t1")
    clock.advance(1_000)
    await cloud.rent(asking("t2"))
    assert await cloud.bill() == 3 * PERIOD_MICROS


async def test_the_bill_is_each_owners_own(build: Build) -> None:
    await build("me").rent(asking())
    assert await build("them").bill() == 0


def test_the_bill_survives_more_returns_than_the_books_keep() -> None:
    books = Books()
    for number in range(1_200):
        books, refusal = accept(books, Order("me", asking(f"t{number}"), OFFER, START, Faults()))
        books = take_back(books, "me", f"t{number}", START + timedelta(seconds=15))
        assert refusal is None

    assert len(books.returned) == 1_000
    assert books.bill_micros("me", START + timedelta(days=1)) == 1_200 * 2 * PERIOD_MICROS


async def test_every_nth_request_is_refused_and_its_retry_succeeds(build: Build) -> None:
    cloud = build(faults=CloudFaults(fail_every=2))
    await cloud.rent(asking("t1"))
    with pytest.raises(CloudError, match="no machine was rented"):
        await cloud.rent(asking("t2"))
    refused = await tokens(cloud)
    await cloud.rent(asking("t2"))
    assert (refused, await tokens(cloud)) == (["t1"], ["t1", "t2"])


async def test_the_count_to_the_next_refusal_survives_a_restart(build: Build) -> None:
    await build(faults=CloudFaults(fail_every=2)).rent(asking("t1"))
    with pytest.raises(CloudError):
        await build(faults=CloudFaults(fail_every=2)).rent(asking("t2"))


async def test_a_configured_lack_of_stock_refuses_and_shows_none(build: Build) -> None:
    cloud = build(faults=CloudFaults(out_of_stock=True))
    with pytest.raises(OutOfStockError):
        await cloud.rent(asking())
    assert await stock(cloud) == 0


async def test_faults_set_at_run_time_hold_until_they_are_lifted(build: Build) -> None:
    await build("tester").play(Faults(out_of_stock=True))
    cloud = build()
    with pytest.raises(OutOfStockError):
        await cloud.rent(asking())
    await build("tester").play(None)
    await cloud.rent(asking())
    assert await tokens(cloud) == ["t1"]


async def test_a_request_that_fails_halfway_has_rented_and_its_retry_rents_no_second(cloud: BookedCloud) -> None:
    await cloud.play(Faults(fail_halfway_every=1))
    with pytest.raises(CloudError, match="not known"):
        await cloud.rent(asking())
    await cloud.rent(asking())
    assert await tokens(cloud) == ["t1"]


async def test_a_failed_return_keeps_the_machine_and_may_be_retried(cloud: BookedCloud) -> None:
    await cloud.rent(asking())
    await cloud.play(Faults(refuse_return_every=2))
    await cloud.give_back("unknown")
    with pytest.raises(CloudError, match="still rented"):
        await cloud.give_back("t1")
    kept = await tokens(cloud)
    await cloud.give_back("t1")
    assert (kept, await tokens(cloud)) == (["t1"], [])


async def test_a_vanished_machine_is_no_longer_shown_and_its_charge_ends(cloud: BookedCloud, clock: Clock) -> None:
    await cloud.rent(asking())
    await cloud.lose("t1")
    clock.advance(100)
    assert await tokens(cloud) == []
    assert await cloud.bill() == PERIOD_MICROS


async def test_a_caller_that_is_cancelled_while_the_answer_is_late_has_rented(cloud: BookedCloud) -> None:
    await cloud.play(Faults(answer_seconds=3_600))
    asked = asyncio.create_task(cloud.rent(asking()))
    while not await tokens(cloud):  # noqa: ASYNC110, a cloud tells nobody when a request arrives
        await asyncio.sleep(0)  # the simulated cloud takes turns only, the slices cloud a thread
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await tokens(cloud) == ["t1"]


async def test_damaged_books_are_a_cloud_error_that_names_the_file(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "books.json"
    path.write_text("{")
    cloud = SlicesCloud(Cloud(OFFER.cloud, "slices", SiteName("sky"), (OFFER,)), path, "me", now=clock)
    with pytest.raises(CloudError, match=r"books\.json"):
        await cloud.rent(asking())
    assert path.read_text() == "{"


async def test_books_that_can_not_be_written_rent_nothing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "books.json"
    path.with_name("books.json.new").mkdir()
    cloud = SlicesCloud(Cloud(OFFER.cloud, "slices", SiteName("sky"), (OFFER,)), path, "me", now=clock)
    with pytest.raises(CloudError, match=r"books\.json.*can't be written"):
        await cloud.rent(asking())
    assert await tokens(cloud) == []
