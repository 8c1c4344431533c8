"""Notice: given for somebody's sake, running from its own beginning, withdrawn where nobody needs it any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from springtide.model.identifiers import InstanceId
from springtide.model.placements import Placement
from springtide.model.workloads import Service
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import FAIR_SHARE, GIVES_WAY, RECLAIM
from springtide.planning.victims import is_noticed, notice_of

_EVENTS = {RECLAIM: "reclaim-notice", GIVES_WAY: "gives-way", FAIR_SHARE: "fair-share"}


def give_notice(draft: Draft, guest: Placement, rule: str, beneficiary: Service, chosen_by: str) -> None:
    """Ask an instance to leave for a service's sake; where it has been asked already, that notice goes on.

    From now on its capacity counts as about to be free.
    """
    draft.board.mark_leaving(guest.instance)
    eviction = guest.eviction
    if is_noticed(guest) and eviction is not None and (eviction.rule == rule or rule != RECLAIM):
        return
    rung = draft.rung(guest)
    draft.wanted[guest.service] = draft.wanted.get(guest.service, 0) + (1 if is_staying(guest) else 0)
    notice = notice_of(draft, guest, rule, beneficiary, chosen_by)
    draft.update(replace(guest, eviction=notice))
    seconds = (notice.drain_by - draft.now).total_seconds() if notice.drain_by is not None else 0.0
    grace = draft.index.record.fleet.reclaim.grace_seconds
    sentence = (
        f"{_opening(guest, rule, beneficiary, rung.value)}: it drains once replaced, at latest in "
        f"{seconds:g} s, and is gone {grace:g} s later (chosen by: {chosen_by})."
    )
    figures = {"instance": guest.instance, "rung": rung.value, "chosen_by": chosen_by}
    draft.say(guest.service, _EVENTS[rule], sentence, owner=beneficiary.id, **figures)


def _opening(guest: Placement, rule: str, beneficiary: Service, rung: str) -> str:
    if rule == RECLAIM:
        return f"{beneficiary.id} reclaims {guest.node} from {guest.instance} ({rung})"
    if rule == GIVES_WAY:
        return f"{guest.instance} ({rung}) on {guest.node} gives way to {beneficiary.id} ({beneficiary.band})"
    return f"{beneficiary.id} takes its fair share on {guest.node} from {guest.instance} ({rung})"


def is_reclaimed(placement: Placement) -> bool:
    """Whether its team's notice is an owner's."""
    return is_noticed(placement) and placement.eviction is not None and placement.eviction.rule == RECLAIM


def withdraw_notices(draft: Draft, noticed: Iterable[InstanceId]) -> None:
    """Let those stay whose room this plan gives to nobody."""
    for id in sorted(set(noticed) - draft.board.leaving):
        placement = draft.board.placements[id]
        if not is_noticed(placement):
            continue
        draft.update(replace(placement, eviction=None))
        draft.wanted[placement.service] = draft.wanted.get(placement.service, 0) - 1
        sentence = f"{id} may stay: nobody needs the room any more."
        draft.say(placement.service, "notice-withdrawn", sentence, instance=id)
