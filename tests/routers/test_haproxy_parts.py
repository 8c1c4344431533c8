"""The pure parts of the HAProxy router: latency windows, totals, names and the batching of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.model.errors import RefusedError
from springtide.model.identifiers import ServiceId
from springtide.model.workloads import Route
from springtide.routers.base import RoutedService
from springtide.routers.haproxy_configuration import Place, plan_backends, render_configuration, service_of
from springtide.routers.haproxy_counting import Counts, Tally
from springtide.routers.haproxy_latency import LatencyWindow
from springtide.routers.haproxy_state import SavedState, read_state, write_state

WEB = ServiceId("feed/web")
PLACE = Place(Path("/run/router"), "127.0.0.1", 8080, 1000, has_lua=True)


@given(st.lists(st.integers(0, 500_000), min_size=1))
def test_a_percentile_is_at_most_four_percent_above_the_exact_one(latencies: list[int]) -> None:
    window = LatencyWindow()
    for each in latencies:
        window.add(each, now=100.0)
    (median,) = window.percentiles((0.5,), now=100.0)
    exact = sorted(latencies)[-(-len(latencies) // 2) - 1]
    assert median is not None
    assert exact <= median <= max(exact + 1, exact * 1.04)


def test_latencies_older_than_ten_seconds_are_forgotten() -> None:
    window = LatencyWindow()
    window.add(500, now=100.0)
    window.add(10, now=105.0)
    (slowest,) = window.percentiles((0.99,), now=109.9)
    assert slowest is not None
    assert 500 <= slowest <= 520
    assert window.percentiles((0.99,), now=110.5) == (10.0,)
    assert window.percentiles((0.99,), now=120.0) == (None,)


def test_totals_go_on_when_a_worker_ends() -> None:
    tally = Tally()
    tally.observe((1,), {1: {WEB: Counts(10, 1, 2)}})
    tally.observe((2, 1), {2: {WEB: Counts(5, 0, 0)}, 1: {WEB: Counts(12, 1, 2)}})
    assert tally.observe((2,), {2: {WEB: Counts(6, 0, 0)}})
    assert tally.total(WEB) == Counts(18, 1, 2)


def test_a_worker_that_gave_no_answer_keeps_its_last_counts() -> None:
    tally = Tally()
    tally.observe((1,), {1: {WEB: Counts(10, 1, 2)}})
    assert not tally.observe((1,), {})
    assert tally.total(WEB) == Counts(10, 1, 2)


@pytest.mark.parametrize("service", ["feed/web", "my-app/web_1.x", "alone"])
def test_a_backends_name_says_its_service(service: str) -> None:
    routed = RoutedService(ServiceId(service), (Route(8000, "feed.localhost", listen_port=5000),))
    backends, _ = plan_backends((routed,))
    assert [service_of(each.name) for each in backends] == [service, service]


@pytest.mark.parametrize(("service", "host"), [("feed/web\nbackend x", "a.localhost"), ("feed/web", "a.localhost b")])
def test_names_that_would_change_the_configurations_meaning_are_refused(service: str, host: str) -> None:
    backends, refusals = plan_backends((RoutedService(ServiceId(service), (Route(8000, host),)),))
    assert backends == ()
    assert isinstance(refusals[0], RefusedError)


def test_the_configuration_is_the_same_whatever_the_order_of_services() -> None:
    table = tuple(
        RoutedService(ServiceId(f"app{number}/web"), (Route(8000, f"app{number}.localhost"),)) for number in range(3)
    )
    forward, backward = (plan_backends(each)[0] for each in (table, table[::-1]))
    assert render_configuration(forward, PLACE) == render_configuration(backward, PLACE)


def test_another_limit_needs_a_reload() -> None:
    digests = set()
    for limit in (4, 5):
        routed = RoutedService(WEB, (Route(8000, "feed.localhost", max_requests=limit),))
        digests.add(render_configuration(plan_backends((routed,))[0], PLACE).splitlines()[1])
    assert len(digests) == 2


def test_state_is_read_as_written_and_nonsense_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert read_state(path) is None
    state = SavedState("one", (RoutedService(WEB, (Route(8000, "a"),)),), (7,), ((WEB, Counts(1, 2, 3)),))
    write_state(path, state)
    assert read_state(path) == state
    path.write_text("{")
    assert read_state(path) is None
