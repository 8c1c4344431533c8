"""What has happened since the last plan: instances that failed, machines that vanished, drains that ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from springtide.model.events import Reason
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import ContainerState, EngineInstance, MachineState, Readiness
from springtide.model.placements import Eviction, Placement, PlacementState, Rental, RentalState
from springtide.model.workloads import Service
from springtide.planning.board import NodeRoom
from springtide.planning.draft import Draft, is_staying, machine_states
from springtide.planning.index import CrashHistory, pause_ends
from springtide.planning.money import periods_begun
from springtide.planning.one_shots import (
    awaited_end,
    forget_past_runs,
    is_completed,
    present_run,
    take_ending,
    take_failed_start,
    want_the_rest,
)

PROVEN_SECONDS = 10.0
"""An instance that was ready this long didn't crash on start; its end is an accident, not a habit."""
LEAST_START_SECONDS = 30.0
TRIES_TO_CREATE = 3


def settle(draft: Draft) -> None:
    """Take note of failures and losses, so that later steps see only what can serve."""
    _settle_rentals(draft)
    crashed: dict[ServiceId, tuple[str, bool]] = {}
    _evict_from_closed_nodes(draft)
    forget_past_runs(draft)
    for placement in _unsettled(draft):
        if take_ending(draft, placement):
            continue
        failure = failure_of(draft, placement)
        if failure is not None:
            _stop(draft, placement)
            draft.say(placement.service, failure.code, failure.sentence, **dict(failure.figures))
            if not take_failed_start(draft, placement, failure) and is_current(draft, placement):
                crashed[placement.service] = (failure.sentence, _was_proven(draft, placement.instance))
        elif _is_unready(draft, placement) and is_staying(placement):
            draft.evict(placement, Eviction("unhealthy", draft.now, drain_by=draft.now, gone_by=None))
            detail = draft.index.readiness[placement.instance].detail
            sentence = f"{placement.instance} no longer passes its health check ({detail}) and is replaced."
            draft.say(placement.service, "unhealthy", sentence, instance=placement.instance)
    for room in _overfull_rooms(draft):
        _relieve(draft, room)
    _count_crashes(draft, crashed)
    services = [draft.service(id) for id in sorted(draft.index.record.services)]
    for service in services:
        want_the_rest(draft, service)
    for service in services:
        _block(draft, service)


def drain_has_ended(draft: Draft, placement: Placement) -> bool:
    """Whether a draining instance has nothing left in flight, or no time left to finish it."""
    index, since = draft.index, placement.drain_since
    if since is None:
        return True
    stop_seconds = index.record.fleet.reclaim.grace_seconds / 2
    if placement.gone_by is not None and draft.now >= placement.gone_by - timedelta(seconds=stop_seconds):
        return True
    service = index.record.services.get(placement.service)
    if service is None or not service.routes:
        return True
    view = index.router
    if view is None or index.routes_applied_at < since or view.at < index.routes_applied_at:
        return False
    load = draft.endpoint(placement.instance)
    return load is None or (not load.accepting and load.in_flight == 0)


def _settle_rentals(draft: Draft) -> None:
    """Take over when a machine's charge began, and forget machines that are returned or have vanished."""
    states = machine_states(draft.index)
    since = {machine.token: machine.since for view in draft.index.clouds.values() for machine in view.machines}
    for token, rental in sorted(draft.rentals.items()):
        if token in states:
            seen = replace(rental, since=rental.since or since[token])
            is_charged = states[token] is not MachineState.RETURNING
            draft.rentals[token] = _with_begun_periods(seen, draft.now) if is_charged else seen
        elif token in draft.index.returned and rental.state is RentalState.RETURNING and token not in states:
            _forget_machine(draft, rental)
        elif rental.since is not None and rental.cloud in draft.index.clouds and token not in states:
            if rental.state is RentalState.RENTING:
                draft.say(rental.node, "node-vanished", f"{rental.node} vanished from its cloud {rental.cloud}.")
            _forget_machine(draft, rental)


def _with_begun_periods(rental: Rental, now: datetime) -> Rental:
    """Book the periods that have begun meanwhile, as after a pause of the control plane: they are owed."""
    begun = periods_begun(rental, now)
    return rental if begun == rental.periods_committed else replace(rental, periods_committed=begun)


def _forget_machine(draft: Draft, rental: Rental) -> None:
    """What ran on a machine that is gone is gone with it."""
    del draft.rentals[rental.token]
    draft.lost.update((placement.instance, placement) for placement in draft.board.on_node(rental.node))
    draft.board.remove_node(rental.node)


def _unsettled(draft: Draft) -> list[Placement]:
    """What doesn't simply run and answer, by instance id."""
    ids = sorted(id for id in draft.index.ground.unsettled if id in draft.board.placements)
    return [draft.board.placements[id] for id in ids]


def _evict_from_closed_nodes(draft: Draft) -> None:
    space, nodes = draft.board.table.space, draft.board.table.nodes
    for row in np.flatnonzero(~space.accepts[: len(nodes)]):
        for placement in draft.board.on_node(nodes[row].id):
            _evict_from_lost_node(draft, placement)


def _overfull_rooms(draft: Draft) -> list[NodeRoom]:
    """Nodes that hold more than they have, as after they were made smaller."""
    space = draft.board.table.space
    overfull = space.accepts & ((space.free + space.leaving) < 0).any(axis=1)
    return [NodeRoom(draft.board, int(row)) for row in np.flatnonzero(overfull)]


def _evict_from_lost_node(draft: Draft, placement: Placement) -> None:
    """A node that leaves the fleet gives its instances the notice that any guest has."""
    if is_staying(placement):
        terms = draft.index.record.fleet.reclaim
        drain_by = draft.after(terms.notice_seconds)
        draft.evict(
            placement,
            Eviction("node-leaves", draft.now, drain_by, draft.after(terms.notice_seconds + terms.grace_seconds)),
        )
        sentence = (
            f"{placement.instance} must leave {placement.node}, which leaves the fleet: at latest in "
            f"{terms.notice_seconds:g} s."
        )
        draft.say(placement.service, "node-leaves", sentence, instance=placement.instance, node=placement.node)


def _relieve(draft: Draft, room: NodeRoom) -> None:
    """Ask some to leave a node that was made smaller than what it holds: who leaves anyway, then guests, then youngest.

    Each resource is judged apart: who holds nothing of what is short may stay.
    """
    present = [each for each in draft.board.on_node(room.node.id) if each.instance not in draft.board.leaving]
    present.sort(
        key=lambda each: (
            is_staying(each),
            draft.board.owns(each),
            -each.placed_at.timestamp(),
            each.instance,
        )
    )
    terms = draft.index.record.fleet.reclaim
    for placement in present:
        left = room.free + room.leaving
        if not any(left[kind] < 0 for kind in placement.resources.kinds):
            continue
        draft.board.mark_leaving(placement.instance)
        if is_staying(placement):
            gone_by = draft.after(terms.notice_seconds + terms.grace_seconds)
            draft.evict(placement, Eviction("node-shrunk", draft.now, draft.after(terms.notice_seconds), gone_by))
            sentence = f"{placement.instance} must leave {room.node.id}: the node was made smaller than what it holds."
            draft.say(placement.service, "node-shrunk", sentence, instance=placement.instance, node=room.node.id)


def failure_of(draft: Draft, placement: Placement) -> Reason | None:
    """Why this instance can't serve any more, if so."""
    if placement.state is PlacementState.STOPPING:
        return None
    instance = draft.index.instances.get(placement.instance)
    if instance is None:
        return _creation_failure(draft, placement)
    if instance.state is ContainerState.EXITED:
        return _exit_reason(instance)
    if draft.policy_of(placement) is not None:
        return None  # how long it takes is its own affair, and it is done when it ends
    return _start_failure(draft, placement, instance)


def _creation_failure(draft: Draft, placement: Placement) -> Reason | None:
    failures = draft.index.failures.get(placement.instance, ())
    final = [each for each in failures if each.code == "image-missing"]
    if not final and len(failures) < TRIES_TO_CREATE:
        return None
    sentence = f"{placement.instance} can't be created on {placement.node}: {failures[-1].sentence}"
    return Reason("creation-failed", sentence, (("instance", placement.instance), ("tries", len(failures))))


def _exit_reason(instance: EngineInstance) -> Reason:
    detail = f" ({instance.detail})" if instance.detail else ""
    sentence = f"{instance.id} ended with exit code {instance.exit_code}{detail}; it is replaced."
    return Reason("exited", sentence, (("exit_code", instance.exit_code or 0), ("instance", instance.id)))


def _start_failure(draft: Draft, placement: Placement, instance: EngineInstance) -> Reason | None:
    probed = draft.index.readiness.get(placement.instance)
    if instance.started_at is None or (probed is not None and probed.readiness is not Readiness.STARTING):
        return None
    allowed = _start_seconds(draft, placement)
    # One that stood by was started long ago: its time runs from when it was resumed.
    waited = (draft.now - max(instance.started_at, placement.placed_at)).total_seconds()
    if waited <= allowed:
        return None
    detail = probed.detail if probed is not None and probed.detail else "no probe has passed"
    sentence = f"{placement.instance} wasn't ready within {allowed:g} s of its start ({detail}); it is replaced."
    return Reason("never-ready", sentence, (("allowed_seconds", allowed), ("instance", placement.instance)))


def _start_seconds(draft: Draft, placement: Placement) -> float:
    revision = draft.index.record.revisions.get(placement.revision)
    if revision is None:
        return LEAST_START_SECONDS
    check = revision.template.healthcheck
    return max(LEAST_START_SECONDS, check.start_period_seconds + check.interval_seconds * (check.retries + 1))


def _is_unready(draft: Draft, placement: Placement) -> bool:
    probed = draft.index.readiness.get(placement.instance)
    is_unready = probed is not None and probed.readiness is Readiness.UNREADY
    return is_unready and draft.policy_of(placement) is None


def _was_proven(draft: Draft, id: InstanceId) -> bool:
    probed = draft.index.readiness.get(id)
    if probed is None or probed.readiness is not Readiness.READY:
        return False
    return draft.now - probed.since >= timedelta(seconds=PROVEN_SECONDS)


def _stop(draft: Draft, placement: Placement) -> None:
    stopped = replace(placement, state=PlacementState.STOPPING, drain_since=draft.now, gone_by=draft.now)
    draft.update(stopped)
    draft.board.mark_leaving(placement.instance)


def is_current(draft: Draft, placement: Placement) -> bool:
    """What fails of an older revision holds nobody back: others replace it anyway."""
    service = draft.index.record.services.get(placement.service)
    return service is None or service.is_current(placement.revision, placement.placed_at)


def _count_crashes(draft: Draft, crashed: dict[ServiceId, tuple[str, bool]]) -> None:
    """One round of failures counts once; an instance that had served for a while starts the count anew.

    So does another revision, and a restart: what was wrong may be right now.
    """
    services = draft.index.record.services
    for service in [id for id, each in draft.crashes.items() if id not in services or not each.is_of(services[id])]:
        del draft.crashes[service]
    for service, (detail, was_proven) in crashed.items():
        count_crash(draft, service, detail, was_proven=was_proven)
    for service in [id for id in draft.crashes if id not in crashed]:
        if service not in services or _has_recovered(draft, service):
            del draft.crashes[service]


def count_crash(draft: Draft, service: ServiceId, detail: str, *, was_proven: bool) -> None:
    """One more failure in a row, or the first of a new one where it had served for a while."""
    before = draft.crashes.get(service)
    count = 1 if was_proven or before is None else before.count + 1
    wanted = draft.index.record.services.get(service)
    draft.crashes[service] = CrashHistory(count, draft.now, detail, wanted.revision if wanted is not None else None)


def _has_recovered(draft: Draft, service: ServiceId) -> bool:
    revision = draft.service(service).revision
    last = draft.crashes[service].last_at
    stand_by = (draft.board.standby[id] for id in draft.board.standby_of.get(service, ()))
    fresh = [
        each for each in (*draft.staying(service), *stand_by) if each.revision == revision and each.placed_at >= last
    ]
    return any(_was_proven(draft, each.instance) or draft.is_paused(each.instance) for each in fresh)


def _block(draft: Draft, service: Service) -> None:
    """Note why a service may not grow now, if so."""
    if service.id in draft.blocked:
        return
    crash = draft.crashes.get(service.id)
    if crash is not None and pause_ends(crash) > draft.now:
        left = (pause_ends(crash) - draft.now).total_seconds()
        sentence = f"{crash.count} starts failed in a row; the next try is in {left:.0f} s. Last: {crash.detail}"
        draft.blocked[service.id] = Reason(
            "backing-off", sentence, (("failures", crash.count), ("seconds", round(left, 1)))
        )
        return
    if service.depends_on and (awaited := awaited_end(draft, service)) is not None:
        draft.blocked[service.id] = awaited
        return
    if draft.board.counts.get(service.id) or not service.depends_on:
        return
    for dependency in service.depends_on:
        if not dependency.completed and not _is_satisfied(draft, dependency.service, dependency.healthy):
            state = "ready" if dependency.healthy else "started"
            sentence = f"It waits for {dependency.service} to be {state}."
            draft.blocked[service.id] = Reason("waits-for-dependency", sentence, (("dependency", dependency.service),))
            return


def _is_satisfied(draft: Draft, service: ServiceId, healthy: bool) -> bool:
    wanted = draft.index.record.services.get(service)
    if wanted is not None and (run := present_run(draft, wanted)) is not None:
        return is_completed(draft, wanted) or (not healthy and bool(run.endings))
    running = [each for each in draft.staying(service) if each.instance in draft.index.instances]
    return any(draft.is_ready(each.instance) for each in running) if healthy else bool(running)
