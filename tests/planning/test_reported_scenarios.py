"""What users of other schedulers and autoscalers report as wrong, each told as it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from springtide.model.fleet import Department, Fleet, Node, ReclaimTerms, Team
from springtide.model.identifiers import NodeId, PoolName, ServiceId, TeamName
from springtide.model.placements import Placement
from springtide.model.resources import NO_CEILING, Ceiling, Resources
from springtide.model.workloads import Band, Constraint, PlacementRules, ScalePolicy
from tests.builders import HOME_LADDER, a_fleet, a_pool, a_service, amount, nodes
from tests.planning.world import World

FEED, RED, SHOP = "feed/web", "redpacket/web", "shop/web"


def lent(*teams: Team, count: int = 1, **overrides: Any) -> Fleet:
    """A pool of the team feed, all of it lent to whoever comes, on nodes for four instances each."""
    known = teams or tuple(Team(TeamName(name)) for name in ("feed", "redpacket", "shop"))
    pool = a_pool("feed", "feed", contribution_percent=0)
    fields = {"teams": known, "pools": (pool,), "nodes": nodes("feed", count), "clouds": ()}
    return a_fleet(**{"reclaim": ReclaimTerms(8, 2, hold_seconds=0), **fields, **overrides})


def asked_to_leave(world: World, service: str) -> list[Placement]:
    return [each for each in world.running(service) if each.eviction is not None]


def reasons_of(world: World, service: str) -> dict[str, str | None]:
    """Who was asked to leave, and by what criterion."""
    return {each.instance: each.eviction.chosen_by for each in asked_to_leave(world, service) if each.eviction}


def test_an_idle_resource_does_not_block_the_reclaim_of_another() -> None:
    """Reported: cpu and memory that a queue has borrowed elsewhere keep it from taking back its own accelerators."""
    fleet = lent(nodes=nodes("feed", 1, amount(400, 512, gpu=1)))
    trainer = a_service(RED, 1, resources=amount(50, 32, gpu=1), ladder=HOME_LADDER)
    burner = a_service("redpacket/burner", 2, ladder=HOME_LADDER)
    world = World(fleet, [trainer, burner, a_service(FEED, 0, resources=amount(50, 32, gpu=1))])
    world.run(1)
    world.scale(FEED, 1)
    world.tick()
    assert (len(asked_to_leave(world, RED)), asked_to_leave(world, "redpacket/burner")) == (1, [])
    world.run(11)
    assert (len(world.ready(FEED)), len(world.ready("redpacket/burner"))) == (1, 2)


def test_a_lender_never_falls_below_what_is_its_own() -> None:
    """Reported: a borrower's preemption takes a lender below its nominal quota."""
    world = World(lent(), [a_service(FEED, 2), a_service(RED, 50, ladder=HOME_LADDER)])
    for wanted in (2, 4, 3, 4):
        world.scale(FEED, wanted)
        world.run(11)
        assert len(world.ready(FEED)) == wanted


def test_borrowing_does_not_starve_the_next_in_line() -> None:
    """Reported: whoever came first keeps all that can be borrowed, and the next waits for good."""
    services = [a_service(RED, 50, ladder=HOME_LADDER), a_service(SHOP, 0, ladder=HOME_LADDER)]
    world = World(lent(), services)
    world.run(2)
    world.scale(SHOP, 50)
    world.run(15)
    assert (len(world.ready(RED)), len(world.ready(SHOP))) == (2, 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_borrowers_do_not_take_turns_in_throwing_each_other_out(count: int) -> None:
    """Reported: two workloads preempt each other without end."""
    services = [a_service(RED, 50, ladder=HOME_LADDER), a_service(SHOP, 50, ladder=HOME_LADDER)]
    world = World(lent(nodes=nodes("feed", count, amount(150, 256))), services)
    world.run(30)
    settled = {each.instance for name in (RED, SHOP) for each in world.running(name)}
    world.run(30)
    assert {each.instance for name in (RED, SHOP) for each in world.running(name)} == settled
    assert len(settled) == 3 * count


def test_a_limit_lowered_below_use_lets_go_what_is_above_and_no_more() -> None:
    """Reported: after a quota is lowered what is above runs on for ever, or everything goes."""
    teams = (Team(TeamName("feed")), Team(TeamName("redpacket")))
    world = World(lent(*teams), [a_service(RED, 4, ladder=HOME_LADDER)])
    world.run(2)
    lowered = (teams[0], replace(teams[1], borrowing_limit=Ceiling.of(cpu_millis=100)))
    world.set_fleet(teams=lowered)
    world.tick()
    assert list(reasons_of(world, RED).values()) == ["above-limit", "above-limit"]
    world.run(12)
    assert len(world.ready(RED)) == 2


def test_an_owner_that_returns_while_machines_boot_does_not_wait_for_them() -> None:
    """Reported: an owner's pods wait for a node to boot while guests sit on its own."""
    world = World(a_fleet(), [a_service(FEED, 2), a_service(RED, 12)])
    world.run(8)
    world.scale(RED, 16)
    world.run(1)
    assert world.why(RED).waiting > 0
    world.scale(FEED, 8)
    world.run(10)
    assert len(world.ready(FEED)) == 8
    assert {each.pool for each in world.ready(FEED)} == {"feed"}


def test_two_spikes_at_once_end_in_equal_shares_and_rent_for_both() -> None:
    """Reported: of two that scale at once one gets every new machine."""
    fleet = a_fleet(pools=(a_pool("all"), a_fleet().pools[2]), nodes=nodes("all", 2))
    world = World(fleet, [a_service(FEED, 10), a_service(RED, 10)])
    world.run(10)
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (10, 10)
    assert (world.rungs(FEED)["shared"], world.rungs(RED)["shared"]) == (4, 4)


def test_a_large_instance_of_the_owner_is_not_starved_by_crumbs() -> None:
    """Reported: small pods refill each gap before the large one fits."""
    crumbs = a_service(RED, 50, ladder=HOME_LADDER)
    world = World(lent(count=2), [crumbs, a_service(FEED, 0, resources=amount(200, 256))])
    world.run(2)
    world.scale(FEED, 1)
    world.run(11)
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (1, 4)


def test_a_drain_can_be_taken_back() -> None:
    """Reported: a drain once begun goes through, although demand is back and a new machine must be rented."""
    world = World(a_fleet(), [a_service(FEED, 2), a_service(RED, 14)])
    world.run(8)
    before = {each.instance for each in world.running(RED)}
    world.scale(RED, 10)
    world.tick(0)
    world.scale(RED, 14)
    world.run(2)
    kept = {each.instance for each in world.running(RED)} & before
    assert len(kept) >= 10
    assert len(world.ready(RED)) == 14


def test_a_minimum_hold_protects_a_guest_from_fairness_but_never_from_its_owner() -> None:
    """Reported: fair sharing throws out what has only just started."""
    held = lent(reclaim=ReclaimTerms(2, 1, hold_seconds=30))
    services = [a_service(RED, 4, ladder=HOME_LADDER), a_service(SHOP, 0, ladder=HOME_LADDER), a_service(FEED, 0)]
    world = World(held, services)
    world.run(2)
    world.scale(SHOP, 4)
    world.run(20)
    assert (len(world.ready(RED)), len(world.ready(SHOP))) == (4, 0)
    world.run(15)
    assert (len(world.ready(RED)), len(world.ready(SHOP))) == (2, 2)
    world.scale(FEED, 4)
    world.run(5)
    assert len(world.ready(FEED)) == 4


def a_row(name: str, *services: Any, later: str = "") -> Any:
    return pytest.param(name, services, later, id=name)


def guest(id: str, **overrides: Any) -> Any:
    return a_service(id, overrides.pop("count", 1), ladder=HOME_LADDER, **overrides)


@pytest.mark.parametrize(
    ("criterion", "services", "later"),
    [
        a_row(
            "minimum-availability",
            guest("redpacket/spare", scale=ScalePolicy(2, 2, available=1), count=2),
            guest("redpacket/scarce"),
            guest("redpacket/scarcer"),
        ),
        a_row(
            "band",
            guest("redpacket/batch", band=Band.BATCH),
            *(guest(f"redpacket/{name}") for name in ("a", "b", "c")),
        ),
        a_row("fair-share", guest("redpacket/a", resources=amount(150, 32)), guest("shop/b")),
        a_row(
            "cheapest",
            guest("redpacket/large", resources=amount(100, 64)),
            guest("redpacket/small"),
            guest("redpacket/wide", resources=amount(50, 96)),
        ),
        a_row("youngest", *(guest(f"redpacket/{name}") for name in "abc"), later="redpacket/d"),
        a_row("id", *(guest(f"redpacket/{name}") for name in "abcd")),
    ],
)
def test_each_victim_carries_the_criterion_that_chose_it(criterion: str, services: tuple[Any, ...], later: str) -> None:
    """Reported: nobody can tell why this one was preempted and not the other."""
    world = World(lent(), [*services, a_service(FEED, 0)])
    world.run(2)
    if later:
        world.deploy(guest(later))
        world.run(2)
    world.scale(FEED, 1)
    world.tick()
    chosen = [
        reason for service in (*[each.id for each in services], later) for reason in reasons_of(world, service).values()
    ]
    assert chosen == [criterion]


@pytest.mark.parametrize(("band", "seconds"), [(Band.BATCH, 8), (Band.BEST_EFFORT, 0)])
def test_batch_gives_way_with_notice_and_best_effort_without(band: Band, seconds: int) -> None:
    """Reported: low priority keeps high priority waiting."""
    services = [guest(RED, count=4, band=band), guest(SHOP, count=0)]
    world = World(lent(), services)
    world.run(2)
    world.scale(SHOP, 1)
    world.tick()
    (victim,) = [each for each in world.record.placements.values() if each.eviction is not None]
    assert victim.eviction is not None
    assert victim.eviction.drain_by is not None
    assert (victim.eviction.rule, (victim.eviction.drain_by - world.now).total_seconds()) == ("gives-way", seconds)
    world.run(seconds + 2)
    assert (len(world.ready(RED)), len(world.ready(SHOP))) == (3, 1)


@pytest.mark.parametrize(("band", "count"), [(Band.PRODUCTION, 2), (Band.BATCH, 2), (Band.BEST_EFFORT, 4)])
def test_best_effort_uses_all_that_is_idle_whatever_may_be_lent(band: Band, count: int) -> None:
    """Reported: machines idle below a lending limit while low-priority work waits."""
    pool = a_pool("feed", "feed", contribution_percent=0, lending_limit=amount(100, 256))
    world = World(lent(pools=(pool,)), [guest(RED, count=4, band=band)])
    world.run(2)
    assert len(world.ready(RED)) == count


def test_best_effort_never_rents() -> None:
    """Reported: an experiment that may wait brings in new machines."""
    world = World(a_fleet(), [a_service(FEED, 30, band=Band.BEST_EFFORT)])
    world.run(10)
    assert world.record.rentals == {}
    assert world.why(FEED).missing > 0


@pytest.mark.parametrize(("limit", "count"), [("borrowing_limit", 1), ("lending_limit", 1), (None, 4)])
def test_departments_keep_to_what_they_lend_and_borrow(limit: str | None, count: int) -> None:
    """Reported: the limit of the queue holds, that of its parent doesn't."""
    ceiling = Ceiling.of(cpu_millis=50)
    guests = Department("guests", borrowing_limit=ceiling if limit == "borrowing_limit" else NO_CEILING)
    hosts = Department("hosts", lending_limit=ceiling if limit == "lending_limit" else NO_CEILING)
    teams = (
        Team(TeamName("feed"), department="hosts"),
        Team(TeamName("redpacket"), department="guests"),
        Team(TeamName("shop"), department="guests"),
    )
    fleet = lent(*teams, departments=(guests, hosts))
    world = World(fleet, [guest(RED, count=2), guest(SHOP, count=2)])
    world.run(2)
    assert len(world.ready(RED)) + len(world.ready(SHOP)) == count


@pytest.mark.parametrize(("cohort", "count"), [("north", 4), ("south", 0)])
def test_only_teams_of_one_cohort_lend_to_one_another(cohort: str, count: int) -> None:
    """Reported: capacity is borrowed across a border that was meant to hold."""
    teams = (Team(TeamName("feed"), cohort="north"), Team(TeamName("redpacket"), cohort=cohort))
    world = World(lent(*teams), [guest(RED, count=4)])
    world.run(2)
    assert len(world.ready(RED)) == count
    assert ("other-cohort" in {each.code for each in world.why(RED).refusals}) is (count == 0)


def zoned() -> Fleet:
    """Four nodes of the team feed, for four instances each: three in zone a, one in zone b."""
    zones = {"feed-1": "a", "feed-2": "a", "feed-3": "a", "feed-4": "b"}
    made = [Node(NodeId(id), PoolName("feed"), amount(200, 256), (("zone", zone),)) for id, zone in zones.items()]
    return lent(nodes=tuple(made))


def stands(world: World, service: str) -> list[str]:
    return sorted(each.node for each in world.ready(service))


def test_instances_spread_evenly_over_zones_however_many_nodes_a_zone_has() -> None:
    """Reported: spread counts nodes instead of zones."""
    world = World(zoned(), [a_service(FEED, 4, placement=PlacementRules(spread=("zone",)))])
    world.run(1)
    assert stands(world, FEED).count("feed-4") == 2


def test_no_node_takes_more_than_its_rule_allows_and_the_refusal_counts_them() -> None:
    """Reported: nobody says why a pod is pending."""
    rules = PlacementRules((Constraint("zone", "a"),), max_per_node=1)
    world = World(zoned(), [a_service(FEED, 5, placement=rules)])
    world.run(1)
    assert stands(world, FEED) == ["feed-1", "feed-2", "feed-3"]
    (refusal,) = [
        each for each in world.why(FEED).refusals if each.code == "no-node-fits" and each.figure("rung") == "own"
    ]
    figures = dict(refusal.figures)
    assert (figures["nodes"], figures["fails:zone==a"], figures["fails:at most 1 a node"]) == (4, 1, 3)


def test_a_service_stands_near_the_one_it_asks_for() -> None:
    """Reported: a pod that must be near another is placed before that one is."""
    near = PlacementRules(near=(ServiceId("feed/db"),))
    database = a_service("feed/db", 1, placement=PlacementRules((Constraint("zone", "b"),)))
    world = World(zoned(), [a_service(FEED, 2, placement=near), database])
    world.run(2)
    assert stands(world, FEED) == ["feed-4", "feed-4"]


@pytest.mark.parametrize(("domain", "found"), [("zone", {"feed-4"}), ("node", {"feed-2", "feed-3", "feed-4"})])
def test_services_that_ask_to_be_apart_never_share_a_domain(domain: str, found: set[str]) -> None:
    """Reported: a node is removed and made anew for ever, since two that must be apart were counted as one."""
    world = World(zoned(), [a_service("feed/db", 1, placement=PlacementRules((Constraint("zone", "a"),)))])
    world.run(1)
    (taken,) = stands(world, "feed/db")
    world.deploy(a_service(FEED, 4, placement=PlacementRules(apart=(ServiceId("feed/db"),), domain=domain)))
    world.run(1)
    assert stands(world, FEED)
    assert taken not in stands(world, FEED)
    assert set(stands(world, FEED)) <= (found | {"feed-1"}) - {taken}
    world.history.clear()
    world.run(10)
    assert world.event_codes() == []


def test_a_kind_that_no_node_has_is_refused_with_its_name() -> None:
    """Reported: a pod that asks for what isn't there is pending without a word."""
    world = World(lent(), [a_service(FEED, 1, resources=Resources.of(unobtainium=1))])
    world.run(1)
    assert world.why(FEED).missing == 1
    assert any("unobtainium" in each.sentence for each in world.why(FEED).refusals)
