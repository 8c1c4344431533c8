"""Limits lowered below use: guests above what a pool, a team or a department lends or borrows must leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import Resources
from springtide.model.workloads import Band
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import RECLAIM
from springtide.planning.guest_uses import Breach
from springtide.planning.quota_tree import LimitName
from springtide.planning.victims import notice_of

ABOVE_LIMIT = "above-limit"


def enforce_limits(draft: Draft) -> None:
    """Give notice to guests above a limit, of the lowest band first, then of the last to come.

    Those who leave anyway count first.
    """
    board = draft.board
    for pool in board.fleet.pools:
        if board.is_unchanged(pool.name):
            continue  # the plan before left it alone: nobody there was above a limit
        firm, everybody = board.quotas.excess(pool.name)
        if not firm and not everybody:
            continue
        guests = _last_first(draft, (each for each in board.in_pool(pool.name) if not board.owns(each)))
        sentence = f"guests of pool {pool.name} use more than it lends"
        _let_go(draft, [each for each in guests if board.quotas.is_firm(each.service)], firm, sentence)
        left = board.quotas.excess(pool.name)[1]
        gone = [each for each in guests if each.instance in board.leaving]
        for each in gone:
            left = (left - each.resources).at_least_zero()
        _let_go(draft, [each for each in guests if each.instance not in board.leaving], left, sentence)
    for breach in board.quotas.breaches():
        _relieve(draft, breach)


def _last_first(draft: Draft, guests: Iterable[Placement]) -> list[Placement]:
    def key(guest: Placement) -> tuple[bool, int, float, str]:
        service = draft.index.record.services.get(guest.service)
        band = service.band.order if service is not None else Band.PRODUCTION.order
        return guest.instance in draft.board.leaving, band, guest.placed_at.timestamp(), guest.instance

    return sorted(guests, key=key, reverse=True)


def _let_go(draft: Draft, guests: list[Placement], excess: Resources, sentence: str) -> None:
    _relieve_by(draft, guests, excess, sentence, lambda guest: guest.resources)


def _relieve(draft: Draft, breach: Breach) -> None:
    """Those whose leaving brings a team's or department's limit back, until it is."""
    board = draft.board

    def relief(guest: Placement) -> Resources:
        return board.quotas.relief(breach, guest)

    candidates = (board.placements[id] for mine in board.groups.values() for g in mine.values() for id in g.ids)
    guests = _last_first(draft, (each for each in candidates if relief(each)))
    what = "borrows more than" if breach.name is LimitName.BORROWING else "lends more than"
    sentence = f"{breach.member.level} {breach.member.name} {what} its limit of {breach.kind} allows"
    _relieve_by(draft, guests, breach.excess, sentence, relief)


def _relieve_by(
    draft: Draft, guests: list[Placement], excess: Resources, sentence: str, relief: Callable[[Placement], Resources]
) -> None:
    for guest in guests:
        less = relief(guest)
        if any(less[kind] > 0 for kind in excess.kinds):
            excess = (excess - less).at_least_zero()
            _notify(draft, guest, sentence)


def _notify(draft: Draft, guest: Placement, sentence: str) -> None:
    draft.board.mark_leaving(guest.instance)
    has_deadline = guest.gone_by is not None or (guest.eviction is not None and guest.eviction.gone_by is not None)
    if guest.state is PlacementState.RUNNING and not has_deadline:
        draft.wanted[guest.service] = draft.wanted.get(guest.service, 0) + (1 if is_staying(guest) else 0)
        draft.update(replace(guest, eviction=notice_of(draft, guest, RECLAIM, None, ABOVE_LIMIT)))
        draft.say(guest.service, ABOVE_LIMIT, f"{guest.instance} must leave: {sentence}.", instance=guest.instance)
