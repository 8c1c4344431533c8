"""HAProxy as the router, with real processes, sockets and traffic."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from springtide.load import LoadPlan, LoadReport, RatePhase, run_load
from springtide.model.errors import PortTakenError, RefusedError
from springtide.model.identifiers import ServiceId
from springtide.model.observations import RouterView
from springtide.model.workloads import Route
from springtide.routers.base import Endpoint, RoutedService
from springtide.routers.haproxy import HaproxyRouter
from tests.real_router import (
    RoutedStage,
    a_free_port,
    a_haproxy_stage,
    an_endpoint,
    distribution_haproxy,
    eventually,
)


@pytest.fixture(params=["wheel", "distribution"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RoutedStage]:
    binary = distribution_haproxy() if request.param == "distribution" else None
    async with a_haproxy_stage(tmp_path / "router", binary) as made:
        yield made


def haproxy_pid(stage: RoutedStage) -> int:
    return int((stage.directory / "haproxy.pid").read_text())


def requests_of(view: RouterView) -> int:
    return dict(view.services)[ServiceId("feed/web")].requests


def steady(stage: RoutedStage, rps: float, seconds: float) -> LoadPlan:
    return LoadPlan(f"http://feed.localhost:{stage.port}/", (RatePhase("steady", seconds, rps, rps),))


async def until_drained(stage: RoutedStage, ordinal: int) -> None:
    async def is_drained() -> bool:
        return dict((await stage.router.view()).endpoints)[an_endpoint(ordinal).instance].in_flight == 0

    await eventually(is_drained)


async def until_it_answers(stage: RoutedStage) -> None:
    async def answers() -> bool:
        try:
            return (await stage.send())[0] == 200
        except ConnectionError:
            return False

    await eventually(answers)


async def until_queued(stage: RoutedStage, requests: int) -> None:
    async def are_queued() -> bool:
        return (await stage.router.view()).services[0][1].queued == requests

    await eventually(are_queued)


async def replace_instance(stage: RoutedStage, old: int, new: int, kept: list[Endpoint], extra: RoutedService) -> None:
    """Start a new instance, drain an old one, stop it when it has finished, and take it out."""
    await stage.run_instance(new, delay_seconds=0.03)
    added = an_endpoint(new)
    await stage.router.apply((stage.routed(*kept, an_endpoint(old), added, max_requests=8), extra))
    draining = replace(an_endpoint(old), accepting=False)
    await stage.router.apply((stage.routed(*kept, draining, added, max_requests=8), extra))
    await until_drained(stage, old)
    await stage.upstreams[old].stop()
    await stage.router.apply((stage.routed(*kept, added, max_requests=8), extra))


async def churn(stage: RoutedStage, changes: int) -> None:
    """Replace every instance in turn; each third change also brings another service: a reload."""
    living = [1, 2, 3, 4]
    for change in range(changes):
        old, *rest = living
        new = 5 + change
        extra = stage.routed(service=f"extra{change // 3}/web")
        await replace_instance(stage, old, new, [an_endpoint(each) for each in rest], extra)
        living = [*rest, new]


async def test_no_request_is_lost_while_instances_and_services_come_and_go(stage: RoutedStage) -> None:
    for ordinal in (1, 2, 3, 4):
        await stage.run_instance(ordinal, delay_seconds=0.03)
    await stage.router.apply((stage.routed(*map(an_endpoint, (1, 2, 3, 4)), max_requests=8),))
    load = asyncio.create_task(run_load(steady(stage, 200, 10)))
    await churn(stage, changes=60)
    report: LoadReport = await load
    assert (report.outcome.failures, report.outcome.shed) == ((), 0)
    assert report.outcome.ok == 2000
    assert dict((await stage.router.view()).services)[ServiceId("feed/web")].failed == 0


async def test_an_idle_connection_from_before_a_reload_reaches_only_endpoints_of_now(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    await stage.run_instance(2)
    await stage.router.apply((stage.routed(an_endpoint(1)),))
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    request = b"GET / HTTP/1.1\r\nHost: feed.localhost\r\n\r\n"
    writer.write(request)
    await reader.readuntil(b"127.0.0.2")
    await stage.router.apply((stage.routed(an_endpoint(2)), stage.routed(service="pay/web")))
    writer.write(request)
    answer = await reader.read()
    assert b"127.0.0.3" in answer
    assert b"connection: close" in answer.lower()
    writer.close()


async def test_killed_haproxy_is_restarted_with_the_same_routes_and_its_counters_go_on(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    await stage.router.apply((stage.routed(an_endpoint(1)),))
    await stage.send()
    before = await stage.router.view()
    os.kill(haproxy_pid(stage), signal.SIGKILL)
    await until_it_answers(stage)
    after = await stage.router.view()
    assert await stage.send() == (200, "127.0.0.2")
    last = await stage.router.view()
    assert before.generation == after.generation == last.generation
    # A worker that is being killed may answer a request that nobody can count any more.
    assert requests_of(before) <= requests_of(after) <= requests_of(before) + 1
    assert requests_of(last) == requests_of(after) + 1


async def test_a_later_control_plane_adopts_what_an_earlier_one_left_running(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    await stage.router.apply((stage.routed(an_endpoint(1)),))
    await stage.send()
    before = await stage.router.view()
    pid = haproxy_pid(stage)
    await stage.router.close()
    assert await stage.send() == (200, "127.0.0.2")
    later = stage.another_router()
    await later.start()
    after = await later.view()
    await later.close()
    assert haproxy_pid(stage) == pid
    assert (after.generation, after.endpoints) == (before.generation, before.endpoints)
    assert dict(after.services)[ServiceId("feed/web")].requests == 2


async def test_a_second_program_on_the_ingress_port_is_refused_by_its_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", a_free_port())) as other:
        port = other.getsockname()[1]
        router = HaproxyRouter(tmp_path / "router", port=port)
        with pytest.raises(PortTakenError, match=f"port {port}.*Stop that program"):
            await router.start()


async def test_an_unknown_host_gets_404_with_a_sentence(stage: RoutedStage) -> None:
    status, body = await stage.send(host="nobody.localhost")
    assert (status, body.partition(".")[0]) == (404, "No service is routed at the host 'nobody")


async def test_a_host_is_found_whatever_its_case_and_port(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    await stage.router.apply((stage.routed(an_endpoint(1)),))
    assert await stage.send(host="FEED.LocalHost:8080") == (200, "127.0.0.2")


async def test_a_host_claimed_twice_stays_with_the_first(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    second = replace(stage.routed(), service=ServiceId("pay/web"))
    with pytest.raises(RefusedError, match=r"pay/web asks for host feed\.localhost, which feed/web already has"):
        await stage.router.apply((stage.routed(an_endpoint(1)), second))
    assert await stage.send() == (200, "127.0.0.2")


async def test_a_port_of_its_own_carries_bytes_as_they_are(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    port = a_free_port()
    route = Route(stage.target_port, listen_port=port)
    await stage.router.apply((RoutedService(ServiceId("feed/web"), (route,), (an_endpoint(1),)),))
    assert await stage.send(port=port, host="any.host") == (200, "127.0.0.2")


async def test_a_full_endpoint_gets_no_more_than_its_limit_and_the_rest_wait(stage: RoutedStage) -> None:
    upstream = await stage.run_instance(1)
    await stage.router.apply((stage.routed(an_endpoint(1), max_requests=2, queue_seconds=5),))
    sent = [asyncio.create_task(stage.send("/hold")) for _ in range(5)]
    await until_queued(stage, 3)
    assert upstream.served == 2
    upstream.released.set()
    assert {status for status, _ in await asyncio.gather(*sent)} == {200}


async def test_a_request_waits_for_the_first_endpoint_of_its_service(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    await stage.router.apply((stage.routed(queue_seconds=5),))
    sent = asyncio.create_task(stage.send())
    await until_queued(stage, 1)
    await stage.router.apply((stage.routed(an_endpoint(1), queue_seconds=5),))
    assert await sent == (200, "127.0.0.2")


async def test_failures_and_shed_requests_are_told_apart(stage: RoutedStage) -> None:
    await stage.run_instance(1)
    await stage.router.apply((stage.routed(an_endpoint(1)),))
    for path in ("/", "/503", "/503", "/500", "/break", "/404"):
        await stage.send(path)
    load = (await stage.router.view()).services[0][1]
    assert (load.requests, load.shed, load.failed) == (6, 2, 2)


async def test_latencies_are_those_of_the_service(stage: RoutedStage) -> None:
    await stage.run_instance(1, delay_seconds=0.1)
    await stage.router.apply((stage.routed(an_endpoint(1)),))
    await stage.send()
    load = (await stage.router.view()).services[0][1]
    assert load.p50_ms is not None
    assert 95 <= load.p50_ms < 300


async def test_a_refused_connection_is_tried_at_another_endpoint(stage: RoutedStage) -> None:
    await stage.run_instance(2)
    await stage.router.apply((stage.routed(an_endpoint(1), an_endpoint(2)),))
    answers = [await stage.send() for _ in range(4)]
    assert answers == [(200, "127.0.0.3")] * 4


async def test_stop_ends_haproxy(stage: RoutedStage) -> None:
    await stage.router.stop()
    with pytest.raises(ConnectionRefusedError):
        await stage.send()
