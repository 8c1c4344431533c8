"""Guests: what is shared first, then what may be borrowed, one instance at a time to the neediest team."""

from __future__ import annotations

from fractions import Fraction

from springtide.model.identifiers import ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Service
from springtide.planning.board import NodeRoom
from springtide.planning.draft import Draft
from springtide.planning.fairness import dominant_share, shareable_capacity, use_beyond_own
from springtide.planning.fitting import best_room
from springtide.planning.turns import service_order


def place_guests(draft: Draft) -> None:
    """Grant shared and borrowed capacity, lowest dominant share first, while any instance fits."""
    pools = [pool.name for pool in draft.board.fleet.pools if not pool.is_elastic]
    for id in sorted(draft.index.record.services):
        if id not in draft.blocked:
            draft.take_back(id, pools)
    open_services = [id for id in sorted(draft.index.record.services) if _may_be_guest(draft, id)]
    if not open_services:
        return
    capacity, use = shareable_capacity(draft.board), use_beyond_own(draft.board)
    refused: list[ServiceId] = []
    while open_services:
        id = min(open_services, key=lambda each: _order(draft, each, use, capacity))
        service = draft.service(id)
        room = find_guest_room(draft, service)
        if room is None:
            open_services.remove(id)
            refused.append(id)
            continue
        draft.place(service, room.node.id)
        use[service.team] = use.get(service.team, NOTHING) + service.resources
        if draft.wanted[id] <= 0:
            open_services.remove(id)
        # Who may only borrow waits until others have filled what is shared, and gets another turn then.
        open_services += [each for each in refused if Rung.SHARED not in draft.service(each).ladder]
        refused = [each for each in refused if Rung.SHARED in draft.service(each).ladder]


def find_guest_room(draft: Draft, service: Service) -> NodeRoom | None:
    """The node for one more instance as a guest: the cheapest rung, then the fleet's order of pools, then best fit."""
    for rung in (Rung.SHARED, Rung.BORROWED):
        for pool in draft.board.fleet.pools:
            if pool.is_elastic or draft.board.is_owner(service.team, pool):
                continue
            if draft.board.rung_for(service, pool.name) is rung:
                room = best_room(draft.board, [pool.name], service)
                if room is not None:
                    return room
    return None


def _may_be_guest(draft: Draft, id: ServiceId) -> bool:
    ladder = draft.service(id).ladder
    asks = draft.wanted[id] > 0 and id not in draft.blocked
    return asks and (Rung.SHARED in ladder or Rung.BORROWED in ladder)


def _order(
    draft: Draft, id: ServiceId, use: dict[TeamName, Resources], capacity: Resources
) -> tuple[Fraction, TeamName, tuple[int, Fraction, ServiceId]]:
    service = draft.service(id)
    share = dominant_share(use.get(service.team, NOTHING), capacity, draft.board.fleet.weight(service.team))
    served = draft.demands[id].count - draft.wanted[id]
    return share, service.team, service_order(draft, id, served)
