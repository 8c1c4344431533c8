"""What people are shown of services that run to their end, and what deploying them once more does."""

from __future__ import annotations

import pytest

from springtide.api.app_changes import changes_of
from springtide.api.deployments import as_deployed, put_app
from springtide.api.views_apps import progress_wire
from springtide.model.identifiers import AppName, InstanceId, NodeId, PoolName, ServiceId
from springtide.model.record import Change, Kind
from springtide.model.runs import Ending, Run
from springtide.model.workloads import RestartCondition, RestartPolicy
from tests.api.platforms import HandMadePlatform, a_container, app_changes, placed
from tests.builders import START, a_placement, a_revision, a_service, a_template, at
from tests.cli.terminals import Terminal

JOB = a_service("redpacket/migrate", 2)
POLICY = RestartPolicy(RestartCondition.ON_FAILURE, max_attempts=1)


def an_ending(number: int, exit_code: int) -> Ending:
    id = InstanceId(f"redpacket-migrate-{number}")
    return Ending(id, NodeId("redpacket-1"), PoolName("redpacket"), START, at(5), exit_code, f"exited with {exit_code}")


@pytest.fixture
async def job(platform: HandMadePlatform) -> HandMadePlatform:
    """A job of two, of which one has completed."""
    revision = a_revision(JOB.id, template=a_template(restart=POLICY))
    run = Run(JOB.id, JOB.revision, START, completed=1, completions=(an_ending(1, 0),))
    changes = [*app_changes(JOB), Change(Kind.REVISION, revision.id, revision), Change(Kind.RUN, JOB.id, run)]
    await platform.write(*changes)
    platform.moment = at(65)
    platform.explain()
    return platform


@pytest.fixture
async def failed(job: HandMadePlatform) -> HandMadePlatform:
    """The other one has failed too often."""
    run = Run(JOB.id, JOB.revision, START, 1, 3, (an_ending(1, 0),), an_ending(4, 3))
    ended = a_placement(JOB.id, 4, "redpacket-1")
    job.see(ended)
    a_container(job, ended, ["no such table"])
    await job.write(Change(Kind.RUN, JOB.id, run))
    job.explain()
    return job


async def test_ps_shows_what_has_completed_and_when(terminal: Terminal, job: HandMadePlatform) -> None:
    row = next(line for line in (await terminal.type("ps", "migrate")).out.splitlines() if "migrate-1" in line)
    assert "completed" in row
    assert "ended with exit code 0" in row
    (seen,) = (await terminal.type("ps", "migrate", "--json")).json
    assert (seen["state"], seen["exit_code"], seen["readiness"]) == ("completed", 0, "ended")


async def test_status_counts_what_has_completed(terminal: Terminal, job: HandMadePlatform) -> None:
    row = next(line for line in (await terminal.type("status")).out.splitlines() if "migrate" in line)
    assert "1 of 2 completed" in row


async def test_why_shows_the_exit_code_and_the_last_words_of_what_failed(
    terminal: Terminal, failed: HandMadePlatform
) -> None:
    said = (await terminal.type("why", "migrate")).out
    assert "has failed for good: 3 times in a row, at last redpacket-migrate-4 ended with exit code 3" in said
    assert "no such table" in said
    row = next(line for line in (await terminal.type("status")).out.splitlines() if "migrate" in line)
    assert "failed (exit code 3)" in row


async def test_deploying_what_has_failed_tries_it_again_and_keeps_what_completed(failed: HandMadePlatform) -> None:
    same = as_deployed(failed.record, "redpacket")
    (change,) = changes_of(failed.record, same, {}).services
    assert [each.words for each in change.differences] == ["it has failed for good, and is tried again"]
    await put_app(failed.store, same, ingress_port=8080)
    run = (await failed.store.read()).runs[JOB.id]
    assert (run.completed, run.failures, run.last_failure) == (1, 0, None)


async def test_deploying_what_has_not_failed_once_more_changes_nothing(job: HandMadePlatform) -> None:
    same = as_deployed(job.record, "redpacket")
    assert changes_of(job.record, same, {}).is_nothing
    before = job.record.version
    assert (await put_app(job.store, same, ingress_port=8080)).version == before


async def test_what_runs_to_its_end_counts_as_started_once_it_has_run_for_a_while(job: HandMadePlatform) -> None:
    young = a_placement(JOB.id, 2, "redpacket-1", placed_at=at(60), revision=JOB.revision)
    await job.write(*placed(young))
    job.see(young)
    (seen,) = progress_wire(job, AppName("redpacket")).services
    assert (seen.ready, seen.run and seen.run.completed) == (0, 1)
    job.moment = at(71)
    (seen,) = progress_wire(job, AppName("redpacket")).services
    assert (seen.ready, seen.id) == (1, ServiceId("redpacket/migrate"))


async def test_progress_of_what_failed_can_be_told(failed: HandMadePlatform) -> None:
    seen = progress_wire(failed, AppName("redpacket"))
    assert seen.services[0].run is not None
    assert seen.services[0].run.has_failed
    assert "exit code 3" in seen.state
