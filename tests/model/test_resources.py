"""Amounts of resources: exact arithmetic, each kind apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.resources import NOTHING, Resources, describe, total

KINDS = ("cpu_millis", "memory_bytes", "pids", "gpu")


def amounts(least: int = -1000) -> st.SearchStrategy[Resources]:
    return st.dictionaries(st.sampled_from(KINDS), st.integers(least, 1000)).map(Resources.of)


anything = amounts()
asked = amounts(0)


@given(anything, anything, anything)
def test_addition_is_commutative_and_associative_and_nothing_is_neutral(
    a: Resources, b: Resources, c: Resources
) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == total([a, b, c])
    assert a + NOTHING == a


@given(anything, anything)
def test_what_is_added_and_taken_away_again_leaves_the_same_object(a: Resources, b: Resources) -> None:
    assert (a + b) - b == a
    assert a - a == NOTHING
    assert hash((a + b) - b) == hash(a)


@given(st.dictionaries(st.sampled_from(KINDS), st.integers(-5, 5)))
def test_equal_amounts_are_equal_in_whatever_order_and_with_whatever_noughts(named: dict[str, int]) -> None:
    backwards = dict(reversed(list(named.items())))
    assert Resources.of(named) == Resources.of(backwards) == Resources.of(**named)
    assert Resources.of({**named, "none": 0}) == Resources.of(named)
    assert 0 not in [amount for _, amount in Resources.of(named).amounts]


@given(anything)
def test_each_kind_is_read_apart_and_one_not_named_is_nought(a: Resources) -> None:
    assert Resources.of((kind, a[kind]) for kind in KINDS) == a
    assert a["never heard of"] == 0
    assert bool(a) == any(a[kind] for kind in KINDS)


@given(anything, st.integers(0, 5))
def test_so_many_times_is_so_many_additions(a: Resources, count: int) -> None:
    assert a.times(count) == total([a] * count)


@given(asked, st.integers(0, 100))
def test_a_share_and_the_rest_are_the_whole(a: Resources, share: int) -> None:
    part = a.percent(share)
    assert part + (a - part) == a
    assert all(100 * part[kind] <= share * a[kind] < 100 * (part[kind] + 1) for kind in KINDS)


@given(anything)
def test_at_least_zero_keeps_what_is_positive(a: Resources) -> None:
    assert all(a.at_least_zero()[kind] == max(0, a[kind]) for kind in KINDS)


@given(anything, anything)
def test_it_fits_exactly_where_nothing_lacks(amount: Resources, room: Resources) -> None:
    assert amount.fits_in(room) == (amount.lacking_in(room) == ())
    assert set(amount.lacking_in(room)) == {k for k in KINDS if amount[k] > 0 and amount[k] > room[k]}


@given(asked, asked, asked)
def test_what_fits_still_fits_in_more_room_and_so_does_less_of_it(
    amount: Resources, spare: Resources, less: Resources
) -> None:
    room = amount + spare
    assert amount.fits_in(room)
    assert amount.fits_in(room + less)
    assert (amount - less).fits_in(room)
    assert amount.fits_in(room - less) == all(amount[k] <= room[k] - less[k] for k in KINDS if amount[k] > 0)


@given(asked, anything, st.sampled_from(KINDS), st.integers(-1000, 1000))
def test_a_kind_that_is_not_asked_for_never_blocks(amount: Resources, room: Resources, kind: str, change: int) -> None:
    without = amount - Resources.of({kind: amount[kind]})
    assert without.fits_in(room) == without.fits_in(room + Resources.of({kind: change}))


@given(asked, amounts(0))
def test_so_many_copies_fit_and_one_more_does_not(amount: Resources, room: Resources) -> None:
    copies = amount.copies_in(room)
    assert amount.times(copies).fits_in(room)
    assert not amount or not amount.times(copies + 1).fits_in(room)


def test_people_read_units_they_know() -> None:
    assert describe(Resources.of(cpu_millis=250, memory_bytes=64 * 2**20, gpu=1)) == "250m cpu, 1 gpu, 64 MiB memory"
    assert describe(NOTHING) == "nothing"


@given(anything, anything)
def test_at_most_is_the_lower_of_each_kind(one: Resources, other: Resources) -> None:
    lower = one.at_most(other)
    assert all(lower[kind] == min(one[kind], other[kind]) for kind in {*one.kinds, *other.kinds})
    assert lower == other.at_most(one)
