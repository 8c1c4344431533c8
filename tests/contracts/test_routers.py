"""What every router promises, run on each adapter."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from springtide.model.errors import PortTakenError
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import EndpointLoad, RouterView, ServiceLoad
from springtide.model.workloads import Route
from springtide.routers.base import Endpoint, RoutedService, Router
from springtide.routers.simulated import SimulatedRouter
from tests.builders import START
from tests.real_router import (
    RoutedStage,
    a_free_port,
    a_haproxy_stage,
    an_endpoint,
    an_instance,
    distribution_haproxy,
    eventually,
)

FEED = ServiceId("feed/web")
PAY = ServiceId("pay/web")
FIRST = an_endpoint(1)
SECOND = an_endpoint(2)


class Subject(ABC):
    """A started router, and traffic through it."""

    router: Router
    target_port: int

    def routed(self, *endpoints: Endpoint, service: ServiceId = FEED, max_requests: int = 0) -> RoutedService:
        route = Route(self.target_port, f"{service.partition('/')[0]}.localhost", max_requests=max_requests)
        return RoutedService(service, (replace(route, queue_seconds=0.2),), endpoints)

    @abstractmethod
    async def send(self, service: ServiceId, requests: int) -> None:
        """So many requests come and are answered, one after the other."""

    @abstractmethod
    async def hold(self, instance: InstanceId) -> None:
        """One request comes, is given to this instance, the only one accepting, and isn't answered yet."""

    @abstractmethod
    async def release(self, instance: InstanceId) -> None:
        """The held request is answered."""

    @abstractmethod
    async def wait_until_shed(self, service: ServiceId) -> None:
        """One request comes that nobody can take, and its time in the queue passes."""

    @abstractmethod
    def take_port(self, port: int) -> None:
        """Another program listens on the port."""

    async def load(self, service: ServiceId = FEED) -> ServiceLoad:
        return dict((await self.router.view()).services)[service]

    async def endpoint(self, instance: InstanceId) -> EndpointLoad:
        return dict((await self.router.view()).endpoints)[instance]


class SimulatedSubject(Subject):
    target_port = 8000

    def __init__(self) -> None:
        self.moment = START
        self.simulated = SimulatedRouter(self.now, service_seconds=0.1)
        self.router = self.simulated

    def now(self) -> datetime:
        return self.moment

    async def send(self, service: ServiceId, requests: int) -> None:
        self.simulated.offer(service, 10.0)
        self.moment += timedelta(seconds=requests / 10.0)
        self.simulated.offer(service, 0.0)

    async def hold(self, instance: InstanceId) -> None:
        await self.send(FEED, 1)
        self.simulated.hold(instance)

    async def release(self, instance: InstanceId) -> None:
        self.simulated.release(instance)

    async def wait_until_shed(self, service: ServiceId) -> None:
        await self.send(service, 1)

    def take_port(self, port: int) -> None:
        self.simulated.take_port(port)


class HaproxySubject(Subject):
    def __init__(self, stage: RoutedStage) -> None:
        self.stage = stage
        self.router = stage.router
        self.target_port = stage.target_port
        self._held: list[asyncio.Task[tuple[int, str]]] = []
        self.listeners: list[socket.socket] = []

    async def send(self, service: ServiceId, requests: int) -> None:
        for _ in range(requests):
            status, _ = await self.stage.send("/", f"{service.partition('/')[0]}.localhost")
            assert status == 200

    async def hold(self, instance: InstanceId) -> None:
        before = (await self.endpoint(instance)).in_flight
        self._held.append(asyncio.create_task(self.stage.send("/hold")))
        await self._until_in_flight_is(instance, before + 1)

    async def release(self, instance: InstanceId) -> None:
        self.stage.upstreams[int(instance.rpartition("-")[2])].released.set()
        assert {status for status, _ in await asyncio.gather(*self._held)} == {200}
        await self._until_in_flight_is(instance, 0)

    async def wait_until_shed(self, service: ServiceId) -> None:
        assert (await self.stage.send("/", f"{service.partition('/')[0]}.localhost"))[0] == 503

    def take_port(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", port))
        self.listeners.append(listener)

    async def _until_in_flight_is(self, instance: InstanceId, count: int) -> None:
        async def is_so() -> bool:
            return (await self.endpoint(instance)).in_flight == count

        await eventually(is_so)


@asynccontextmanager
async def a_haproxy_subject(directory: Path, binary: Path | None) -> AsyncIterator[Subject]:
    async with a_haproxy_stage(directory, binary) as stage:
        for ordinal in (1, 2):
            await stage.run_instance(ordinal)
        subject = HaproxySubject(stage)
        yield subject
        for listener in subject.listeners:
            listener.close()


@pytest.fixture(params=["simulated", "haproxy", "distribution-haproxy"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    if request.param == "simulated":
        yield SimulatedSubject()
        return
    binary = distribution_haproxy() if request.param == "distribution-haproxy" else None
    async with a_haproxy_subject(tmp_path / "router", binary) as haproxy:
        yield haproxy


async def test_an_applied_endpoint_is_shown_and_accepts(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    assert dict((await subject.router.view()).endpoints) == {FIRST.instance: EndpointLoad(True, 0)}


async def test_an_added_endpoint_is_shown_beside_the_first(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    await subject.router.apply((subject.routed(FIRST, SECOND),))
    assert set(dict((await subject.router.view()).endpoints)) == {FIRST.instance, SECOND.instance}


async def test_a_removed_endpoint_is_shown_no_more(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST, SECOND),))
    await subject.router.apply((subject.routed(SECOND),))
    assert set(dict((await subject.router.view()).endpoints)) == {SECOND.instance}


async def test_removing_what_is_gone_succeeds(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    for _ in range(2):
        await subject.router.apply((subject.routed(),))
    assert (await subject.router.view()).endpoints == ()


async def test_an_endpoint_removed_and_added_again_accepts(subject: Subject) -> None:
    for endpoints in ((FIRST,), (), (FIRST,)):
        await subject.router.apply((subject.routed(*endpoints),))
    await subject.send(FEED, 1)
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(True, 0)


async def test_a_draining_endpoint_shows_what_it_serves_until_it_has_finished(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    await subject.hold(FIRST.instance)
    await subject.router.apply((subject.routed(replace(FIRST, accepting=False), SECOND),))
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(False, 1)
    await subject.release(FIRST.instance)
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(False, 0)


async def test_a_draining_endpoint_keeps_its_request_through_a_new_service(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    await subject.hold(FIRST.instance)
    draining = subject.routed(replace(FIRST, accepting=False), SECOND)
    await subject.router.apply((draining, subject.routed(service=PAY)))
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(False, 1)
    await subject.release(FIRST.instance)
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(False, 0)


async def test_a_drain_that_is_taken_back_accepts_again(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    await subject.router.apply((subject.routed(replace(FIRST, accepting=False)),))
    await subject.router.apply((subject.routed(FIRST),))
    await subject.send(FEED, 1)
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(True, 0)


async def test_an_endpoint_that_was_never_accepting_serves_once_it_is(subject: Subject) -> None:
    await subject.router.apply((subject.routed(replace(FIRST, accepting=False)),))
    assert await subject.endpoint(FIRST.instance) == EndpointLoad(False, 0)
    await subject.router.apply((subject.routed(FIRST),))
    await subject.send(FEED, 1)
    assert (await subject.load()).requests == 1


async def test_the_same_table_twice_changes_nothing(subject: Subject) -> None:
    table = (subject.routed(FIRST, replace(SECOND, accepting=False)),)
    await subject.router.apply(table)
    before = await subject.router.view()
    await subject.router.apply(table)
    after = await subject.router.view()
    assert replace(after, at=before.at) == before


async def test_requests_are_counted_per_service(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST), subject.routed(an_endpoint(2, service="pay/web"), service=PAY)))
    await subject.send(FEED, 3)
    await subject.send(PAY, 2)
    assert (await subject.load(FEED)).requests == 3
    assert (await subject.load(PAY)).requests == 2


async def test_a_request_counts_when_it_arrives_not_when_it_is_answered(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    await subject.hold(FIRST.instance)
    assert (await subject.load()).requests == 1
    await subject.release(FIRST.instance)
    assert (await subject.load()).requests == 1


async def test_a_request_that_nobody_takes_in_time_is_shed(subject: Subject) -> None:
    await subject.router.apply((subject.routed(),))
    await subject.wait_until_shed(FEED)
    load = await subject.load()
    assert (load.requests, load.shed, load.failed) == (1, 1, 0)


async def test_a_service_that_leaves_the_table_is_shown_no_more(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST), subject.routed(service=PAY)))
    await subject.router.apply((subject.routed(FIRST),))
    assert set(dict((await subject.router.view()).services)) == {FEED}


async def test_counters_never_fall_while_services_come_and_go(subject: Subject) -> None:
    counted: list[tuple[str, int]] = []
    for services in ((FEED,), (FEED, PAY), (FEED,)):
        extra = tuple(subject.routed(service=each) for each in services[1:])
        await subject.router.apply((subject.routed(FIRST), *extra))
        await subject.send(FEED, 5)
        view: RouterView = await subject.router.view()
        counted.append((view.generation, dict(view.services)[FEED].requests))
    generation = counted[0][0]
    assert counted == [(generation, 5), (generation, 10), (generation, 15)]


async def test_close_then_start_goes_on_with_routes_and_counters(subject: Subject) -> None:
    await subject.router.apply((subject.routed(FIRST),))
    await subject.send(FEED, 2)
    before = await subject.router.view()
    await subject.router.close()
    await subject.router.start()
    await subject.send(FEED, 1)
    after = await subject.router.view()
    assert after.generation == before.generation
    assert dict(after.services)[FEED].requests == 3
    assert after.endpoints == before.endpoints


async def test_a_taken_port_is_named_and_the_other_routes_work(subject: Subject) -> None:
    taken = a_free_port()
    subject.take_port(taken)
    refused = RoutedService(PAY, (Route(subject.target_port, listen_port=taken),), ())
    with pytest.raises(PortTakenError, match=str(taken)):
        await subject.router.apply((refused, subject.routed(FIRST)))
    await subject.send(FEED, 1)
    assert (await subject.load()).requests == 1


async def test_starting_twice_and_stopping_twice_succeed(subject: Subject) -> None:
    await subject.router.start()
    await subject.router.apply((subject.routed(FIRST),))
    assert an_instance(1) in dict((await subject.router.view()).endpoints)
    for _ in range(2):
        await subject.router.stop()
