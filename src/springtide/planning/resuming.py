"""Resuming: who stands by serves before anything is started; and gives room where others need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from springtide.model.identifiers import PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.networks import OWN_NETWORKS
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.model.record import Record
from springtide.model.workloads import Service
from springtide.planning.admission import rung_for
from springtide.planning.board import Board, NodeRoom
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import NAMELESS, moves_under_way
from springtide.planning.fitting import best_room, best_row
from springtide.planning.siting import Siting
from springtide.planning.space import Space
from springtide.planning.standby import standby_of
from springtide.planning.turns import neediest_first

RungIn = Callable[[PoolName], Rung | None]
"""Under which rung quotas let one more of a service into a pool, if they do."""


def resume_at_home(draft: Draft, ids: Iterable[ServiceId], pools: Sequence[PoolName]) -> None:
    """Let those of a team's services serve that stand by on its own pools, the neediest service first."""
    wants = {id: draft.wanted[id] for id in ids if draft.wanted[id] > 0 and draft.board.standby_of.get(id)}
    for id in neediest_first(draft, wants) if wants else ():
        service = draft.service(id)
        standby = resumable(draft, service, pools, partial(rung_for, draft.board, service))
        if standby is not None:
            draft.resume(standby)


def resumable(draft: Draft, service: Service, pools: Sequence[PoolName], rung_in: RungIn) -> Placement | None:
    """Who of a service's standby may serve now: on the cheapest rung, paused rather than still starting."""
    waiting = [
        each
        for each in standby_of(draft.board, service.id)
        if each.state is PlacementState.RUNNING and each.pool in pools and each.instance in draft.index.instances
    ]
    rungs = {pool: rung_in(pool) for pool in sorted({each.pool for each in waiting})}
    found = [
        (rung.order, not draft.is_paused(each.instance), each.ordinal, each)
        for each in waiting
        if (rung := rungs[each.pool]) is not None and _may_serve(draft.board, service, each)
    ]
    return min(found, key=lambda each: each[:3])[-1] if found else None


def _may_serve(board: Board, service: Service, standby: Placement) -> bool:
    """Whether the node has the processor, and rules and lines allow it."""
    row = board.table.row_of[standby.node]
    space, ask, held = board.table.space, board.table.ask(service.resources), board.table.ask(standby.resources)
    if not space.is_ready[row] or not space.fits_later(row, ask):
        return False
    if not bool((space.free[row] + held.vector >= ask.vector)[ask.asked].all()):
        return False
    return bool(len(Siting(board).open_rows(service, np.array([row]))))


def room_held_by_standby(board: Board, pool: PoolName, service: Service) -> NodeRoom | None:
    """A node of a pool on which one more fits as soon as some who stand by there have stopped."""
    row_of, space, held = board.table.row_of, board.table.space, np.zeros_like(board.table.space.leaving)
    here = [each for each in board.standby.values() if each.pool == pool and each.node in row_of]
    if not here:
        return None
    for each in here:
        held[row_of[each.node]] += board.table.ask(each.resources).vector
    rows = sorted({row_of[each.node] for each in here})
    leaving = np.minimum(held, space.leaving)
    stopped = Space(space.allocatable, space.free, leaving, space.promised, space.is_ready, space.accepts)
    row = best_row(stopped, Siting(board), service, np.array(rows), is_now=False)
    return NodeRoom(board, row) if row is not None and space.is_ready[row] else None


def give_names(draft: Draft) -> None:
    """Replace who was resumed and can't be found by name, once the rush is over: a few at a time, where they stand.

    An engine gives an instance its names when it starts it, and one that stands by has none.
    """
    under_way = moves_under_way(draft.all_departing())
    for victim in _nameless(draft):
        service = draft.service(victim.service)
        is_short = draft.wanted[service.id] > 0 or draft.waiting.get(service.id) or not draft.may_grow(service.id)
        if is_short or under_way >= draft.board.fleet.scaling.max_moves_at_once:
            continue
        rung = rung_for(draft.board, service, victim.pool)
        room = best_room(draft.board, [victim.pool], service) if rung is not None else None
        if room is None:
            continue
        draft.evict(victim, Eviction(NAMELESS, draft.now))
        draft.wanted[service.id] += 1
        replacement = draft.place(service, room.node.id)
        under_way += 1
        sentence = f"{replacement.instance} replaces {victim.instance}, which stood by and has no name among its peers."
        draft.say(service.id, NAMELESS, sentence, instance=victim.instance, node=victim.node)


def _nameless(draft: Draft) -> list[Placement]:
    """Those that peers look for in vain, and that have served for a whole window in which demand could have fallen."""
    resumed = (draft.board.placements[id] for id in sorted(draft.index.ground.resumed & draft.board.placements.keys()))
    window_seconds = draft.board.fleet.scaling.down_seconds
    return [
        each
        for each in resumed
        if is_staying(each)
        and draft.is_ready(each.instance)
        and each.service in draft.index.record.services
        and (draft.now - each.placed_at).total_seconds() >= window_seconds
        and has_peers(draft.index.record, draft.service(each.service))
    ]


def has_peers(record: Record, service: Service) -> bool:
    """Whether other services of its app share a network with it, and so may look for it by name."""
    app = record.apps.get(service.app)
    others = [record.services[id] for id in (app.services if app else ()) if id != service.id and id in record.services]
    mine = _networks(record, service)
    return any(not mine.isdisjoint(_networks(record, other)) for other in others)


def _networks(record: Record, service: Service) -> frozenset[str]:
    revision = record.revisions.get(service.revision)
    is_on_own = revision is not None and revision.template.network_mode == OWN_NETWORKS
    return frozenset(revision.template.networks) if revision is not None and is_on_own else frozenset()
