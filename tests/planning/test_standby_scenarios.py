"""Standby: started and proven, then paused; resumed before anything starts, and out of everybody's way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from springtide.model.fleet import Pool, ScalingTerms
from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import ContainerState
from springtide.model.placements import PlacementState
from springtide.model.record import Change, Kind
from springtide.model.workloads import PlacementRules, ScalePolicy, Service, StandbyPolicy
from springtide.planning.convergence import CreateInstance, DeleteInstance, PauseInstance, ResumeInstance
from springtide.planning.index import InstanceSeen, advance
from tests.builders import HOME_LADDER, a_fleet, a_pool, a_service, amount, an_elastic_pool, nodes
from tests.planning.world import World

WEB = "feed/web"
OWN, COMPANY = a_pool("feed", "feed"), a_pool("all")
TERMS = ScalingTerms(up_seconds=1, down_seconds=3, home_seconds=1)


def a_web(count: int = 1, most: int = 8, **overrides: Any) -> Service:
    """Wants as many as its load says, from ``count`` on; 4 stand by."""
    standby = overrides.pop("standby", StandbyPolicy(4))
    scale = ScalePolicy(count, most, requests_per_second=10, standby=standby)
    return a_service(WEB, count, **{"scale": scale, "ladder": HOME_LADDER, **overrides})


def a_world(service: Service, *others: Service, pools: tuple[Pool, ...] = (OWN,), size: int = 400) -> World:
    places = [node for pool in pools if not pool.is_elastic for node in nodes(pool.name, 1, amount(size, 1024))]
    world = World(a_fleet(pools=pools, nodes=tuple(places), scaling=TERMS), [service, *others])
    world.run(6)
    return world


def held(world: World, kind: str) -> int:
    everybody = [*world.record.placements.values(), *world.record.standby.values()]
    return sum(each.resources[kind] for each in everybody)


def test_as_many_as_wished_are_started_proven_and_paused() -> None:
    world = a_world(a_web())
    assert (len(world.ready(WEB)), len(world.standing_by(WEB))) == (1, 4)


def test_who_is_paused_holds_memory_and_no_processor() -> None:
    world = a_world(a_web())
    assert (held(world, "cpu_millis"), held(world, "memory_bytes")) == (50, 5 * 32 * 2**20)


def test_who_starts_in_order_to_stand_by_holds_the_processor_too() -> None:
    world = a_world(a_web())
    fresh = World(world.record.fleet, [a_web()])
    fresh.tick()
    fresh.tick(ready=False)
    assert held(fresh, "cpu_millis") == 5 * 50


def test_demand_resumes_before_anything_is_started() -> None:
    world = a_world(a_web())
    before = world.standing_by(WEB)
    world.loads[WEB] = 40
    made = [world.tick() for _ in range(4)]
    actions = [action for plan in made for action in plan.actions]
    assert [each.instance for each in actions if isinstance(each, ResumeInstance)] == before[:3]
    assert [plan for plan in made if any(isinstance(each, CreateInstance) for each in plan.actions)][:1] != made[:1]
    assert "resume" in world.event_codes()
    assert [each.instance for each in world.ready(WEB)][1:] == before[:3]


def test_the_next_plan_refills_once_all_serve() -> None:
    world = a_world(a_web())
    world.loads[WEB] = 30
    world.run(6)
    assert (len(world.ready(WEB)), len(world.standing_by(WEB))) == (3, 4)


def test_who_is_resumed_must_answer_again_before_traffic_comes() -> None:
    world = a_world(a_web())
    world.loads[WEB] = 20
    world.tick()
    made = world.tick(ready=False)
    resumed = [each.instance for each in made.actions if isinstance(each, ResumeInstance)]
    routed = {e.instance for each in made.routes for e in each.endpoints}
    assert resumed
    assert not routed.intersection(resumed)


def test_nobody_stands_by_beyond_what_the_service_may_have() -> None:
    assert len(a_world(a_web(1, 3)).standing_by(WEB)) == 2
    assert a_world(a_web(3, 3)).standing_by(WEB) == []


def test_each_who_stands_by_could_serve_where_it_stands() -> None:
    """400 millis of cpu carry 8; one serves, so 7 may stand by, though memory would hold 31."""
    world = a_world(a_web(1, 40, standby=StandbyPolicy(20)))
    assert len(world.standing_by(WEB)) == 7


def test_rungs_that_are_named_limit_who_stands_by_there() -> None:
    """The own part carries 7 of 8: two stand by there, one on what the team contributes."""
    by_rung = StandbyPolicy(3, ((Rung.OWN, 2), (Rung.SHARED, 1)))
    world = a_world(a_web(standby=by_rung), pools=(OWN, COMPANY))
    pools = [world.record.standby[id].pool for id in world.standing_by(WEB)]
    assert sorted(pools) == ["all", "feed", "feed"]


def test_standby_never_rents() -> None:
    world = a_world(a_web(1, 40, standby=StandbyPolicy(20), ladder=tuple(Rung)), pools=(OWN, an_elastic_pool()))
    assert (len(world.standing_by(WEB)), dict(world.record.rentals)) == (7, {})


@pytest.mark.parametrize(
    ("rival", "pools"),
    [
        (a_service("feed/other", 1, resources=amount(50, 1000), ladder=HOME_LADDER), (OWN,)),
        (a_service("red/other", 1, resources=amount(50, 900), ladder=(Rung.SHARED, Rung.BORROWED)), (COMPANY,)),
    ],
    ids=["the owner's", "a guest's"],
)
def test_standby_yields_to_any_demand_that_fits_nowhere_else(rival: Service, pools: tuple[Pool, ...]) -> None:
    web = a_web(ladder=(*HOME_LADDER, Rung.BORROWED))
    world = a_world(web, pools=pools)
    assert len(world.standing_by(WEB)) == 4
    world.deploy(replace(rival, resources=amount(50, 1024 - 64)))
    world.run(3)
    assert len(world.ready(rival.id)) == 1
    assert len(world.standing_by(WEB)) == 1
    assert "standby-yields" in world.event_codes()
    world.run(6)
    assert len(world.ready(rival.id)) == 1


def test_only_who_is_in_the_way_yields() -> None:
    world = a_world(a_web())
    world.deploy(a_service("feed/other", 1, resources=amount(50, 1024 - 4 * 32), ladder=HOME_LADDER))
    world.run(4)
    assert (len(world.ready("feed/other")), len(world.standing_by(WEB))) == (1, 3)


def test_standby_takes_nobodys_processor() -> None:
    world = a_world(a_web())
    world.deploy(a_service("feed/other", 7, ladder=HOME_LADDER))
    world.run(3)
    assert (len(world.ready("feed/other")), len(world.standing_by(WEB))) == (7, 4)
    world.loads[WEB] = 40
    world.run(3)
    assert len(world.running(WEB)) == 1  # there is no processor left to resume with


def test_nothing_is_rented_while_standby_holds_the_room() -> None:
    world = a_world(a_web(), pools=(OWN, an_elastic_pool()))
    world.deploy(a_service("feed/other", 1, resources=amount(50, 1024 - 64), ladder=tuple(Rung)))
    world.run(3)
    assert (len(world.ready("feed/other")), dict(world.record.rentals)) == (1, {})


def test_a_new_revision_gets_a_standby_of_its_own() -> None:
    world = a_world(a_web())
    before = world.standing_by(WEB)
    world.deploy(replace(a_web(), revision=f"{WEB}@2"))  # type: ignore[arg-type]
    world.run(12)
    assert len(world.standing_by(WEB)) == 4
    assert not set(before).intersection(world.standing_by(WEB))
    assert {world.record.standby[id].revision for id in world.standing_by(WEB)} == {f"{WEB}@2"}


def test_who_has_stood_by_for_too_long_is_replaced_one_at_a_time() -> None:
    world = a_world(a_web(standby=StandbyPolicy(3, max_age_seconds=20)))
    before, least = world.standing_by(WEB), 3
    for _ in range(60):
        world.tick()
        least = min(least, len(world.standing_by(WEB)))
    assert not set(before).intersection(world.standing_by(WEB))
    assert least == 2


def test_fewer_wished_lets_the_youngest_go() -> None:
    world = a_world(a_web())
    before = world.standing_by(WEB)
    world.put(Change(Kind.SERVICE, WEB, a_web(standby=StandbyPolicy(1))))
    world.run(3)
    assert world.standing_by(WEB) == before[:1]


def test_with_its_service_goes_its_standby() -> None:
    world = a_world(a_web())
    world.remove(WEB)
    world.run(3)
    assert (world.containers, dict(world.record.standby)) == ({}, {})


def test_who_ends_while_it_stands_by_is_replaced() -> None:
    world = a_world(a_web())
    victim = world.standing_by(WEB)[0]
    world.kill(victim)
    world.run(6)
    assert len(world.standing_by(WEB)) == 4
    assert victim not in world.standing_by(WEB)


def test_a_revision_that_crashes_on_start_is_not_started_again_and_again_to_stand_by() -> None:
    world = a_world(a_web(standby=StandbyPolicy(0)))
    world.put(Change(Kind.SERVICE, WEB, a_web()))
    started = 0
    for _ in range(40):
        made = world.tick(ready=False)
        started += sum(isinstance(each, CreateInstance) for each in made.actions)
        for id in [each.subject for each in made.actions if isinstance(each, CreateInstance)]:
            world.kill(id, exit_code=1)
    assert started <= 24  # a few at a time, and ever later


def test_it_stands_by_where_the_rules_of_its_service_allow() -> None:
    fleet = a_fleet(pools=(OWN,), nodes=nodes("feed", 3, amount(400, 1024)), scaling=TERMS)
    world = World(fleet, [a_web(placement=PlacementRules(apart=("feed/noisy",)))])  # type: ignore[arg-type]
    world.deploy(a_service("feed/noisy", 1, ladder=HOME_LADDER))
    world.run(6)
    noisy = {each.node for each in world.running("feed/noisy")}
    assert len(world.standing_by(WEB)) == 4
    assert not noisy.intersection(world.record.standby[id].node for id in world.standing_by(WEB))


def test_coming_home_goes_before_standing_by() -> None:
    """One came away from home while another's peak filled it; then room returns, and standby may not keep it."""
    world = a_world(a_web(2, ladder=tuple(Rung)), pools=(OWN, COMPANY), size=100)
    world.deploy(a_service("feed/other", 1, resources=amount(50, 32), ladder=HOME_LADDER))
    world.run(6)
    world.remove("feed/other")
    world.run(12)
    assert world.rungs(WEB) == {"own": 1, "shared": 1}  # own and contributed part of its pool


def test_after_a_restart_of_the_control_plane_they_stand_by_as_before() -> None:
    world = a_world(a_web())
    before = world.standing_by(WEB)
    world.restart()
    for _ in range(4):
        made = world.tick()
        assert not [each for each in made.actions if isinstance(each, CreateInstance | DeleteInstance | PauseInstance)]
    assert world.standing_by(WEB) == before


def test_peers_find_who_was_resumed_once_the_rush_is_over() -> None:
    """An engine gives names at the start alone: one with a name takes the place of each that stood by."""
    world = a_world(a_web(), a_service("feed/db", 1, ladder=HOME_LADDER))
    world.loads[WEB] = 30
    least = 3
    world.run(2)
    for _ in range(30):
        world.tick()
        least = min(least, len(world.ready(WEB)))
    assert least == 3
    assert not any(each.was_standby for each in world.running(WEB))
    assert world.event_codes().count("nameless") == 2


def test_who_has_no_peers_needs_no_name() -> None:
    world = a_world(a_web())
    world.loads[WEB] = 30
    world.run(20)
    assert sum(each.was_standby for each in world.running(WEB)) == 2


def test_one_that_is_resumed_while_it_is_being_paused_serves_all_the_same() -> None:
    world = a_world(a_web(standby=StandbyPolicy(1)))
    (id,) = world.standing_by(WEB)
    world.containers[id] = replace(world.containers[id], state=ContainerState.PAUSED)
    world.loads[WEB] = 20
    world.run(2)
    assert id in [each.instance for each in world.ready(WEB)]
    assert world.containers[id].state is ContainerState.RUNNING
    assert world.record.placements[id].state is PlacementState.RUNNING


def test_all_who_stand_by_failing_at_once_is_one_failure_and_forgotten_once_others_are_paused() -> None:
    world = a_world(a_web())
    for id in world.standing_by(WEB):
        world.kill(id)
    made = world.tick()
    assert made.carry.crashes[ServiceId(WEB)].count == 1
    world.run(6)
    assert len(world.standing_by(WEB)) == 4
    assert not world.history[-1].carry.crashes


def test_one_that_was_left_half_made_is_completed() -> None:
    world = a_world(a_web(standby=StandbyPolicy(0)))
    world.put(Change(Kind.SERVICE, WEB, a_web(standby=StandbyPolicy(1))))
    (asked,) = [each for each in world.tick().actions if isinstance(each, CreateInstance)]
    id = asked.placement.instance
    half_made = replace(world.containers[id], state=ContainerState.CREATED)
    world.containers[id] = half_made
    world.index = advance(world.index, [InstanceSeen(half_made)])
    assert [each.subject for each in world.tick().actions if isinstance(each, CreateInstance)] == [id]
