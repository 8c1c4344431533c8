"""Stories from the life of a fleet, each told from end to end in a world in memory.

The fleet is the demo's unless a test says otherwise: two teams whose pools carry eight instances
each, six own and two contributed, of which guests may borrow two more; a cloud whose nodes carry
two instances, boot in 4 s and charge every 10 s; notice 8 s, grace 2 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from springtide.model.fleet import Budget, Cloud, ReclaimTerms, ScalingTerms, Team
from springtide.model.identifiers import CloudName, RevisionId, ServiceId, SiteName, TeamName
from springtide.model.leases import Lease, Rung
from springtide.model.placements import Placement, PlacementState
from springtide.model.workloads import Dependency, Route, ScalePolicy, Service
from springtide.planning.convergence import RentMachine
from springtide.planning.index import LONGEST_PAUSE_SECONDS
from springtide.planning.money import next_charge
from tests.builders import (
    HOME_LADDER,
    START,
    a_fleet,
    a_pool,
    a_service,
    amount,
    an_elastic_pool,
    an_offer,
    at,
    nodes,
)
from tests.planning.world import World

FEED, RED = "feed/web", "redpacket/web"
PERIOD_MICROS = 1_000
"""One billing period of the rented node."""


def two_teams(feed: int = 2, redpacket: int = 2, *, ladder: tuple[Rung, ...] = tuple(Rung), **fleet: Any) -> World:
    """The demo's fleet, at rest with so many instances of both teams."""
    services = [a_service(FEED, feed, ladder=ladder), a_service(RED, redpacket, ladder=ladder)]
    world = World(a_fleet(**fleet), services)
    world.run(8)
    return world


def ids(placements: Iterable[Placement]) -> set[str]:
    return {each.instance for each in placements}


def noticed(world: World, service: str = RED) -> list[Placement]:
    """Instances that an owner's notice, or a limit's, runs for."""
    return [each for each in world.running(service) if each.eviction is not None and each.eviction.rule == "reclaim"]


def lease_of(world: World, service: str, pool: str, rung: Rung) -> Lease:
    return world.record.leases[f"{service}:{pool}:{rung}"]


def refusal(world: World, service: str, code: str) -> dict[str, object]:
    """The figures of the one refusal with this code."""
    (found,) = [each for each in world.why(service).refusals if each.code == code]
    return dict(found.figures)


def test_the_whole_tide_from_own_machines_through_all_rungs_and_home_again() -> None:
    spike = a_service(RED, scale=ScalePolicy(2, 40, requests_per_second=10))
    world = World(a_fleet(), [a_service(FEED, 2), spike])
    world.loads[RED] = 20
    world.run(3)
    assert (world.rungs(FEED), world.rungs(RED)) == ({"own": 2}, {"own": 2})

    world.loads[RED] = 140
    world.run(7)
    assert world.rungs(RED) == {"own": 6, "shared": 4, "borrowed": 2, "cloud": 2}
    assert len(world.ready(RED)) == 14

    world.scale(FEED, 8)
    world.run(10)
    assert world.rungs(FEED) == {"own": 6, "shared": 2}
    assert world.rungs(RED) == {"own": 6, "shared": 2, "cloud": 6}
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (8, 14)

    world.scale(FEED, 2)
    world.run(15)
    assert world.rungs(RED) == {"own": 6, "shared": 4, "borrowed": 2, "cloud": 2}

    world.loads[RED] = 20
    world.run(25)
    assert (world.rungs(FEED), world.rungs(RED)) == ({"own": 2}, {"own": 2})
    assert (world.machines, dict(world.record.rentals)) == ({}, {})


def test_idle_cpu_does_not_keep_an_owner_from_the_memory_that_it_lacks() -> None:
    fleet = a_fleet(
        pools=(a_pool("feed", "feed"), a_pool("redpacket", "redpacket")),
        nodes=nodes("feed", 1, amount(400, 256)),
    )
    burner = a_service("redpacket/burner", 2, resources=amount(50, 0), ladder=HOME_LADDER)
    cache = a_service("redpacket/cache", 2, resources=amount(10, 96), ladder=HOME_LADDER)
    world = World(fleet, [burner, cache, a_service(FEED, 0, resources=amount(50, 128))])
    world.run(2)
    world.scale(FEED, 1)
    world.tick()
    assert len(noticed(world, "redpacket/cache")) == 1
    assert noticed(world, "redpacket/burner") == []
    world.run(10)
    assert (len(world.ready(FEED)), len(world.ready("redpacket/burner"))) == (1, 2)


@pytest.mark.parametrize("wanted", [3, 4, 5, 6, 7, 8])
def test_a_lender_has_all_that_is_its_own_by_the_deadline_and_never_less_than_it_held(wanted: int) -> None:
    world = two_teams(feed=2, redpacket=50, ladder=HOME_LADDER)
    held = ids(world.ready(FEED))
    world.scale(FEED, wanted)
    for _ in range(21):
        world.tick()
        assert held <= ids(world.ready(FEED))
    assert len(world.ready(FEED)) == wanted
    assert {each.pool for each in world.ready(FEED)} == {"feed"}


def test_guests_never_hold_more_than_what_is_contributed_and_lent() -> None:
    world = two_teams(feed=0, redpacket=50, ladder=HOME_LADDER)
    assert world.rungs(RED) == {"own": 6, "shared": 4, "borrowed": 2}
    assert len([each for each in world.running(RED) if each.pool == "feed"]) == 4


def test_a_limit_lowered_below_use_gives_notice_to_those_who_came_last() -> None:
    world = two_teams(redpacket=8, ladder=HOME_LADDER)
    for count in (9, 10, 11, 12):
        world.scale(RED, count)
        world.tick()
    guests = sorted((each for each in world.running(RED) if each.pool == "feed"), key=lambda each: each.placed_at)
    assert len({each.placed_at for each in guests}) == 4
    pools = tuple(replace(pool, lending_limit=amount(0, 0)) for pool in world.record.fleet.pools)
    world.set_fleet(pools=pools)
    world.tick()
    assert ids(noticed(world)) == ids(guests[2:])
    assert world.event_codes().count("above-limit") == 2
    world.run(10)
    assert world.rungs(RED) == {"own": 6, "shared": 4}


def test_an_owner_that_returns_while_rented_nodes_boot_has_its_room_by_the_deadline() -> None:
    world = two_teams(redpacket=12)
    world.scale(RED, 14)
    world.run(1)
    assert world.why(RED).waiting == 2
    world.scale(FEED, 8)
    world.run(10)
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (8, 14)
    assert world.rungs(RED) == {"own": 6, "shared": 2, "cloud": 6}


@pytest.mark.parametrize(("weight", "shares"), [(1, (4, 4)), (3, (6, 2))])
def test_two_spikes_at_once_share_by_weight(weight: int, shares: tuple[int, int]) -> None:
    teams = (Team(TeamName("feed"), weight), Team(TeamName("redpacket")))
    fleet = a_fleet(teams=teams, pools=(a_pool("all"),), nodes=nodes("all", 2), clouds=())
    world = World(fleet, [a_service(FEED, 50), a_service(RED, 50)])
    world.run(2)
    assert (len(world.ready(FEED)), len(world.ready(RED))) == shares


def test_a_reclaim_is_withdrawn_when_the_owners_demand_falls_during_the_notice() -> None:
    world = two_teams(redpacket=12, ladder=HOME_LADDER)
    guests = ids(world.running(RED))
    world.scale(FEED, 8)
    world.run(2)
    assert len(noticed(world)) == 4
    world.scale(FEED, 2)
    world.tick()
    assert noticed(world) == []
    assert world.event_codes().count("notice-withdrawn") == 4
    world.run(12)
    assert ids(world.ready(RED)) == guests


def test_a_notice_runs_on_from_its_own_beginning() -> None:
    world = two_teams(redpacket=12, ladder=HOME_LADDER)
    world.scale(FEED, 8)
    world.tick()
    first = {each.instance: each.eviction for each in noticed(world)}
    world.run(7)
    assert {each.instance: each.eviction for each in noticed(world)} == first
    world.tick()
    world.tick()
    assert noticed(world) == []


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_victims_are_never_more_than_needed(missing: int) -> None:
    world = two_teams(feed=4, redpacket=12, ladder=HOME_LADDER)
    world.scale(FEED, 4 + missing)
    world.tick()
    assert len(noticed(world)) == missing
    world.run(12)
    assert world.event_codes().count("reclaim-notice") == missing
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (4 + missing, 12 - missing)


def test_a_small_guest_stays_where_the_large_one_must_go_anyway() -> None:
    fleet = a_fleet(pools=(a_pool("feed", "feed"), a_pool("redpacket", "redpacket")), nodes=nodes("feed", 1))
    large = a_service("redpacket/large", 1, resources=amount(150, 32), ladder=HOME_LADDER)
    small = a_service("redpacket/small", 0, resources=amount(50, 32), ladder=HOME_LADDER)
    world = World(fleet, [large, small, a_service(FEED, 0, resources=amount(100, 32))])
    world.tick()
    world.scale("redpacket/small", 1)
    world.tick()
    assert (world.rungs("redpacket/large"), world.rungs("redpacket/small")) == ({"shared": 1}, {"borrowed": 1})
    world.scale(FEED, 1)
    world.tick()
    assert (len(noticed(world, "redpacket/large")), noticed(world, "redpacket/small")) == (1, [])


def test_a_notice_of_nought_means_drain_at_once() -> None:
    world = two_teams(redpacket=12, ladder=HOME_LADDER, reclaim=ReclaimTerms(notice_seconds=0, grace_seconds=2))
    world.scale(FEED, 8)
    made = world.plan()
    states = [change.value.state for change in made.changes if change.id in world.record.placements and change.value]
    assert len(states) == 4
    assert PlacementState.RUNNING not in states
    world.run(2)
    assert len(world.ready(FEED)) == 8


def test_a_victim_goes_as_soon_as_it_is_replaced_and_not_before() -> None:
    world = two_teams(redpacket=12)
    world.scale(FEED, 8)
    for _ in range(16):
        world.tick()
        assert len(world.ready(RED)) >= 12
    assert len(world.ready(FEED)) == 8
    assert world.now < at(8 + 8 + 2)


def test_an_instance_that_straddles_the_split_counts_as_shared() -> None:
    fleet = a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1), clouds=())
    world = World(fleet, [a_service(FEED, 2, resources=amount(100, 32))])
    world.run(1)
    assert world.rungs(FEED) == {"own": 1, "shared": 1}


def test_a_company_pool_is_all_shared() -> None:
    fleet = a_fleet(pools=(a_pool("all"),), nodes=nodes("all", 1), clouds=())
    world = World(fleet, [a_service(FEED, 2), a_service(RED, 2)])
    world.run(1)
    assert (world.rungs(FEED), world.rungs(RED)) == ({"shared": 2}, {"shared": 2})
    assert not any(lease.reclaimable for lease in world.record.leases.values())


def test_a_service_without_cloud_on_its_ladder_never_rents() -> None:
    world = two_teams(redpacket=50, ladder=HOME_LADDER)
    world.run(10)
    assert "rent" not in world.event_codes()
    assert world.why(RED).missing == 38
    assert refusal(world, RED, "not-on-ladder") == {"rung": "cloud"}


def test_out_of_stock_is_said_and_rented_once_stock_returns() -> None:
    world = two_teams(redpacket=12)
    world.stock["small"] = 0
    world.scale(RED, 14)
    world.run(10)
    assert refusal(world, RED, "out-of-stock") == {"cloud": "rented", "shape": "small", "stock": 0}
    assert "rent" not in world.event_codes()
    world.stock["small"] = 1
    world.run(6)
    assert world.rungs(RED)["cloud"] == 2


def test_where_one_shape_is_out_of_stock_a_dearer_one_is_rented() -> None:
    offers = (an_offer(), an_offer(shape="large", resources=amount(200, 256), price_micros_per_hour=1_800_000))
    world = two_teams(redpacket=12, clouds=(Cloud(CloudName("rented"), "slices", SiteName("away"), offers),))
    world.stock["small"] = 0
    world.scale(RED, 14)
    world.run(6)
    assert [rental.shape for rental in world.record.rentals.values()] == ["large"]
    assert world.rungs(RED)["cloud"] == 2


def test_a_machine_that_vanishes_is_replaced() -> None:
    world = two_teams(redpacket=14)
    (token,) = world.machines
    world.vanish(token)
    world.run(6)
    assert "node-vanished" in world.event_codes()
    assert len(world.ready(RED)) == 14
    assert token not in world.machines
    assert len(world.machines) == 1
    assert world.record.ledger[f"rent:{token}"].amount_micros >= PERIOD_MICROS


def test_at_the_limit_of_nodes_the_refusal_has_its_figures() -> None:
    pools = (*a_fleet().pools[:2], an_elastic_pool(max_nodes=1))
    world = two_teams(redpacket=20, pools=pools)
    assert len(world.machines) == 1
    assert refusal(world, RED, "node-limit") == {"max_nodes": 1, "pool": "burst"}
    assert world.why(RED).missing == 6


def test_at_the_budget_the_refusal_has_its_figures() -> None:
    """Each rent commits one period, and the one that its drain may begin."""
    world = two_teams(redpacket=20, budgets=(Budget("day", 3 * PERIOD_MICROS - 1),))
    world.tick()
    figures = refusal(world, RED, "budget-spent")
    assert figures == {
        "limit_micros": 3 * PERIOD_MICROS - 1,
        "committed_micros": world.record.rentals["burst-1"].periods_committed * PERIOD_MICROS,
        "asked_micros": 2 * PERIOD_MICROS,
        "period": "day",
    }
    assert len(world.machines) == 1


def test_an_unproven_revision_is_never_rented_for() -> None:
    scaling = ScalingTerms(up_seconds=1, down_seconds=5, home_seconds=3, proof_seconds=5)
    world = World(a_fleet(scaling=scaling))
    world.deploy(a_service(RED, 14), proven_at=None)
    for _ in range(9):
        world.tick()
        assert world.record.rentals == {}
    assert refusal(world, RED, "not-proven") == {"proof_seconds": 5, "revision": "redpacket/web@1"}
    world.run(8)
    assert world.rungs(RED)["cloud"] == 2


def test_a_rented_node_is_given_back_just_before_its_next_charge_and_not_before() -> None:
    world = two_teams(redpacket=12)
    world.scale(RED, 14)
    world.run(5)
    (rental,) = world.record.rentals.values()
    charge = next_charge(rental)
    world.scale(RED, 12)
    while world.machines:
        world.tick()
    assert (charge - world.now).total_seconds() in (0.5, 1.0, 1.5, 2.0)
    world.tick()
    assert world.record.ledger[f"rent:{rental.token}"].amount_micros == PERIOD_MICROS


def test_an_idle_paid_node_is_used_again_before_another_is_rented() -> None:
    world = two_teams(redpacket=14)
    before = set(world.machines)
    world.scale(RED, 12)
    world.run(1)
    assert world.rungs(RED).get("cloud", 0) == 0
    world.scale(RED, 14)
    made = world.tick()
    assert not any(isinstance(action, RentMachine) for action in made.actions)
    assert (set(world.machines), world.rungs(RED)["cloud"]) == (before, 2)


def test_a_drain_is_taken_back_when_demand_returns() -> None:
    world = World(a_fleet(), [a_service(FEED, 6, routes=(Route(8000, host="feed.localhost"),))])
    world.run(2)
    before = ids(world.ready(FEED))
    world.in_flight = dict.fromkeys(world.containers, 1)
    world.scale(FEED, 2)
    world.run(1)
    assert len(world.running(FEED)) == 2
    world.scale(FEED, 6)
    world.tick()
    assert ids(world.ready(FEED)) == before
    assert set(world.record.placements) == before


def by_requests(service: str, **overrides: Any) -> Service:
    return a_service(service, scale=ScalePolicy(1, 40, requests_per_second=10), **overrides)


def test_a_rise_interrupts_a_fall() -> None:
    world = World(a_fleet(), [by_requests(FEED)])
    world.loads[FEED] = 60
    world.run(8)
    before = ids(world.ready(FEED))
    world.loads[FEED] = 10
    world.run(4)
    world.loads[FEED] = 60
    world.run(8)
    assert "shrink" not in world.event_codes()
    assert ids(world.ready(FEED)) == before
    world.loads[FEED] = 10
    world.run(8)
    assert len(world.ready(FEED)) == 1


def test_after_a_restart_nothing_falls_before_a_full_window_has_been_seen() -> None:
    world = World(a_fleet(), [by_requests(FEED)])
    world.loads[FEED] = 60
    world.run(8)
    before = ids(world.ready(FEED))
    world.loads[FEED] = 10
    world.run(4)
    world.restart()
    for _ in range(10):
        world.tick()
        assert ids(world.ready(FEED)) == before
    world.run(3)
    assert len(world.ready(FEED)) == 1


def test_a_killed_instance_is_replaced_at_once() -> None:
    world = World(a_fleet(), [a_service(FEED, 2)])
    world.run(11)
    killed, other = (each.instance for each in world.ready(FEED))
    world.kill(killed)
    world.tick()
    assert len(world.ready(FEED)) == 2
    assert other in ids(world.ready(FEED))
    assert killed not in ids(world.ready(FEED))


def test_a_crash_loop_is_tried_again_after_ever_longer_pauses() -> None:
    world = World(a_fleet(), [a_service(FEED, 1)])
    starts = []
    for _ in range(400):
        before = set(world.containers)
        world.tick()
        if set(world.containers) - before:
            starts.append(world.now)
        world.crash_everything()
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
    assert pauses[:7] == [0.5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5]
    assert max(pauses) <= LONGEST_PAUSE_SECONDS + 1
    assert world.why(FEED).refusals[0].code == "backing-off"


@pytest.mark.parametrize("healthy", [False, True])
def test_a_service_waits_for_what_it_depends_on(healthy: bool) -> None:
    database = a_service("feed/db")
    web = a_service(FEED, depends_on=(Dependency(ServiceId("feed/db"), healthy),))
    world = World(a_fleet(), [database, web])
    world.tick(ready=False)
    assert ids(world.running(FEED)) == set()
    assert refusal(world, FEED, "waits-for-dependency") == {"dependency": "feed/db"}
    world.tick(ready=False)
    assert len(world.running(FEED)) == (0 if healthy else 1)
    world.make_ready("feed-db-1")
    world.tick(ready=False)
    assert len(world.running(FEED)) == 1


def test_a_new_revision_replaces_the_old_make_before_break_and_a_few_at_a_time() -> None:
    world = two_teams(feed=8)
    old = ids(world.ready(FEED))
    world.deploy(replace(a_service(FEED, 8), revision=RevisionId(f"{FEED}@2")))
    for n in range(40):
        world.tick(ready=False)
        going = [each for each in world.running(FEED) if each.eviction is not None]
        assert len(going) <= 2
        assert len(world.ready(FEED)) >= 8
        if n % 2:
            world.make_ready(*ids(world.running(FEED)) & set(world.containers))
    assert {each.revision for each in world.record.placements.values() if each.service == FEED} == {f"{FEED}@2"}
    assert len(world.ready(FEED)) == 8
    assert not old & set(world.containers)


def test_of_a_removed_service_nothing_is_left_but_what_it_owes() -> None:
    world = two_teams(redpacket=14)
    world.remove(RED)
    world.remove(FEED)
    world.tick(0)
    assert not world.running(RED)
    world.run(30)
    record = world.record
    for left in (record.apps, record.services, record.revisions, record.placements, record.leases, record.rentals):
        assert left == {}
    assert all(id.startswith("rental:") for id in record.ordinals)
    assert (world.containers, world.machines) == ({}, {})
    assert {entry.kind for entry in record.ledger.values()} == {"lend", "rent"}
    assert record.fleet == a_fleet()


def test_the_ledger_names_debtor_creditor_and_seconds_of_what_was_lent() -> None:
    pools = (*(replace(pool, price_micros_per_cpu_hour=7_200_000) for pool in a_fleet().pools[:2]), an_elastic_pool())
    world = two_teams(redpacket=6, pools=pools)
    world.scale(RED, 10)
    world.tick()
    since = world.now
    world.run(20)
    world.scale(RED, 6)
    world.run(2)
    (entry,) = world.record.ledger.values()
    assert entry.creditor == "feed"
    assert (entry.kind, entry.debtor, entry.subject, entry.pool) == ("lend", "redpacket", RED, "feed")
    seconds = (entry.until - since).total_seconds()
    assert (entry.since, entry.instance_seconds) == (since, 2 * seconds)
    assert entry.amount_micros == 100 * entry.instance_seconds


def test_leases_carry_until_while_they_are_reclaimed() -> None:
    world = two_teams(redpacket=12, ladder=HOME_LADDER)
    lease = lease_of(world, RED, "feed", Rung.BORROWED)
    assert (lease.count, lease.reclaimable, lease.until) == (2, True, None)
    assert not lease_of(world, RED, "redpacket", Rung.OWN).reclaimable
    world.scale(FEED, 8)
    world.tick()
    now = (world.now - START).total_seconds()
    leases = [each for each in world.record.leases.values() if (each.service, each.pool) == (RED, "feed")]
    assert {each.until for each in leases} == {at(now + 8 + 2)}
    world.scale(FEED, 2)
    world.tick()
    assert lease_of(world, RED, "feed", Rung.BORROWED).until is None
