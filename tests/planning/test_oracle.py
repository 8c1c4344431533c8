"""The planner against every placement there is, on fleets of up to 3 nodes, 3 teams and 2 resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springtide.model.fleet import Fleet, Node, ReclaimTerms, Team
from springtide.model.identifiers import NodeId, TeamName
from springtide.model.resources import Resources
from springtide.model.workloads import ScalePolicy, Service
from tests.builders import HOME_LADDER, a_pool, a_service, amount, nodes
from tests.planning.oracle import Counts, Oracle
from tests.planning.world import World

LEAST_SHARE_OF_OPTIMUM = Fraction(1, 3)
"""Of the most instances, and of the largest worth, that any just placement carries (``Oracle.worth``).

Measured, not proven. Of 2,526 distinct fleets of mixed shapes, 97.6% reach the optimum by count and
96.8% by worth. Where no team has two pools (1,690 of them) the worst reach a half: the neediest team's
instance takes half of the only node, so that a larger one no longer fits, or all of it, where two
others would. Where a team has two pools that lend differently, the worst seen reach 2/5 by count and
3/7 by worth: the owner stands where guests might have stood.
"""

some = settings(max_examples=max(1, settings().max_examples // 2))
small_shapes = st.builds(amount, st.sampled_from([50, 100]), st.sampled_from([32, 64]))


@st.composite
def oracles(draw: st.DrawFn, shapes: st.SearchStrategy[Resources], most_pools_each: int = 3) -> Oracle:
    """1 to 3 teams with a service each, 1 to 3 nodes in pools of teams or of the company."""
    teams = [TeamName(name) for name in ("ann", "bob", "cyd")[: draw(st.integers(1, 3))]]
    owners = draw(st.lists(st.sampled_from([*teams, None]), min_size=1, max_size=3))
    owners = [owner for n, owner in enumerate(owners) if owner is None or owners[:n].count(owner) < most_pools_each]
    pools = [
        a_pool(
            f"pool{n}",
            owner,
            contribution_percent=draw(st.sampled_from([0, 25, 50, 100])),
            lending_limit=draw(st.none() | st.builds(amount, st.sampled_from([0, 50, 100]), st.just(64))),
        )
        for n, owner in enumerate(owners)
    ]
    sizes = st.builds(amount, st.sampled_from([100, 200]), st.sampled_from([64, 128]))
    places = tuple(Node(NodeId(f"{pool.name}-1"), pool.name, draw(sizes)) for pool in pools)
    services = tuple(
        a_service(
            f"{team}/web",
            scale=ScalePolicy(count, count),
            resources=draw(shapes),
            ladder=HOME_LADDER,
        )
        for team, count in zip(teams, draw(st.tuples(*[st.integers(0, 4)] * len(teams))), strict=True)
    )
    return Oracle(Fleet(teams=tuple(Team(team) for team in teams), pools=tuple(pools), nodes=places), services)


arrivals = st.tuples(*[st.integers(0, 2)] * 3)
"""For each service the turn in which its demand comes; equal turns come together."""


def planned(oracle: Oracle, turns: Sequence[int]) -> World:
    """The world at rest after every service's demand has come in its turn.

    So guests are often there before the owner; notice and grace are nought, so that reclaims finish.
    """
    fleet = replace(oracle.fleet, reclaim=ReclaimTerms(notice_seconds=0, grace_seconds=0))
    idle = [replace(each, scale=ScalePolicy(0, 0)) for each in oracle.services]
    world = World(fleet, idle)
    for turn in sorted(set(turns)):
        for service, its_turn in zip(oracle.services, turns, strict=False):
            if its_turn == turn:
                world.scale(service.id, service.scale.minimum)
        world.settle()
    return world


def counts_of(world: World) -> Counts:
    return Counter((each.service, each.node) for each in world.record.placements.values())


def room_at_home(oracle: Oracle, service: Service) -> int:
    """How many instances the nodes of the service's team carry, node by node."""
    own = {pool.name for pool in oracle.fleet.pools if pool.team == service.team}
    return sum(service.resources.copies_in(node.allocatable) for node in oracle.fleet.nodes if node.pool in own)


@some
@given(oracles(st.just(amount(50, 32)), most_pools_each=1), arrivals)
def test_of_equal_instances_the_planner_places_as_many_as_can_be_placed(oracle: Oracle, turns: Sequence[int]) -> None:
    """Where no team has two pools: whoever lacks an instance has filled its own, so all spare room is open to it."""
    counts = counts_of(planned(oracle, turns))
    assert oracle.allows(counts)
    assert sum(counts.values()) == oracle.best()
    for service in oracle.services:
        at_home = oracle.at_home(counts, service.team)
        assert at_home == min(service.scale.minimum, room_at_home(oracle, service))


@pytest.mark.xfail(strict=True, reason="owners choose among their pools by fit and node id, not by what each lends")
def test_an_owner_of_two_pools_leaves_guests_the_one_that_lends() -> None:
    lends, keeps = (a_pool(name, "ann", contribution_percent=0) for name in ("a-lends", "b-keeps"))
    pools = (lends, replace(keeps, lending_limit=amount(0, 64)))
    places = (*nodes("a-lends", 1, amount(100, 64)), *nodes("b-keeps", 1, amount(100, 64)))
    services = (a_service("ann/web", 1, ladder=HOME_LADDER), a_service("bob/web", 2, ladder=HOME_LADDER))
    oracle = Oracle(Fleet(teams=(Team(TeamName("ann")), Team(TeamName("bob"))), pools=pools, nodes=places), services)
    assert oracle.best() == 3
    assert sum(counts_of(planned(oracle, (0, 0))).values()) == 3


def test_every_owner_has_at_home_what_the_oracle_says_is_its_own_whoever_came_first() -> None:
    """Also that guests have had to leave for it: owners who are always first prove nothing."""
    codes: set[str] = set()

    @some
    @given(oracles(small_shapes), arrivals)
    def owners_come_first(oracle: Oracle, turns: Sequence[int]) -> None:
        world = planned(oracle, turns)
        counts = counts_of(world)
        codes.update(world.event_codes())
        assert {team: oracle.at_home(counts, team) for team in oracle.entitlements} == oracle.entitlements

    owners_come_first()
    assert "reclaim-notice" in codes


@some
@given(oracles(small_shapes), arrivals)
def test_of_mixed_instances_none_can_be_added_and_a_third_of_the_optimum_is_always_served(
    oracle: Oracle, turns: Sequence[int]
) -> None:
    """The share is a measured one: see ``LEAST_SHARE_OF_OPTIMUM``."""
    counts = counts_of(planned(oracle, turns))
    assert oracle.allows(counts)
    assert not oracle.one_more_fits(counts)
    assert sum(counts.values()) >= LEAST_SHARE_OF_OPTIMUM * oracle.best()
    assert oracle.worth(counts) >= LEAST_SHARE_OF_OPTIMUM * oracle.best_worth()
