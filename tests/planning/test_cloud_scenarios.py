"""Stories of clouds on bad days and of money that ends, on the demo's fleet.

Own, shared and borrowed carry 12 instances of ``redpacket``; a rented node carries 2, boots in 4 s, and
costs 1,000 micros every 10 s.
"""

from __future__ import annotations

from dataclasses import replace

from springtide.model.fleet import Budget
from springtide.model.record import Kind
from springtide.planning.convergence import RentMachine, ReturnMachine
from tests.builders import a_fleet, a_service, an_offer
from tests.planning.world import World

FEED, RED = "feed/web", "redpacket/web"
TELLS_NO_STOCK = tuple(replace(cloud, offers=(an_offer(stock=None),)) for cloud in a_fleet().clouds)


def a_spike(**fleet: object) -> World:
    """Two instances more than the own machines of both teams can carry."""
    return World(a_fleet(**fleet), [a_service(FEED, 3), a_service(RED, 14)])


def requests(world: World) -> list[RentMachine]:
    return [action for made in world.history for action in made.actions if isinstance(action, RentMachine)]


def test_a_cloud_that_does_not_tell_its_stock_is_left_alone_for_a_moment_after_a_refusal() -> None:
    world = a_spike(clouds=TELLS_NO_STOCK)
    world.stock = {"small": 0}
    world.run(4)
    refusal = world.why(RED).refusals[-1]
    assert refusal.code == "cloud-refused"
    assert "No small is left." in refusal.sentence
    assert len(requests(world)) == 1
    world.run(16)
    assert 3 <= len(requests(world)) <= 4
    world.stock = {"small": 10}
    world.run(12)
    assert len(world.ready(RED)) == 14


def test_a_machine_that_comes_after_its_request_was_given_up_is_given_back() -> None:
    world = a_spike()
    world.refusing = {"rented"}
    world.run(20)
    rental = requests(world)[0].rental
    assert rental.token not in world.record.rentals
    world.refusing = set()
    world.act([RentMachine(rental)])
    world.observe()
    assert ReturnMachine(rental.cloud, rental.token) in world.plan().actions
    world.run(8)
    assert rental.token not in world.machines
    assert len(world.ready(RED)) == 14


def test_a_machine_whose_next_period_cannot_be_paid_is_empty_and_returned_before_that_period() -> None:
    """Renting asks for 2,000 (a period, and one that the drain may begin); the third period would be too much."""
    world = a_spike(budgets=(Budget("hour", 2_500),))
    world.run(27)
    assert "unpaid" in world.event_codes()
    assert not world.machines
    assert world.why(RED).refusals[-1].code == "budget-spent"
    world.run(30)
    assert sum(entry.amount_micros for entry in world.record.ledger.values()) == 2_000


def test_a_machine_lost_in_this_very_plan_still_counts_against_the_budget() -> None:
    world = a_spike(budgets=(Budget("hour", 2_500),))
    world.run(6)
    world.vanish(next(iter(world.machines)))
    made = world.tick()
    refusal = made.explanations[world.record.services[RED].id].refusals[-1]  # type: ignore[index]
    assert (refusal.code, refusal.figure("committed_micros")) == ("budget-spent", 1_000)


def test_periods_that_began_while_the_control_plane_slept_are_booked() -> None:
    world = a_spike()
    world.run(6)
    world.tick(60)
    rental = next(iter(world.record.rentals.values()))
    assert rental.periods_committed == 7


def test_a_victims_replacement_is_asked_for_by_the_plan_that_gives_it_notice() -> None:
    world = World(a_fleet(), [a_service(FEED, 3), a_service(RED, 12)])
    world.run(4)
    world.scale(FEED, 8)
    made = world.tick()
    codes = {change.value.reason.code for change in made.changes if change.kind is Kind.EVENT and change.value}
    assert {"reclaim-notice", "rent"} <= codes
