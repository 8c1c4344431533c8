"""Against fragmentation: others move aside for who is missing, where that pays and a few at a time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.fleet import Pool, ReclaimTerms, ScalingTerms
from springtide.model.placements import Placement
from springtide.model.workloads import Band, Service
from tests.builders import HOME_LADDER, a_fleet, a_pool, a_service, amount, nodes
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.world import World

LARGE = "feed/large"
SMALL = tuple(f"feed/s{number}" for number in range(1, 7))


def a_crumbled_world(large: Service, *, pool: Pool, moves: int = 2, hold_seconds: float = 0.0) -> World:
    """Two nodes of 200 of which 100 are free each, held by two small ones of 50 each; ``large`` wants one more."""
    fleet = a_fleet(
        pools=(pool,),
        nodes=nodes(pool.name, 2, amount(200, 1024)),
        scaling=ScalingTerms(max_moves_at_once=moves),
        reclaim=ReclaimTerms(hold_seconds=hold_seconds),
    )
    world = World(fleet, [a_service(id, 1, resources=amount(50, 32), ladder=HOME_LADDER) for id in SMALL])
    world.run(2)
    for node in fleet.nodes:
        here = sorted(each.service for each in world.record.placements.values() if each.node == node.id)
        for service in here[2:]:
            world.remove(service)
    world.run(2)
    assert [held_cpu_millis(world, node.id) for node in fleet.nodes] == [100, 100]
    world.deploy(large)
    return world


def a_large(cpu_millis: int = 150, **overrides: Any) -> Service:
    return a_service(LARGE, 1, resources=amount(cpu_millis, 32), ladder=HOME_LADDER, **overrides)


OWN, COMPANY = a_pool("feed", "feed"), a_pool("all")


def small_ready(world: World) -> int:
    return sum(len(world.ready(id)) for id in SMALL)


def held_cpu_millis(world: World, node: str) -> int:
    return sum(each.resources["cpu_millis"] for each in world.record.placements.values() if each.node == node)


def test_a_large_instance_that_fits_nowhere_gets_room_by_one_small_move() -> None:
    world = a_crumbled_world(a_large(), pool=OWN)
    least = 4
    for _ in range(8):
        world.tick()
        least = min(least, small_ready(world))
    assert (len(world.ready(LARGE)), least) == (1, 4)
    assert world.event_codes().count("aside") == 1
    assert world.find_event(lambda code: code == "aside").reason.figure("owner") == LARGE


def test_nobody_moves_where_too_little_is_free_in_all() -> None:
    world = a_crumbled_world(a_large(250), pool=OWN)
    world.run(4)
    assert "aside" not in world.event_codes()


def test_nobody_moves_where_more_would_have_to_than_may_at_once() -> None:
    for moves, served in ((0, 0), (1, 0), (2, 1)):
        world = a_crumbled_world(a_large(200), pool=OWN, moves=moves)
        world.run(6)
        assert (moves, len(world.ready(LARGE))) == (moves, served)


def test_nobody_moves_for_best_effort() -> None:
    world = a_crumbled_world(a_large(band=Band.BEST_EFFORT), pool=OWN)
    world.run(4)
    assert "aside" not in world.event_codes()


def test_guests_move_for_a_guest_once_their_hold_is_over() -> None:
    world = a_crumbled_world(a_large(), pool=COMPANY, hold_seconds=10)
    world.run(4, step=1)
    assert len(world.ready(LARGE)) == 0
    world.run(8, step=1)
    assert (len(world.ready(LARGE)), small_ready(world)) == (1, 4)


@examples(1)
@given(
    st.lists(st.tuples(st.integers(2, 12), st.booleans()), min_size=4, max_size=12),
    st.integers(2, 4),
    st.lists(st.integers(6, 20), min_size=1, max_size=2),
)
def test_at_rest_no_single_move_at_home_would_serve_one_more(
    small: list[tuple[int, bool]], count: int, large: list[int]
) -> None:
    """Small ones come, some of them go, then large ones want what is left. Reckoned anew from the record."""
    services = [
        a_service(f"feed/s{n}", 1, resources=amount(10 * tens, 32), ladder=HOME_LADDER)
        for n, (tens, _) in enumerate(small)
    ]
    world = World(a_fleet(pools=(OWN,), nodes=nodes("feed", count, amount(200, 1024))), services)
    world.run(3)
    for service, (_, stays) in zip(services, small, strict=True):
        if not stays:
            world.remove(service.id)
    world.run(12, step=1)
    for n, tens in enumerate(large):
        world.deploy(a_service(f"feed/l{n}", 1, resources=amount(10 * tens, 32), ladder=HOME_LADDER))
    world.run(20, step=1)
    moment = Moment(world.index, world.plan())
    for service in moment.services():
        for mover in moment.placed() if moment.plan.explanations[service.id].missing else ():
            assert not _would_serve(moment, service, mover), f"{mover.instance} could move for {service.id}"


def _would_serve(moment: Moment, service: Service, mover: Placement) -> bool:
    """Whether both are at home, the mover fits on another node of the pool, and the service then in its place."""
    pool, team = moment.fleet.pool(mover.pool), moment.after.services[mover.service].team
    if {pool.team, team} != {service.team} or mover.service == service.id:
        return False
    elsewhere = (node.id for node in moment.fleet.nodes if node.pool == mover.pool and node.id != mover.node)
    fits_there = any(mover.resources.fits_in(moment.free(node)) for node in elsewhere)
    return fits_there and service.resources.fits_in(moment.free(mover.node) + mover.resources)
