"""Budgets: each billing period counts once, in the hour, day or month in which it begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.model.fleet import Budget, Fleet
from springtide.model.identifiers import CloudName, NodeId, PoolName, TeamName
from springtide.model.leases import LedgerEntry
from springtide.model.placements import Rental
from springtide.planning.accounts import _rent_entry
from springtide.planning.money import (
    Purse,
    budget_end,
    budget_start,
    commitment_of,
    committed_since,
    next_charge,
    refusal_of,
)
from tests.builders import amount, an_offer

PERIODS = ("hour", "day", "month")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 3 * 366 * 86_400_000).map(lambda millis: NEW_YEAR + timedelta(milliseconds=millis))
periods = st.sampled_from((1, 10, 60, 3600, 86_400, 31 * 86_400))


def a_rental(since: datetime | None = NEW_YEAR, **overrides: object) -> Rental:
    fields: dict[str, object] = {
        "token": "burst-1",
        "cloud": CloudName("rented"),
        "pool": PoolName("burst"),
        "node": NodeId("burst-1"),
        "shape": "small",
        "resources": amount(),
        "price_micros_per_hour": 360_000,
        "price_micros_per_period": 1_000,
        "billing_period_seconds": 10,
        "requested_at": since or NEW_YEAR,
        "boot_seconds": 4.0,
        "since": since,
        "team": TeamName("feed"),
    }
    return Rental(**{**fields, **overrides})  # type: ignore[arg-type]


def a_purse(
    budget: Budget, now: datetime, rentals: tuple[Rental, ...] = (), ledger: tuple[LedgerEntry, ...] = ()
) -> Purse:
    return Purse.of(Fleet(budgets=(budget,)), rentals, ledger, now)


rentals = st.builds(
    lambda since, period, count, price: a_rental(
        since, billing_period_seconds=period, periods_committed=count, price_micros_per_period=price
    ),
    moments,
    periods,
    st.integers(1, 50),
    st.integers(1, 5_000),
)


def begins_of(rental: Rental) -> list[datetime]:
    """When each committed period begins, counted out one by one."""
    length = timedelta(seconds=rental.billing_period_seconds)
    return [(rental.since or rental.requested_at) + length * n for n in range(rental.periods_committed)]


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("hour", "2026-12-31T23:59:59.999999", "2026-12-31T23:00", "2027-01-01T00:00"),
        ("day", "2026-12-31T23:59:59.999999", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("day", "2027-01-01T00:00", "2027-01-01T00:00", "2027-01-02T00:00"),
        ("month", "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "2027-02-28T23:00", "2027-02-01T00:00", "2027-03-01T00:00"),
        ("month", "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("day", "2028-02-29T12:00", "2028-02-29T00:00", "2028-03-01T00:00"),
        ("month", "2026-01-31T00:00", "2026-01-01T00:00", "2026-02-01T00:00"),
        ("month", "2026-04-30T23:59:59", "2026-04-01T00:00", "2026-05-01T00:00"),
    ],
)
def test_hours_days_and_months_begin_and_end_where_the_calendar_says(
    period: str, now: str, start: str, end: str
) -> None:
    budget, moment = Budget(period, 1), datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert budget_start(budget, moment) == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert budget_end(budget, moment) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_the_calendar_is_utc_wherever_the_clock_stands() -> None:
    evening = datetime(2026, 3, 1, 0, 30, tzinfo=UTC).astimezone(tz=None)
    assert budget_start(Budget("month", 1), evening) == datetime(2026, 3, 1, tzinfo=UTC)


@given(st.sampled_from(PERIODS), moments)
def test_the_end_of_one_window_is_the_beginning_of_the_next(period: str, now: datetime) -> None:
    budget = Budget(period, 1)
    assert budget_start(budget, now) <= now < budget_end(budget, now)
    assert budget_start(budget, budget_end(budget, now)) == budget_end(budget, now)


@given(rentals, moments, moments)
def test_what_is_committed_in_a_window_is_every_period_that_begins_there(
    rental: Rental, one: datetime, other: datetime
) -> None:
    start, until = min(one, other), max(one, other)
    counted = [begin for begin in begins_of(rental) if start <= begin < until]
    open_ended = [begin for begin in begins_of(rental) if start <= begin]
    price = rental.price_micros_per_period
    assert committed_since(start, [rental], (), until) == len(counted) * price
    assert committed_since(start, [rental], ()) == len(open_ended) * price


@given(rentals, st.sampled_from(PERIODS))
def test_each_period_counts_in_one_window_and_in_no_other(rental: Rental, period: str) -> None:
    budget = Budget(period, 1)
    starts = {budget_start(budget, begin) for begin in begins_of(rental)}
    each = [committed_since(start, [rental], (), budget_end(budget, start)) for start in starts]
    assert sum(each) == rental.periods_committed * rental.price_micros_per_period


@given(rentals, moments, moments)
def test_a_rental_that_has_ended_counts_as_it_did_while_it_ran(rental: Rental, now: datetime, ended: datetime) -> None:
    for period in PERIODS:
        start, end = budget_start(Budget(period, 1), now), budget_end(Budget(period, 1), now)
        running = committed_since(start, [rental], (), end)
        assert committed_since(start, (), [_rent_entry(rental, ended)], end) == running


def test_a_month_long_rental_that_ended_this_hour_costs_this_hour_only_what_began_in_it() -> None:
    rental = a_rental(NEW_YEAR, billing_period_seconds=3600, periods_committed=31 * 24)
    entry = _rent_entry(rental, NEW_YEAR + timedelta(days=31))
    last_hour = NEW_YEAR + timedelta(days=31) - timedelta(hours=1)
    assert a_purse(Budget("hour", 1), last_hour, (), (entry,)).committed(Budget("hour", 1)) == 1_000
    assert a_purse(Budget("day", 1), last_hour, (), (entry,)).committed(Budget("day", 1)) == 24_000


def test_an_entry_without_periods_counts_in_full_until_its_window_is_over() -> None:
    entry = replace(_rent_entry(a_rental(periods_committed=7), NEW_YEAR), period_seconds=0, period_micros=0)
    assert committed_since(NEW_YEAR, (), [entry]) == 7_000
    assert committed_since(NEW_YEAR + timedelta(seconds=1), (), [entry]) == 0


def test_lending_costs_no_budget() -> None:
    entry = replace(_rent_entry(a_rental(), NEW_YEAR), kind="lend")
    assert committed_since(NEW_YEAR, (), [entry]) == 0


@given(st.lists(rentals, max_size=5), st.lists(rentals, max_size=5), moments, st.integers(0, 400_000))
def test_a_purse_answers_as_the_books_do(
    live: list[Rental], past: list[Rental], now: datetime, asked_micros: int
) -> None:
    fleet = Fleet(budgets=(Budget("hour", 20_000), Budget("day", 100_000), Budget("month", 200_000)))
    ledger = [_rent_entry(each, now) for each in past]
    begins = [(begin, each.price_micros_per_period) for each in (*live, *past) for begin in begins_of(each)]
    spent = {
        budget.period: sum(
            price for begin, price in begins if budget_start(budget, now) <= begin < budget_end(budget, now)
        )
        for budget in fleet.budgets
    }
    refused = [each.period for each in fleet.budgets if spent[each.period] + asked_micros > each.limit_micros]
    refusal = Purse.of(fleet, live, ledger, now).refusal_of(asked_micros)
    assert (refusal.figure("period") if refusal else None) == (refused[0] if refused else None)
    assert refusal is None or refusal.figure("committed_micros") == spent[refused[0]]
    assert refusal == refusal_of(fleet, live, ledger, asked_micros, now)


@given(st.lists(rentals, max_size=4), moments, st.lists(st.integers(0, 30_000), max_size=10))
def test_what_a_purse_allows_one_after_another_never_exceeds_a_budget(
    live: list[Rental], now: datetime, asked: list[int]
) -> None:
    fleet = Fleet(budgets=(Budget("hour", 50_000), Budget("month", 60_000)))
    purse = Purse.of(fleet, live, (), now)
    before = [purse.committed(budget) for budget in fleet.budgets]
    allowed = 0
    for amount_micros in asked:
        if purse.refusal_of(amount_micros) is None:
            purse.commit(amount_micros)
            allowed += amount_micros
    for budget, at_first in zip(fleet.budgets, before, strict=True):
        assert purse.committed(budget) == at_first + allowed
        assert allowed == 0 or purse.committed(budget) <= budget.limit_micros


def test_two_budgets_of_one_period_count_a_commitment_once_each() -> None:
    purse = Purse.of(Fleet(budgets=(Budget("hour", 900), Budget("hour", 500))), (), (), NEW_YEAR)
    purse.commit(400)
    assert [purse.committed(each) for each in purse.budgets] == [400, 400]


def test_a_budget_already_overspent_refuses_with_figures() -> None:
    purse = a_purse(Budget("day", 3_000), NEW_YEAR, (a_rental(periods_committed=5),))
    refusal = purse.refusal_of(1_000)
    assert refusal is not None
    assert refusal.code == "budget-spent"
    assert dict(refusal.figures) == {
        "limit_micros": 3_000,
        "committed_micros": 5_000,
        "asked_micros": 1_000,
        "period": "day",
    }


def test_a_renewal_just_before_midnight_is_paid_by_the_next_day() -> None:
    late = NEW_YEAR + timedelta(hours=23, minutes=59, seconds=55)
    purse = a_purse(Budget("day", 2_000), late, (a_rental(late - timedelta(seconds=5), periods_committed=2),))
    midnight = NEW_YEAR + timedelta(days=1)
    assert purse.refusal_of(1_000) is None  # the second of the two periods begins at 00:00:00
    assert purse.committed(Budget("day", 2_000)) == 1_000
    assert purse.committed(Budget("day", 2_000), midnight) == 1_000
    purse.commit(1_000, midnight)
    assert purse.refusal_of(1, midnight) is not None
    assert purse.refusal_of(1_000) is None


@given(rentals, moments, st.integers(1, 10**7))
def test_a_clock_that_jumps_back_neither_raises_nor_counts_anything_twice(
    rental: Rental, now: datetime, back_seconds: int
) -> None:
    earlier = max(NEW_YEAR, now - timedelta(seconds=back_seconds))
    for period in PERIODS:
        budget = Budget(period, 10**9)
        windows = {budget_start(budget, now): now, budget_start(budget, earlier): earlier}
        counted = sum(a_purse(budget, moment, (rental,)).committed(budget) for moment in windows.values())
        assert counted <= rental.periods_committed * rental.price_micros_per_period


def test_a_commitment_for_a_period_that_has_begun_is_judged_now() -> None:
    purse = a_purse(Budget("hour", 1_000), NEW_YEAR + timedelta(hours=3))
    purse.commit(700, NEW_YEAR)
    assert purse.refusal_of(400) is not None


def test_periods_without_length_are_all_paid_at_once() -> None:
    rental = a_rental(billing_period_seconds=0, periods_committed=3)
    assert committed_since(NEW_YEAR, [rental], ()) == 3_000
    assert committed_since(NEW_YEAR + timedelta(hours=1), [rental], ()) == 0


def test_a_million_committed_periods_are_counted_without_walking_through_them() -> None:
    rental = a_rental(periods_committed=10**12)
    assert committed_since(NEW_YEAR, [rental], (), NEW_YEAR + timedelta(days=1)) == 8_640_000


def test_renting_commits_the_period_and_those_that_the_drain_may_begin() -> None:
    offer = an_offer()
    assert [commitment_of(offer, seconds) for seconds in (0, 1, 10, 10.5)] == [1_000, 2_000, 2_000, 3_000]
    assert next_charge(a_rental(periods_committed=3)) == NEW_YEAR + timedelta(seconds=30)


@pytest.mark.parametrize("period", [-10, 0, 1])
@pytest.mark.parametrize("drain", [-1.0, 1e300, float("inf"), float("nan")])
def test_absurd_drains_and_periods_raise_nothing(period: int, drain: float) -> None:
    assert isinstance(commitment_of(an_offer(billing_period_seconds=period), drain), int)
