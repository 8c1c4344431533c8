"""Services that run to their end: what of them has completed or failed, what is still to come, who waits for it.

An instance that has ended leaves the board at once: it holds nothing any more. What came of it is kept
in the service's :class:`~springtide.model.runs.Run`, so that nothing completes twice and no try is forgotten.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from springtide.model.events import Figure, Reason
from springtide.model.identifiers import InstanceId
from springtide.model.observations import ContainerState, EngineInstance
from springtide.model.placements import Placement, PlacementState
from springtide.model.record import Record
from springtide.model.runs import Ending, Run
from springtide.model.workloads import RestartPolicy, Service
from springtide.planning.demand import target_of
from springtide.planning.demands import Demand
from springtide.planning.draft import Draft
from springtide.planning.index import CrashHistory, pause_ends


def kept_instances(record: Record) -> frozenset[InstanceId]:
    """Those that have ended, and whose containers stay for their logs."""
    return frozenset(ending.instance for run in record.runs.values() for ending in run.endings)


def has_failed(record: Record, service: Service) -> bool:
    """Whether the service's present revision has failed for good."""
    run, policy = record.runs.get(service.id), record.one_shot_policy(service.revision)
    if run is None or policy is None or not run.is_of(service):
        return False
    return run.has_failed(policy, target_of(service.scale))


def present_run(draft: Draft, service: Service) -> Run | None:
    """What has come of the service's present revision so far, if anything."""
    run = draft.runs.get(service.id)
    return run if run is not None and run.is_of(service) else None


def forget_past_runs(draft: Draft) -> None:
    """Forget runs of services that are gone, and of revisions that aren't wanted any more."""
    services = draft.index.record.services
    for id in [id for id, run in draft.runs.items() if id not in services or not run.is_of(services[id])]:
        del draft.runs[id]


def take_ending(draft: Draft, placement: Placement) -> bool:
    """Take an instance of a one-shot service that has ended by itself off the board, and count it. Whether it had.

    One that is being stopped proves nothing: many programs end with 0 when they are told to stop.
    """
    instance = draft.index.instances.get(placement.instance)
    if instance is None or instance.state is not ContainerState.EXITED:
        return False
    if placement.state is PlacementState.STOPPING or draft.policy_of(placement) is None:
        return False
    ending = Ending(
        placement.instance,
        placement.node,
        placement.pool,
        placement.placed_at,
        instance.ended_at or draft.now,
        instance.exit_code,
        instance.detail if instance.exit_code is not None else "it ended without an exit code",
    )
    draft.board.remove(placement.instance)
    _count(draft, placement, ending, _seconds_run(instance, ending.ended_at))
    return True


def take_failed_start(draft: Draft, placement: Placement, failure: Reason) -> bool:
    """Count an instance of a one-shot service that couldn't be created as one that failed. Whether it is of one."""
    if draft.policy_of(placement) is None:
        return False
    place = placement.instance, placement.node, placement.pool
    _count(draft, placement, Ending(*place, placement.placed_at, draft.now, None, failure.sentence), 0.0)
    return True


def want_the_rest(draft: Draft, service: Service) -> None:
    """Of a one-shot service, want what hasn't completed yet; nothing more once it has failed for good."""
    policy = draft.restart_policy(service)
    if policy is None:
        return
    run, target = present_run(draft, service), target_of(service.scale)
    completed = min(run.completed, target) if run is not None else 0
    figures: tuple[tuple[str, Figure], ...] = (("completed", completed), ("count", target))
    if run is not None and run.last_failure is not None and run.has_failed(policy, target):
        reason = Reason("failed", f"{service.id} has failed for good: {_last_failure(run)}.", figures)
        draft.demands[service.id] = Demand(service.id, draft.staying_count(service.id), reason)
        return
    if completed == target:
        reason = Reason("completed", f"{service.id} has completed: {completed} of {target}.", figures)
    else:
        sentence = f"{service.id} runs to its end: {completed} of {target} have completed."
        reason = Reason("runs-to-its-end", sentence, figures)
    draft.demands[service.id] = Demand(service.id, target - completed, reason)
    if run is not None and run.last_failure is not None and completed < target:
        _hold_back(draft, run, run.last_failure, policy)


def is_completed(draft: Draft, service: Service) -> bool:
    """Whether as many as are wanted of the service's present revision have completed."""
    run = present_run(draft, service)
    return (run.completed if run is not None else 0) >= target_of(service.scale)


def awaited_end(draft: Draft, service: Service) -> Reason | None:
    """Why something that must complete first keeps the service from its first instance of this revision."""
    awaited = [draft.index.record.services.get(each.service) for each in service.depends_on if each.completed]
    if not awaited or any(service.is_current(each.revision, each.placed_at) for each in draft.staying(service.id)):
        return None
    for other in awaited:
        if other is not None and not is_completed(draft, other):
            return _waits_for_end(draft, other)
    return None


def _waits_for_end(draft: Draft, other: Service) -> Reason:
    figures: tuple[tuple[str, Figure], ...] = (("dependency", other.id),)
    demand = draft.demands[other.id].reason
    if demand.code == "failed":
        return Reason("dependency-failed", f"It can't start: {demand.sentence}", figures)
    return Reason("waits-for-dependency", f"It waits for {other.id} to complete.", figures)


def _count(draft: Draft, placement: Placement, ending: Ending, seconds_run: float) -> None:
    service, policy = draft.service(placement.service), draft.policy_of(placement)
    if policy is None or not service.is_current(placement.revision, placement.placed_at):
        sentence = f"{placement.instance} {ending.in_words}; another revision of {service.id} is wanted by now."
        draft.say(service.id, "ended", sentence, instance=placement.instance)
        return
    run = present_run(draft, service) or Run(service.id, service.revision, placement.placed_at)
    if ending.exit_code == 0:
        draft.runs[service.id] = run.with_completion(ending)
        sentence = f"{placement.instance} completed after {seconds_run:.0f} s."
        draft.say(service.id, "completed", sentence, instance=placement.instance)
        return
    run = draft.runs[service.id] = run.with_failure(ending, seconds_run, policy)
    has_failed = run.has_failed(policy, target_of(service.scale))
    then = "it isn't tried again" if has_failed else f"it is tried again{_tries_left(run, policy, service)}"
    sentence = f"{placement.instance} {ending.in_words}; {then}."
    figures: dict[str, Figure] = {"failures": run.failures, "instance": placement.instance}
    if ending.exit_code is not None:
        figures["exit_code"] = ending.exit_code
    draft.say(service.id, "failed" if has_failed else "exited", sentence, **figures)


def _tries_left(run: Run, policy: RestartPolicy, service: Service) -> str:
    if not policy.max_attempts:
        return ""
    most = policy.max_attempts * max(1, target_of(service.scale))
    return f" ({run.failures} of at most {most} times)"


def _seconds_run(instance: EngineInstance, ended_at: datetime) -> float:
    return max(0.0, (ended_at - instance.started_at).total_seconds()) if instance.started_at is not None else 0.0


def _last_failure(run: Run) -> str:
    times = f"{run.failures} times in a row, at last " if run.failures > 1 else ""
    ending = run.last_failure
    return f"{times}{ending.instance} {ending.in_words}" if ending is not None else ""


def _hold_back(draft: Draft, run: Run, last: Ending, policy: RestartPolicy) -> None:
    """Let the policy's delay, or without one an ever longer pause, go by before the next try."""
    until = last.ended_at + timedelta(seconds=policy.delay_seconds)
    if not policy.delay_seconds:
        until = pause_ends(CrashHistory(run.failures, last.ended_at, last.detail))
    left = (until - draft.now).total_seconds()
    if left > 0:
        sentence = f"{_last_failure(run)}; the next try is in {left:.0f} s."
        figures = (("failures", run.failures), ("seconds", round(left, 1)))
        draft.blocked[run.service] = Reason("backing-off", sentence, figures)
