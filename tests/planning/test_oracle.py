"""The planner against every placement there is, on fleets of up to 3 nodes, 3 teams and 2 resources."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from springtide.model.fleet import Fleet, Node, Team
from springtide.model.identifiers import NodeId, TeamName
from springtide.model.resources import Resources
from springtide.model.workloads import ScalePolicy
from tests.builders import HOME_LADDER, a_pool, a_service, amount
from tests.planning.oracle import Counts, Oracle
from tests.planning.world import World

LEAST_SHARE_OF_OPTIMUM = Fraction(1, 2)
"""Of the largest worth that any just placement carries (``Oracle.worth``).

Of 1,500 such fleets 96% reach the optimum. The worst reach a half: the neediest team's small instance
takes half of the only node's memory, so that a larger one no longer fits beside it.
"""

some = settings(max_examples=max(1, settings().max_examples // 2))
small_shapes = st.builds(amount, st.sampled_from([50, 100]), st.sampled_from([32, 64]))


@st.composite
def oracles(draw: st.DrawFn, shapes: st.SearchStrategy[Resources]) -> Oracle:
    """1 to 3 teams with a service each, 1 to 3 nodes in pools of teams or of the company."""
    teams = [TeamName(name) for name in ("ann", "bob", "cyd")[: draw(st.integers(1, 3))]]
    owners = draw(st.lists(st.sampled_from([*teams, None]), min_size=1, max_size=3))
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
    nodes = tuple(Node(NodeId(f"{pool.name}-1"), pool.name, draw(sizes)) for pool in pools)
    services = tuple(
        a_service(
            f"{team}/web",
            scale=ScalePolicy(count, count),
            resources=draw(shapes),
            ladder=HOME_LADDER,
        )
        for team, count in zip(teams, draw(st.tuples(*[st.integers(0, 4)] * len(teams))), strict=True)
    )
    return Oracle(Fleet(teams=tuple(Team(team) for team in teams), pools=tuple(pools), nodes=nodes), services)


def planned(oracle: Oracle) -> Counts:
    """What the planner places on the empty fleet."""
    world = World(oracle.fleet, oracle.services)
    world.settle()
    return Counter((each.service, each.node) for each in world.record.placements.values())


@some
@given(oracles(st.just(amount(50, 32))))
def test_of_equal_instances_the_planner_places_as_many_as_can_be_placed(oracle: Oracle) -> None:
    counts = planned(oracle)
    assert oracle.allows(counts)
    assert sum(counts.values()) == oracle.best()


@some
@given(oracles(small_shapes))
def test_every_owner_has_at_home_what_the_oracle_says_is_its_own(oracle: Oracle) -> None:
    counts = planned(oracle)
    assert {team: oracle.at_home(counts, team) for team in oracle.entitlements} == oracle.entitlements


@some
@given(oracles(small_shapes))
def test_of_mixed_instances_none_can_be_added_and_the_share_of_the_optimum_is_kept(oracle: Oracle) -> None:
    counts = planned(oracle)
    assert oracle.allows(counts)
    assert not oracle.one_more_fits(counts)
    assert oracle.worth(counts) >= LEAST_SHARE_OF_OPTIMUM * oracle.best_worth()
