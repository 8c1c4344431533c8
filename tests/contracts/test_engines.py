"""What every engine promises, run on each adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from aiodocker import Docker

from springtide.engines.base import Capability, Engine, InstanceSpec
from springtide.engines.docker import DockerEngine
from springtide.engines.docker_instances import COMPANION
from springtide.engines.simulated import SimulatedEngine
from springtide.model.builds import Pull
from springtide.model.errors import EngineError, ImageMissingError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.networks import NetworkDefinition
from springtide.model.observations import ContainerState, EngineInstance
from springtide.model.workloads import ExecProbe, TcpProbe, Template
from tests.builders import START, amount
from tests.real_engine import BUSYBOX, a_docker_engine

APP = AppName("tide")
DEFAULT = NetworkDefinition("default")
MISSING_IMAGE = "sha256:" + "0" * 64
WEB = InstanceId("tide-web-1")
SPEAKS_THEN_WAITS = ("sh", "-c", "echo first; echo second; exec sleep 600")


@dataclass(frozen=True)
class Subject:
    """An engine, and what can be done to its instances behind its back."""

    engine: Engine
    image: str
    kill: Callable[[InstanceId], Awaitable[None]]
    """Kill its processes; of a pod those of its first container."""
    speak: Callable[[InstanceId], None]
    """Make the instance have written ``first`` and ``second``, where its command can't; each companion its name."""


@pytest.fixture(
    params=[pytest.param("simulated", marks=pytest.mark.looptime), pytest.param("docker", marks=pytest.mark.engine)]
)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "simulated":
        yield a_simulated_subject()
        return
    async with a_docker_engine(APP, "other") as engine:
        await engine.ensure_network(APP, DEFAULT)
        async with Docker(url="unix:///var/run/docker.sock") as docker:
            yield a_docker_subject(engine, docker, await engine.resolve_image(BUSYBOX))


def a_docker_subject(engine: DockerEngine, docker: Docker, image: str) -> Subject:
    async def kill(id: InstanceId) -> None:
        label = f'{{"label": ["springtide.instance={id}"]}}'
        found = await docker.containers.list(filters=label)
        (first,) = [each for each in found if COMPANION not in each["Labels"]]
        await first.kill()

    return Subject(engine, image, kill, lambda _: None)


def a_simulated_subject() -> Subject:
    engine = SimulatedEngine(virtual_now)
    machine = engine.machine_state
    machine.networks.add((APP, "default"))
    machine.missing_images.add(MISSING_IMAGE)

    async def kill(id: InstanceId) -> None:
        machine.exit(id, 137)

    def speak(id: InstanceId) -> None:
        machine.write_log(id, "first")
        machine.write_log(id, "second")
        for companion in machine.containers[id].companions:
            machine.write_log(id, companion, companion)

    return Subject(engine, "sha256:1", kill, speak)


def virtual_now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


def a_spec(subject: Subject, id: InstanceId = WEB, **overrides: Any) -> InstanceSpec:
    template = Template(**{"image": subject.image, "command": SPEAKS_THEN_WAITS, "aliases": ("web",), **overrides})
    service = ServiceId("tide/web")
    return InstanceSpec(id, APP, service, RevisionId("tide/web@1"), NodeId("feed-1"), template, amount())


async def until(engine: Engine, id: InstanceId, state: ContainerState) -> EngineInstance:
    """The instance once it is in this state."""
    async with asyncio.timeout(10):
        while True:
            instance = await engine.get(id)
            if instance is not None and instance.state is state:
                return instance
            await asyncio.sleep(0.05)


async def test_a_created_instance_runs_and_is_listed_as_it_was_asked_for(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    (seen,) = await subject.engine.list()
    assert (seen.id, seen.service, seen.revision, seen.node) == (WEB, "tide/web", "tide/web@1", "feed-1")
    assert seen.state is ContainerState.RUNNING
    assert seen.image == subject.image
    assert seen.address is not None
    assert seen.started_at is not None
    assert seen.exit_code is None


async def test_get_shows_what_list_shows(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    (listed,) = await subject.engine.list()
    assert await subject.engine.get(WEB) == listed


async def test_an_instance_that_does_not_exist_is_none(subject: Subject) -> None:
    assert await subject.engine.get(WEB) is None
    assert await subject.engine.list() == []


async def test_creating_twice_leaves_the_first_as_it_is(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    before = await subject.engine.list()
    await subject.engine.create(a_spec(subject))
    assert await subject.engine.list() == before


async def test_creating_what_has_exited_starts_it_again(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.kill(WEB)
    await until(subject.engine, WEB, ContainerState.EXITED)
    await subject.engine.create(a_spec(subject))
    again = await until(subject.engine, WEB, ContainerState.RUNNING)
    assert again.exit_code is None
    assert again.detail == ""


async def test_many_are_created_at_once(subject: Subject) -> None:
    ids = [InstanceId(f"tide-web-{n}") for n in range(1, 7)]
    await asyncio.gather(*(subject.engine.create(a_spec(subject, id)) for id in ids))
    listed = await subject.engine.list()
    assert {each.id for each in listed} == set(ids)
    assert len({each.address for each in listed}) == len(ids)


async def test_a_deleted_instance_is_gone(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.engine.delete(WEB, 0)
    assert await subject.engine.list() == []


async def test_deleting_what_is_gone_succeeds(subject: Subject) -> None:
    await subject.engine.delete(WEB, 5)
    await subject.engine.create(a_spec(subject))
    await asyncio.gather(subject.engine.delete(WEB, 0), subject.engine.delete(WEB, 0))
    await subject.engine.delete(WEB, 0)
    assert await subject.engine.get(WEB) is None


async def test_a_paused_instance_can_be_deleted(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.engine.pause(WEB)
    await subject.engine.delete(WEB, 1)
    assert await subject.engine.get(WEB) is None


async def test_a_killed_instance_shows_that_it_exited_and_with_which_code(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.kill(WEB)
    seen = await until(subject.engine, WEB, ContainerState.EXITED)
    assert seen.exit_code == 137
    assert seen.detail == "exited with 137"
    assert seen.address is None


async def test_an_unknown_image_is_missing_and_leaves_nothing(subject: Subject) -> None:
    with pytest.raises(ImageMissingError) as refused:
        await subject.engine.create(a_spec(subject, image=MISSING_IMAGE))
    assert refused.value.remedy
    assert await subject.engine.list() == []


async def test_an_unknown_image_can_not_be_resolved(subject: Subject) -> None:
    with pytest.raises(ImageMissingError, match="0000"):
        await subject.engine.resolve_image(MISSING_IMAGE)


async def test_an_image_that_may_not_be_pulled_is_looked_up_on_the_engine_alone(subject: Subject) -> None:
    assert await subject.engine.resolve_image(subject.image, Pull.NEVER) == subject.image
    with pytest.raises(ImageMissingError, match="0000"):
        await subject.engine.resolve_image(MISSING_IMAGE, Pull.NEVER)


async def test_resolving_what_is_resolved_changes_nothing(subject: Subject) -> None:
    assert await subject.engine.resolve_image(subject.image) == subject.image


async def test_a_create_that_fails_leaves_nothing(subject: Subject) -> None:
    with pytest.raises(EngineError, match="not found"):
        await subject.engine.create(a_spec(subject, networks=("nowhere",)))
    assert await subject.engine.list() == []


async def test_a_create_that_failed_succeeds_once_its_cause_is_gone(subject: Subject) -> None:
    spec = a_spec(subject, networks=("default", "back"))
    with pytest.raises(EngineError, match="not found"):
        await subject.engine.create(spec)
    await subject.engine.ensure_network(APP, NetworkDefinition("back"))
    await subject.engine.create(spec)
    assert [each.id for each in await subject.engine.list()] == [WEB]


async def test_making_a_network_twice_changes_nothing(subject: Subject) -> None:
    await subject.engine.ensure_network(APP, DEFAULT)
    await subject.engine.create(a_spec(subject))
    assert len(await subject.engine.list()) == 1


async def test_networks_in_use_are_kept_until_nothing_runs_on_them(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.engine.delete_networks(APP)
    await subject.engine.create(a_spec(subject, InstanceId("tide-web-2")))
    for id in (WEB, InstanceId("tide-web-2")):
        await subject.engine.delete(id, 0)
    await subject.engine.delete_networks(APP)
    with pytest.raises(EngineError, match="not found"):
        await subject.engine.create(a_spec(subject))


async def test_watch_tells_of_every_change_from_the_call_on(subject: Subject) -> None:
    changes = cast("Any", subject.engine.watch())
    await subject.engine.create(a_spec(subject))
    async with aclosing(changes), asyncio.timeout(10):
        assert await anext(changes) == WEB
        assert await anext(changes) == WEB
        await subject.kill(WEB)
        assert await anext(changes) == WEB
        await subject.engine.delete(WEB, 0)
        assert await anext(changes) == WEB


async def test_a_paused_instance_is_paused_until_resumed(subject: Subject) -> None:
    assert Capability.STANDBY in subject.engine.capabilities
    await subject.engine.create(a_spec(subject))
    for _ in range(2):
        await subject.engine.pause(WEB)
        assert (await until(subject.engine, WEB, ContainerState.PAUSED)).address is not None
    for _ in range(2):
        await subject.engine.resume(WEB)
        await until(subject.engine, WEB, ContainerState.RUNNING)


async def test_creating_what_is_paused_leaves_it_paused(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.engine.pause(WEB)
    await subject.engine.create(a_spec(subject))
    assert (await until(subject.engine, WEB, ContainerState.PAUSED)).id == WEB


async def test_pausing_what_does_not_exist_is_an_error(subject: Subject) -> None:
    with pytest.raises(EngineError, match=WEB):
        await subject.engine.pause(WEB)


async def test_a_command_in_an_instance_gives_output_and_exit_code(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    assert (await subject.engine.exec(WEB, ("echo", "hello"), 5)).output == "hello\n"
    assert (await subject.engine.exec(WEB, ("false",), 5)).exit_code == 1


async def test_a_command_that_takes_too_long_exits_with_124(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    assert (await subject.engine.exec(WEB, ("sleep", "30"), 0.3)).exit_code == 124


async def test_logs_end_with_the_last_lines(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    subject.speak(WEB)
    lines = cast("Any", subject.engine.follow_logs(WEB))
    async with aclosing(lines), asyncio.timeout(10):
        assert [await anext(lines), await anext(lines)] == ["first", "second"]
    assert await subject.engine.logs(WEB) == "first\nsecond\n"
    assert await subject.engine.logs(WEB, tail=1) == "second\n"


async def test_followed_logs_end_with_the_instance(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    subject.speak(WEB)
    lines = cast("Any", subject.engine.follow_logs(WEB))
    async with aclosing(lines), asyncio.timeout(10):
        assert [await anext(lines), await anext(lines)] == ["first", "second"]
        await subject.kill(WEB)
        with pytest.raises(StopAsyncIteration):
            await anext(lines)


async def test_logs_of_what_does_not_exist_are_an_error(subject: Subject) -> None:
    with pytest.raises(EngineError, match=WEB):
        await subject.engine.logs(WEB)


async def test_usage_leaves_out_what_does_not_run(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    used = await subject.engine.usage([WEB, InstanceId("tide-web-2")])
    assert set(used) == {WEB}
    assert used[WEB].memory_bytes > 0
    assert used[WEB].pids > 0


async def test_a_probe_of_what_does_not_answer_is_an_outcome(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.kill(WEB)
    seen = await until(subject.engine, WEB, ContainerState.EXITED)
    for probe in (TcpProbe(8000), ExecProbe(("true",))):
        outcome = await subject.engine.probe(seen, probe, 1)
        assert not outcome.passed
        assert outcome.detail


async def test_a_paused_instance_fails_its_probe_within_the_time_out(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    await subject.engine.pause(WEB)
    seen = await until(subject.engine, WEB, ContainerState.PAUSED)
    assert not (await subject.engine.probe(seen, ExecProbe(("true",)), 0.5)).passed


async def test_the_machine_has_processors_and_memory(subject: Subject) -> None:
    machine = await subject.engine.machine()
    assert machine["cpu_millis"] >= 1000
    assert machine["memory_bytes"] > 0


async def test_an_instance_of_another_service_does_not_pass_for_this_one(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    with pytest.raises(EngineError, match="tide/other"):
        await subject.engine.create(replace(a_spec(subject), service=ServiceId("tide/other")))
