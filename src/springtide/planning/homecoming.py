"""Coming home: instances on dear rungs move to cheaper ones when room has lasted, make before break."""

from __future__ import annotations

from dataclasses import dataclass

from springtide.model.fleet import Pool
from springtide.model.identifiers import PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Eviction, Placement
from springtide.model.resources import CPU_MILLIS
from springtide.model.workloads import Service
from springtide.planning.admission import rung_for
from springtide.planning.board import NodeRoom
from springtide.planning.draft import Draft
from springtide.planning.evictions import HOME, moves_under_way
from springtide.planning.fitting import best_room
from springtide.planning.memo import holds_still
from springtide.planning.resuming import room_held_by_standby
from springtide.planning.shrinking import by_avoidable_cost
from springtide.planning.standby import yield_on

PAYBACK_HOURS = 1
"""A move must save more than it costs within this time."""


@dataclass(frozen=True, slots=True)
class _Move:
    victim: Placement
    source: Rung
    target: Rung
    room: NodeRoom
    saving_micros: int


def come_home(draft: Draft) -> None:
    """Move a bounded number of instances to cheaper rungs, those off the dearest first."""
    terms = draft.board.fleet.scaling
    under_way = begun = moves_under_way(draft.all_departing())
    for id in sorted(draft.index.record.services):
        if _is_known_to_stay(draft, id) or not _is_away(draft, id):
            continue
        move = _find_move(draft, draft.service(id))
        if move is None:
            continue
        since = draft.index.carry.room_since.get(id, draft.now)
        draft.room_since[id] = since
        while move is not None and (draft.now - since).total_seconds() >= terms.home_seconds:
            if under_way >= terms.max_moves_at_once:
                break
            if move.room.fits_now(draft.service(id).resources):
                _carry_out(draft, move)
            else:
                yield_on(draft, move.room.node.id, draft.service(id).resources)  # the next plan moves it
                break
            under_way += 1
            move = _find_move(draft, draft.service(id))
    if under_way > begun:
        draft.news.without_room.clear()  # what moved has changed limits that others were asked under


def _is_away(draft: Draft, id: ServiceId) -> bool:
    """Whether any instance may stand on a rung above own."""
    board, team = draft.board, draft.service(id).team
    for pool_name, _ in board.groups.get(id, ()):
        pool = board.pools[pool_name]
        if not pool.is_owned_by(team) or board.rungs(pool_name).owners is not Rung.OWN:
            return True
    return False


def _is_known_to_stay(draft: Draft, id: ServiceId) -> bool:
    """Whether nothing has changed since all were at home, or since no pool had room on a cheaper rung."""
    memo, service = draft.index.carry.memos.get(id), draft.service(id)
    if memo is None or not holds_still(memo, draft.board, draft.index.ground, id):
        return False
    if memo.is_home:
        return True
    again = draft.news.pools_to_ask(service) if id in draft.news.seen.without_room else None
    if again is not None and memo.dearest <= Rung.SHARED.order:
        again = again.intersection(draft.board.pools_of(service.team))  # only there is anything cheaper
    if again is None or any(_has_room_below(draft, service, memo.dearest, pool) for pool in sorted(again)):
        return False
    draft.news.without_room.add(id)
    return True


def _has_room_below(draft: Draft, service: Service, dearest: int, pool: PoolName) -> bool:
    """Whether a pool has room for one more on a rung below the dearest that the service stands on."""
    rung = rung_for(draft.board, service, pool)
    if rung is None or rung.order >= dearest:
        return False
    room = best_room(draft.board, [pool], service) or room_held_by_standby(draft.board, pool, service)
    return room is not None


def _find_move(draft: Draft, service: Service) -> _Move | None:
    """The dearest instance that could stand on a cheaper rung now, if that pays."""
    if draft.wanted[service.id] > 0 or draft.waiting.get(service.id) or not draft.may_grow(service.id):
        return None
    found = {source: _cheaper_room(draft, service, source) for source in _possible_sources(draft, service)}
    rooms = {source: room for source, room in found.items() if room is not None}
    if not rooms:
        draft.news.without_room.add(service.id)
        return None
    ready = [each for each in draft.staying(service.id) if draft.is_ready(each.instance) and not draft.is_held(each)]
    for placement in by_avoidable_cost(draft, ready):
        source = draft.rung(placement)
        if source not in rooms:
            continue
        target, room = rooms[source]
        saving = _saving_micros(draft, service, placement, room)
        cost = draft.board.fleet.scaling.move_cost_micros
        if saving > cost or (cost == 0 and saving == 0):
            return _Move(placement, source, target, room, saving)
    return None


def _possible_sources(draft: Draft, service: Service) -> set[Rung]:
    """The rungs on which instances of it may stand, without looking at each."""
    board, sources = draft.board, set[Rung]()
    for pool_name, _ in board.groups.get(service.id, ()):
        rungs = board.rungs(pool_name)
        if board.pools[pool_name].is_owned_by(service.team):
            sources.update([rungs.owners] if rungs.owners else [Rung.OWN, Rung.SHARED])
        else:
            sources.update([rungs.guests] if rungs.guests else [Rung.SHARED, Rung.BORROWED])
    return sources


def _cheaper_room(draft: Draft, service: Service, source: Rung) -> tuple[Rung, NodeRoom] | None:
    """The cheapest rung below the present one that has room for one more instance now."""
    board = draft.board
    best: tuple[Rung, NodeRoom] | None = None
    own = [board.pools[name] for name in board.pools_of(service.team)]
    for pool in own if source.order <= Rung.SHARED.order else board.fleet.pools:
        rung = None if pool.is_elastic else rung_for(board, service, pool.name)
        if rung is None or rung.order >= (best[0].order if best else source.order):
            continue
        room = best_room(board, [pool.name], service) or room_held_by_standby(board, pool.name, service)
        if room is not None:
            best = rung, room
            if rung is Rung.OWN:
                break
    return best


def _saving_micros(draft: Draft, service: Service, placement: Placement, room: NodeRoom) -> int:
    here = price_per_hour(draft, service, draft.board.pools[placement.pool], placement.node)
    there = price_per_hour(draft, service, draft.board.pools[room.node.pool], room.node.id)
    return (here - there) * PAYBACK_HOURS


def price_per_hour(draft: Draft, service: Service, pool: Pool, node: str) -> int:
    """Micros that one instance costs its team an hour: its share of a rented node, or the pool's price."""
    cpu_millis = service.resources[CPU_MILLIS]
    for rental in draft.rentals.values():
        if rental.node == node:
            return rental.price_micros_per_hour * cpu_millis // max(1, rental.resources[CPU_MILLIS])
    if pool.is_owned_by(service.team):
        return 0
    return pool.price_micros_per_cpu_hour * cpu_millis // 1000


def _carry_out(draft: Draft, move: _Move) -> None:
    service: ServiceId = move.victim.service
    draft.evict(move.victim, Eviction(HOME, draft.now))
    draft.wanted[service] += 1
    replacement = draft.place(draft.service(service), move.room.node.id)
    sentence = (
        f"{move.victim.instance} comes home from {move.victim.node} ({move.source}) to {move.room.node.id} "
        f"({move.target}) as {replacement.instance}: room has lasted {draft.board.fleet.scaling.home_seconds:g} s."
    )
    draft.say(
        service,
        "come-home",
        sentence,
        instance=move.victim.instance,
        target=move.target.value,
        saving_micros=move.saving_micros,
    )
