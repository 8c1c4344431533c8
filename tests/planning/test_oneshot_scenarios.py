"""Stories of services that run to their end: what completes, what is tried again, who waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from springtide.model.identifiers import RevisionId, ServiceId
from springtide.model.placements import Eviction, PlacementState
from springtide.model.record import Change, Kind
from springtide.model.runs import KEPT_COMPLETIONS, Run
from springtide.model.workloads import Dependency, RestartCondition, RestartPolicy, Service
from springtide.planning.convergence import ClearApp, DeleteInstance
from tests.builders import HOME_LADDER, a_fleet, a_pool, a_service, a_template, amount, nodes
from tests.planning.world import World

JOB, WEB = "feed/migrate", "feed/web"
ONCE = RestartPolicy(RestartCondition.NEVER)
AFTER_JOB = (Dependency(ServiceId(JOB), completed=True),)


def on_failure(attempts: int = 0, delay: float = 0.0, window: float = 0.0) -> RestartPolicy:
    return RestartPolicy(RestartCondition.ON_FAILURE, attempts, delay, window)


def a_world(*others: Service, policy: RestartPolicy = ONCE, count: int = 1, **fleet: Any) -> World:
    """A job of so many instances, with other services."""
    world = World(a_fleet(**fleet), others)
    world.deploy(a_service(JOB, count), template=a_template(restart=policy))
    world.run(1)
    return world


def redeploy(world: World, number: int = 2, policy: RestartPolicy = ONCE) -> None:
    service = replace(world.record.services[ServiceId(JOB)], revision=RevisionId(f"{JOB}@{number}"))
    world.deploy(service, template=a_template(restart=policy))


def run_of(world: World) -> Run:
    return world.record.runs[ServiceId(JOB)]


def started(world: World, service: str = JOB) -> set[str]:
    """Every instance that was ever placed of a service."""
    changes = [change for made in world.history for change in made.changes if change.kind is Kind.PLACEMENT]
    return {change.value.instance for change in changes if change.value and change.value.service == service}


def deleted(world: World) -> set[str]:
    return {each.instance for made in world.history for each in made.actions if isinstance(each, DeleteInstance)}


def test_an_instance_that_ended_with_0_holds_nothing_more_and_is_not_replaced() -> None:
    world = a_world()
    assert world.record.leases
    world.kill("feed-migrate-1", exit_code=0)
    world.run(5)
    assert not world.record.placements
    assert not world.record.leases
    assert started(world) == {"feed-migrate-1"}
    assert [(each.instance, each.exit_code) for each in run_of(world).completions] == [("feed-migrate-1", 0)]
    assert (world.why(JOB).wanted, world.why(JOB).demand.code) == (0, "completed")
    assert world.event_codes().count("completed") == 1


def test_what_completed_frees_its_room_in_the_same_plan() -> None:
    """A node that is full with the job takes the next service as soon as it has ended."""
    small: dict[str, Any] = {"pools": (a_pool("feed", "feed"),), "nodes": nodes("feed", 1, amount(50, 64))}
    world = a_world(a_service(WEB, 1, ladder=HOME_LADDER, depends_on=AFTER_JOB), **small)
    world.kill("feed-migrate-1", exit_code=0)
    world.tick()
    assert len(world.running(WEB)) == 1


def test_its_container_stays_for_its_log_until_the_next_revision() -> None:
    world = a_world()
    world.kill("feed-migrate-1", exit_code=0)
    world.run(30, step=5)
    assert not deleted(world)
    redeploy(world)
    world.run(1)
    assert deleted(world) == {"feed-migrate-1"}
    assert started(world) == {"feed-migrate-1", "feed-migrate-2"}


def test_removing_the_app_removes_what_has_ended_and_only_then_its_networks() -> None:
    world = a_world()
    world.kill("feed-migrate-1", exit_code=0)
    world.run(1)
    world.remove(JOB)
    begun = len(world.history)
    world.run(5)
    assert not world.containers
    assert not world.record.runs
    assert "feed" not in world.record.apps
    kinds = [type(action) for made in world.history[begun:] for action in made.actions]
    assert kinds.index(DeleteInstance) < kinds.index(ClearApp)


def test_an_app_that_comes_back_at_once_does_not_mistake_what_has_ended_for_its_own() -> None:
    world = a_world()
    world.kill("feed-migrate-1", exit_code=0)
    world.run(1)
    world.remove(JOB)
    world.commit(world.plan())
    world.deploy(a_service(JOB), template=a_template(restart=ONCE))
    world.run(2)
    assert [each.instance for each in world.running(JOB)] == ["feed-migrate-2"]
    assert JOB not in world.record.runs


@pytest.mark.parametrize("lost", [False, True], ids=["its container is there", "its container was removed"])
def test_what_completed_does_not_run_again_after_a_restart(lost: bool) -> None:
    world = a_world()
    world.kill("feed-migrate-1", exit_code=0)
    world.run(1)
    if lost:
        world.containers.clear()
    world.restart()
    world.run(60, step=5)
    assert started(world) == {"feed-migrate-1"}


def test_an_end_that_nobody_has_committed_yet_counts_once_after_a_restart() -> None:
    world = a_world()
    world.kill("feed-migrate-1", exit_code=0)
    world.plan()
    world.restart()
    world.run(5)
    assert run_of(world).completed == 1
    assert started(world) == {"feed-migrate-1"}


def test_all_instances_of_a_parallel_job_must_complete_each_once() -> None:
    world = a_world(count=3)
    world.kill("feed-migrate-2", exit_code=0)
    world.run(2)
    assert (run_of(world).completed, len(world.running(JOB)), world.why(JOB).demand.code) == (1, 2, "runs-to-its-end")
    for id in ("feed-migrate-1", "feed-migrate-3"):
        world.kill(id, exit_code=0)
    world.run(2)
    assert (run_of(world).completed, len(started(world))) == (3, 3)
    world.scale(JOB, 4)
    world.run(2)
    assert len(started(world)) == 4


def test_of_many_completed_ones_the_last_are_kept_with_their_logs() -> None:
    count = KEPT_COMPLETIONS + 3
    world = a_world(count=count, pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 10))
    for ordinal in range(1, count + 1):
        world.kill(f"feed-migrate-{ordinal}", exit_code=0)
        world.tick()
    world.run(1)
    assert run_of(world).completed == count
    assert [each.instance for each in run_of(world).completions] == sorted(
        world.containers, key=lambda id: int(id[13:])
    )
    assert len(world.containers) == KEPT_COMPLETIONS


def test_a_failure_that_is_not_to_be_tried_again_is_final_and_says_its_exit_code() -> None:
    world = a_world()
    world.kill("feed-migrate-1", exit_code=3)
    world.run(60, step=5)
    assert started(world) == {"feed-migrate-1"}
    assert not world.record.placements
    why = world.why(JOB)
    assert (why.wanted, why.missing, why.demand.code) == (0, 0, "failed")
    assert "feed-migrate-1 ended with exit code 3" in why.demand.sentence
    assert world.event_codes().count("failed") == 1
    assert set(world.containers) == {"feed-migrate-1"}


def fail_each(world: World, seconds: float = 300, exit_code: int = 1) -> int:
    """Let every instance of the job fail as soon as it runs; how many there were."""
    for _ in range(round(seconds / 0.5)):
        for placement in world.running(JOB):
            world.kill(placement.instance, exit_code)
        world.tick()
    return len(started(world))


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_a_failure_is_tried_again_as_often_as_the_policy_says(attempts: int) -> None:
    world = a_world(policy=on_failure(attempts))
    assert fail_each(world) == attempts + 1
    assert world.why(JOB).demand.code == "failed"
    assert run_of(world).failures == attempts + 1
    assert len(world.containers) == 1


def test_tries_are_counted_over_restarts_of_the_control_plane() -> None:
    world = a_world(policy=on_failure(3))
    for _ in range(40):
        for placement in world.running(JOB):
            world.kill(placement.instance, 1)
        world.commit(world.plan())
        world.restart()
        world.tick(5)
    assert len(started(world)) == 4


def test_one_that_succeeds_at_last_completes() -> None:
    world = a_world(policy=on_failure(2))
    world.kill("feed-migrate-1", 1)
    world.run(5)
    world.kill("feed-migrate-2", 0)
    world.run(5)
    assert (run_of(world).completed, world.why(JOB).demand.code) == (1, "completed")
    assert len(started(world)) == 2


def test_the_next_try_waits_for_the_delay_that_the_policy_says() -> None:
    world = a_world(policy=on_failure(delay=20))
    world.kill("feed-migrate-1", 1)
    world.run(15)
    assert not world.running(JOB)
    assert world.why(JOB).refusals[0].code == "backing-off"
    world.restart()
    world.run(2)
    assert not world.running(JOB)
    world.run(5)
    assert len(world.running(JOB)) == 1


def test_without_a_delay_and_a_limit_it_is_tried_for_ever_ever_more_slowly() -> None:
    world = a_world(policy=on_failure())
    first = fail_each(world, 60)
    assert 4 < first < 20
    assert fail_each(world, 600) > first
    assert world.why(JOB).demand.code == "runs-to-its-end"


def test_one_that_ran_for_the_window_starts_the_count_anew() -> None:
    world = a_world(policy=on_failure(1, window=30))
    for ordinal in range(1, 5):
        world.run(40)
        world.kill(f"feed-migrate-{ordinal}", 1)
        world.tick()
        assert run_of(world).failures == 1
    world.run(5)
    world.kill("feed-migrate-5", 1)
    world.tick()
    assert (run_of(world).failures, world.why(JOB).demand.code) == (2, "failed")


def test_each_of_a_parallel_job_may_be_tried_again_as_often() -> None:
    world = a_world(policy=on_failure(2), count=3)
    assert fail_each(world) == 3 + 2 * 3


def test_what_still_runs_when_the_job_has_failed_may_end_but_nothing_new_begins() -> None:
    world = a_world(count=3)
    world.kill("feed-migrate-1", 1)
    world.run(5)
    assert len(world.running(JOB)) == 2
    world.kill("feed-migrate-2", 0)
    world.run(5)
    assert (len(world.running(JOB)), run_of(world).completed, len(started(world))) == (1, 1, 3)


def test_an_instance_that_cannot_be_created_has_failed() -> None:
    world = World(a_fleet())
    world.deploy(a_service(JOB), template=a_template(restart=ONCE))
    world.commit(world.plan())
    world.fail("feed-migrate-1", "image-missing", "There is no such image.")
    world.run(10)
    assert world.why(JOB).demand.code == "failed"
    assert "no such image" in world.why(JOB).demand.sentence
    assert not world.record.placements


def test_who_waits_for_a_job_starts_once_all_of_it_has_completed() -> None:
    world = a_world(a_service(WEB, 2, depends_on=AFTER_JOB), count=2)
    world.kill("feed-migrate-1", 0)
    world.run(5)
    assert not started(world, WEB)
    assert world.why(WEB).refusals[0].sentence == "It waits for feed/migrate to complete."
    world.kill("feed-migrate-2", 0)
    world.run(1)
    assert len(world.ready(WEB)) == 2


def test_who_waits_for_a_job_that_failed_for_good_is_told_so() -> None:
    world = a_world(a_service(WEB, 2, depends_on=AFTER_JOB))
    world.kill("feed-migrate-1", 3)
    world.run(5)
    refusal = world.why(WEB).refusals[0]
    assert refusal.code == "dependency-failed"
    assert "ended with exit code 3" in refusal.sentence
    assert not started(world, WEB)


def test_a_new_revision_waits_for_the_new_revision_of_its_job_while_the_old_one_serves() -> None:
    web = a_service(WEB, 2, depends_on=AFTER_JOB)
    world = a_world(web)
    world.kill("feed-migrate-1", 0)
    world.run(2)
    redeploy(world)
    world.deploy(replace(web, revision=RevisionId(f"{WEB}@2")))
    world.run(5)
    assert {each.revision for each in world.ready(WEB)} == {f"{WEB}@1"}
    world.kill("feed-migrate-2", 0)
    world.run(10)
    assert {each.revision for each in world.ready(WEB)} == {f"{WEB}@2"}


def test_a_new_job_holds_up_nobody_whose_revision_runs_already() -> None:
    world = a_world(a_service(WEB, 2, depends_on=AFTER_JOB))
    world.kill("feed-migrate-1", 0)
    world.run(2)
    redeploy(world)
    world.run(1)
    world.kill(world.running(WEB)[0].instance)
    world.run(2)
    assert len(world.ready(WEB)) == 2


@pytest.mark.parametrize("healthy", [False, True])
def test_who_needs_a_job_to_have_started_may_also_find_it_completed(healthy: bool) -> None:
    small: dict[str, Any] = {"pools": (a_pool("feed", "feed"),), "nodes": nodes("feed", 1, amount(50, 64))}
    needs = (Dependency(ServiceId(JOB), healthy=healthy),)
    world = a_world(a_service(WEB, 1, ladder=HOME_LADDER, depends_on=needs), **small)
    assert not world.running(WEB)
    world.kill("feed-migrate-1", 0)
    world.run(2)
    assert len(world.running(WEB)) == 1


def test_a_new_revision_of_a_job_that_runs_takes_its_place_never_beside_it() -> None:
    world = a_world()
    redeploy(world)
    for _ in range(10):
        world.tick()
        assert len(world.containers) <= 1
    assert [each.revision for each in world.running(JOB)] == [f"{JOB}@2"]


def test_a_restart_runs_a_completed_job_again() -> None:
    world = a_world()
    world.kill("feed-migrate-1", 0)
    world.run(2)
    service = world.record.services[ServiceId(JOB)]
    world.put(Change(Kind.SERVICE, JOB, replace(service, restarted_at=world.now)))
    world.run(2)
    assert [each.instance for each in world.running(JOB)] == ["feed-migrate-2"]


def test_a_job_on_lent_room_does_not_come_home_for_that_would_run_it_twice() -> None:
    services = [a_service(WEB, 8)]
    world = World(a_fleet(), services)
    world.run(2)
    world.deploy(a_service(JOB), template=a_template(restart=ONCE))
    world.run(2)
    assert "own" not in world.rungs(JOB)
    world.scale(WEB, 1)
    world.run(30)
    assert started(world) == {"feed-migrate-1"}


def test_a_job_that_must_leave_starts_elsewhere_once_it_has_gone_and_what_it_is_stopped_with_counts_nothing() -> None:
    world = a_world()
    (placement,) = world.running(JOB)
    stopping = replace(
        placement, state=PlacementState.STOPPING, eviction=Eviction("node-leaves", world.now), gone_by=world.now
    )
    world.put(Change(Kind.PLACEMENT, placement.instance, stopping))
    world.kill(placement.instance, exit_code=0)
    world.commit(world.plan())
    assert JOB not in world.record.runs
    assert started(world) == {"feed-migrate-1"}
    world.run(2)
    assert [each.instance for each in world.running(JOB)] == ["feed-migrate-2"]
    assert JOB not in world.record.runs
