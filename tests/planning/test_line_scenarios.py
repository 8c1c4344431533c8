"""Stories of lines between sites: the demo's fleet with 100 Mb/s to the cloud, and services that load it.

Own, shared and borrowed carry 12 instances of ``redpacket``; a rented node carries 2 and boots in 4 s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from springtide.model.fleet import Link, LinkWindow, Site
from springtide.model.identifiers import ServiceId, SiteName
from springtide.model.leases import Rung
from springtide.model.observations import Usage, UsageSample
from springtide.planning.index import advance
from tests.builders import a_fleet, a_pool, a_service, nodes
from tests.planning.laws_of_lines import reservations
from tests.planning.moments import Moment
from tests.planning.world import World

FEED, RED = "feed/web", "redpacket/web"
MEGA = 10**6
HOME, AWAY, FAR = SiteName("home"), SiteName("away"), SiteName("far")


def a_line(mega: int = 100, pull: int = 0, *windows: LinkWindow) -> Link:
    return Link((HOME, AWAY), mega * MEGA, windows=windows, pull_bits_per_second=pull * MEGA)


def a_spike(line: Link, count: int = 16, load: int = 30, **fleet: Any) -> World:
    """More instances than the own machines of both teams can carry, with so many Mb/s each."""
    loaded = a_service(RED, count, line_load_bits_per_second=load * MEGA)
    return World(a_fleet(links=(line,), **fleet), [a_service(FEED, 3), loaded])


def away(world: World, service: str = RED) -> int:
    return sum(each.pool == "burst" for each in world.running(service))


def test_a_burst_that_does_not_fit_the_line_waits_and_starts_when_the_calendar_widens() -> None:
    """The line is 100 Mb/s until 12:01, then 1 Gb/s: 3 of 4 at 30 Mb/s fit before."""
    world = a_spike(a_line(100, 0, LinkWindow("1 12 * * *", 3600, 1000 * MEGA)))
    world.run(30)
    assert away(world) == 3
    refusal = world.why(RED).refusals[-1]
    assert (refusal.code, refusal.figure("reserved"), refusal.figure("bandwidth")) == (
        "line-full",
        90 * MEGA,
        100 * MEGA,
    )
    assert "30 Mb/s more would exceed it" in refusal.sentence
    world.run(40)
    assert away(world) == 4
    assert not world.why(RED).missing


def test_a_line_that_narrows_sends_nobody_away_and_why_says_so() -> None:
    world = a_spike(a_line(200), count=14)
    world.run(10)
    assert away(world) == 2
    world.set_fleet(links=(a_line(50),))
    world.run(2)
    assert away(world) == 2
    over = next(each for each in world.why(RED).refusals if each.code == "line-overloaded")
    assert (over.figure("reserved"), over.figure("bandwidth")) == (60 * MEGA, 50 * MEGA)
    assert all(each.code != "line-overloaded" for each in world.why(FEED).refusals)


def test_no_machine_is_rented_where_no_line_leads() -> None:
    world = a_spike(Link((HOME, SiteName("elsewhere")), 100 * MEGA))
    world.run(10)
    assert not world.record.rentals
    assert world.why(RED).refusals[-1].code == "no-line"


def test_a_pull_is_shaped_and_counted_once_a_node() -> None:
    """Two instances of 10 Mb/s on one machine with one pull: 60 Mb/s of a line of 60. A pull each would be 100."""
    world = a_spike(a_line(60, pull=40), count=14, load=10)
    moments: list[Moment] = []
    world.on_plan = lambda index, made: moments.append(Moment(index, made))
    world.run(8)
    came = next(moment for moment in moments if any(each.pool == "burst" for each in moment.added()))
    assert len(came.added()) == 2
    assert {towards: bits for (_, towards), bits in reservations(came).items()} == {AWAY: 60 * MEGA, HOME: 20 * MEGA}


def test_while_an_image_is_being_pulled_nothing_else_takes_that_part_of_the_line() -> None:
    """A line of 100 Mb/s carries one pull of 60 and, until an instance is seen there, no second machine's."""
    world = a_spike(a_line(100, pull=60), load=10)
    made = world.tick()
    assert len(world.record.rentals) == 1
    assert (world.why(RED).waiting, world.why(RED).missing) == (2, 2)
    for _ in range(30):
        made = world.tick()
        sums = reservations(Moment(world.index, made))
        assert all(bits <= 100 * MEGA for bits in sums.values())
    assert away(world) == 4


def test_a_move_home_reserves_both_copies() -> None:
    """Home and far are two sites; the first pool of feed is home. Its move to its own pool far away crosses twice.

    30 + 30 Mb/s don't fit a line of 50 beside each other; they do fit 60.
    """
    for mega, moved in ((50, False), (60, True)):
        world = two_sites(mega)
        world.run(20)
        assert {each.pool for each in world.running(FEED)} == ({"feed-far"} if moved else {"lent"})


def two_sites(mega: int) -> World:
    """Feed's one instance stands as a guest at the far site; then its team gets a node of its own there."""
    fleet = a_fleet(
        sites=(Site(HOME), Site(FAR)),
        pools=(
            a_pool("feed", "feed"),
            a_pool("feed-far", "feed", site=SiteName("far"), contribution_percent=0),
            a_pool("lent", "redpacket", site=SiteName("far"), contribution_percent=100, price_micros_per_cpu_hour=100),
        ),
        nodes=nodes("lent", 1),
        clouds=(),
        links=(Link((HOME, FAR), mega * MEGA),),
        reclaim=replace(a_fleet().reclaim, hold_seconds=0),
    )
    loaded = a_service(FEED, 1, line_load_bits_per_second=30 * MEGA)
    world = World(fleet, [loaded])
    world.run(3)
    assert {each.pool for each in world.running(FEED)} == {"lent"}
    world.set_fleet(nodes=(*nodes("lent", 1), *nodes("feed-far", 1)))
    return world


def test_an_owner_at_its_own_pool_at_another_site_crosses_the_line_too() -> None:
    fleet = a_fleet(
        pools=(a_pool("feed", "feed"), a_pool("feed-far", "feed", site=AWAY)),
        nodes=nodes("feed-far", 2),
        clouds=(),
        links=(a_line(100),),
    )
    ladder = (Rung.OWN, Rung.SHARED)
    world = World(fleet, [a_service(FEED, 8, ladder=ladder, line_load_bits_per_second=30 * MEGA)])
    world.run(3)
    assert len(world.running(FEED)) == 3
    assert "line-full" in {each.code for each in world.why(FEED).refusals}


def test_what_is_measured_counts_where_it_is_more_than_what_is_declared() -> None:
    """One instance is declared with 10 Mb/s and sends 45: a second doesn't fit 100 any more once two stand there."""
    world = a_spike(a_line(100), count=14, load=10)
    world.run(8)
    assert away(world) == 2
    show_traffic(world, megabits=45, seconds=20)
    world.scale(RED, 16)
    world.run(2)
    assert away(world) == 2
    refusal = world.why(RED).refusals[-1]
    assert (refusal.code, refusal.figure("reserved"), refusal.figure("towards")) == ("line-full", 90 * MEGA, HOME)


def show_traffic(world: World, megabits: int, seconds: int) -> None:
    """A sample a second of what each instance away from home has sent in all."""
    for second in range(seconds):
        sent = Usage(0, 0, 0, sent_bytes=second * megabits * MEGA // 8)
        sample = UsageSample(world.now, tuple((e.instance, sent) for e in world.running(RED) if e.pool == "burst"))
        world.index = advance(world.index, [sample])
        world.tick(1)


def test_points_of_instances_that_stand_at_home_are_not_kept() -> None:
    world = a_spike(a_line(100), count=14, load=10)
    world.run(8)
    everybody = tuple((id, Usage(0, 0, 0, 5, 5)) for id in world.containers)
    world.index = advance(world.index, [UsageSample(world.now, everybody)])
    assert set(world.index.network) == {ServiceId(RED)}
    assert set(world.index.network[ServiceId(RED)]) == {
        each.instance for each in world.running(RED) if each.pool == "burst"
    }


def test_guests_that_fill_a_line_leave_it_for_an_owner_who_reaches_its_own_machines_over_that_line_only() -> None:
    """Two guests of 40 Mb/s leave 20 of 100; one of them leaves for an owner of 40, and no more than that one."""
    world = far_guests(load=40)
    world.scale(FEED, 1)
    world.tick()
    asked = [each for each in world.record.placements.values() if each.eviction is not None]
    assert [(each.service, each.eviction and each.eviction.rule) for each in asked] == [(RED, "reclaim")]
    assert world.why(FEED).waiting == 1
    world.run(20)
    assert {each.pool for each in world.running(FEED)} == {"feed-far"}
    assert len(world.running(RED)) == 1
    assert not world.why(FEED).missing


def test_guests_stay_on_a_line_that_has_room_for_its_owner_too() -> None:
    world = far_guests(load=30)
    world.scale(FEED, 1)
    world.run(5)
    assert (len(world.running(RED)), len(world.running(FEED))) == (2, 1)
    assert "reclaim-notice" not in world.event_codes()


def far_guests(load: int) -> World:
    """Two guests on feed's own machines at the other end of a line of 100 Mb/s; at home there are none."""
    fleet = a_fleet(
        sites=(Site(HOME), Site(FAR)),
        pools=(a_pool("feed", "feed"), a_pool("feed-far", "feed", site=FAR), a_pool("red", "redpacket")),
        nodes=nodes("feed-far", 4),
        clouds=(),
        links=(Link((HOME, FAR), 100 * MEGA),),
    )
    services = [a_service(id, count, line_load_bits_per_second=load * MEGA) for id, count in ((FEED, 0), (RED, 2))]
    world = World(fleet, services)
    world.run(5)
    assert len(world.running(RED)) == 2
    return world
