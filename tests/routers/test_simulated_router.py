"""What the simulated router makes of offered load over virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from springtide.model.errors import RouterError
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import EndpointLoad, ServiceLoad
from springtide.model.workloads import Route
from springtide.routers.base import Endpoint, RoutedService
from springtide.routers.simulated import SimulatedRouter
from tests.builders import START

WEB = ServiceId("feed/web")
FIRST = Endpoint(InstanceId("feed-web-1"), "10.0.0.1")
SECOND = Endpoint(InstanceId("feed-web-2"), "10.0.0.2")


class Stage:
    def __init__(self) -> None:
        self.moment = START
        self.router = SimulatedRouter(self.now, service_seconds=0.1, drain_seconds=2.0)

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    async def apply(self, *endpoints: Endpoint, max_requests: int = 4) -> None:
        route = Route(8000, "feed.localhost", max_requests=max_requests, queue_seconds=0.5)
        await self.router.apply((RoutedService(WEB, (route,), endpoints),))

    async def load(self) -> ServiceLoad:
        return dict((await self.router.view()).services)[WEB]

    async def in_flight(self) -> dict[InstanceId, int]:
        return {each: load.in_flight for each, load in (await self.router.view()).endpoints}


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_arrivals_follow_the_rate_over_time(stage: Stage) -> None:
    await stage.apply(FIRST, SECOND)
    stage.router.offer(WEB, 50)
    stage.pass_time(2)
    stage.router.offer(WEB, 20)
    stage.pass_time(1)
    assert (await stage.load()).requests == 120


async def test_what_is_served_spreads_over_the_accepting_endpoints(stage: Stage) -> None:
    await stage.apply(FIRST, SECOND)
    stage.router.offer(WEB, 50)
    assert await stage.in_flight() == {FIRST.instance: 3, SECOND.instance: 2}


async def test_what_exceeds_the_endpoints_limits_waits_and_is_shed(stage: Stage) -> None:
    await stage.apply(FIRST)
    stage.router.offer(WEB, 60)
    stage.pass_time(3)
    load = await stage.load()
    assert (load.requests, load.shed, load.queued) == (180, 60, 10)
    assert await stage.in_flight() == {FIRST.instance: 4}


async def test_a_share_of_what_is_served_can_fail(stage: Stage) -> None:
    await stage.apply(FIRST)
    stage.router.offer(WEB, 20, failing_share=0.25)
    stage.pass_time(2)
    assert (await stage.load()).failed == 10


async def test_a_draining_endpoint_is_empty_when_its_time_has_passed(stage: Stage) -> None:
    await stage.apply(FIRST, SECOND)
    stage.router.offer(WEB, 40)
    await stage.apply(replace(FIRST, accepting=False), SECOND)
    assert await stage.in_flight() == {FIRST.instance: 2, SECOND.instance: 4}
    stage.pass_time(2)
    assert await stage.in_flight() == {FIRST.instance: 0, SECOND.instance: 4}


async def test_scripted_errors_come_in_order_and_change_nothing(stage: Stage) -> None:
    await stage.apply(FIRST)
    stage.router.fail_next(RouterError("The router is away."), times=2)
    with pytest.raises(RouterError):
        await stage.apply()
    with pytest.raises(RouterError):
        await stage.router.view()
    assert dict((await stage.router.view()).endpoints) == {FIRST.instance: EndpointLoad(True, 0)}


async def test_a_restarted_router_counts_from_nought_in_another_generation(stage: Stage) -> None:
    await stage.apply(FIRST)
    stage.router.offer(WEB, 10)
    stage.pass_time(1)
    before = await stage.router.view()
    stage.router.restart()
    after = await stage.router.view()
    assert (dict(before.services)[WEB].requests, dict(after.services)[WEB].requests) == (10, 0)
    assert after.generation != before.generation
    assert after.endpoints == before.endpoints
