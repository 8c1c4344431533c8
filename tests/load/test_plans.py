"""How rates, durations and URLs are written, and when requests are due."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.load import LoadPlan, RatePhase, parse_duration, parse_rate, parse_url
from springtide.load.plan import Target, require_valid
from springtide.load.schedule import schedule
from springtide.model.errors import InputError


def a_plan(*phases: RatePhase, post_share: float = 0.5) -> LoadPlan:
    return LoadPlan("http://feed.localhost:8080/", phases, post_share=post_share)


@pytest.mark.parametrize(("text", "rates"), [("200", (200, 200)), ("50..400", (50, 400)), (" 0..2.5 ", (0, 2.5))])
def test_a_rate_is_steady_or_a_ramp(text: str, rates: tuple[float, float]) -> None:
    assert parse_rate(text) == rates


@pytest.mark.parametrize("text", ["", "fast", "-5", "50..", "50...400", "1e9", "0", "0..0"])
def test_what_is_not_a_rate_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--rps"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("2m", 120), ("1h", 3600), ("500ms", 0.5), ("1.5", 1.5)])
def test_a_duration_has_a_unit_or_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-3s", "soon", "3 days", "s"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--for"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://feed.localhost:8080/a?b=c", Target("feed.localhost", 8080, "/a?b=c", "feed.localhost:8080")),
        ("feed.localhost:8080", Target("feed.localhost", 8080, "/", "feed.localhost:8080")),
        ("http://user@feed.localhost", Target("feed.localhost", 80, "/", "feed.localhost")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert parse_url(url) == target


@pytest.mark.parametrize("url", ["", "https://a.b/", "http://", "http://a:99999/", "http://a/b c", "http://a/ä"])
def test_what_is_not_a_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="URL"):
        parse_url(url)


@pytest.mark.parametrize(
    "plan",
    [
        a_plan(),
        a_plan(RatePhase("none", 0, 1, 1)),
        a_plan(RatePhase("negative", 1, -1, 1)),
        a_plan(RatePhase("calm", 1, 1, 1), post_share=1.5),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(plan: LoadPlan) -> None:
    with pytest.raises(InputError):
        require_valid(plan)


def test_a_steady_rate_spaces_requests_evenly() -> None:
    assert [due.at for due in schedule(a_plan(RatePhase("calm", 1, 4, 4)))] == [0, 0.25, 0.5, 0.75]


def test_a_ramp_sends_its_mean_rate_times_its_duration() -> None:
    due = list(schedule(a_plan(RatePhase("rise", 10, 50, 400))))
    assert len(due) == 2250
    assert sum(each.at < 5 for each in due) == pytest.approx(5 * (50 + 225) / 2, abs=1)


def test_phases_follow_one_another_without_a_gap() -> None:
    due = list(schedule(a_plan(RatePhase("calm", 1, 10, 10), RatePhase("high", 1, 20, 20))))
    assert [sum(each.phase == phase for each in due) for phase in (0, 1)] == [10, 20]
    assert due[10].at == pytest.approx(1.0)


def test_a_phase_without_requests_is_a_pause() -> None:
    plan = a_plan(RatePhase("calm", 1, 2, 2), RatePhase("pause", 3, 0, 0), RatePhase("again", 1, 2, 2))
    assert [each.at for each in schedule(plan)] == [0, 0.5, 4, 4.5]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_posts_are_evenly_interleaved_in_their_share(share: float) -> None:
    due = list(schedule(a_plan(RatePhase("calm", 10, 20, 20), post_share=share)))
    for start in range(0, 200, 20):
        assert sum(each.is_post for each in due[start : start + 20]) == 20 * share


phases = st.lists(
    st.builds(RatePhase, st.just("any"), st.floats(0.1, 20), st.floats(0, 200), st.floats(0, 200)),
    min_size=1,
    max_size=4,
)


@given(phases)
def test_requests_are_due_in_order_within_their_phase_and_as_many_as_the_rates_say(drawn: list[RatePhase]) -> None:
    plan = a_plan(*drawn)
    due = list(schedule(plan))
    assert all(earlier.at <= later.at + 1e-9 for earlier, later in pairwise(due))
    assert abs(len(due) - sum(phase.requests for phase in drawn)) < 1 + 1e-6
    for each in due:
        begun_at = sum(phase.seconds for phase in drawn[: each.phase])
        assert begun_at - 1e-9 <= each.at <= begun_at + drawn[each.phase].seconds + 1e-9
