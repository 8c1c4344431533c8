"""Stories of what is rented: mixed shapes, spot machines, zones, urgency, bands and budgets of several periods.

The demo's fleet, whose own machines carry 16 instances of 50 millis; what is above goes to the cloud.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from springtide.model.fleet import MICROS, Budget, Offer
from springtide.model.identifiers import ServiceId
from springtide.model.workloads import Band, Constraint, PlacementRules, Service
from tests.builders import a_fleet, a_service, amount, an_elastic_pool, an_offer
from tests.planning.world import World

RED, FEED = "redpacket/web", "feed/web"


def a_shape(shape: str, price: int, cpu: int = 100, memory: int = 128, **overrides: Any) -> Offer:
    return an_offer(shape=shape, price_micros_per_hour=price, resources=amount(cpu, memory), stock=None, **overrides)


def a_world(offers: tuple[Offer, ...], *services: Service, **fleet: Any) -> World:
    """A fleet without machines of its own, so that all who may go to the cloud."""
    clouds = tuple(replace(cloud, offers=offers) for cloud in a_fleet().clouds)
    return World(a_fleet(clouds=clouds, nodes=(), **fleet), services)


def rented(world: World) -> Counter[str]:
    return Counter(each.shape for each in world.record.rentals.values())


def test_two_spikes_at_once_share_offers_of_two_shapes() -> None:
    """Of one much cpu, of the other much memory: together they fill a machine that neither fills alone."""
    cpu = a_service(FEED, 3, resources=amount(100, 32))
    memory = a_service(RED, 3, resources=amount(25, 256))
    offers = (a_shape("even", 500_000, 375, 864), a_shape("slim", 400_000, 100, 128))
    world = a_world(offers, cpu, memory)
    world.run(8)
    assert rented(world) == {"even": 1}
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (3, 3)
    world.scale(FEED, 4)
    world.run(8)
    assert rented(world) == {"even": 1, "slim": 1}


@pytest.mark.parametrize(("percent", "chosen"), [(1, "spot"), (90, "firm")])
def test_a_spot_offer_is_chosen_only_when_its_interruption_is_worth_it(percent: int, chosen: str) -> None:
    """Half the price; an interruption loses a paid hour, a boot, and the move of each instance."""
    firm = a_shape("firm", 1_000_000, billing_period_seconds=3600)
    spot = a_shape("spot", 600_000, billing_period_seconds=3600, interruptions_percent_per_hour=percent)
    world = a_world((firm, spot), a_service(RED, 2))
    world.run(2)
    assert rented(world) == {chosen: 1}


def test_a_budget_of_the_hour_is_spent_while_that_of_the_day_is_not() -> None:
    """A machine costs 1,000 a period, its drain another; the hour has 3,500, the day 20,000."""
    budgets = (Budget("day", 20_000), Budget("hour", 3_500))
    world = a_world((a_shape("small", 360_000),), a_service(RED, 6), budgets=budgets)
    world.tick()
    refusal = world.why(RED).refusals[-1]
    assert (refusal.code, refusal.figure("period")) == ("budget-spent", "hour")
    assert sum(rented(world).values()) == 1
    world.run(40)
    assert not world.machines
    refusal = world.why(RED).refusals[-1]
    assert (refusal.figure("period"), refusal.figure("committed_micros")) == ("hour", 3_000)
    world.now = world.now.replace(hour=13, minute=0, second=1)
    world.run(8)
    assert world.machines
    spent = sum(entry.amount_micros for entry in world.record.ledger.values())
    assert spent + sum(e.periods_committed * e.price_micros_per_period for e in world.record.rentals.values()) <= 20_000


def test_the_last_period_before_the_hour_is_renewed_from_the_next_hours_money() -> None:
    """At 12:59:55 the hour's budget is spent, and the period to come begins after 13:00."""
    world = a_world((a_shape("small", 360_000),), a_service(RED, 2), budgets=(Budget("hour", 2_000),))
    world.now = world.now.replace(minute=59, second=48)
    world.observe()
    world.run(16)
    assert "unpaid" not in world.event_codes()
    assert len(world.ready(RED)) == 2


def test_a_rented_node_in_a_zone_satisfies_a_zone_constraint() -> None:
    north = a_shape("north", 900_000, labels=(("zone", "n"),))
    south = a_shape("south", 300_000, labels=(("zone", "s"),))
    bound = a_service(RED, 2, placement=PlacementRules((Constraint("zone", "n"),)))
    world = a_world((north, south), bound, a_service(FEED, 2))
    world.run(10)
    assert rented(world) == {"north": 1, "south": 1}
    labels = {rental.node: dict(rental.labels) for rental in world.record.rentals.values()}
    assert {labels[each.node]["zone"] for each in world.running(RED)} == {"n"}
    assert {labels[each.node]["zone"] for each in world.running(FEED)} == {"s"}


def test_where_no_offer_meets_a_constraint_nothing_is_rented_and_the_rule_is_named() -> None:
    bound = a_service(RED, 2, placement=PlacementRules((Constraint("zone", "x"),)))
    world = a_world((a_shape("north", 300_000, labels=(("zone", "n"),)),), bound)
    world.run(5)
    assert not world.record.rentals
    refusal = world.why(RED).refusals[-1]
    assert (refusal.code, refusal.figure("rule")) == ("rules-forbid", "zone==x")


def test_a_constraint_on_the_site_is_judged_by_the_pools_site() -> None:
    at_home = a_service(RED, 1, placement=PlacementRules((Constraint("site", "home"),)))
    world = a_world((a_shape("small", 300_000),), at_home, a_service(FEED, 1))
    world.run(8)
    assert not world.running(RED)
    assert len(world.ready(FEED)) == 1


def test_rented_instances_are_spread_over_zones_where_that_is_asked() -> None:
    offers = tuple(a_shape(zone, price, 400, 512, labels=(("zone", zone),)) for zone, price in (("n", 900), ("s", 300)))
    world = a_world(offers, a_service(RED, 4, placement=PlacementRules(spread=("zone",))))
    world.run(8)
    zones = {rental.node: dict(rental.labels)["zone"] for rental in world.record.rentals.values()}
    assert Counter(zones[each.node] for each in world.running(RED)) == {"n": 2, "s": 2}


def test_on_machines_that_boot_no_more_are_promised_than_the_rules_allow() -> None:
    alone = a_service(RED, 3, placement=PlacementRules(max_per_node=1))
    world = a_world((a_shape("large", 300_000, 400, 512),), alone)
    world.run(10)
    assert rented(world) == {"large": 3}
    assert max(Counter(each.node for each in world.running(RED)).values()) == 1


def test_services_that_stand_apart_get_machines_of_their_own() -> None:
    lonely = a_service(RED, 2, placement=PlacementRules(apart=(ServiceId(FEED),)))
    world = a_world((a_shape("large", 300_000, 400, 512),), lonely, a_service(FEED, 2))
    world.run(10)
    assert rented(world) == {"large": 2}
    assert not {each.node for each in world.running(RED)} & {each.node for each in world.running(FEED)}


def test_production_is_rented_for_before_batch_and_both_share_what_is_left() -> None:
    """One machine may be rented; it carries 2."""
    batch = a_service("feed/batch", 2, band=Band.BATCH)
    pools = (*(each for each in a_fleet().pools if not each.is_elastic), an_elastic_pool(max_nodes=1))
    world = a_world((a_shape("small", 300_000),), batch, a_service("redpacket/zeta", 1), pools=pools)
    world.run(8)
    assert len(world.ready("redpacket/zeta")) == 1
    assert len(world.ready("feed/batch")) == 1
    assert world.why("feed/batch").refusals[-1].code == "node-limit"


def test_within_a_band_whoever_lacks_most_is_served_first_whatever_its_name() -> None:
    """One machine of 4; the service that stands last by name has none of 4, the other 2 of 4 already."""
    pools = (*(each for each in a_fleet().pools if not each.is_elastic), an_elastic_pool(max_nodes=1))
    world = a_world((a_shape("large", 300_000, 200, 256),), a_service("feed/aaa", 2), pools=pools)
    world.run(8)
    assert len(world.ready("feed/aaa")) == 2
    world.deploy(a_service("redpacket/zzz", 4))
    world.scale("feed/aaa", 4)
    world.run(2)
    assert (len(world.ready("feed/aaa")), len(world.ready("redpacket/zzz"))) == (2, 2)


def test_who_has_waited_long_pays_more_for_a_machine_that_boots_sooner() -> None:
    """The cheap one boots in 20 s, the quick one in 1 s for one and a half times the price."""
    slow = a_shape("slow", 1_000_000, boot_seconds=20.0)
    quick = a_shape("quick", 1_500_000, boot_seconds=1.0)
    full = replace(an_elastic_pool(), max_nodes=0)
    world = a_world((slow, quick), a_service(RED, 2), pools=(full,))
    world.run(25)
    assert world.why(RED).refusals[-1].code == "node-limit"
    world.set_fleet(pools=(replace(full, max_nodes=1),))
    world.run(3)
    assert rented(world) == {"quick": 1}
    assert len(world.ready(RED)) == 2


def test_without_waiting_the_cheapest_is_taken_however_long_it_boots() -> None:
    slow, quick = a_shape("slow", MICROS, boot_seconds=6.0), a_shape("quick", MICROS + 1, boot_seconds=1.0)
    world = a_world((slow, quick), a_service(RED, 2))
    world.run(8)
    assert rented(world) == {"slow": 1}
