"""What tests of controllers rely on: scripted failures, virtual time, containers that outlive the engine."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from springtide.engines.base import InstanceSpec
from springtide.engines.simulated import SimulatedEngine
from springtide.engines.simulated_machine import SimulatedFaults
from springtide.model.errors import EngineError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.observations import ContainerState
from springtide.model.workloads import TcpProbe, Template
from tests.builders import START, amount

pytestmark = pytest.mark.looptime

WEB = InstanceId("feed-web-1")
BROKEN = EngineError("broken")


def virtual_now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


def an_engine(faults: SimulatedFaults | None = None) -> SimulatedEngine:
    engine = SimulatedEngine(virtual_now, start_seconds=2.0, ready_seconds=1.0, faults=faults)
    engine.machine_state.networks.add((AppName("feed"), "default"))
    return engine


def a_spec(id: InstanceId = WEB, node: str = "feed-1") -> InstanceSpec:
    service, revision = ServiceId("feed/web"), RevisionId("1")
    return InstanceSpec(id, AppName("feed"), service, revision, NodeId(node), Template("sha256:1"), amount())


async def is_ready(engine: SimulatedEngine) -> bool:
    instance = await engine.get(WEB)
    assert instance is not None
    return (await engine.probe(instance, TcpProbe(8000), 1)).passed


async def test_starting_and_becoming_ready_take_their_time() -> None:
    engine, since = an_engine(), virtual_now()
    await engine.create(a_spec())
    assert virtual_now() - since == timedelta(seconds=2)
    assert not await is_ready(engine)
    await asyncio.sleep(1)
    assert await is_ready(engine)


async def test_a_revision_that_never_gets_ready_and_an_instance_that_falls_ill() -> None:
    engine = an_engine()
    await engine.create(a_spec())
    await asyncio.sleep(1)
    engine.machine_state.unready.add(WEB)
    assert not await is_ready(engine)
    engine.machine_state.unready.clear()
    engine.machine_state.never_ready.add(RevisionId("1"))
    assert not await is_ready(engine)


async def test_a_scripted_failure_plays_once_and_leaves_nothing() -> None:
    engine = an_engine()
    engine.faults.fail_next("create", BROKEN)
    with pytest.raises(EngineError, match="broken"):
        await engine.create(a_spec())
    assert await engine.list() == []
    await engine.create(a_spec())
    assert len(await engine.list()) == 1


async def test_a_hang_lasts_as_long_as_scripted() -> None:
    engine = an_engine()
    engine.faults.delay_next("list", 3600)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.list(), 60)


async def test_while_unreachable_calls_fail_and_watches_end() -> None:
    engine = an_engine()
    changes = engine.watch()
    engine.lose_connection()
    with pytest.raises(EngineError):
        await anext(changes)
    with pytest.raises(EngineError):
        await engine.list()
    engine.restore_connection()
    assert await engine.list() == []


async def test_a_new_engine_over_the_same_machine_finds_what_runs() -> None:
    engine = an_engine()
    await engine.create(a_spec())
    after_restart = SimulatedEngine(virtual_now, machine=engine.machine_state)
    assert await after_restart.list() == await engine.list()


async def test_a_create_that_is_cut_off_leaves_a_container_that_the_next_create_starts() -> None:
    engine = an_engine()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.create(a_spec()), 1)
    (half_made,) = await engine.list()
    assert half_made.state is ContainerState.CREATED
    await engine.create(a_spec())
    (made,) = await engine.list()
    assert made.state is ContainerState.RUNNING


async def test_a_node_that_vanishes_takes_its_instances_along() -> None:
    engine = an_engine()
    await engine.create(a_spec())
    await engine.create(a_spec(InstanceId("feed-web-2"), node="feed-2"))
    engine.machine_state.vanish_node(NodeId("feed-1"))
    assert [each.id for each in await engine.list()] == ["feed-web-2"]


async def test_every_boundary_can_be_observed_before_and_after_its_effect() -> None:
    seen: list[tuple[str, str, str]] = []
    engine = an_engine(SimulatedFaults(lambda *boundary: seen.append(boundary)))
    await engine.create(a_spec())
    await engine.delete(WEB, 0)
    assert [each for each in seen if each[2] == WEB] == [
        ("before", "create", WEB),
        ("after", "create", WEB),
        ("before", "delete", WEB),
        ("after", "delete", WEB),
    ]


async def test_cpu_is_counted_at_the_rate_that_applied() -> None:
    engine = an_engine()
    await engine.create(a_spec())
    engine.machine_state.use_cpu(WEB, 500)
    await asyncio.sleep(2)
    engine.machine_state.use_cpu(WEB, 100)
    await asyncio.sleep(1)
    assert (await engine.usage([WEB]))[WEB].cpu_nanoseconds == 1_100_000_000
