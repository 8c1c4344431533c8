"""The loops in virtual time: what goes wrong around them, and what they make of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from springtide.clouds.base import RentRequest
from springtide.clouds.faults import Faults
from springtide.model.errors import EngineError, FenceLostError
from springtide.model.identifiers import InstanceId, RevisionId, ServiceId
from springtide.model.observations import ContainerState
from springtide.model.record import Change, Kind
from springtide.model.workloads import ScalePolicy, Service, StandbyPolicy
from tests.builders import a_fleet, a_service
from tests.controllers.stage import ROUTES, Stage

pytestmark = pytest.mark.looptime


def web(app: str = "feed", count: int = 2, **overrides: Any) -> Service:
    """A routed service of the team that the app is named after, fixed at a count."""
    return a_service(f"{app}/web", count, routes=ROUTES, **overrides)


async def test_a_deployed_service_runs_and_is_routed() -> None:
    async with Stage(services=[web(count=3)]) as stage:
        await stage.reaches(feed=3)
        await stage.until(lambda: _accepting(stage) == 3)


async def test_a_burst_goes_through_all_rungs_and_everything_comes_back() -> None:
    async with Stage(services=[web("feed", 3), web("redpacket", 3)]) as stage:
        await stage.reaches(feed=3, redpacket=3)
        await stage.scale("redpacket/web", 15)
        await stage.reaches(redpacket=15)
        assert len(await stage.machines()) == 2
        await stage.scale("redpacket/web", 3)
        await stage.reaches(redpacket=3)
        await stage.until(stage.is_tidy)
        await stage.until(lambda: _has_no_machines(stage))


async def test_an_owner_gets_its_own_back_within_notice_and_grace() -> None:
    async with Stage(services=[web("feed", 3), web("redpacket", 12)]) as stage:
        await stage.reaches(feed=3, redpacket=12)
        await stage.scale("feed/web", 8)
        seconds = await stage.reaches(feed=8, seconds=20)
        assert seconds <= stage.fleet.reclaim.notice_seconds + stage.fleet.reclaim.grace_seconds + 1
        await stage.reaches(redpacket=12)


async def test_no_endpoint_is_cut_off_while_requests_are_in_flight() -> None:
    async with Stage(services=[web("feed", 4)]) as stage:
        await stage.reaches(feed=4)
        await stage.until(lambda: _accepting(stage) == 4)
        stage.router.offer(ServiceId("feed/web"), 100)
        await asyncio.sleep(2)
        await stage.scale("feed/web", 1)
        await stage.reaches(feed=1)
        await stage.until(stage.is_tidy)
        assert stage.router.cut_off == 0


async def test_a_killed_instance_is_replaced() -> None:
    async with Stage(services=[web(count=2)]) as stage:
        await stage.reaches(feed=2)
        stage.machine.exit(InstanceId("feed-web-1"))
        await stage.until(lambda: "feed-web-1" not in stage.machine.containers)
        await stage.reaches(feed=2)
        assert "exited" in await stage.event_codes()


async def test_what_a_failed_instance_wrote_last_is_kept_and_what_a_drained_one_wrote_is_not() -> None:
    async with Stage(services=[web(count=2)]) as stage:
        await stage.reaches(feed=2)
        for id in ("feed-web-1", "feed-web-2"):
            stage.machine.write_log(InstanceId(id), f"{id} says farewell")
        await stage.scale("feed/web", 1)
        await stage.reaches(feed=1)
        await stage.until(lambda: len(stage.machine.containers) == 1)
        assert stage.plane is not None
        assert stage.plane.chronicle.last_words == {}
        (left,) = stage.machine.containers
        stage.machine.exit(left)
        await stage.until(lambda: left not in stage.machine.containers)
        words = stage.plane.chronicle.last_words[ServiceId("feed/web")]
        assert (words.instance, words.lines) == (left, (f"{left} says farewell",))


async def test_a_removed_container_is_made_again() -> None:
    async with Stage(services=[web(count=2)]) as stage:
        await stage.reaches(feed=2)
        stage.machine.remove(InstanceId("feed-web-2"))
        await stage.reaches(feed=2)
        await stage.until(stage.is_tidy)


async def test_engine_errors_are_tried_again_until_the_count_is_right() -> None:
    async with Stage(services=[web(count=4)]) as stage:
        stage.faults.fail_next("create", EngineError("The engine is busy."), times=6)
        await stage.reaches(feed=4)
        await stage.until(stage.is_tidy)


async def test_an_engine_that_goes_and_comes_back_finds_everything_as_it_was() -> None:
    async with Stage(services=[web(count=3)]) as stage:
        await stage.reaches(feed=3)
        stage.engine.lose_connection()
        await stage.scale("feed/web", 5)
        await asyncio.sleep(10)
        assert len(stage.machine.containers) == 3
        stage.engine.restore_connection()
        await stage.reaches(feed=5)
        await stage.until(stage.is_tidy)


async def test_slow_starts_hold_nothing_else_up() -> None:
    async with Stage(services=[web("feed", 1), web("redpacket", 1)]) as stage:
        await stage.reaches(feed=1, redpacket=1)
        stage.faults.delay_next("create", 30)
        await stage.scale("feed/web", 2)
        await asyncio.sleep(1)
        await stage.scale("redpacket/web", 3)
        assert await stage.reaches(redpacket=3) < 5
        await stage.reaches(feed=2)


async def test_wants_that_change_under_a_plan_are_planned_again() -> None:
    async with Stage(services=[web(count=1)]) as stage:
        for count in (5, 2, 6, 3, 4):
            await stage.scale("feed/web", count)
            await asyncio.sleep(0.03)
        await stage.reaches(feed=4)
        await stage.until(stage.is_tidy)


async def test_a_node_that_vanishes_is_replaced() -> None:
    async with Stage(services=[web("redpacket", 13)]) as stage:
        await stage.reaches(redpacket=13)
        (token,) = await stage.machines()
        await stage.cloud.lose(token)
        await stage.until(lambda: "burst-1" not in _nodes(stage))
        await stage.reaches(redpacket=13)
        await stage.until(stage.is_tidy)
        assert "node-vanished" in await stage.event_codes()


async def test_a_cloud_out_of_stock_leaves_the_rest_serving_and_is_asked_again() -> None:
    async with Stage(services=[web("redpacket", 3)]) as stage:
        await stage.reaches(redpacket=3)
        await stage.cloud.play(Faults(out_of_stock=True))
        await stage.scale("redpacket/web", 14)
        await stage.reaches(redpacket=12)
        await stage.until(lambda: _has_event(stage, "out-of-stock"))
        await stage.cloud.play(None)
        await stage.reaches(redpacket=14)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(fail_halfway_every=1),
        Faults(refuse_rent_every=2),
        Faults(answer_seconds=6),
        Faults(accept_seconds=3),
        Faults(deliver_again_seconds=2),
        Faults(refuse_return_every=2),
    ],
    ids=["fails halfway", "half of the requests fail", "answers late", "accepts late", "delivers twice", "keeps"],
)
async def test_however_a_cloud_misbehaves_nothing_is_doubled_or_orphaned(faults: Faults) -> None:
    async with Stage(services=[web("redpacket", 3)]) as stage:
        await stage.reaches(redpacket=3)
        await stage.cloud.play(faults)
        await stage.scale("redpacket/web", 16)
        await stage.reaches(redpacket=16, seconds=120)
        assert len(await stage.machines()) == 2
        await stage.scale("redpacket/web", 3)
        await stage.reaches(redpacket=3)
        await stage.until(lambda: _has_no_machines(stage))
        await asyncio.sleep(10)
        await stage.until(stage.is_tidy)


async def test_an_orphaned_machine_is_swept() -> None:
    async with Stage(services=[web(count=1)]) as stage:
        await stage.cloud.rent(RentRequest("forgotten", stage.fleet.pools[2].name, "small"))
        await stage.until(lambda: _has_no_machines(stage))


async def test_an_app_that_never_gets_healthy_backs_off_and_says_why() -> None:
    async with Stage(services=[]) as stage:
        stage.machine.never_ready.add(RevisionId("feed/web@1"))
        await stage.deploy(web(count=1))
        await asyncio.sleep(600)
        codes = await stage.event_codes()
        assert 2 <= codes.count("never-ready") <= 6
        assert stage.plane is not None
        explanation = stage.plane.chronicle.explanations[ServiceId("feed/web")]
        assert explanation.ready == 0


async def test_an_unhealthy_instance_is_taken_out_and_replaced() -> None:
    async with Stage(services=[web(count=2)]) as stage:
        await stage.reaches(feed=2)
        stage.machine.unready.add(InstanceId("feed-web-1"))
        await stage.until(lambda: "feed-web-1" not in stage.machine.containers, seconds=200)
        await stage.reaches(feed=2)


async def test_a_removed_app_leaves_nothing() -> None:
    async with Stage(services=[web("feed", 2), web("redpacket", 2)]) as stage:
        await stage.reaches(feed=2, redpacket=2)
        await stage.remove("feed")
        await stage.until(lambda: {str(app) for app, _ in stage.machine.networks} == {"redpacket"})
        await stage.until(lambda: _has_no_app(stage, "feed"))
        await stage.until(stage.is_tidy)
        await stage.reaches(redpacket=2)


async def test_a_new_revision_replaces_the_old_one_without_falling_below_the_count() -> None:
    async with Stage(services=[web(count=4)]) as stage:
        await stage.reaches(feed=4)
        await stage.until(lambda: _accepting(stage) == 4)
        await stage.deploy(replace(web(count=4), revision=RevisionId("feed/web@2")))
        lowest = 4

        async def replaced() -> bool:
            nonlocal lowest
            lowest = min(lowest, _accepting(stage))
            placements = (await stage.record()).placements.values()
            return all(each.revision == "feed/web@2" for each in placements) and len(placements) == 4

        await stage.until(replaced)
        assert lowest == 4


async def test_a_fall_waits_for_a_full_window_after_a_restart() -> None:
    scale = ScalePolicy(1, 20, requests_per_second=20)
    async with Stage(a_fleet(), [a_service("feed/web", routes=ROUTES, scale=scale)]) as stage:
        stage.router.offer(ServiceId("feed/web"), 100)
        await stage.reaches(feed=5)
        await stage.end()
        stage.router.offer(ServiceId("feed/web"), 20)
        await stage.begin()
        await asyncio.sleep(stage.fleet.scaling.down_seconds - 0.5)
        assert len(await stage.running("feed/web")) == 5
        await stage.reaches(feed=1)


async def test_a_newer_control_plane_takes_over_and_the_older_one_stops() -> None:
    async with Stage(services=[web(count=2)]) as stage:
        await stage.reaches(feed=2)
        await stage.store.acquire_fence()
        await stage.scale("feed/web", 3)
        running = stage._running
        assert running is not None
        await asyncio.wait({running}, timeout=30)
        error = running.exception()
        stage._running = None
        assert isinstance(error, BaseExceptionGroup)
        assert error.subgroup(FenceLostError) is not None


def _accepting(stage: Stage) -> int:
    """Endpoints of feed that get new requests."""
    endpoints = [each for routed in stage.router.table if routed.service == "feed/web" for each in routed.endpoints]
    return sum(1 for endpoint in endpoints if endpoint.accepting)


def _nodes(stage: Stage) -> set[str]:
    return {str(container.spec.node) for container in stage.machine.containers.values()}


async def _has_no_machines(stage: Stage) -> bool:
    return not await stage.machines()


async def _has_no_app(stage: Stage, app: str) -> bool:
    return app not in (await stage.record()).apps


async def _has_event(stage: Stage, code: str) -> bool:
    return code in await stage.event_codes()


async def test_who_stands_by_is_resumed_probed_and_routed_before_anything_is_started() -> None:
    async with Stage(services=[_standing_by(web(count=1))]) as stage:
        await stage.until(lambda: _paused(stage) == 3)
        made = len(stage.machine.containers)
        await _want(stage, 3, 8)
        assert await stage.reaches(feed=3) < 1
        assert len(stage.machine.containers) == made
        await stage.until(lambda: _paused(stage) == 3)
        await stage.until(lambda: _accepting(stage) == 3)


async def test_who_waits_for_the_next_plan_is_told_of_it_and_waits_no_longer_than_asked() -> None:
    async with Stage(services=[web()]) as stage:
        await stage.reaches(feed=2)
        assert stage.plane is not None
        chronicle, loop = stage.plane.chronicle, asyncio.get_running_loop()
        seen, begun = chronicle.explanations, loop.time()
        await chronicle.next_note(60)
        assert loop.time() - begun < 2
        assert chronicle.explanations is not seen
        await stage.end()
        begun = loop.time()
        await chronicle.next_note(5)
        assert loop.time() - begun == pytest.approx(5)


@pytest.mark.parametrize("around", ["pause", "resume"])
async def test_a_control_plane_that_dies_around_a_pause_or_a_resume_leaves_nothing_doubled_or_orphaned(
    around: str,
) -> None:
    crossed: set[str] = set()
    for crossing in range(1, 40):
        async with Stage(services=[_standing_by(web(count=1))]) as stage:
            if around == "resume":
                await stage.until(partial(_all_paused, stage))
            await stage.die_at(crossing)
            await _want(stage, 3 if around == "resume" else 1, 8)
            await asyncio.sleep(8)
            crossed.update(stage.boundaries.names[-1:])
            await stage.replace_dead()
            await _want(stage, 3, 8)
            await stage.reaches(feed=3)
            await stage.until(partial(_all_paused, stage))
            record = await stage.record()
            assert {*stage.machine.containers} == {*record.placements, *record.standby}
    assert any(name.startswith(f"before {around}") for name in crossed)
    assert any(name.startswith(f"after {around}") for name in crossed)


def _standing_by(service: Service) -> Service:
    return replace(service, scale=ScalePolicy(1, 8, standby=StandbyPolicy(3)))


async def _want(stage: Stage, minimum: int, maximum: int) -> None:
    before = (await stage.record()).services[ServiceId("feed/web")]
    scale = replace(before.scale, minimum=minimum, maximum=maximum)
    await stage.store.commit([Change(Kind.SERVICE, before.id, replace(before, scale=scale))])


def _all_paused(stage: Stage) -> bool:
    return _paused(stage) == 3


def _paused(stage: Stage) -> int:
    return sum(each.state is ContainerState.PAUSED for each in stage.machine.containers.values())
