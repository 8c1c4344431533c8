"""From wants to steps: what drains now, what stops now, and what adapters must do to make the record true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from springtide.model.identifiers import AppName, CloudName, InstanceId, ServiceId
from springtide.model.observations import ActionFailed, ContainerState, Readiness
from springtide.model.placements import Placement, PlacementState, Rental, RentalState
from springtide.model.record import Record
from springtide.planning.draft import Draft, machine_states
from springtide.planning.evictions import RESTART, REVISION
from springtide.planning.index import Index
from springtide.planning.one_shots import kept_instances
from springtide.planning.settlement import drain_has_ended

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class CreateInstance:
    """Start the instance of this placement on its node."""

    placement: Placement

    @property
    def subject(self) -> str:
        return self.placement.instance


@dataclass(frozen=True, slots=True)
class PauseInstance:
    """Freeze an instance that stands by, now that it has proven ready."""

    instance: InstanceId

    @property
    def subject(self) -> str:
        return self.instance


@dataclass(frozen=True, slots=True)
class ResumeInstance:
    """Let an instance run on that stood by."""

    instance: InstanceId

    @property
    def subject(self) -> str:
        return self.instance


@dataclass(frozen=True, slots=True)
class DeleteInstance:
    """Stop and remove an instance that the record wants gone, or that it doesn't know."""

    instance: InstanceId
    grace_seconds: float

    @property
    def subject(self) -> str:
        return self.instance


@dataclass(frozen=True, slots=True)
class RentMachine:
    """Ask a cloud for the machine of this intent."""

    rental: Rental

    @property
    def subject(self) -> str:
        return self.rental.token


@dataclass(frozen=True, slots=True)
class ReturnMachine:
    """Give a machine back that the record wants gone, or that it doesn't know (an orphan)."""

    cloud: CloudName
    token: str

    @property
    def subject(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True)
class ClearApp:
    """Remove what is left of an app on the engine: its networks."""

    app: AppName

    @property
    def subject(self) -> str:
        return self.app


Action = CreateInstance | PauseInstance | ResumeInstance | DeleteInstance | RentMachine | ReturnMachine | ClearApp


def converge(draft: Draft) -> None:
    """Move placements one state on where they may: running to draining, draining to stopping."""
    for id in sorted(id for id, departing in draft.board.departing.items() if departing):
        if id in draft.index.record.services:
            _drain_replaced(draft, id)
    for placement in draft.all_departing():
        if placement.state is PlacementState.DRAINING and drain_has_ended(draft, placement):
            draft.update(replace(placement, state=PlacementState.STOPPING))


def _drain_replaced(draft: Draft, id: ServiceId) -> None:
    """Evicted instances drain once the ready ones are enough without them, or when their time is up."""
    departing = draft.departing(id)
    running = [each for each in departing if each.state is PlacementState.RUNNING]
    evicted = sorted(running, key=lambda each: (_noticed_at(each), each.ordinal))
    stopped = [each for each in departing if each.state is not PlacementState.RUNNING]
    ready = draft.ready_count(id) - sum(1 for each in stopped if draft.is_ready(each.instance))
    spare = ready - draft.demands[id].count
    for placement in evicted:
        is_ready = draft.is_ready(placement.instance)
        if _is_due(draft, placement) or not is_ready or spare > 0:
            draft.drain(placement)
            spare -= 1 if is_ready else 0
    if spare <= 0 and evicted and all(each.state is PlacementState.RUNNING for each in draft.of_service(id)):
        _make_room_for_revision(draft, id, evicted)


def _make_room_for_revision(draft: Draft, id: ServiceId, evicted: list[Placement]) -> None:
    """Where no node has room for a copy of its successor, one old instance of several goes first."""
    is_stuck = draft.wanted[id] > 0 and draft.demands[id].count > 1 and id not in draft.blocked
    old = [each for each in evicted if each.eviction is not None and each.eviction.rule in (REVISION, RESTART)]
    if is_stuck and old and all(draft.is_ready(each.instance) for each in draft.of_service(id)):
        draft.drain(old[0])


def _noticed_at(placement: Placement) -> float:
    return placement.eviction.noticed_at.timestamp() if placement.eviction else 0.0


def _is_due(draft: Draft, placement: Placement) -> bool:
    eviction = placement.eviction
    return eviction is not None and eviction.drain_by is not None and draft.now >= eviction.drain_by


def plan_actions(index: Index, after: Record, draft: Draft) -> tuple[Action, ...]:
    """What adapters must do now to make this record true; the same again each time until it is.

    Failed calls are tried again, ever later; a call under way is not made twice: whoever carries
    actions out keeps one at a time per subject.
    """
    actions: list[Action] = [
        *_instance_actions(index, after, draft),
        *_standby_actions(index, after, draft),
        *_machine_actions(index, after),
        *_app_actions(index, after, draft),
    ]
    return tuple(action for action in actions if _is_time(index, draft, action.subject))


def _instance_actions(index: Index, after: Record, draft: Draft) -> list[Action]:
    actions: list[Action] = []
    if not index.engine_listed:
        return actions
    stirring = draft.index.ground.unsettled | draft.board.touched
    placements = [after.placements[id] for id in stirring if id in after.placements]
    for placement in sorted(placements, key=lambda each: (each.service, each.ordinal)):
        id = placement.instance
        if placement.state is PlacementState.STOPPING:
            if id not in index.deleted:
                actions.append(DeleteInstance(id, _grace_of(draft, placement)))
        elif id not in index.instances or index.instances[id].state is ContainerState.CREATED:
            actions.append(CreateInstance(placement))  # who died between creating and starting it left it half-made
        elif index.instances[id].state is ContainerState.PAUSED:
            actions.append(ResumeInstance(id))
    grace_seconds = index.record.fleet.reclaim.grace_seconds
    known = after.placements.keys(), after.standby.keys(), kept_instances(after)
    strangers = sorted(id for id in stirring if id in index.instances and not any(id in each for each in known))
    actions += [DeleteInstance(id, grace_seconds) for id in strangers]
    return actions


def _standby_actions(index: Index, after: Record, draft: Draft) -> list[Action]:
    """Who stands by is started, and paused once it answers."""
    actions: list[Action] = []
    for id, standby in sorted(after.standby.items()) if index.engine_listed else ():
        instance, probed = index.instances.get(id), index.readiness.get(id)
        if standby.state is PlacementState.STOPPING:
            if id not in index.deleted:
                actions.append(DeleteInstance(id, _grace_of(draft, standby)))
        elif instance is None or instance.state is ContainerState.CREATED:
            actions.append(CreateInstance(standby))
        elif instance.state is ContainerState.RUNNING and probed and probed.readiness is Readiness.READY:
            actions.append(PauseInstance(id))
    return actions


def _grace_of(draft: Draft, placement: Placement) -> float:
    """The service's own grace, cut short by the moment at which the instance must be gone."""
    revision = draft.index.record.revisions.get(placement.revision)
    grace = revision.template.stop_grace_seconds if revision else 10.0
    if placement.gone_by is None:
        return grace
    return max(0.0, min(grace, (placement.gone_by - draft.now).total_seconds()))


def _machine_actions(index: Index, after: Record) -> list[Action]:
    states = machine_states(index)
    actions: list[Action] = []
    for token, rental in sorted(after.rentals.items()):
        if rental.state is RentalState.RENTING and token not in states and rental.since is None:
            actions.append(RentMachine(rental))
        if rental.state is RentalState.RETURNING and token not in index.returned:
            actions.append(ReturnMachine(rental.cloud, token))
    for cloud, view in sorted(index.clouds.items()):
        orphans = sorted(machine.token for machine in view.machines if machine.token not in after.rentals)
        actions += [ReturnMachine(cloud, token) for token in orphans]
    return actions


def _app_actions(index: Index, after: Record, draft: Draft) -> list[Action]:
    present = [id for id, count in draft.board.counts.items() if count]
    present += [id for id, mine in draft.board.standby_of.items() if mine]
    used = {after.services[id].app for id in present if id in after.services}
    present += [index.instances[id].service for id in draft.index.ground.unsettled if id in index.instances]
    leftover = {str(id).partition("/")[0] for id in present}
    return [
        ClearApp(name)
        for name, app in sorted(after.apps.items())
        if not app.services and name not in used and name not in leftover and name not in index.cleared
    ]


def _is_time(index: Index, draft: Draft, subject: str) -> bool:
    failures = index.failures.get(subject, ())
    return not failures or draft.now >= failures[-1].at + _pause(failures)


def _pause(failures: tuple[ActionFailed, ...]) -> timedelta:
    return timedelta(seconds=min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** (len(failures) - 1)))


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str, object | None]]:
    """What must be put (or deleted: ``None``) to get from one set to the other, by id in order."""
    puts = [(id, v) for id, v in after.items() if (old := before.get(id)) is not v and old != v]
    deletes: list[tuple[str, object | None]] = [(id, None) for id in before if id not in after]
    return sorted([*puts, *deletes], key=lambda item: item[0])
