"""Instances that are replaced where nothing ails them: older revisions, those that are to be restarted, and those
whose place is forbidden by now."""

from __future__ import annotations

from dataclasses import replace

from springtide.model.events import Figure
from springtide.model.identifiers import ServiceId
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import MISPLACED, OUTDATED, RESTART, REVISION
from springtide.planning.fitting import best_room
from springtide.planning.memo import is_known_current
from springtide.planning.misplacement import broken_constraint


def replace_outdated(draft: Draft, id: ServiceId) -> None:
    """Ask a few outdated instances at a time to leave once they are replaced; let those stay that are wanted again.

    What they hold isn't counted as leaving: their replacements would wait for it, and they for those. Who
    can't stand beside its successor goes first instead, where there is room for that one.
    """
    if not may_have_outdated(draft, id):
        return
    running = [each for each in draft.of_service(id) if each.state is PlacementState.RUNNING]
    leaving = [each for each in running if each.eviction is not None and each.eviction.rule in OUTDATED]
    under_way = 0
    for placement in leaving:
        if is_outdated(draft, placement):
            under_way += 1
        else:
            _let_stay(draft, placement)
    if id in draft.blocked:
        return
    outdated = [each for each in running if is_staying(each) and is_outdated(draft, each)]
    at_once = max(1, draft.demands[id].count // 4)
    for placement in outdated[: max(0, at_once - under_way)]:
        _ask_to_leave(draft, placement)


def is_outdated(draft: Draft, placement: Placement) -> bool:
    """Whether the instance is to be replaced: it isn't what its service wants, or stands where that may not."""
    service = draft.service(placement.service)
    is_current = service.is_current(placement.revision, placement.placed_at)
    return not is_current or broken_constraint(draft.board, placement) is not None


def may_have_outdated(draft: Draft, id: ServiceId) -> bool:
    """Told without a look at each instance, unless the service was restarted."""
    board, service = draft.board, draft.service(id)
    if board.departing.get(id):
        return True
    if is_known_current(draft.index.carry.memos.get(id), board, draft.index.ground, id):
        return False
    if any(revision != service.revision for _, revision in board.groups.get(id, ())):
        return True
    if service.restarted_at is not None and any(is_outdated(draft, each) for each in draft.of_service(id)):
        return True
    masks = [board.table.rows_where(each) for each in service.placement.constraints]
    return any(not mask[list(board.standing(id))].all() for mask in masks)


def _let_stay(draft: Draft, placement: Placement) -> None:
    draft.update(replace(placement, eviction=None))
    sentence = f"{placement.instance} stays after all: what was to replace it is no longer wanted."
    draft.say(placement.service, "taken-back", sentence, instance=placement.instance)


def _ask_to_leave(draft: Draft, placement: Placement) -> None:
    goes_first = draft.predecessor(placement.service) is not None
    if goes_first and not _has_room_after(draft, placement):
        return
    rule, sentence, figures = _reason(draft, placement)
    leaving = replace(placement, eviction=Eviction(rule, draft.now))
    if goes_first:
        is_one_shot = draft.restart_policy(draft.service(placement.service)) is not None
        why = "it runs to its end" if is_one_shot else "its address or port of the machine is fixed"
        sentence += f" It goes first: {why}, so two can't stand at once."
        draft.drain(leaving)
    else:
        draft.update(leaving)
    draft.say(placement.service, "new-revision" if rule == REVISION else rule, sentence, **figures)


def _has_room_after(draft: Draft, placement: Placement) -> bool:
    """Whether a successor can stand where this instance does once it has gone, or somewhere else by now."""
    service = draft.service(placement.service)
    may_stay = broken_constraint(draft.board, placement) is None
    if may_stay and service.resources.fits_in(placement.resources):
        return True
    return best_room(draft.board, sorted(draft.board.pools), service) is not None


def _reason(draft: Draft, placement: Placement) -> tuple[str, str, dict[str, Figure]]:
    """By which rule it leaves, in words, and the figures."""
    id, service = placement.instance, draft.service(placement.service)
    if placement.revision != service.revision:
        revision = service.revision
        return REVISION, f"{id} makes way for revision {revision}.", {"instance": id, "revision": revision}
    if not service.is_current(placement.revision, placement.placed_at):
        return RESTART, f"{id} makes way for a new instance: its service is restarted.", {"instance": id}
    constraint = str(broken_constraint(draft.board, placement))
    sentence = f"{id} leaves {placement.node} once it is replaced: its service asks for {constraint}."
    return MISPLACED, sentence, {"instance": id, "node": placement.node, "constraint": constraint}
