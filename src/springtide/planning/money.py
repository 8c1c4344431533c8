"""Rent in integer micros: what a machine commits to, and what budgets have left.

All moments are absolute: nothing here counts hours of a day across midnight.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from springtide.model.events import Reason
from springtide.model.fleet import MICROS, Budget, Fleet, Offer
from springtide.model.leases import LedgerEntry
from springtide.model.placements import Rental


def next_charge(rental: Rental) -> datetime:
    """When the first billing period that isn't committed yet begins."""
    start = rental.since or rental.requested_at
    return start + timedelta(seconds=rental.billing_period_seconds * rental.periods_committed)


def commitment_of(offer: Offer, drain_seconds: float) -> int:
    """Micros that renting commits to: the least billing period, plus the periods that the drain may begin."""
    drain_periods = -(-int(drain_seconds * 1000) // (offer.billing_period_seconds * 1000))
    return offer.price_micros_per_period * (1 + drain_periods)


def budget_start(budget: Budget, now: datetime) -> datetime:
    """The beginning of the budget's present hour, day or month, in UTC."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if budget.period == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if budget.period == "day" else day.replace(day=1)


def committed_since(start: datetime, rentals: Iterable[Rental], ledger: Iterable[LedgerEntry]) -> int:
    """Micros of rent whose billing periods begin at ``start`` or later.

    A past rental that ended after ``start`` counts in full: too careful rather than too late.
    """
    past = sum(entry.amount_micros for entry in ledger if entry.kind == "rent" and entry.until >= start)
    return past + sum(_committed_by(rental, start) for rental in rentals)


def refusal_of(
    fleet: Fleet, rentals: Iterable[Rental], ledger: Iterable[LedgerEntry], amount_micros: int, now: datetime
) -> Reason | None:
    """Why a further commitment of this amount breaks a budget, ``None`` where all allow it."""
    rentals, ledger = tuple(rentals), tuple(ledger)
    for budget in fleet.budgets:
        committed = committed_since(budget_start(budget, now), rentals, ledger)
        if committed + amount_micros > budget.limit_micros:
            return _budget_reason(fleet, budget, committed, amount_micros)
    return None


def _committed_by(rental: Rental, start: datetime) -> int:
    began = rental.since or rental.requested_at
    period = timedelta(seconds=rental.billing_period_seconds)
    periods = sum(1 for number in range(rental.periods_committed) if began + period * number >= start)
    return periods * rental.price_micros_per_period


def _budget_reason(fleet: Fleet, budget: Budget, committed: int, amount: int) -> Reason:
    sentence = (
        f"The budget of {money(budget.limit_micros, fleet.currency)} a {budget.period} has "
        f"{money(committed, fleet.currency)} committed; {money(amount, fleet.currency)} more would exceed it."
    )
    figures = (
        ("limit_micros", budget.limit_micros),
        ("committed_micros", committed),
        ("asked_micros", amount),
        ("period", budget.period),
    )
    return Reason("budget-spent", sentence, figures)


def money(micros: int, currency: str) -> str:
    """Micros in words: ``0.0012 EUR``."""
    return f"{micros / MICROS:.6f}".rstrip("0").rstrip(".") + f" {currency}"
