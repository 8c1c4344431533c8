from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.formats.durations import format_duration, parse_duration, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("0", 0.0),
        ("1h1m1s1ms", 3661.001),
        ("250us", 0.00025),
        ("1d", 86400.0),
        ("1w", 604800.0),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "30", "-1s", "1 s", "1s ", "1s\n", "1e3s", "1y", "nan", "１s", "1s30"])
def test_what_is_no_duration_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="isn't a duration such as 30s"):
        parse_duration(text)


@pytest.mark.parametrize(("value", "seconds"), [(2.5, 2.5), (30, 30.0), ("30", 30.0), ("2.5", 2.5), ("2m", 120.0)])
def test_a_plain_number_is_seconds_in_the_fleet_file(value: str | float, seconds: float) -> None:
    assert parse_seconds(value) == seconds


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e300, "1e3"])
def test_numbers_that_are_no_length_of_time_are_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match="isn't a duration"):
        parse_seconds(value)


@given(st.integers(min_value=0, max_value=10**15))
def test_durations_round_trip_to_the_microsecond(micros: int) -> None:
    assert round(parse_duration(format_duration(micros / 1_000_000)) * 1_000_000) == micros
