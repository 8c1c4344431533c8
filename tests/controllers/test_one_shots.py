"""Services that run to their end, in virtual time: each revision completes once, whoever dies in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from springtide.engines.base import InstanceSpec
from springtide.model.errors import EngineError
from springtide.model.identifiers import InstanceId, RevisionId, ServiceId
from springtide.model.record import Kind
from springtide.model.runs import Run
from springtide.model.workloads import Dependency, RestartCondition, RestartPolicy
from tests.builders import a_service, a_template
from tests.controllers.stage import ROUTES, MortalEngine, Stage

pytestmark = pytest.mark.looptime

JOB = ServiceId("redpacket/migrate")
WEB = a_service("feed/web", 2, routes=ROUTES, depends_on=(Dependency(JOB, completed=True),))
ONCE = RestartPolicy(RestartCondition.NEVER)


async def deploy_job(stage: Stage, number: int = 1, policy: RestartPolicy = ONCE) -> None:
    service = replace(a_service(JOB), revision=RevisionId(f"{JOB}@{number}"))
    await stage.deploy(service, template=a_template(restart=policy))


async def run_of(stage: Stage) -> Run | None:
    return (await stage.record()).runs.get(JOB)


async def has_completed(stage: Stage, number: int = 1) -> bool:
    run = await run_of(stage)
    return run is not None and (run.revision, run.completed) == (f"{JOB}@{number}", 1)


async def job_runs(stage: Stage) -> bool:
    return bool(await stage.running(JOB))


async def is_forgotten(stage: Stage) -> bool:
    record = await stage.record()
    return not (stage.machine.networks or record.runs or record.ordinals or record.apps)


async def starts(stage: Stage) -> int:
    """How many instances of the job have been placed by now: numbers are never used twice."""
    return (await stage.record()).ordinals[JOB] - 1


async def test_who_waits_for_a_job_starts_when_it_has_completed() -> None:
    async with Stage(services=[WEB]) as stage:
        await deploy_job(stage)
        await stage.until(lambda: job_runs(stage))
        await asyncio.sleep(5)
        assert await stage.running(WEB.id) == []
        stage.machine.exit(InstanceId("redpacket-migrate-1"), 0)
        await stage.reaches(feed=2, seconds=2)


async def crossings_of_an_end() -> int:
    """How many boundaries are crossed from the end of the job until its app is there."""
    async with Stage(services=[WEB]) as stage:
        await deploy_job(stage)
        await stage.until(lambda: job_runs(stage))
        before = stage.boundaries.count
        stage.machine.exit(InstanceId("redpacket-migrate-1"), 0)
        await stage.reaches(feed=2)
        return stage.boundaries.count - before


async def test_killed_at_every_boundary_after_the_end_a_job_has_run_exactly_once() -> None:
    count = await crossings_of_an_end()
    assert count >= 6
    for crossing in range(1, count + 1):
        async with Stage(services=[WEB]) as stage:
            await deploy_job(stage)
            await stage.until(partial(job_runs, stage))
            await stage.die_at(crossing)
            stage.machine.exit(InstanceId("redpacket-migrate-1"), 0)
            await stage.boundaries.died.wait()
            await stage.replace_dead()
            await stage.reaches(feed=2)
            await asyncio.sleep(20)
            assert (await has_completed(stage), await starts(stage)) == (True, 1), f"killed at {crossing}"


async def test_each_revision_runs_once_even_where_its_container_was_removed() -> None:
    async with Stage() as stage:
        for number in (1, 2):
            await deploy_job(stage, number)
            await stage.until(lambda: job_runs(stage))
            id = InstanceId(f"redpacket-migrate-{number}")
            stage.machine.exit(id, 0)
            await stage.until(partial(has_completed, stage, number))
            stage.machine.remove(id)
            await asyncio.sleep(20)
            assert await starts(stage) == number


async def test_a_job_that_ends_before_its_start_is_confirmed_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call that is made again, since its answer was lost, finds the ended container and leaves it."""
    made: list[str] = []
    create = MortalEngine.create

    async def create_and_lose_the_answer(engine: MortalEngine, spec: InstanceSpec) -> None:
        await create(engine, spec)
        made.append(spec.id)
        engine.machine_state.exit(spec.id, 0)
        raise EngineError("The answer was lost.")

    monkeypatch.setattr(MortalEngine, "create", create_and_lose_the_answer)
    async with Stage() as stage:
        await deploy_job(stage)
        await stage.until(lambda: has_completed(stage))
        assert (made, await starts(stage)) == (["redpacket-migrate-1"], 1)


async def test_what_it_wrote_can_be_read_until_its_app_is_removed() -> None:
    async with Stage() as stage:
        await deploy_job(stage)
        await stage.until(lambda: job_runs(stage))
        id = InstanceId("redpacket-migrate-1")
        stage.machine.write_log(id, "migrated")
        stage.machine.exit(id, 0)
        await stage.until(lambda: has_completed(stage))
        await asyncio.sleep(20)
        assert "migrated" in await stage.engine.logs(id)
        await stage.remove("redpacket")
        await stage.until(stage.is_tidy)
        await stage.until(lambda: is_forgotten(stage))


async def test_tries_outlive_the_control_plane() -> None:
    async with Stage() as stage:
        await deploy_job(stage, policy=RestartPolicy(RestartCondition.ON_FAILURE, max_attempts=2, delay_seconds=5))
        for number in (1, 2, 3):
            await stage.until(lambda: job_runs(stage))
            stage.machine.exit(InstanceId(f"redpacket-migrate-{number}"), 7)
            await stage.end()
            await stage.begin()
        await asyncio.sleep(30)
        run = await run_of(stage)
        assert run is not None
        assert run.last_failure is not None
        assert (run.failures, run.last_failure.exit_code, await starts(stage)) == (3, 7, 3)
        assert [each for each in await stage.event_codes() if each == "failed"] == ["failed"]
        assert not await stage.store.list(Kind.PLACEMENT)
