"""Stories of rented machines that stand half empty beside one another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from springtide.model.fleet import ScalingTerms
from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.model.workloads import PlacementRules, ScalePolicy, Service
from tests.builders import a_fleet, a_service, amount, an_offer
from tests.planning.laws_of_change import law_9_few_moves_at_once, law_9_make_before_break
from tests.planning.moments import Moment
from tests.planning.world import World

FEED, RED = "feed/web", "redpacket/web"


def a_guest(id: str, count: int, **overrides: Any) -> Service:
    """One that has no other place than rented machines."""
    scale = ScalePolicy(count, count)
    return a_service(id, scale=scale, resources=amount(50, 64), ladder=(Rung.CLOUD,), **overrides)


def two_machines(size: int = 2, *, rules: PlacementRules | None = None, **scaling: Any) -> World:
    """Two services that fill a machine each, and then want half of that."""
    offer = an_offer(resources=amount(50 * size, 64 * size), billing_period_seconds=60, boot_seconds=0.0)
    clouds = tuple(replace(cloud, offers=(offer,)) for cloud in a_fleet().clouds)
    terms = ScalingTerms(**{"up_seconds": 1, "down_seconds": 1, "home_seconds": 2, "proof_seconds": 0, **scaling})
    services = [a_guest(FEED, 0, placement=rules or PlacementRules()), a_guest(RED, 0)]
    world = World(a_fleet(nodes=(), clouds=clouds, budgets=(), scaling=terms), services)
    for service in (RED, FEED):
        world.scale(service, size)
        world.run(4)
    assert machines(world) == [size, size]
    for service in (FEED, RED):
        world.scale(service, size // 2)
    world.run(1)
    assert machines(world) == [size // 2, size // 2]
    return world


def machines(world: World) -> list[int]:
    """How many instances stand on each rented machine that holds any."""
    return sorted(Counter(each.node for each in world.record.placements.values()).values())


def test_of_two_half_empty_machines_one_is_emptied_and_given_back_before_its_next_charge() -> None:
    world = two_machines()
    world.run(10)
    assert machines(world) == [2]
    assert len(world.record.rentals) == 2
    world.run(50)
    assert {each.periods_committed for each in world.record.rentals.values()} == {2}
    assert len(world.record.rentals) == 1
    assert world.event_codes().count("consolidate") == 1
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (1, 1)


def test_a_machine_is_emptied_a_bounded_number_at_a_time_and_nobody_is_missing_meanwhile() -> None:
    world = two_machines(6, max_moves_at_once=1)
    moments: list[Moment] = []
    world.on_plan = lambda index, made: moments.append(Moment(index, made))
    world.run(30)
    assert machines(world) == [6]
    assert world.event_codes().count("consolidate") == 3
    for moment in moments:
        law_9_few_moves_at_once(moment)
        law_9_make_before_break(moment)


def test_nobody_moves_before_such_room_has_lasted_its_window() -> None:
    world = two_machines(home_seconds=20)
    world.run(15)
    assert machines(world) == [1, 1]
    world.run(15)
    assert machines(world) == [2]


@pytest.mark.parametrize(("cost_micros", "left"), [(359_999, [2]), (360_000, [1, 1])])
def test_a_machine_is_emptied_only_where_an_hour_of_it_costs_more_than_the_moves(
    cost_micros: int, left: list[int]
) -> None:
    world = two_machines(move_cost_micros=cost_micros)
    world.run(20)
    assert machines(world) == left


def test_whom_others_must_be_near_stays_and_so_do_they() -> None:
    world = two_machines(rules=PlacementRules(near=(ServiceId(RED),), domain="site"))
    world.run(20)
    assert "consolidate" not in world.event_codes()
