from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.formats.quantities import (
    format_bytes,
    format_cpus,
    format_money,
    parse_bytes,
    parse_cpus,
    parse_money,
    parse_percent,
    parse_price,
    parse_rate,
)

AMOUNTS = st.integers(min_value=0, max_value=2**50)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("32M", 32 * 2**20),
        ("64MiB", 64 * 2**20),
        ("64mb", 64 * 2**20),
        ("1.5g", 3 * 2**29),
        (1000, 1000),
        ("1000b", 1000),
    ],
)
def test_memory_units_are_powers_of_1024(value: str | int, count: int) -> None:
    assert parse_bytes(value) == count


@pytest.mark.parametrize("value", ["", "M", "-1", "1x", "1 000", "1e9", "64MiBB", float("nan")])
def test_what_is_no_amount_of_memory_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match="isn't an amount of memory"):
        parse_bytes(value)


@pytest.mark.parametrize(("value", "millis"), [("0.05", 50), (0.1, 100), (2, 2000), ("1.125", 1125), (0.001, 1)])
def test_processors_are_exact_thousandths(value: str | float, millis: int) -> None:
    assert parse_cpus(value) == millis


@pytest.mark.parametrize("value", ["0.0001", 0.00001, "1.0005"])
def test_finer_than_a_thousandth_of_a_processor_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match="finer than a thousandth"):
        parse_cpus(value)


@pytest.mark.parametrize("value", ["", "-1", "two", "1e3", float("inf"), -0.5])
def test_what_is_no_number_of_processors_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match="isn't a number of processors"):
        parse_cpus(value)


@pytest.mark.parametrize(
    ("value", "bits"),
    [("2Mbps", 2_000_000), ("500 kbit/s", 500_000), ("1Gbps", 10**9), (800, 800), ("1.5mbps", 1_500_000)],
)
def test_rates_are_powers_of_1000(value: str | int, bits: int) -> None:
    assert parse_rate(value) == bits


@pytest.mark.parametrize("value", ["2MB", "fast", "-1Mbps", "2M"])
def test_what_is_no_rate_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="isn't a rate"):
        parse_rate(value)


@pytest.mark.parametrize(
    ("value", "micros"), [("0.36/h", 360_000), (0.36, 360_000), ("1 / hour", 10**6), (0.00001, 10)]
)
def test_prices_are_per_hour_in_millionths(value: str | float, micros: int) -> None:
    assert parse_price(value) == micros


@pytest.mark.parametrize("value", ["0.36/m", "free", "-1/h"])
def test_what_is_no_price_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="isn't a price per hour"):
        parse_price(value)


def test_money_finer_than_a_millionth_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than a millionth"):
        parse_money("0.0000001")


@pytest.mark.parametrize(("value", "percent"), [("25%", 25), (25, 25), ("0 %", 0), ("125%", 125)])
def test_percentages_are_whole_numbers(value: str | int, percent: int) -> None:
    assert parse_percent(value) == percent


@pytest.mark.parametrize("value", ["12.5%", "%", "-1%"])
def test_what_is_no_whole_percentage_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="isn't a whole percentage"):
        parse_percent(value)


@given(AMOUNTS)
def test_memory_round_trips(count: int) -> None:
    assert parse_bytes(format_bytes(count)) == count


@given(AMOUNTS)
def test_processors_round_trip(millis: int) -> None:
    assert parse_cpus(format_cpus(millis)) == millis


@given(AMOUNTS)
def test_money_round_trips(micros: int) -> None:
    assert parse_money(format_money(micros)) == micros
