"""Instances that are replaced where nothing ails them: older revisions, and those whose place is forbidden by now."""

from __future__ import annotations

from dataclasses import replace

from springtide.model.identifiers import ServiceId
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import MISPLACED, REVISION
from springtide.planning.memo import is_known_current
from springtide.planning.misplacement import broken_constraint


def replace_outdated(draft: Draft, id: ServiceId) -> None:
    """Ask a few outdated instances at a time to leave once they are replaced; let those stay that are wanted again.

    What they hold isn't counted as leaving: their replacements would wait for it, and they for those.
    """
    if not may_have_outdated(draft, id):
        return
    running = [each for each in draft.of_service(id) if each.state is PlacementState.RUNNING]
    leaving = [each for each in running if each.eviction is not None and each.eviction.rule in (REVISION, MISPLACED)]
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
    """Whether the instance is of an older revision, or stands where its service's constraints forbid."""
    is_old = placement.revision != draft.service(placement.service).revision
    return is_old or broken_constraint(draft.board, placement) is not None


def may_have_outdated(draft: Draft, id: ServiceId) -> bool:
    """Told without a look at each instance."""
    board, service = draft.board, draft.service(id)
    if board.departing.get(id):
        return True
    if is_known_current(draft.index.carry.memos.get(id), board, draft.index.ground, id):
        return False
    if any(revision != service.revision for _, revision in board.groups.get(id, ())):
        return True
    masks = [board.table.rows_where(each) for each in service.placement.constraints]
    return any(not mask[list(board.standing(id))].all() for mask in masks)


def _let_stay(draft: Draft, placement: Placement) -> None:
    draft.update(replace(placement, eviction=None))
    sentence = f"{placement.instance} stays after all: what was to replace it is no longer wanted."
    draft.say(placement.service, "taken-back", sentence, instance=placement.instance)


def _ask_to_leave(draft: Draft, placement: Placement) -> None:
    id, revision = placement.instance, draft.service(placement.service).revision
    if placement.revision != revision:
        draft.update(replace(placement, eviction=Eviction(REVISION, draft.now)))
        sentence = f"{id} makes way for revision {revision}."
        draft.say(placement.service, "new-revision", sentence, instance=id, revision=revision)
        return
    constraint = str(broken_constraint(draft.board, placement))
    draft.update(replace(placement, eviction=Eviction(MISPLACED, draft.now)))
    sentence = f"{id} leaves {placement.node} once it is replaced: its service asks for {constraint}."
    draft.say(placement.service, MISPLACED, sentence, instance=id, node=placement.node, constraint=constraint)
