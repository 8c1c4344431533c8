"""Rent in integer micros: what a machine commits to, and what budgets have left.

All moments are absolute: nothing here counts hours of a day across midnight. Each billing period
counts in the one budget period in which it begins, whether its machine still runs or has ended; so a
clock that jumps back finds the same commitments in the same places, and none of them twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from springtide.model.events import Reason
from springtide.model.fleet import MICROS, Budget, Fleet, Offer
from springtide.model.leases import LedgerEntry
from springtide.model.placements import Rental

_MICROSECOND = timedelta(microseconds=1)
_LONGEST_SECONDS = 1e9
_NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than anything that is planned, and early enough to count on from there."""


def next_charge(rental: Rental) -> datetime:
    """When the first billing period that isn't committed yet begins; what is too far to be told is never."""
    start = rental.since or rental.requested_at
    seconds = _period_seconds(rental) * rental.periods_committed
    if abs(seconds) > (_NEVER - start).total_seconds():
        return _NEVER if seconds > 0 else start
    return start + timedelta(seconds=seconds)


def periods_begun(rental: Rental, now: datetime) -> int:
    """How many billing periods are committed or have begun by now: what has begun is owed."""
    start = rental.since or rental.requested_at
    begun = (now - start) // timedelta(seconds=_period_seconds(rental)) + 1
    return max(rental.periods_committed, begun)


def _period_seconds(rental: Rental) -> int:
    """A period lasts a second at least: with none, its next charge would never come."""
    return max(1, rental.billing_period_seconds)


def commitment_of(offer: Offer, drain_seconds: float) -> int:
    """Micros that renting commits to: the least billing period, plus the periods that the drain may begin."""
    drain_periods = -(-whole_milliseconds(drain_seconds) // (max(1, offer.billing_period_seconds) * 1000))
    return offer.price_micros_per_period * (1 + drain_periods)


def whole_milliseconds(seconds: float) -> int:
    """A duration for reckoning with money: absurd ones are cut to thirty years, and what is no number is nought."""
    return round(min(max(0.0, seconds), _LONGEST_SECONDS) * 1000)


def budget_start(budget: Budget, now: datetime) -> datetime:
    """The beginning of the budget's present hour, day or month, in UTC."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if budget.period == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if budget.period == "day" else day.replace(day=1)


def budget_end(budget: Budget, now: datetime) -> datetime:
    """The beginning of the budget's next hour, day or month, in UTC."""
    start = budget_start(budget, now)
    if budget.period == "hour":
        return start + timedelta(hours=1)
    if budget.period == "day":
        return start + timedelta(days=1)
    return (start + timedelta(days=32)).replace(day=1)


def committed_since(
    start: datetime, rentals: Iterable[Rental], ledger: Iterable[LedgerEntry], until: datetime | None = None
) -> int:
    """Micros of rent whose billing periods begin at ``start`` or later, and before ``until`` where that is given.

    A past rental whose entry doesn't tell its periods counts in full where any of its time falls in
    the window: too careful rather than too late.
    """
    past = sum(_spent_on(entry, start, until) for entry in ledger if entry.kind == "rent")
    return past + sum(_committed_by(rental, start, until) for rental in rentals)


@dataclass(slots=True)
class Purse:
    """What budgets have left, for one plan: built once, asked often. Build with :meth:`of`.

    The record is read when a window of a budget is first asked about; from then on a question costs
    one addition a budget. Working state of one plan: never shared.
    """

    budgets: tuple[Budget, ...]
    currency: str
    now: datetime
    rentals: tuple[Rental, ...]
    ledger: tuple[LedgerEntry, ...]
    _committed: dict[tuple[str, datetime], int] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet, rentals: Iterable[Rental], ledger: Iterable[LedgerEntry], now: datetime) -> Purse:
        """The purse as the record stands. A rental and its ledger entry must not both be given."""
        rents = tuple(entry for entry in ledger if entry.kind == "rent") if fleet.budgets else ()
        return cls(fleet.budgets, fleet.currency, now, tuple(rentals), rents)

    def refusal_of(self, amount_micros: int, begins: datetime | None = None) -> Reason | None:
        """Why a further commitment breaks a budget, ``None`` where all allow it.

        ``begins`` is when the period begins that it pays for, where that isn't now: what is renewed
        just before the hour is the next hour's money. A budget that is overspent refuses everything.
        """
        for budget in self.budgets:
            committed = self.committed(budget, begins)
            if committed + amount_micros > budget.limit_micros:
                return _budget_reason(self.currency, budget, committed, amount_micros)
        return None

    def commit(self, amount_micros: int, begins: datetime | None = None) -> None:
        """Take note of a commitment that this plan makes, whether or not it was allowed."""
        for window in {self._window(budget, begins): budget for budget in self.budgets}.values():
            self._committed[self._window(window, begins)] = self.committed(window, begins) + amount_micros

    def committed(self, budget: Budget, begins: datetime | None = None) -> int:
        """Micros committed within the budget's hour, day or month that holds ``begins`` (or now)."""
        window = self._window(budget, begins)
        if window not in self._committed:
            _, start = window
            until = budget_end(budget, start)
            self._committed[window] = committed_since(start, self.rentals, self.ledger, until)
        return self._committed[window]

    def copy(self) -> Purse:
        """The same purse, to try things on."""
        return Purse(self.budgets, self.currency, self.now, self.rentals, self.ledger, dict(self._committed))

    def _window(self, budget: Budget, begins: datetime | None) -> tuple[str, datetime]:
        """A period that began before now, as after a pause, is judged now."""
        return budget.period, budget_start(budget, max(self.now, begins or self.now))


def refusal_of(
    fleet: Fleet, rentals: Iterable[Rental], ledger: Iterable[LedgerEntry], amount_micros: int, now: datetime
) -> Reason | None:
    """Why a further commitment of this amount breaks a budget, ``None`` where all allow it."""
    return Purse.of(fleet, rentals, ledger, now).refusal_of(amount_micros)


def _committed_by(rental: Rental, start: datetime, until: datetime | None) -> int:
    began = rental.since or rental.requested_at
    periods = _periods_between(began, rental.billing_period_seconds, rental.periods_committed, start, until)
    return periods * rental.price_micros_per_period


def _spent_on(entry: LedgerEntry, start: datetime, until: datetime | None) -> int:
    if entry.period_seconds <= 0 or entry.period_micros <= 0:
        is_within = entry.until >= start and (until is None or entry.since < until)
        return entry.amount_micros if is_within else 0
    count = entry.amount_micros // entry.period_micros
    return _periods_between(entry.since, entry.period_seconds, count, start, until) * entry.period_micros


def _periods_between(began: datetime, period_seconds: int, count: int, start: datetime, until: datetime | None) -> int:
    """How many of the first ``count`` periods begin within [start, until): exact, however many there are."""
    before_start = _periods_before(start, began, period_seconds, count)
    before_end = count if until is None else _periods_before(until, began, period_seconds, count)
    return max(0, before_end - before_start)


def _periods_before(moment: datetime, began: datetime, period_seconds: int, count: int) -> int:
    """How many of the first ``count`` periods begin before a moment; periods without length begin all at once."""
    if moment <= began:
        return 0
    if period_seconds <= 0:
        return count
    passed = (moment - began) // _MICROSECOND
    return min(count, -(-passed // (period_seconds * MICROS)))


def _budget_reason(currency: str, budget: Budget, committed: int, amount: int) -> Reason:
    sentence = (
        f"The budget of {money(budget.limit_micros, currency)} a {budget.period} has "
        f"{money(committed, currency)} committed; {money(amount, currency)} more would exceed it."
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
