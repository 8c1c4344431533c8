"""Services that run to their end: how far they have come, and the instances of them that have ended."""

from __future__ import annotations

from springtide.api.standing import Standing
from springtide.api.wire import EndingWire, InstanceWire, RunWire
from springtide.model.record import Record
from springtide.model.runs import Ending, Run
from springtide.model.workloads import Service
from springtide.planning.demand import target_of
from springtide.planning.one_shots import has_failed


def run_wire(record: Record, service: Service) -> RunWire | None:
    """How far a service has come that runs to its end; ``None`` for any other."""
    if record.one_shot_policy(service.revision) is None:
        return None
    run = record.runs.get(service.id)
    run = run if run is not None and run.is_of(service) else None
    failure = run.last_failure if run is not None else None
    return RunWire(
        count=target_of(service.scale),
        completed=run.completed if run is not None else 0,
        failures=run.failures if run is not None else 0,
        has_failed=has_failed(record, service),
        last_failure=ending_wire(failure) if failure is not None else None,
    )


def ending_wire(ending: Ending) -> EndingWire:
    return EndingWire(
        instance=ending.instance,
        node=ending.node,
        exit_code=ending.exit_code,
        ended_at=ending.ended_at,
        sentence=f"{ending.instance} {ending.in_words}",
    )


def ended_wires(standing: Standing) -> list[InstanceWire]:
    """The ended instances that are kept, by service, in the order in which they ended."""
    runs = sorted(standing.record.runs.items())
    return [_ended_wire(standing, run, ending) for _, run in runs for ending in _by_end(run)]


def _by_end(run: Run) -> list[Ending]:
    return sorted(run.endings, key=lambda each: (each.ended_at, each.instance))


def _ended_wire(standing: Standing, run: Run, ending: Ending) -> InstanceWire:
    record, seen = standing.record, standing.index.instances.get(ending.instance)
    service, revision = record.services.get(run.service), record.revisions.get(run.revision)
    return InstanceWire(
        id=ending.instance,
        service=run.service,
        app=run.service.partition("/")[0],
        team=service.team if service else None,
        band=service.band.value if service else None,
        node=ending.node,
        pool=ending.pool,
        rung=None,
        state="completed" if ending.exit_code == 0 else "failed",
        was_standby=False,
        containers=[run.service.rpartition("/")[2]],
        container=seen.state.value if seen else None,
        readiness="ended",
        readiness_since=ending.ended_at,
        detail=ending.in_words,
        revision=run.revision,
        image=revision.template.image if revision else "",
        address=None,
        placed_at=ending.placed_at,
        started_at=seen.started_at if seen else None,
        age_seconds=max(0.0, (standing.now - ending.placed_at).total_seconds()),
        held_until=None,
        eviction=None,
        gone_by=None,
        failures=[],
        exit_code=ending.exit_code,
        ended_at=ending.ended_at,
    )
