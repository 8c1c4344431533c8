"""How many instances a service should have: windows, tolerance, signals and bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.model.events import Reason
from springtide.model.fleet import ScalingTerms
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import RouterView, ServiceLoad, Usage, UsageSample
from springtide.model.record import Change, Commit, Kind
from springtide.model.workloads import ScalePolicy, Service
from springtide.planning.demand import plan_demand
from springtide.planning.demands import Demand
from springtide.planning.index import Carry, Index, LoadPoint, RecordChanged, advance, mean_rate
from tests.builders import a_fleet, a_placement, a_service, amount, at

TERMS = ScalingTerms(up_seconds=1, down_seconds=5, tolerance=0.05)
WEB = ServiceId("feed/web")


def an_index(service: Service, placements: int = 0, present: int | None = None) -> Index:
    """An index that knows one service, so many placements of it, and the count of the plan before."""
    changes = [Change(Kind.FLEET, "fleet", a_fleet(scaling=TERMS)), Change(Kind.SERVICE, service.id, service)]
    changes += [Change(Kind.PLACEMENT, f"feed-web-{n}", a_placement(ordinal=n)) for n in range(1, placements + 1)]
    index = advance(Index(), [RecordChanged(Index().record.after(Commit(1, tuple(changes))))])
    if present is None:
        return index
    return replace(index, carry=Carry(demands={WEB: Demand(WEB, present, Reason("load", ""))}))


def by_requests(target: float = 20, minimum: int = 1, maximum: int = 50) -> Service:
    return a_service(scale=ScalePolicy(minimum, maximum, requests_per_second=target))


def offered(index: Index, *rates: float, step_seconds: float = 0.5, begin: float = 0.0) -> Index:
    """Look at the router every half second while these rates are offered, one rate a look."""
    arrived, second = 0.0, begin
    views = [RouterView(at(second), "1", ((WEB, ServiceLoad(0)),), ())]
    for rate in rates:
        arrived, second = arrived + rate * step_seconds, second + step_seconds
        views.append(RouterView(at(second), "1", ((WEB, ServiceLoad(round(arrived))),), ()))
    return advance(index, views)


def demand(index: Index, second: float) -> Demand:
    return plan_demand(index, at(second))[WEB]


@pytest.mark.parametrize(
    ("rate", "count"),
    [(0, 1), (20, 1), (21, 1), (22, 2), (100, 5), (105, 5), (106, 6), (300, 15)],
)
def test_the_count_carries_the_rate_within_the_tolerance(rate: float, count: int) -> None:
    assert demand(offered(an_index(by_requests(), present=1), *[rate] * 4), 2).count == count


def test_a_rise_answers_the_mean_over_the_up_window() -> None:
    index = offered(an_index(by_requests(), present=1), 20, 20, 20, 100)
    assert demand(index, 2).count == 3
    assert demand(offered(an_index(by_requests(), present=1), 20, 20, 100, 100), 2).count == 5


def test_a_fall_waits_for_the_highest_need_of_the_down_window() -> None:
    index = offered(an_index(by_requests(), present=5), *[100] * 8, *[20] * 9)
    assert demand(index, 8.5).count == 5
    later = offered(an_index(by_requests(), present=5), *[100] * 8, *[20] * 14)
    assert demand(later, 11).count == 1


def test_nothing_falls_before_a_full_window_has_been_seen() -> None:
    index = offered(an_index(by_requests(), present=5), *[20] * 8)
    waiting = demand(index, 4)
    assert waiting.count == 5
    assert waiting.reason.code == "fall-waits"


def test_a_rise_ends_a_fall_that_has_begun() -> None:
    falling = offered(an_index(by_requests(), present=5), *[100] * 4, *[20] * 14)
    assert demand(falling, 9).count == 1
    risen = offered(an_index(by_requests(), present=3), *[100] * 4, *[20] * 14, *[100] * 2)
    assert demand(risen, 10).count == 5


def test_after_a_restart_the_present_count_is_what_the_record_holds() -> None:
    index = offered(an_index(by_requests(), placements=4), 20, 20)
    assert demand(index, 1).count == 4


def test_counters_that_begin_anew_are_not_a_fall_nor_a_spike() -> None:
    index = an_index(by_requests(), present=2)
    views = [
        RouterView(at(0), "1", ((WEB, ServiceLoad(1000)),), ()),
        RouterView(at(1), "1", ((WEB, ServiceLoad(1040)),), ()),
        RouterView(at(2), "2", ((WEB, ServiceLoad(40)),), ()),
        RouterView(at(3), "2", ((WEB, ServiceLoad(80)),), ()),
    ]
    rates = [point.rate for point in advance(index, views).loads[WEB]]
    assert rates == [None, 40, 40, 40]


@given(st.lists(st.floats(0.05, 0.7), min_size=8, max_size=30))
def test_a_steady_rate_is_seen_as_steady_however_irregular_the_looks(gaps: list[float]) -> None:
    second, points = 0.0, [LoadPoint(at(0), 0)]
    for gap in gaps:
        second += gap
        rate = mean_rate(points, at(second), round(1000 * second), 1)
        assert rate is not None
        assert abs(rate - 1000) <= 2 / 0.05
        points.append(LoadPoint(at(second), round(1000 * second), rate))


def test_bounds_hold_and_say_so() -> None:
    high = demand(offered(an_index(by_requests(maximum=3), present=1), *[200] * 4), 2)
    assert (high.count, high.reason.code, high.reason.figure("wanted")) == (3, "at-maximum", 10)
    low = demand(offered(an_index(by_requests(minimum=2), present=2), *[1] * 20), 10)
    assert (low.count, low.reason.code) == (2, "at-minimum")


def test_a_fixed_count_needs_no_load() -> None:
    fixed = demand(an_index(a_service(count=4)), 0)
    assert (fixed.count, fixed.reason.code) == (4, "fixed")


def used(index: Index, *millis: int) -> Index:
    """Look at use every second while the one instance uses so much cpu."""
    total, samples = 0, [UsageSample(at(0), ((InstanceId("feed-web-1"), Usage(0, 0, 1)),))]
    for second, used_millis in enumerate(millis, start=1):
        total += used_millis * 1_000_000
        samples.append(UsageSample(at(second), ((InstanceId("feed-web-1"), Usage(total, 0, 1)),)))
    return advance(index, samples)


def test_cpu_is_tracked_against_what_is_reserved() -> None:
    service = a_service(scale=ScalePolicy(1, 20, cpu_percent=50), resources=amount(cpu_millis=100))
    wanted = demand(used(an_index(service, placements=1, present=1), 200, 200), 2)
    assert wanted.count == 4
    assert wanted.reason.figure("unit") == "millis of cpu"


def test_of_two_signals_the_larger_wins_and_is_named() -> None:
    service = a_service(scale=ScalePolicy(1, 20, requests_per_second=20, cpu_percent=50), resources=amount(100))
    busy = used(offered(an_index(service, placements=1, present=1), 20, 20, 20, 20), 300, 300)
    assert (demand(busy, 2).count, demand(busy, 2).reason.figure("unit")) == (6, "millis of cpu")
    asked = used(offered(an_index(service, placements=1, present=1), *[200] * 4), 10, 10)
    assert (demand(asked, 2).count, demand(asked, 2).reason.figure("unit")) == (10, "requests a second")
