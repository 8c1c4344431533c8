"""What a plan remembers for the next: memos of services at rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from springtide.model.identifiers import ServiceId
from springtide.model.leases import Lease, Rung
from springtide.model.routing import RouteTable
from springtide.planning.draft import Draft
from springtide.planning.explanation import Explanation, has_all, holdings_of
from springtide.planning.memo import Home, Memo, home_rungs, is_at_rest, rungs_under


def plan_memos(
    draft: Draft, leases: Iterable[Lease], routes: RouteTable, explanations: Mapping[ServiceId, Explanation]
) -> dict[ServiceId, Memo]:
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
            memo = Memo(service, stamp, rungs, holdings_of(draft, id), tuple(keys.get(id, ())), routed.get(id))
        if memo is not None:
            memos[id] = _with_home(draft, memo, explanations[id])
    return memos


def _with_home(draft: Draft, memo: Memo, explanation: Explanation) -> Memo:
    """The memo with why the service can't come home, where that rests on its team's pools alone."""
    if memo.is_home or memo.dearest > Rung.SHARED.order or not has_all(draft, memo.service.id):
        return replace(memo, home=None) if memo.home is not None else memo
    rungs = home_rungs(draft.board, memo.service)
    if rungs is None or (memo.home is not None and memo.home == Home(rungs, explanation.refusals)):
        return memo if rungs is not None else replace(memo, home=None)
    return replace(memo, home=Home(rungs, explanation.refusals))
