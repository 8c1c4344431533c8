"""Lines: the calendar, the way between sites, what is reserved in each direction, what is measured."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from springtide.model.fleet import Fleet, Link, LinkWindow, Site
from springtide.model.identifiers import SiteName, TeamName
from springtide.planning.line_calendar import bandwidth_of
from springtide.planning.line_use import NetworkPoint, line_load_of, measured_load
from springtide.planning.lines import LineLoad, LineLoads, Routes, home_site_of
from tests.builders import START, a_fleet, a_pool, a_service, an_elastic_pool, at

HOME, AWAY, MIDDLE = SiteName("home"), SiteName("away"), SiteName("middle")
MEGA, GIGA = 10**6, 10**9
HOUR = 3600


def a_link(one: str = "home", other: str = "away", mega: int = 1000, **overrides: object) -> Link:
    return Link((SiteName(one), SiteName(other)), mega * MEGA, **overrides)  # type: ignore[arg-type]


def a_window(cron: str, hours: float, bits: int = 10 * GIGA, timezone: str = "UTC") -> LinkWindow:
    return LinkWindow(cron, hours * HOUR, bits, timezone)


def loads(*links: Link, now: datetime = START) -> LineLoads:
    return LineLoads(Routes.of(links), now)


# --- the calendar ---


@pytest.mark.parametrize(
    ("cron", "hours", "timezone", "moment", "holds"),
    [
        ("0 20 * * *", 4, "UTC", "2026-06-01T19:59:59+00:00", False),
        ("0 20 * * *", 4, "UTC", "2026-06-01T20:00:00+00:00", True),
        ("0 20 * * *", 4, "UTC", "2026-06-01T23:59:59.999999+00:00", True),
        ("0 20 * * *", 4, "UTC", "2026-06-02T00:00:00+00:00", False),
        ("0 22 * * *", 4, "UTC", "2026-06-02T01:59:59+00:00", True),  # across midnight
        ("0 22 31 12 *", 4, "UTC", "2027-01-01T01:30:00+00:00", True),  # across the year
        ("0 0 11 11 *", 24, "Asia/Shanghai", "2026-11-10T16:00:00+00:00", True),  # midnight there
        ("0 0 11 11 *", 24, "Asia/Shanghai", "2026-11-11T16:00:00+00:00", False),
        ("0 0 * * *", 48, "UTC", "2026-06-01T15:00:00+00:00", True),  # longer than its period: always
        ("0 0 29 2 *", 24, "UTC", "2028-02-29T12:00:00+00:00", True),
        ("0 0 29 2 *", 24, "UTC", "2027-03-01T00:00:00+00:00", False),
        ("30 2 * * *", 1, "Europe/Berlin", "2026-03-29T01:30:00+00:00", True),  # 2:30 isn't there: from 3:00 on
        ("30 2 * * *", 1, "Europe/Berlin", "2026-03-29T02:00:00+00:00", False),
        ("30 2 * * *", 1, "Europe/Berlin", "2026-10-25T01:10:00+00:00", True),  # 2:10 for the second time
        ("30 2 * * *", 1, "Europe/Berlin", "2026-10-25T01:40:00+00:00", False),  # 2:30 counts once
        ("0 20 24 10 *", 12, "Europe/Berlin", "2026-10-25T05:59:59+00:00", True),  # twelve hours by the stopwatch
        ("0 20 24 10 *", 12, "Europe/Berlin", "2026-10-25T06:00:00+00:00", False),
        ("0 0 30 2 *", 24, "UTC", "2026-06-01T00:00:00+00:00", False),
        ("every day", 24, "UTC", "2026-06-01T00:00:00+00:00", False),
        ("0 0 * * *", 24, "Nowhere/At-all", "2026-06-01T00:00:00+00:00", False),
        ("0 0 * * *", 0, "UTC", "2026-06-01T00:00:00+00:00", False),
        ("0 0 1 1 *", 24, "UTC", "0001-01-01T00:00:00+00:00", True),
        ("0 0 2 1 *", 24, "UTC", "0001-01-01T00:00:00+00:00", False),
    ],
)
def test_a_window_holds_from_its_moment_for_its_duration(
    cron: str, hours: float, timezone: str, moment: str, holds: bool
) -> None:
    link = a_link(windows=(a_window(cron, hours, timezone=timezone),))
    assert bandwidth_of(link, datetime.fromisoformat(moment)) == (10 * GIGA if holds else GIGA)


def test_of_windows_that_hold_the_first_decides() -> None:
    windows = (a_window("0 12 * * *", 1, 3), a_window("0 0 * * *", 24, 2), a_window("0 12 * * *", 2, 1))
    link = a_link(windows=windows)
    assert [bandwidth_of(link, at(hours * HOUR)) for hours in (0, 1, 13)] == [3, 2, 2]


_CRONS = ("30 2 * * *", "15 0 * * *", "0 * * * *", "5,35 1-3 * * *", "0-59 2 * * *", "0 0 * * 1-5", "59 23 * * *")
_ZONES = ("Europe/Berlin", "America/Havana", "Africa/Cairo", "America/Santiago", "Asia/Kolkata", "UTC")


@given(
    st.sampled_from(_CRONS),
    st.sampled_from(_ZONES),
    st.integers(0, 2 * 366 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes, seconds=7)),
    st.integers(1, 3000),
)
def test_the_calendar_says_what_counting_forward_says(cron: str, zone: str, now: datetime, minutes: int) -> None:
    begin = now - timedelta(days=9)
    starts = []
    for found in CronSim(cron, begin.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))):
        if found.astimezone(UTC) > now:
            break
        starts.append(found.astimezone(UTC))
    holds = any(start + timedelta(minutes=minutes) > now for start in starts)
    link = a_link(windows=(LinkWindow(cron, minutes * 60, 7, zone),))
    assert (bandwidth_of(link, now) == 7) == holds


# --- routes ---


def names(routes: Routes, start: SiteName, end: SiteName) -> list[str] | None:
    path = routes.path(start, end)
    return None if path is None else [f"{step.link.name}>{step.towards}" for step in path]


def test_the_way_is_that_of_lowest_latency_then_of_fewest_links_then_by_name() -> None:
    direct = a_link(latency_seconds=0.3)
    legs = (a_link("home", "middle", latency_seconds=0.1), a_link("middle", "away", latency_seconds=0.1))
    others = (a_link("home", "lower", latency_seconds=0.1), a_link("lower", "away", latency_seconds=0.1))
    assert names(Routes.of((direct, *legs)), HOME, AWAY) == ["home-middle>middle", "middle-away>away"]
    assert names(Routes.of((direct, *legs, *others)), HOME, AWAY) == ["home-lower>lower", "lower-away>away"]
    as_fast = a_link(latency_seconds=0.2)
    assert names(Routes.of((as_fast, *legs)), HOME, AWAY) == ["home-away>away"]


def test_latencies_that_add_up_to_the_same_are_the_same() -> None:
    legs = (a_link("home", "middle", latency_seconds=0.1), a_link("middle", "away", latency_seconds=0.2))
    assert names(Routes.of((a_link(latency_seconds=0.3), *legs)), HOME, AWAY) == ["home-away>away"]


def test_a_fleet_without_links_is_one_network_and_one_with_links_ends_where_they_end() -> None:
    assert Routes.of(()).path(HOME, AWAY) == ()
    assert Routes.of((a_link(),)).path(HOME, MIDDLE) is None
    assert Routes.of((a_link(),)).path(MIDDLE, MIDDLE) == ()


@pytest.mark.parametrize("latency", [math.inf, math.nan, -1.0])
def test_an_absurd_latency_raises_nothing(latency: float) -> None:
    assert names(Routes.of((a_link(latency_seconds=latency),)), HOME, AWAY) == ["home-away>away"]


sites = st.sampled_from([SiteName(name) for name in "abcde"])
some_links = st.lists(
    st.builds(
        lambda one, other, latency, mega: Link((one, other), mega * MEGA, latency / 10),
        sites,
        sites,
        st.integers(0, 3),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=8,
)


@given(some_links, sites, sites)
def test_the_way_back_is_the_way_there_backwards_whatever_the_order_of_links(
    links: list[Link], one: SiteName, other: SiteName
) -> None:
    there, back = Routes.of(links).path(one, other), Routes.of(reversed(links)).path(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert [step.back for step in reversed(back)] == list(there)


@given(some_links, sites, sites)
def test_each_step_begins_where_the_one_before_it_ended(links: list[Link], one: SiteName, other: SiteName) -> None:
    here = one
    for step in Routes.of(links).path(one, other) or ():
        assert step.back.towards == here
        here = step.towards
    assert here == other or Routes.of(links).path(one, other) is None


# --- reservations ---


def test_an_instance_away_takes_both_directions_each_by_its_own_load() -> None:
    lines = loads(a_link(mega=100))
    lines.reserve(HOME, AWAY, (30 * MEGA, 60 * MEGA), pulls=False)
    assert lines.refusal_of(HOME, AWAY, (70 * MEGA, 40 * MEGA), pulls=False) is None
    refusal = lines.refusal_of(HOME, AWAY, (30 * MEGA, 60 * MEGA), pulls=False)
    assert refusal is not None
    assert refusal.code == "line-full"
    assert dict(refusal.figures) == {
        "link": "home-away",
        "towards": "away",
        "reserved": 60 * MEGA,
        "bandwidth": 100 * MEGA,
        "asked": 60 * MEGA,
    }
    assert "60 Mb/s of 100 Mb/s" in refusal.sentence


def test_an_image_pull_takes_the_line_towards_the_node_that_pulls() -> None:
    lines = loads(a_link(mega=100, pull_bits_per_second=80 * MEGA))
    lines.reserve(HOME, AWAY, (0, 30 * MEGA), pulls=False)
    refusal = lines.refusal_of(HOME, AWAY, (0, 0), pulls=True)
    assert refusal is not None
    assert refusal.figure("towards") == "away"
    assert lines.refusal_of(AWAY, HOME, (0, 0), pulls=True) is None


def test_a_pull_is_never_faster_than_the_line() -> None:
    lines = loads(a_link(mega=50, pull_bits_per_second=80 * MEGA))
    assert lines.refusal_of(HOME, AWAY, (0, 0), pulls=True) is None
    lines.reserve(HOME, AWAY, (0, 0), pulls=True)
    assert lines.overloads() == ()
    assert lines.refusal_of(HOME, AWAY, (0, 1), pulls=False) is not None


def test_both_copies_of_a_move_count() -> None:
    lines = loads(a_link(mega=100))
    lines.reserve(HOME, AWAY, (60 * MEGA, 0), pulls=False)
    assert lines.refusal_of(HOME, AWAY, (60 * MEGA, 0), pulls=False) is not None
    lines.release(HOME, AWAY, (60 * MEGA, 0), pulls=False)
    assert lines.refusal_of(HOME, AWAY, (60 * MEGA, 0), pulls=False) is None


def test_each_link_of_the_way_must_carry_it() -> None:
    lines = loads(a_link("home", "middle", 100), a_link("middle", "away", 10))
    refusal = lines.refusal_of(HOME, AWAY, (0, 20 * MEGA), pulls=False)
    assert refusal is not None
    assert refusal.figure("link") == "middle-away"
    assert lines.refusal_of(HOME, MIDDLE, (0, 20 * MEGA), pulls=False) is None


def test_where_no_link_leads_nothing_can_be_placed_and_without_links_everything() -> None:
    refusal = loads(a_link()).refusal_of(HOME, MIDDLE, (0, 0), pulls=False)
    assert refusal is not None
    assert (refusal.code, dict(refusal.figures)) == ("no-line", {"home": "home", "site": "middle"})
    assert loads(a_link()).copies_in(HOME, MIDDLE, (0, 0), False, 3) == 0
    assert loads().refusal_of(HOME, AWAY, (10**15, 10**15), pulls=True) is None
    assert loads(a_link()).refusal_of(None, MIDDLE, (GIGA * 9, 0), pulls=True) is None


def test_a_calendar_that_narrows_admits_nothing_more_evicts_nobody_and_is_said() -> None:
    link = a_link(mega=100, windows=(a_window("0 12 * * *", 1, 20 * MEGA),))
    lines = loads(link)
    lines.reserve(HOME, AWAY, (50 * MEGA, 10 * MEGA), pulls=False)
    assert lines.refusal_of(HOME, AWAY, (1, 0), pulls=False) is not None
    assert lines.refusal_of(HOME, AWAY, (0, 10 * MEGA), pulls=False) is None
    [overload] = lines.overloads()
    assert overload.code == "line-overloaded"
    assert dict(overload.figures) == {
        "link": "home-away",
        "towards": "home",
        "reserved": 50 * MEGA,
        "bandwidth": 20 * MEGA,
    }


asks = st.tuples(sites, sites, st.tuples(st.integers(0, 2 * MEGA), st.integers(0, 2 * MEGA)), st.booleans())


@given(some_links, st.lists(asks, max_size=30))
def test_what_is_admitted_never_exceeds_any_line(
    links: list[Link], many: list[tuple[SiteName, SiteName, tuple[int, int], bool]]
) -> None:
    lines = loads(*links)
    for home, site, load, pulls in many:
        if lines.refusal_of(home, site, load, pulls) is None:
            lines.reserve(home, site, load, pulls)
        assert lines.overloads() == ()


@given(some_links, st.lists(asks, max_size=10), asks, st.integers(1, 4))
def test_what_is_released_leaves_no_trace(
    links: list[Link],
    many: list[tuple[SiteName, SiteName, tuple[int, int], bool]],
    one: tuple[SiteName, SiteName, tuple[int, int], bool],
    copies: int,
) -> None:
    lines = loads(*links)
    for ask in many:
        lines.reserve(*ask)
    before = lines.overloads()
    lines.reserve(*one, copies=copies)
    lines.release(*one, copies=copies)
    assert lines.overloads() == before


@given(some_links, st.lists(asks, max_size=5), asks)
def test_as_many_copies_fit_as_are_admitted_one_by_one(
    links: list[Link],
    many: list[tuple[SiteName, SiteName, tuple[int, int], bool]],
    ask: tuple[SiteName, SiteName, tuple[int, int], bool],
) -> None:
    lines = loads(*links)
    for each in many:
        lines.reserve(*each)
    said = lines.copies_in(*ask, most=5)
    home, site, load, pulls = ask
    counted = 0
    while counted < 5 and lines.refusal_of(home, site, load, pulls and counted == 0) is None:
        lines.reserve(home, site, load, pulls and counted == 0)
        counted += 1
    assert said == counted


# --- home, and what is measured ---


def test_home_is_the_site_of_the_teams_first_pool_by_name_else_the_first_private_site() -> None:
    pools = (a_pool("z", "feed"), a_pool("b", "feed", site=SiteName("cellar")), an_elastic_pool("a"))
    assert home_site_of(a_fleet(pools=pools), TeamName("feed")) == "cellar"
    assert home_site_of(a_fleet(pools=pools), TeamName("guest")) == "home"
    assert home_site_of(Fleet(sites=(Site(AWAY, is_cloud=True),)), TeamName("feed")) is None


def test_the_larger_of_declared_and_measured_counts_in_each_direction() -> None:
    service = a_service(line_load_bits_per_second=2 * MEGA)
    assert line_load_of(service, None) == (2 * MEGA, 2 * MEGA)
    assert line_load_of(service, (3 * MEGA, MEGA)) == LineLoad(to_home=3 * MEGA, from_home=2 * MEGA)


def points(*counted: tuple[float, int, int]) -> list[NetworkPoint]:
    return [NetworkPoint(at(seconds), received, sent) for seconds, received, sent in counted]


def test_what_is_sent_goes_home_and_what_is_received_comes_from_there() -> None:
    assert measured_load([points((0, 0, 0), (2, 1000, 250))], at(2), 60) == LineLoad(to_home=1000, from_home=4000)


def test_counters_that_begin_anew_count_from_nought() -> None:
    assert measured_load([points((0, 9000, 9000), (1, 100, 50))], at(1), 60) == (400, 800)


def test_a_clock_that_stands_or_jumps_back_measures_nothing_there_and_goes_on_from_there() -> None:
    seen = points((10, 0, 0), (5, 10**9, 10**9), (5, 10**10, 10**10), (6, 10**10 + 1, 10**10 + 1))
    assert measured_load([seen], at(20), 60) == (8, 8)
    assert measured_load([seen[:3]], at(20), 60) is None


def test_only_what_ends_within_the_window_is_measured() -> None:
    seen = points((0, 0, 0), (1, 1000, 1000), (2, 1001, 1001), (30, 10**9, 10**9))
    assert measured_load([seen], at(11), 10) == (8, 8)
    assert measured_load([], at(11), 10) is None


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_the_95th_percentile_is_the_least_rate_that_95_percent_do_not_exceed(rates: list[int]) -> None:
    total, seen = 0, [(0.0, 0, 0)]
    for second, rate in enumerate(rates, start=1):
        total += rate
        seen.append((float(second), total, 0))
    load = measured_load([points(*seen)], at(len(rates)), 10**6)
    assert load is not None
    enough = [8 * rate for rate in rates if 100 * sum(1 for other in rates if other <= rate) >= 95 * len(rates)]
    assert load.from_home == min(enough)
