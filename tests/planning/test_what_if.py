"""What-if: the present played forward twice, and what may be supposed of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springtide.model.errors import RefusedError, UnknownNameError
from springtide.model.fleet import Budget, Cloud, Department, ScalingTerms
from springtide.model.identifiers import CloudName, InstanceId, NodeId, PoolName, ServiceId, SiteName, TeamName
from springtide.model.observations import ContainerState, Usage, UsageSample
from springtide.model.record import Record
from springtide.model.resources import Ceiling
from springtide.model.workloads import Route, ScalePolicy, Service
from springtide.planning import outlook as outlooks
from springtide.planning.index import InstanceMissing, advance
from springtide.planning.loads import present_loads
from springtide.planning.outlook import Comparison, Look, Outlook, simulate_what_if
from springtide.planning.played_world import PlayedWorld
from springtide.planning.what_if import (
    BudgetLimit,
    CloudOut,
    NodeLess,
    NodesMore,
    PoolLimit,
    Quota,
    ServiceLimit,
    Spike,
    Supposition,
    TeamLimit,
    TeamMore,
    suppose,
)
from tests.builders import a_fleet, a_service, amount, an_offer
from tests.planning.world import World

FEED, RED = ServiceId("feed/web"), ServiceId("redpacket/web")
ROUTES = (Route(8000, host="web.localhost"),)
SCALED = ScalePolicy(3, 40, requests_per_second=20)


def a_busy_world(**fleet: Any) -> World:
    """``redpacket`` answers 100 requests a second, ``feed`` 60; both have settled."""
    services = [a_service(id, routes=ROUTES, scale=SCALED) for id in (FEED, RED)]
    world = World(a_fleet(**fleet), services)
    world.loads = {FEED: 60.0, RED: 100.0}
    world.run(20)
    return world


def compared(world: World, *suppositions: Supposition) -> Comparison:
    return simulate_what_if(world.index, world.now, suppositions)


def rungs(look: Look, service: ServiceId) -> dict[str, int]:
    counts: dict[str, int] = {}
    for holding in look.explanations[service].holdings:
        counts[holding.rung.value] = counts.get(holding.rung.value, 0) + holding.count
    return counts


def wanted(look: Look, service: ServiceId) -> int:
    return look.explanations[service].wanted


def test_the_present_carries_over_its_instances_and_its_load() -> None:
    world = a_busy_world()
    without = compared(world).without
    assert (without.seconds, without.is_at_rest) == (0.0, True)
    assert set(without.record.placements) == set(world.record.placements)
    assert without.end.explanations[RED].demand.figure("load") == 100.0


def test_nothing_supposed_makes_no_difference() -> None:
    comparison = compared(a_busy_world())
    assert comparison.without == comparison.supposed


def test_the_index_stays_as_it_is_and_the_answer_is_the_same_each_time() -> None:
    world = a_busy_world()
    index, suppositions = world.index, (NodeLess(NodeId("redpacket-1")), Spike(RED, times=3.0))
    first = compared(world, *suppositions)
    assert world.index is index
    assert compared(world, *suppositions) == first


def test_an_outlook_says_what_then_happens() -> None:
    """The figures of the outlook are those of the same world after the same has happened to it in earnest."""
    world = a_busy_world()
    supposed = compared(world, Spike(RED, requests_per_second=280.0)).supposed
    world.loads[RED] = 280.0
    world.run(30)
    assert rungs(supposed.end, RED) == world.rungs(RED)
    assert supposed.end.rented_nodes == len(world.machines)


def test_a_spike_is_carried_by_the_whole_ladder_and_costs_what_it_rents() -> None:
    comparison = compared(a_busy_world(), Spike(RED, times=3.0))
    before, after = comparison.without.end, comparison.supposed.end
    assert (wanted(before, RED), wanted(after, RED)) == (5, 15)
    assert rungs(after, RED)["cloud"] > 0
    assert after.rent_micros_per_hour == after.rented_nodes * an_offer().price_micros_per_hour
    assert before.rent_micros_per_hour == 0
    assert comparison.supposed.short_seconds[RED] >= an_offer().boot_seconds
    assert comparison.suppositions == ("redpacket/web has 3 times its load",)


def test_a_spike_that_ends_is_compared_before_its_end_and_played_until_the_machines_are_returned() -> None:
    comparison = compared(a_busy_world(), Spike(RED, times=3.0, seconds=120.0))
    supposed = comparison.supposed
    assert (wanted(supposed.height, RED), wanted(supposed.end, RED)) == (15, 5)
    assert 100 < supposed.height.seconds < 120 < supposed.seconds
    assert supposed.is_at_rest
    assert (supposed.end.rented_nodes, supposed.nodes_peak > 0) == (0, True)
    assert wanted(comparison.without.height, RED) == 5


def test_a_budget_that_ends_within_a_spike_is_seen_at_its_height() -> None:
    """A rate of spending that an hour's budget can't keep up: the machines go before the spike does."""
    world = a_busy_world(budgets=(Budget("hour", 20_000),))
    comparison = compared(world, Spike(RED, times=3.0, seconds=300.0))
    height = comparison.supposed.height
    assert comparison.supposed.nodes_peak > height.rented_nodes == 0
    assert height.explanations[RED].missing > 0
    assert "budget-spent" in [each.code for each in height.explanations[RED].refusals]


def test_long_stretches_without_news_are_skipped_and_every_charge_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = (an_offer(billing_period_seconds=600),)
    clouds = (Cloud(CloudName("rented"), "slices", SiteName("away"), offers),)
    steps = []
    earnest = PlayedWorld.step

    def step(world: PlayedWorld) -> Any:
        steps.append(world.now)
        return earnest(world)

    monkeypatch.setattr(PlayedWorld, "step", step)
    supposed = compared(a_busy_world(clouds=clouds), Spike(RED, times=3.0, seconds=7200.0)).supposed
    assert supposed.height.rented_nodes == supposed.nodes_peak > 0
    assert supposed.seconds > 7200
    rent = [entry for entry in supposed.record.ledger.values() if entry.kind == "rent"]
    assert {entry.amount_micros // entry.instance_seconds for entry in rent} == {100}
    assert all(entry.instance_seconds >= 7200 - 60 for entry in rent)
    assert len(steps) < 2000


@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(1, 60), st.integers(1, 20), st.integers(20, 200))
def test_after_a_spike_the_count_is_what_it_was_whatever_the_windows(
    up: int, down: int, home: int, length: int
) -> None:
    """No window is longer than the outlook's patience: a fall that comes late is still seen."""
    terms = ScalingTerms(up_seconds=up, down_seconds=down, home_seconds=home, proof_seconds=0)
    world = World(a_fleet(scaling=terms), [a_service(RED, routes=ROUTES, scale=SCALED)])
    world.loads = {RED: 100.0}
    world.run(up + down + 5, step=1)
    supposed = compared(world, Spike(RED, times=2.0, seconds=float(length))).supposed
    assert supposed.is_at_rest
    assert (wanted(supposed.height, RED), wanted(supposed.end, RED)) == (10, 5)
    assert sum(rungs(supposed.end, RED).values()) == 5
    assert supposed.seconds >= length


def test_a_machine_that_stands_idle_until_its_next_charge_is_seen_to_go() -> None:
    offers = (an_offer(billing_period_seconds=3600),)
    clouds = (Cloud(CloudName("rented"), "slices", SiteName("away"), offers),)
    supposed = compared(a_busy_world(clouds=clouds), Spike(RED, times=3.0, seconds=60.0)).supposed
    assert supposed.is_at_rest
    assert (supposed.nodes_peak > 0, supposed.end.rented_nodes) == (True, 0)
    assert 3500 < supposed.seconds < 3610


def test_a_spike_of_cpu_multiplies_what_instances_use() -> None:
    world = World(a_fleet(), [a_service(RED, scale=ScalePolicy(2, 20, cpu_percent=50.0))])
    world.run(5)
    for second in range(1, 8):
        used = tuple((each.instance, Usage(second * 50_000_000, 0, 0)) for each in world.record.placements.values())
        world.now += timedelta(seconds=1)
        world.index = advance(world.index, [UsageSample(world.now, used)])
    assert present_loads(world.index, world.now).cpu_millis == {RED: 100.0}
    comparison = compared(world, Spike(RED, times=3.0))
    assert (wanted(comparison.without.end, RED), wanted(comparison.supposed.end, RED)) == (4, 12)


def test_who_must_leave_is_named_with_the_rule_and_for_whom() -> None:
    world = a_busy_world()
    world.loads[RED] = 240.0
    world.run(20)
    guests = {each.instance for each in world.running(RED) if each.pool == "feed"}
    comparison = compared(world, Spike(FEED, requests_per_second=160.0))
    departures = [each for each in comparison.supposed.departures if each.rule == "reclaim"]
    assert departures
    assert {each.instance for each in departures} <= guests
    assert {(each.service, each.beneficiary) for each in departures} == {(RED, FEED)}
    assert not comparison.without.departures


def test_instances_of_a_node_that_leaves_go_elsewhere() -> None:
    world = a_busy_world()
    (node,) = {each.node for each in world.running(FEED)}
    comparison = compared(world, NodeLess(node))
    leaving = comparison.supposed.departures
    assert {each.instance for each in leaving} == {each.instance for each in world.running(FEED)}
    assert {each.rule for each in leaving} == {"node-leaves"}
    assert comparison.supposed.end.explanations[FEED].ready == 3


def test_machines_that_are_rented_and_those_that_boot_go_on_as_they_are() -> None:
    world = a_busy_world()
    world.loads[RED] = 280.0
    world.run(3)
    booting = dict(world.machines)
    assert booting
    without = compared(world).without
    assert set(booting) <= set(without.record.rentals)
    assert 0 < without.seconds < 10
    assert without.end.explanations[RED].ready == 14


def test_a_cloud_that_is_out_of_stock_keeps_what_is_rented_and_rents_no_more() -> None:
    world = a_busy_world()
    world.loads[RED] = 260.0
    world.run(20)
    rented = len(world.machines)
    comparison = compared(world, CloudOut(CloudName("rented")), Spike(RED, requests_per_second=400.0))
    look = comparison.supposed.end
    assert rented > 0
    assert look.rented_nodes == rented
    assert "out-of-stock" in [each.code for each in look.explanations[RED].refusals]


def test_what_starts_now_is_ready_at_once_and_what_is_missing_is_started_again() -> None:
    world = a_busy_world()
    first, second, *_ = sorted(world.index.instances)
    world.starting(first, detail="connection refused")
    created = replace(world.index.instances[second], state=ContainerState.CREATED)
    world.index = replace(world.index, instances=MappingProxyType({**world.index.instances, second: created}))
    ready = compared(world).without.end.explanations
    assert [each.ready for each in ready.values()] == [3, 5]
    world.index = advance(world.index, [InstanceMissing(InstanceId(first))])
    assert [each.ready for each in compared(world).without.end.explanations.values()] == [3, 5]


def test_a_team_more_lends_what_it_does_not_use() -> None:
    spike = Spike(RED, requests_per_second=400.0)
    alone = compared(a_busy_world(), spike).supposed.end
    joined = compared(a_busy_world(), TeamMore(TeamName("ads"), 2, amount(200, 256)), spike).supposed.end
    assert alone.explanations[RED].ready == joined.explanations[RED].ready == 20
    assert (alone.rented_nodes, joined.rented_nodes) == (4, 0)
    assert any(each.pool == "ads" for each in joined.explanations[RED].holdings)


def test_a_fleet_that_goes_on_stirring_is_said_not_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlooks, "LONGEST_SECONDS", 30.0)
    world = a_busy_world(scaling=ScalingTerms(up_seconds=1, home_seconds=60, proof_seconds=0))
    supposed = compared(world, Spike(RED, times=2.0)).supposed
    assert stopped_code(supposed) == "no-rest"
    assert supposed.stopped is not None
    assert "within 30 s" in supposed.stopped.sentence


def test_an_outlook_whose_time_runs_out_says_how_far_it_came() -> None:
    world, looks = a_busy_world(), iter(range(1000))
    comparison = simulate_what_if(world.index, world.now, [Spike(RED, times=3.0)], lambda: next(looks) < 40)
    assert comparison.without.is_at_rest
    assert stopped_code(comparison.supposed) == "out-of-time"


def stopped_code(outlook: Outlook) -> str | None:
    return outlook.stopped.code if outlook.stopped is not None else None


def a_record(*services: Service, **fleet: Any) -> Record:
    return World(a_fleet(**fleet), services or [a_service(FEED, 3), a_service(RED, scale=SCALED)]).record


def test_a_node_less_is_gone_and_the_rest_stay() -> None:
    fleet = suppose(a_record(), [NodeLess(NodeId("feed-2"))]).fleet
    assert [node.id for node in fleet.nodes] == ["feed-1", "redpacket-1", "redpacket-2"]


def test_nodes_more_are_like_the_pools_last_and_bear_fresh_names() -> None:
    fleet = suppose(a_record(), [NodeLess(NodeId("feed-1")), NodesMore(PoolName("feed"), 2)]).fleet
    assert [node.id for node in fleet.nodes if node.pool == "feed"] == ["feed-2", "feed-3", "feed-4"]
    assert {node.allocatable for node in fleet.nodes} == {amount(200, 256)}


def test_a_lending_limit_of_one_kind_leaves_the_others_unlimited() -> None:
    pools = (replace(a_fleet().pools[0], lending_limit=None), *a_fleet().pools[1:])
    fleet = suppose(a_record(pools=pools), [PoolLimit(PoolName("feed"), lending=Ceiling.of(cpu_millis=0))]).fleet
    assert fleet.pool(PoolName("feed")).lending_limit == amount(0, 512)


def test_quotas_of_teams_and_departments_keep_the_kinds_that_are_not_named() -> None:
    record = a_record(departments=(Department("media", nominal=Ceiling.of(gpu=2)),))
    limits = [
        TeamLimit("media", Quota.NOMINAL, Ceiling.of(cpu_millis=100), is_department=True),
        TeamLimit("feed", Quota.BORROWING, Ceiling.of(cpu_millis=0)),
    ]
    fleet = suppose(record, limits).fleet
    assert fleet.departments[0].nominal == Ceiling.of(cpu_millis=100, gpu=2)
    assert fleet.teams[0].borrowing_limit == Ceiling.of(cpu_millis=0)


def test_budgets_are_replaced_by_period_and_lifted() -> None:
    record = a_record(budgets=(Budget("hour", 1), Budget("day", 2)))
    assert set(suppose(record, [BudgetLimit("hour", 5)]).fleet.budgets) == {Budget("hour", 5), Budget("day", 2)}
    assert suppose(record, [BudgetLimit("day", None)]).fleet.budgets == (Budget("hour", 1),)


def test_bounds_of_a_service_change_and_its_targets_stay() -> None:
    scale = suppose(a_record(), [ServiceLimit(RED, maximum=60)]).services[RED].scale
    assert scale == replace(SCALED, maximum=60)


REFUSED: tuple[tuple[Supposition, str], ...] = (
    (NodeLess(NodeId("feed-9")), "unknown"),
    (NodesMore(PoolName("fed"), 1), "unknown"),
    (NodesMore(PoolName("burst"), 1), "rented"),
    (NodesMore(PoolName("feed"), 0), "absurd-amount"),
    (TeamMore(TeamName("feed"), 1, amount()), "taken"),
    (TeamMore(TeamName("burst"), 1, amount()), "taken"),
    (TeamMore(TeamName("ads"), 1, amount(), contribution_percent=101), "absurd-amount"),
    (TeamMore(TeamName("ads"), 1, amount(-1)), "absurd-amount"),
    (TeamMore(TeamName("ads"), 1, amount(), weight=0), "absurd-amount"),
    (PoolLimit(PoolName("feed")), "nothing-asked"),
    (PoolLimit(PoolName("feed"), max_nodes=3), "no-such-limit"),
    (PoolLimit(PoolName("burst"), contribution_percent=3), "no-such-limit"),
    (PoolLimit(PoolName("feed"), contribution_percent=-1), "absurd-amount"),
    (TeamLimit("fed", Quota.LENDING, Ceiling.of(gpu=1)), "unknown"),
    (TeamLimit("feed", Quota.LENDING, Ceiling.of(gpu=1), is_department=True), "unknown"),
    (TeamLimit("feed", Quota.LENDING, Ceiling.of(gpu=-1)), "absurd-amount"),
    (BudgetLimit("year", 1), "unknown"),
    (BudgetLimit("day", -1), "absurd-amount"),
    (ServiceLimit(ServiceId("feed/wob"), 1, 1), "unknown"),
    (ServiceLimit(RED), "nothing-asked"),
    (ServiceLimit(RED, minimum=41), "contradiction"),
    (ServiceLimit(RED, minimum=-1), "absurd-amount"),
    (Spike(ServiceId("nobody"), times=2.0), "unknown"),
    (Spike(FEED, times=2.0), "not-scaled-by-load"),
    (Spike(RED), "absurd-amount"),
    (Spike(RED, times=-2.0), "absurd-amount"),
    (CloudOut(CloudName("rentd")), "unknown"),
)


@pytest.mark.parametrize(("supposition", "code"), REFUSED, ids=lambda each: each if isinstance(each, str) else None)
def test_what_cannot_be_supposed_is_refused_with_its_reason(supposition: Supposition, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        suppose(a_record(), [supposition])
    assert refused.value.code == code
    assert refused.value.sentence
    assert code != "unknown" or (isinstance(refused.value, UnknownNameError) and refused.value.remedy)


def test_a_load_that_is_not_there_cannot_be_multiplied() -> None:
    world = World(a_fleet(), [a_service(RED, scale=SCALED)])
    world.run(3)
    with pytest.raises(RefusedError) as refused:
        compared(world, Spike(RED, times=4.0))
    assert (refused.value.code, refused.value.remedy) == ("no-load", "Suppose a rate: redpacket/web=300rps.")


@given(st.lists(st.sampled_from([each for each, _ in REFUSED] + [NodeLess(NodeId("feed-1")), Spike(RED, times=2.0)])))
def test_a_supposition_changes_a_copy_or_is_refused_and_says_itself_in_words(suppositions: list[Supposition]) -> None:
    record = a_record()
    before = (record.version, record.fleet, dict(record.services))
    after = record
    for each in suppositions:
        try:
            after = suppose(after, [each])
        except RefusedError:
            continue
        assert each.sentence(after.fleet)
    assert after.placements == record.placements
    assert (record.version, record.fleet, dict(record.services)) == before
