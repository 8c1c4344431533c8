"""Rented machines from charge to charge: paying for those in use, giving back those that idle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from springtide.model.events import Reason
from springtide.model.placements import Eviction, PlacementState, Rental, RentalState
from springtide.planning.draft import Draft, is_staying
from springtide.planning.money import next_charge, whole_milliseconds

TRIES_TO_RENT = 4
RETURN_SECONDS = 1.0
"""What giving a machine back may take before its next charge begins, beside one plan's period."""


def secure_rentals(draft: Draft) -> None:
    """Pay the next period of machines in use while it is time; what can't be paid is closed before anyone counts on it.

    Comes before anything is placed, so that new rents don't take the money of machines that serve.
    """
    for token in sorted(draft.rentals):
        rental = draft.rentals[token]
        if not _is_up_for_renewal(draft, rental):
            continue
        if _is_used(draft, rental):
            _renew_or_empty(draft, rental)
        elif (refusal := _refusal_of_renewal(draft, rental)) is not None:
            _empty_unpaid(draft, rental, refusal)


def settle_rentals(draft: Draft) -> None:
    """Give up refused requests, return what nothing needs before its next charge, pay for what was idle and is used."""
    for token in sorted(draft.rentals):
        rental = draft.rentals[token]
        if rental.state is RentalState.RENTING and not _give_up(draft, rental):
            _renew_or_return(draft, rental)


def _give_up(draft: Draft, rental: Rental) -> bool:
    """Let go of a request that the cloud has refused for good or too often; the return sweeps what may exist."""
    failures = draft.index.failures.get(rental.token, ())
    refused = any(failure.code == "out-of-stock" for failure in failures)
    if rental.since is not None or not (refused or len(failures) >= TRIES_TO_RENT):
        return False
    _begin_return(draft, rental, "rent-failed", f"{rental.node} was not rented: {failures[-1].sentence}")
    return True


def _renew_or_return(draft: Draft, rental: Rental) -> None:
    if not _is_up_for_renewal(draft, rental):
        return
    if _is_used(draft, rental):
        _renew_or_empty(draft, rental)
        return
    occupied = bool(draft.board.on_node(rental.node))
    if not occupied and draft.now >= next_charge(rental) - _return_lead(draft):
        _begin_return(draft, rental, "return", f"{rental.node} is given back before its next charge: nothing needs it.")


def _is_up_for_renewal(draft: Draft, rental: Rental) -> bool:
    """Whether now is the time to decide on the next period: late enough to know, early enough to drain first."""
    drain = timedelta(milliseconds=whole_milliseconds(draft.board.fleet.reclaim.grace_seconds))
    is_kept = rental.state is RentalState.RENTING and rental.since is not None
    return is_kept and draft.now >= next_charge(rental) - _return_lead(draft) - drain


def _return_lead(draft: Draft) -> timedelta:
    return timedelta(seconds=RETURN_SECONDS + 2 * draft.board.fleet.scaling.period_seconds)


def _is_used(draft: Draft, rental: Rental) -> bool:
    room = draft.board.rooms.get(rental.node)
    if room is None:
        return False
    stays = any(is_staying(each) for each in draft.board.on_node(rental.node))
    return stays or bool(room.promised)


def _refusal_of_renewal(draft: Draft, rental: Rental) -> Reason | None:
    """Why no budget pays the next period, judged in the hour, day or month in which that begins."""
    return draft.purse().refusal_of(rental.price_micros_per_period, next_charge(rental))


def _renew_or_empty(draft: Draft, rental: Rental) -> None:
    refusal = _refusal_of_renewal(draft, rental)
    if refusal is None:
        draft.purse().commit(rental.price_micros_per_period, next_charge(rental))
        draft.rentals[rental.token] = replace(rental, periods_committed=rental.periods_committed + 1)
    else:
        _empty_unpaid(draft, rental, refusal)


def _begin_return(draft: Draft, rental: Rental, code: str, sentence: str) -> None:
    draft.rentals[rental.token] = replace(rental, state=RentalState.RETURNING)
    room = draft.board.rooms.get(rental.node)
    if room is not None:
        room.close()
    draft.say(rental.node, code, sentence, cloud=rental.cloud)


def _empty_unpaid(draft: Draft, rental: Rental, refusal: Reason) -> None:
    """A node whose next period can't be paid is drained before that period starts."""
    room = draft.board.rooms.get(rental.node)
    if room is None:
        return
    room.close()
    gone_by = next_charge(rental) - _return_lead(draft)
    for placement in draft.board.on_node(rental.node):
        waits = placement.eviction is not None and placement.eviction.drain_by is None
        if is_staying(placement) or (waits and placement.state is PlacementState.RUNNING):
            lacking = draft.wanted.get(placement.service, 0)
            draft.wanted[placement.service] = lacking + (1 if is_staying(placement) else 0)
            draft.cloud_refusals[placement.service] = refusal
            draft.evict(placement, Eviction("unpaid", draft.now, drain_by=draft.now, gone_by=gone_by))
            sentence = f"{placement.instance} leaves {rental.node}: its next period can't be paid. {refusal.sentence}"
            draft.say(placement.service, "unpaid", sentence, instance=placement.instance)
