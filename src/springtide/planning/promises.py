"""Promises to guests that outlive a plan: room that victims have left belongs to those for whose sake they went.

Without this somebody else might take it first, perhaps the victim itself, be asked to leave in turn, and so
on without end: that an exchange of places is fair says something only if it is carried out as a whole.
"""

from __future__ import annotations

import numpy as np

from springtide.model.identifiers import NodeId, ServiceId
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import Resources, total
from springtide.model.workloads import Service
from springtide.planning.admission import lacking_without, rung_for
from springtide.planning.board import Board
from springtide.planning.displacing import rung_is_on_ladder
from springtide.planning.draft import Draft
from springtide.planning.evictions import ASIDE, FAIR_SHARE, GIVES_WAY
from springtide.planning.siting import Siting


def keep_promises(draft: Draft) -> None:
    """Give guests the room on others' machines that has been freed, or is being freed, for their sake.

    Where it is free they are placed; where somebody is still leaving it is promised anew. One who no longer
    wants it, or whom quotas no longer allow it, has no claim.
    """
    board = draft.board
    for (id, node), victims in sorted(_victims(draft).items()):
        service, row = draft.index.record.services.get(id), board.table.row_of.get(node)
        if service is None or row is None or not draft.may_grow(id):
            continue
        if board.pools[board.table.nodes[row].pool].is_owned_by(service.team):
            continue
        freed = total(each.resources for each in victims)
        while draft.wanted[id] > 0 and _needs(board, service, row, freed) and _settle_in(draft, service, row):
            freed = freed.at_most(_later(board, row)).at_least_zero()


def _victims(draft: Draft) -> dict[tuple[ServiceId, NodeId], list[Placement]]:
    """Who has gone since the last plan, moves aside or is going beyond recall, by beneficiary and node."""
    found: dict[tuple[ServiceId, NodeId], list[Placement]] = {}
    for each in (*draft.lost.values(), *draft.all_departing()):
        eviction, is_going = each.eviction, each.state is not PlacementState.RUNNING
        if eviction is None or not eviction.beneficiary:
            continue
        if eviction.rule == ASIDE or (is_going and eviction.rule in (GIVES_WAY, FAIR_SHARE)):
            found.setdefault((eviction.beneficiary, each.node), []).append(each)
    return found


def _needs(board: Board, service: Service, row: int, freed: Resources) -> bool:
    """Whether one more fits on a node thanks to what was freed there, and wouldn't without."""
    later = _later(board, row)
    return service.resources.fits_in(later) and not service.resources.fits_in(later - freed)


def _settle_in(draft: Draft, service: Service, row: int) -> bool:
    """Place one more on a node, or hold its room until all have left; whether rules and quotas allow it."""
    board, pool = draft.board, draft.board.table.nodes[row].pool
    if not board.table.space.accepts[row] or not len(Siting(board).open_rows(service, np.array([row]))):
        return False
    if board.table.space.fits_now(row, board.table.ask(service.resources)):
        if rung_for(board, service, pool) is None:
            return False
        draft.place(service, board.table.nodes[row].id)
        return True
    going = [board.placements[id] for id in sorted(board.leaving) if board.placements[id].pool == pool]
    guests = [each for each in going if not board.owns(each)]
    if lacking_without(board, service, pool, guests) or not rung_is_on_ladder(board, service, pool, guests):
        return False
    draft.promise(service, board.table.nodes[row].id)
    return True


def _later(board: Board, row: int) -> Resources:
    return board.table.amount_of(board.table.space.later(np.array([row]))[0])
