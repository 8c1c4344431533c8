"""Stories of fleets that never came to rest, each as small as it could be made."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from springtide.model.fleet import Department, Fleet, Node, Pool, ReclaimTerms, Team
from springtide.model.identifiers import ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NO_CEILING, Ceiling
from springtide.model.workloads import Band, PlacementRules, ScalePolicy, Service
from tests.builders import HOME_LADDER, a_pool, a_service, amount, nodes
from tests.planning.world import World

ANN, BOB, CYD = "ann/web", "bob/web", "cyd/web"


def near(other: str) -> PlacementRules:
    return PlacementRules(near=(ServiceId(other),))


def a_guest(id: str, cpu_millis: int = 50, **overrides: Any) -> Service:
    return a_service(id, 0, resources=amount(cpu_millis), **{"ladder": HOME_LADDER, **overrides})


def a_world(pools: tuple[Pool, ...], machines: tuple[Node, ...], *services: Service, **fleet: Any) -> World:
    """Notice, grace and hold are nought, so that whatever is decided is carried out at once."""
    teams = tuple(Team(name) for name in sorted({each.team for each in services}))
    terms = {"teams": teams, "pools": pools, "nodes": machines, "reclaim": ReclaimTerms(0, 0, 0), **fleet}
    return World(Fleet(**terms), services)


def at_rest(world: World, *turns: dict[str, int]) -> Counter[str]:
    """How many of each service stand once each turn's demand has been answered and nothing changes any more."""
    for turn in turns:
        for id, count in turn.items():
            world.scale(id, count)
        world.settle(30)
    return Counter(str(each.service) for each in world.record.placements.values())


def test_an_owner_leaves_alone_the_only_guest_whom_it_must_be_near() -> None:
    """It reclaimed it, lost by that the reason to come, and the guest returned."""
    owner, guest = a_guest(BOB, 100, placement=near(ANN)), a_guest(ANN, 200)
    world = a_world((a_pool("bob", "bob", contribution_percent=0),), nodes("bob", 1), owner, guest)
    assert at_rest(world, {ANN: 1}, {BOB: 1}) == {ANN: 1}
    assert {refusal.code for refusal in world.why(BOB).refusals} >= {"no-node-fits"}


def test_an_owner_takes_the_room_of_strangers_beside_the_guest_whom_it_must_be_near() -> None:
    owner, guest, other = a_guest(BOB, 100, placement=near(ANN)), a_guest(ANN), a_guest(CYD)
    world = a_world((a_pool("bob", "bob", contribution_percent=0),), nodes("bob", 1), owner, guest, other)
    assert at_rest(world, {ANN: 1, CYD: 3}, {BOB: 1}) == {ANN: 1, BOB: 1, CYD: 1}


def test_a_team_asks_a_guest_only_once_those_have_come_who_wait_to_be_near_it() -> None:
    """A lower band that makes room at home for a higher one asked the very guest whom that one must be near."""
    guest, lower = a_guest(ANN), a_guest("bob/batch", band=Band.BATCH)
    higher = a_guest(BOB, 100, placement=near(ANN))
    world = a_world((a_pool("bob", "bob", contribution_percent=0),), nodes("bob", 1), guest, lower, higher)
    assert at_rest(world, {ANN: 1}, {"bob/batch": 3}, {BOB: 1}) == {BOB: 1, "bob/batch": 2}


def test_a_lower_band_stays_while_somebody_waits_to_be_near_it() -> None:
    """It gave way to a third service in the plan in which the second got room promised beside it, and came back."""
    guest = a_guest(CYD, band=Band.BEST_EFFORT)
    neighbour, owner = a_guest(ANN, 100, placement=near(CYD)), a_guest(BOB, 100)
    pools = a_pool("bob", "bob", contribution_percent=100), a_pool("all", contribution_percent=100)
    machines = (*nodes("bob", 1), replace(nodes("bob", 2)[1], allocatable=amount(400, 512)))
    world = a_world(pools, (*machines, *nodes("all", 1, amount(400, 512))), guest, neighbour, owner)
    assert at_rest(world, {CYD: 1, ANN: 1, BOB: 9})[ANN] == 1


def test_who_may_only_borrow_gets_the_room_for_which_others_gave_way() -> None:
    """The room was promised as borrowed; those who had left came back, and their leaving was asked for again."""
    borrower, other = a_guest(BOB, 250, ladder=(Rung.BORROWED,)), a_guest(ANN, band=Band.BATCH)
    pool = a_pool("cyd", "cyd", contribution_percent=50, lending_limit=amount(200, 256))
    world = a_world((pool,), nodes("cyd", 1, amount(600, 512)), borrower, other)
    at_rest(world, {BOB: 2, ANN: 2})


def test_room_below_a_departments_limit_is_kept_for_whom_it_is_promised_to() -> None:
    """The limit of borrowing counted what stands only: who had given way for it took it back at once."""
    east = Department("east", None, NO_CEILING, NO_CEILING, Ceiling.of(cpu_millis=100))
    teams = Team(TeamName("ann"), 3, department="east"), Team(TeamName("bob"), 2, department="east")
    first, lower = a_guest(BOB, 100), a_guest(ANN, band=Band.BATCH)
    world = a_world((a_pool("all"),), nodes("all", 1, amount(150, 256)), first, lower, teams=teams, departments=(east,))
    assert at_rest(world, {ANN: 1}, {BOB: 1}) == {BOB: 1}


def test_who_may_only_stand_on_the_shared_part_finds_it_as_those_left_it_who_gave_way() -> None:
    """They came back to another node as borrowers; but whoever came first stands on the shared part."""
    guest = a_service("ann/s0", 0, resources=amount(150, 64), ladder=(Rung.SHARED,))
    others = [
        a_service("bob/s1", 0, resources=amount(50, 64), ladder=HOME_LADDER),
        a_service("bob/s4", scale=ScalePolicy(0, 0, available=0), ladder=HOME_LADDER),
    ]
    owner = a_service("cyd/s2", 0, resources=amount(250), ladder=HOME_LADDER, placement=near("bob/s1"))
    sizes = (amount(200, 256), amount(400, 256), amount(600, 512))
    machines = tuple(replace(each, allocatable=size) for each, size in zip(nodes("cyd", 3), sizes, strict=True))
    world = a_world((a_pool("cyd", "cyd"),), machines, guest, *others, owner)
    assert at_rest(world, {"ann/s0": 1, "bob/s1": 3, "cyd/s2": 3, "bob/s4": 2})["ann/s0"] == 1


def test_nobody_leaves_the_shared_part_while_somebody_waits_who_may_only_borrow() -> None:
    """Two gave way in one plan, the second to a third: then who waited would have counted as shared."""
    owner = a_service("bob/s1", 0, resources=amount(50, 64), ladder=HOME_LADDER)
    first = a_service("cyd/s2", 0, resources=amount(50, 224), ladder=HOME_LADDER, band=Band.BATCH)
    second = a_service(
        "ann/s3", scale=ScalePolicy(0, 0, available=0), resources=amount(100, 128), ladder=HOME_LADDER, band=Band.BATCH
    )
    borrower = a_service("cyd/s5", 0, resources=amount(50, 64), ladder=(Rung.OWN, Rung.BORROWED))
    pool = a_pool("bob", "bob", contribution_percent=50)
    world = a_world((pool,), nodes("bob", 1, amount(400, 512)), owner, first, second, borrower)
    assert at_rest(world, {"bob/s1": 1, "cyd/s2": 1, "ann/s3": 1, "cyd/s5": 2})["cyd/s5"] == 2


def test_a_guest_leaves_for_an_owner_who_must_stand_apart_from_it_and_does_not_come_back_beside_it() -> None:
    """There was room for both: the guest was never asked to leave, and the owner refused."""
    for rules in ({BOB: PlacementRules(apart=(ServiceId(ANN),))}, {ANN: PlacementRules(apart=(ServiceId(BOB),))}):
        owner, guest = (a_guest(id, placement=rules.get(id, PlacementRules())) for id in (BOB, ANN))
        world = a_world((a_pool("bob", "bob", contribution_percent=0),), nodes("bob", 1), owner, guest)
        assert at_rest(world, {ANN: 1}, {BOB: 1}) == {BOB: 1}


def test_a_guest_stays_where_an_owner_finds_room_apart_from_it_elsewhere() -> None:
    owner, guest = a_guest(BOB, placement=PlacementRules(apart=(ServiceId(ANN),))), a_guest(ANN)
    world = a_world((a_pool("bob", "bob", contribution_percent=0),), nodes("bob", 2), owner, guest)
    assert at_rest(world, {ANN: 1}, {BOB: 1}) == {ANN: 1, BOB: 1}


def test_room_at_home_for_which_a_lower_band_has_notice_is_kept_for_the_higher_one() -> None:
    """Two must leave for one; the one that had only begun went at once, and in its place another, again and again."""
    batch = a_service("bob/batch", 0, resources=amount(50, 32), ladder=(Rung.OWN,), band=Band.BATCH)
    higher = a_service("bob/s1", 0, resources=amount(50, 64), ladder=HOME_LADDER)
    pool, terms = a_pool("bob", "bob", contribution_percent=0), ReclaimTerms(4, 2, 0)
    world = a_world((pool,), nodes("bob", 1, amount(200, 128)), batch, higher, reclaim=terms)
    world.scale("bob/batch", 3)
    world.run(4)
    world.scale("bob/batch", 4)
    world.scale("bob/s1", 1)
    for _ in range(10):
        world.tick(0, ready=False)
    assert world.record.ordinals[ServiceId("bob/batch")] == 5
    world.run(10)
    assert len(world.ready("bob/s1")) == 1
