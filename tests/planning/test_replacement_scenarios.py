"""Stories of instances that make way for others of their own service."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from springtide.model.fleet import Node
from springtide.model.identifiers import NodeId, RevisionId
from springtide.model.networks import Protocol, PublishedPort
from springtide.model.record import Change, Kind
from springtide.model.resources import Resources
from springtide.model.workloads import Constraint, PlacementRules, Service, Template
from tests.builders import HOME_LADDER, MIB, a_fleet, a_pool, a_service, a_template, amount, nodes
from tests.planning.world import World

FEED, RED = "feed/web", "redpacket/web"
SECOND = RevisionId("feed/web@2")


def test_in_a_full_fleet_a_new_revision_goes_one_at_a_time_through_the_room_of_the_old() -> None:
    service = a_service(FEED, 4, ladder=HOME_LADDER)
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1)), [service])
    world.run(2)
    world.deploy(replace(service, revision=SECOND))
    least = 4
    for _ in range(20):
        world.tick()
        least = min(least, len(world.ready(FEED)))
    assert least == 3
    assert {each.revision for each in world.running(FEED)} == {SECOND}
    assert len(world.ready(FEED)) == 4


def test_a_single_instance_in_a_full_fleet_is_not_stopped_for_its_new_revision_and_why_says_so() -> None:
    service = a_service(FEED, 1, ladder=HOME_LADDER, resources=amount(200))
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1)), [service])
    world.run(2)
    world.deploy(replace(service, revision=SECOND))
    world.run(10)
    assert len(world.ready(FEED)) == 1
    assert (world.why(FEED).missing, world.why(FEED).refusals[0].code) == (1, "own-full")


def test_a_roll_back_keeps_the_instances_that_were_about_to_go() -> None:
    world = World(a_fleet(), [a_service(FEED, 4)])
    world.run(2)
    before = {each.instance for each in world.running(FEED)}
    world.deploy(a_service(FEED, 4, revision=SECOND))
    world.tick(ready=False)
    world.deploy(a_service(FEED, 4))
    world.run(5)
    assert {each.instance for each in world.running(FEED)} == before
    assert "taken-back" in world.event_codes()


def test_an_instance_that_never_gets_ready_is_replaced_with_its_last_probe_in_the_reason() -> None:
    world = World(a_fleet(), [a_service(FEED, 1)])
    world.tick(ready=False)
    world.starting("feed-web-1", detail="connection refused")
    world.run(250, step=5)
    event = world.find_event(lambda code: code == "never-ready")
    assert event.reason.figure("instance") == "feed-web-1"
    assert "connection refused" in event.reason.sentence
    assert "feed-web-1" not in world.record.placements


def test_while_those_that_stay_are_starting_the_dear_ready_ones_serve_on() -> None:
    world = World(a_fleet(), [a_service(FEED, 3), a_service(RED, 14)])
    world.run(6)
    for victim in world.running(RED)[:2]:
        world.kill(victim.instance)
    world.tick()
    world.tick(ready=False)
    assert (len(world.running(RED)), len(world.ready(RED))) == (14, 12)
    world.scale(RED, 12)
    world.tick(ready=False)
    assert len(world.ready(RED)) == 12
    world.make_ready(*sorted(world.containers))
    world.run(1)
    assert "cloud" not in world.rungs(RED)
    assert len(world.ready(RED)) == 12


def test_a_guest_that_frees_nothing_of_what_lacks_is_left_alone() -> None:
    cache = a_service("redpacket/cache", 1, resources=Resources.of(memory_bytes=32 * MIB), ladder=HOME_LADDER)
    services = [a_service(FEED, 0, resources=amount(150, 32)), cache, a_service(RED, 2, ladder=HOME_LADDER)]
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1)), services)
    world.run(1)
    world.scale(FEED, 1)
    world.tick()
    noticed = {each.service for each in world.record.placements.values() if each.eviction is not None}
    assert noticed == {RED}
    world.run(12)
    assert (len(world.ready(FEED)), len(world.ready("redpacket/cache"))) == (1, 1)


def test_an_owner_that_swaps_an_instance_disturbs_no_guest() -> None:
    """The leaving one and its successor are not both counted against the guests."""
    shared = a_pool("feed", "feed", contribution_percent=50)
    guest = a_service(RED, 2, ladder=HOME_LADDER)
    world = World(a_fleet(pools=(shared,), nodes=nodes("feed", 1)), [a_service(FEED, 2), guest])
    world.run(2)
    world.kill(world.running(FEED)[0].instance)
    world.run(3)
    assert "above-limit" not in world.event_codes()
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (2, 2)


def test_a_node_made_smaller_than_what_it_holds_is_relieved_guests_first() -> None:
    services = [a_service(FEED, 2), a_service(RED, 2, ladder=HOME_LADDER)]
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1)), services)
    world.run(2)
    world.set_fleet(nodes=nodes("feed", 1, amount(100, 256)))
    world.run(11)
    assert (len(world.ready(FEED)), len(world.ready(RED))) == (2, 0)
    assert world.event_codes().count("node-shrunk") == 2


ROOMY = amount(400, 512)
IN_A = PlacementRules((Constraint("zone", "a"),))


def zoned(*zones: str, size: Resources = ROOMY) -> tuple[Node, ...]:
    """One node of feed's a zone."""
    plain = nodes("feed", len(zones), size)
    return tuple(replace(node, labels=(("zone", zone),)) for node, zone in zip(plain, zones, strict=True))


def on_nodes(world: World) -> dict[str, int]:
    return dict(Counter(each.node for each in world.running(FEED)))


def test_who_stands_where_a_changed_constraint_forbids_is_replaced_a_few_at_a_time_and_the_count_is_kept() -> None:
    service = a_service(FEED, 8, ladder=HOME_LADDER)
    world = World(
        a_fleet(pools=(a_pool("feed", "feed"),), nodes=zoned("a", "b", "b", size=amount(400, 512))), [service]
    )
    world.run(2)
    assert set(on_nodes(world)) > {"feed-1"}
    world.put(Change(Kind.SERVICE, service.id, replace(service, placement=IN_A)))
    least, most = 8, 0
    for _ in range(20):
        world.tick()
        least, most = min(least, len(world.ready(FEED))), max(most, len(world.containers))
    assert on_nodes(world) == {"feed-1": 8}
    assert (least, most) == (8, 10)
    event = world.find_event(lambda code: code == "misplaced")
    assert event.reason.figure("constraint") == "zone==a"


def test_a_node_whose_label_changes_loses_those_who_may_not_stand_on_it() -> None:
    service = a_service(FEED, 2, ladder=HOME_LADDER, placement=IN_A)
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=zoned("a", "b")), [service])
    world.run(2)
    assert on_nodes(world) == {"feed-1": 2}
    world.set_fleet(nodes=zoned("b", "a"))
    world.run(8)
    assert on_nodes(world) == {"feed-2": 2}


def test_without_room_where_it_may_stand_an_instance_serves_on_and_why_says_what_lacks() -> None:
    service = a_service(FEED, 2, ladder=HOME_LADDER, resources=amount(200))
    small = (*zoned("b"), *(replace(each, id=NodeId("feed-9")) for each in zoned("a", size=amount(100, 512))))
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=small), [service])
    world.run(2)
    world.put(Change(Kind.SERVICE, service.id, replace(service, placement=IN_A)))
    world.run(5)
    assert (len(world.ready(FEED)), world.why(FEED).missing) == (2, 1)
    world.settle()
    world.put(Change(Kind.SERVICE, service.id, service))
    world.run(2)
    assert world.why(FEED).missing == 0
    assert "taken-back" in world.event_codes()


PORT_OF_THE_MACHINE = a_template(ports=(PublishedPort(53, host_port=53, protocol=Protocol.UDP),))


def restarted(world: World, service: Service) -> Service:
    world.deploy(replace(service, restarted_at=world.now))
    return service


@pytest.mark.parametrize(("count", "most_at_once"), [(1, 1), (4, 1), (8, 2)])
def test_a_restart_replaces_every_instance_by_one_of_the_same_revision_make_before_break(
    count: int, most_at_once: int
) -> None:
    service = a_service(FEED, count)
    world = World(a_fleet(), [service])
    world.run(2)
    before = {each.instance for each in world.running(FEED)}
    restarted(world, service)
    least, most = count, 0
    for _ in range(20):
        world.tick()
        least, most = min(least, len(world.ready(FEED))), max(most, len(world.containers))
    assert before.isdisjoint(each.instance for each in world.running(FEED))
    assert {each.revision for each in world.running(FEED)} == {service.revision}
    assert (least, most, len(world.ready(FEED))) == (count, count + most_at_once, count)
    assert world.event_codes().count("restart") == count


def test_what_was_placed_since_a_restart_is_left_alone() -> None:
    service = a_service(FEED, 2)
    world = World(a_fleet(), [service])
    restarted(world, service)
    world.run(2)
    before = world.running(FEED)
    world.run(5)
    assert (world.running(FEED), world.event_codes().count("restart")) == (before, 0)


def test_in_a_full_fleet_a_restart_goes_one_at_a_time_through_the_room_of_the_old() -> None:
    service = a_service(FEED, 4, ladder=HOME_LADDER)
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1)), [service])
    world.run(2)
    before = {each.instance for each in world.running(FEED)}
    restarted(world, service)
    least = 4
    for _ in range(20):
        world.tick()
        least = min(least, len(world.ready(FEED)))
    assert least == 3
    assert before.isdisjoint(each.instance for each in world.ready(FEED))
    assert len(world.ready(FEED)) == 4


def test_who_has_a_port_of_the_machine_goes_before_its_new_revision_comes_and_why_says_so() -> None:
    service = a_service(FEED, 1)
    world = World(a_fleet())
    world.deploy(service, template=PORT_OF_THE_MACHINE)
    world.run(2)
    world.deploy(replace(service, revision=SECOND), template=PORT_OF_THE_MACHINE)
    most, waits = 0, set[str]()
    for _ in range(10):
        world.tick()
        most = max(most, len(world.containers))
        waits |= {refusal.code for refusal in world.why(FEED).refusals}
    assert most == 1
    assert [each.revision for each in world.ready(FEED)] == [SECOND]
    assert waits == {"waits-for-predecessor"}
    assert "It goes first" in world.find_event(lambda code: code == "new-revision").reason.sentence


def test_who_has_a_port_of_the_machine_is_restarted_and_replaced_with_one_instance_at_a_time() -> None:
    service = a_service(FEED, 1)
    world = World(a_fleet())
    world.deploy(service, template=PORT_OF_THE_MACHINE)
    world.run(2)
    world.deploy(replace(service, restarted_at=world.now), template=PORT_OF_THE_MACHINE)
    most = 0
    for _ in range(10):
        world.tick()
        most = max(most, len(world.containers))
    (second,) = world.ready(FEED)
    world.unready(second.instance)
    for _ in range(10):
        world.tick()
        most = max(most, len(world.containers))
    (third,) = world.ready(FEED)
    assert (most, second.ordinal, third.ordinal) == (1, 2, 3)


def test_who_has_a_port_of_the_machine_is_not_stopped_for_a_revision_that_has_no_room() -> None:
    service = a_service(FEED, 1, ladder=HOME_LADDER)
    world = World(a_fleet(pools=(a_pool("feed", "feed"),), nodes=nodes("feed", 1)))
    world.deploy(service, template=PORT_OF_THE_MACHINE)
    world.run(2)
    larger = replace(service, revision=SECOND, resources=amount(5_000))
    world.deploy(larger, template=PORT_OF_THE_MACHINE)
    world.run(10)
    assert [each.ordinal for each in world.ready(FEED)] == [1]


@pytest.mark.parametrize(("template", "comes_home"), [(a_template(), True), (PORT_OF_THE_MACHINE, False)])
def test_who_has_a_port_of_the_machine_stays_where_a_cheaper_place_would_need_two_for_a_while(
    template: Template, comes_home: bool
) -> None:
    pools = (a_pool("feed", "feed"), a_pool("redpacket", "redpacket", contribution_percent=50))
    world = World(a_fleet(pools=pools, nodes=nodes("redpacket", 1)))
    world.deploy(a_service(FEED, 1), template=template)
    world.run(2)
    world.set_fleet(nodes=(*nodes("redpacket", 1), *nodes("feed", 1)))
    world.run(60, step=1)
    assert ("feed-web-1" not in {each.instance for each in world.ready(FEED)}) is comes_home
