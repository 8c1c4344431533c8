"""What the simulated cloud plays in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from springtide.clouds.base import RentRequest
from springtide.clouds.faults import Faults
from springtide.clouds.simulated import SimulatedCloud, SimulatedCloudState
from springtide.model.fleet import Cloud, Offer
from springtide.model.identifiers import CloudName, PoolName, SiteName
from springtide.model.resources import Resources

pytestmark = pytest.mark.looptime

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Cloud(
    CloudName("sky"),
    "simulated",
    SiteName("sky"),
    (Offer(CloudName("sky"), "small", Resources.of(cpu_millis=100), 360_000, 10, 4.0, stock=3),),
)
REQUEST = RentRequest("t1", PoolName("elastic"), "small")


def virtual_now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


@pytest.fixture
def build() -> Callable[[], SimulatedCloud]:
    state = SimulatedCloudState()
    return lambda: SimulatedCloud(SETTINGS, state, "me", now=virtual_now)


async def tokens(cloud: SimulatedCloud) -> list[str]:
    return [machine.token for machine in (await cloud.view()).machines]


async def test_a_late_answer_comes_late_but_the_machine_is_there_at_once(build: Callable[[], SimulatedCloud]) -> None:
    cloud = build()
    await cloud.play(Faults(answer_seconds=30))
    asked = asyncio.create_task(cloud.rent(REQUEST))
    await asyncio.sleep(1)
    early = (await tokens(cloud), asked.done())
    await asked
    assert early == (["t1"], False)
    assert virtual_now() == START + timedelta(seconds=30)


async def test_a_request_under_way_arrives_after_its_control_plane_was_killed(
    build: Callable[[], SimulatedCloud],
) -> None:
    cloud = build()
    await cloud.play(Faults(accept_seconds=30))
    asked = asyncio.create_task(cloud.rent(REQUEST))
    await asyncio.sleep(1)
    asked.cancel()
    successor = build()
    before = await tokens(successor)
    await asyncio.sleep(30)

    [machine] = (await successor.view()).machines
    assert (before, machine.token, machine.since) == ([], "t1", START + timedelta(seconds=30))


async def test_a_request_delivered_again_rents_no_second_machine(build: Callable[[], SimulatedCloud]) -> None:
    cloud = build()
    await cloud.play(Faults(deliver_again_seconds=10))
    await cloud.rent(REQUEST)
    await asyncio.sleep(5)
    await cloud.give_back("t1")
    await asyncio.sleep(10)
    assert await tokens(cloud) == []


async def test_half_of_the_requests_fail_and_retries_get_every_machine(build: Callable[[], SimulatedCloud]) -> None:
    cloud = build()
    await cloud.play(Faults(refuse_rent_every=2))
    wanted = [RentRequest(f"t{number}", PoolName("elastic"), "small") for number in range(3)]
    rounds = 0
    while len(await tokens(cloud)) < 3:
        rounds += 1
        await asyncio.gather(*(cloud.rent(each) for each in wanted), return_exceptions=True)
    assert rounds > 1
    assert await cloud.bill() == 3_000
