"""What a plan remembers for the next: memos of services at rest."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.model.identifiers import ServiceId
from springtide.model.leases import Lease
from springtide.model.routing import RouteTable
from springtide.planning.draft import Draft
from springtide.planning.explanation import holdings_of
from springtide.planning.memo import Memo, is_at_rest, rungs_under
from springtide.planning.replacement import may_have_outdated


def plan_memos(draft: Draft, leases: Iterable[Lease], routes: RouteTable) -> dict[ServiceId, Memo]:
    """What the next plan needn't work out again, for every service that is at rest."""
    keys: dict[ServiceId, list[str]] = {}
    for lease in leases:
        keys.setdefault(lease.service, []).append(lease.key)
    routed = {each.service: each for each in routes}
    board, ground = draft.board, draft.index.ground
    memos: dict[ServiceId, Memo] = {}
    for id, service in draft.index.record.services.items():
        memo = draft.memo(id)
        if memo is None and is_at_rest(board, ground, id):
            stamp, rungs = ground.stamps.get(id, 0), rungs_under(board, id)
            holdings, is_current = holdings_of(draft, id), _is_current(draft, id)
            memo = Memo(
                service=service,
                stamp=stamp,
                rungs=rungs,
                holdings=holdings,
                lease_keys=tuple(keys.get(id, ())),
                routed=routed.get(id),
                is_current=is_current,
                dearest=max((holding.rung.order for holding in holdings), default=0),
            )
        if memo is not None:
            memos[id] = memo
    return memos


def _is_current(draft: Draft, id: ServiceId) -> bool:
    """Whether nothing of a service is outdated; of what is rented that isn't told: labels come with the rental."""
    is_rented = any(draft.board.pools[pool].is_elastic for pool, _ in draft.board.groups.get(id, ()))
    return not is_rented and not may_have_outdated(draft, id)
