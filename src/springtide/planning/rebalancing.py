"""Against fragmentation: who is missing and fits on no node, though a pool has room enough in all, gets others moved.

It pays where one more instance is served, and only there: nobody is moved for tidiness. A few at a time, each to
another node of its pool, make before break; the room they leave is promised to the one for whose sake they move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from springtide.model.identifiers import NodeId, PoolName, ServiceId
from springtide.model.placements import Eviction, Placement
from springtide.model.workloads import Band, Service
from springtide.planning.admission import rung_for
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import ASIDE, moves_under_way
from springtide.planning.fitting import best_row
from springtide.planning.layout import IntArray
from springtide.planning.siting import Siting
from springtide.planning.turns import service_order
from springtide.planning.victims import choose_victims

MOST_LOOKS_A_PLAN = 200
"""So many pools are looked at in a plan, the neediest services first: a great spike mustn't hold up the plan."""
MOST_NODES_A_LOOK = 8
"""Of a pool, those that lack least."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """A node, and which other node each of those who must leave it goes to."""

    node: NodeId
    moves: tuple[tuple[Placement, NodeId], ...]


def make_room(draft: Draft) -> None:
    """Promise missing instances nodes that others can move off, while moves may begin."""
    left = draft.board.fleet.scaling.max_moves_at_once - moves_under_way(draft.all_departing())
    looks = MOST_LOOKS_A_PLAN
    for service in _missing(draft) if left > 0 else ():
        for pool in _pools_open_to(draft, service):
            if looks <= 0 or left <= 0:
                return
            looks -= 1
            while draft.wanted[service.id] > 0 and (opening := _find_opening(draft, service, pool, left)) is not None:
                _carry_out(draft, service, opening)
                left -= len(opening.moves)


def _missing(draft: Draft) -> list[Service]:
    """Services that lack instances, in their turn. Best-effort takes what is idle: nobody moves for it."""
    ids = [id for id, count in draft.wanted.items() if count > 0 and draft.may_grow(id)]

    def turn(id: ServiceId) -> tuple[object, ...]:
        return service_order(draft, id, draft.demands[id].count - draft.wanted[id])

    services = (draft.service(id) for id in sorted(ids, key=turn) if id in draft.index.record.services)
    return [each for each in services if each.band is not Band.BEST_EFFORT]


def _pools_open_to(draft: Draft, service: Service) -> Iterator[PoolName]:
    """The team's own pools, then those of others that have quota for one more, in the fleet's order."""
    board = draft.board
    own = board.pools_of(service.team)
    others = [pool.name for pool in board.fleet.pools if not pool.is_elastic and pool.name not in own]
    return (name for name in (*own, *others) if rung_for(board, service, name) is not None)


def _find_opening(draft: Draft, service: Service, pool: PoolName, most: int) -> _Opening | None:
    """Of the nodes that lack least, the first from which at most so many can move elsewhere in the pool."""
    board, space = draft.board, draft.board.table.space
    ask = board.table.ask(service.resources)
    rows = Siting(board).open_rows(service, board.table.rows_in([pool]))
    rows = rows[space.accepts[rows] & space.is_ready[rows]]
    if not len(rows) or not ask.is_possible or most <= 0 or rung_for(board, service, pool) is None:
        return None
    later = np.maximum(0, space.later(rows))
    if (later.sum(axis=0)[ask.asked] < ask.amounts).any():
        return None
    lacking = np.maximum(0, ask.amounts - later[:, ask.asked]) / ask.amounts
    nearest = rows[np.argsort(lacking.max(axis=1, initial=0.0), kind="stable")[:MOST_NODES_A_LOOK]]
    openings = (_clear(draft, service, int(row), most) for row in nearest)
    return next((opening for opening in openings if opening is not None), None)


def _clear(draft: Draft, service: Service, row: int, most: int) -> _Opening | None:
    """Who moves off a node, and where to, so that the service fits; large ones first, since then fewer move."""
    board, node = draft.board, draft.board.table.nodes[row]
    later = board.table.amount_of(board.table.space.later(np.array([row]))[0])
    rows = board.table.rows_in([node.pool])
    rows = rows[rows != row]
    movable = [each for each in board.on_node(node.id) if _may_move(draft, each, service)]
    movable.sort(key=lambda each: (each.resources.amounts, each.instance))
    for in_order in (movable[::-1], movable):
        victims = choose_victims(in_order, service.resources, later)
        if victims and len(victims) <= most:
            moves = moves_to(draft, [board.placements[id] for id in victims], rows)
            if moves is not None:
                return _Opening(node.id, moves)
    return None


def _may_move(draft: Draft, placement: Placement, taker: Service) -> bool:
    """For another's sake: neither the other's own, nor whom it must be near."""
    id = placement.service
    return id != taker.id and id not in taker.placement.near and is_movable(draft, placement)


def is_movable(draft: Draft, placement: Placement) -> bool:
    """Ready ones that nobody has asked to leave, whose hold is over and whose place doesn't rest on others'."""
    board, mover = draft.board, draft.index.record.services.get(placement.service)
    if mover is None or not draft.may_grow(mover.id):
        return False
    if mover.placement.depends_on_others or board.apart_of(mover.id):
        return False
    if not mover.is_current(placement.revision, placement.placed_at):
        return False
    return is_staying(placement) and draft.is_ready(placement.instance) and not draft.is_held(placement)


def moves_to(draft: Draft, victims: Sequence[Placement], rows: IntArray) -> tuple[tuple[Placement, NodeId], ...] | None:
    """One of these nodes for each, now; ``None`` where one finds none."""
    board, space, siting = draft.board, draft.board.table.space.copy(), Siting(draft.board)
    moves = []
    for victim in victims:
        mover = draft.service(victim.service)
        row = best_row(space, siting, mover, rows, is_now=True)
        if row is None or rung_for(board, mover, victim.pool) is None:
            return None
        space.free[row] -= board.table.ask(mover.resources).vector
        siting.add(mover.id, row)
        moves.append((victim, board.table.nodes[row].id))
    return tuple(moves)


def _carry_out(draft: Draft, service: Service, opening: _Opening) -> None:
    for victim, target in opening.moves:
        draft.evict(victim, Eviction(ASIDE, draft.now, beneficiary=service.id))
        draft.wanted[victim.service] += 1
        copy = draft.place(draft.service(victim.service), target)
        sentence = (
            f"{victim.instance} moves from {opening.node} to {target} as {copy.instance}, "
            f"so that one more of {service.id} fits there."
        )
        draft.say(victim.service, ASIDE, sentence, instance=victim.instance, target=target, owner=service.id)
    draft.promise(service, opening.node)
