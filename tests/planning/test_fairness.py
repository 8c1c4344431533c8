"""Dominant-resource fairness: what theory promises, what the planner keeps of it, and counterexamples to the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springtide.model.fleet import Fleet, Node, ReclaimTerms, Team
from springtide.model.identifiers import NodeId, PoolName, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import Resources
from springtide.model.workloads import Band, Constraint, PlacementRules
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from tests.builders import HOME_LADDER, a_fleet, a_pool, a_service, amount, nodes
from tests.planning import laws_of_fairness
from tests.planning.crowded_fleets import make_case, planned
from tests.planning.drf import User, fill, fill_where_allowed
from tests.planning.moments import Moment
from tests.planning.strategies import CALM, Spec, histories
from tests.planning.world import World

PAPER = (User((1_000, 4)), User((3_000, 1)))
"""Ghodsi et al., NSDI 2011, section 4.1: in thousandths of a core and in MiB, one for one GB."""

users = st.builds(lambda *demand: User(demand), st.integers(1, 6), st.integers(1, 6))
weighted = st.builds(
    lambda demand, weight: User(demand, weight),
    st.tuples(*[st.integers(0, 6)] * 3).filter(any),
    st.integers(1, 3),
)
wholes = st.tuples(*[st.integers(8, 24)] * 2)
few = settings(max_examples=max(20, settings().max_examples // 2))


def served(given_users: Sequence[User], *sizes: tuple[int, ...]) -> list[int]:
    """How many instances each user's team runs at rest on nodes of the company of these sizes, if it wants many."""
    teams = [TeamName(f"team{n}") for n in range(len(given_users))]
    places = tuple(Node(NodeId(f"all-{n}"), PoolName("all"), _sized(size)) for n, size in enumerate(sizes))
    weights = tuple(Team(team, user.weight) for team, user in zip(teams, given_users, strict=True))
    fleet = Fleet(teams=weights, pools=(a_pool("all"),), nodes=places, reclaim=ReclaimTerms(0, 0, 0))
    asks = {team: _sized(user.demand) for team, user in zip(teams, given_users, strict=True)}
    world = World(fleet, [a_service(f"{team}/x", 40, resources=asks[team], ladder=HOME_LADDER) for team in teams])
    world.settle()
    return [len(world.running(f"{team}/x")) for team in teams]


def _sized(size: Sequence[int]) -> Resources:
    return amount(size[0], size[1], **({"gpu": size[2]} if len(size) > 2 else {}))


@pytest.mark.parametrize(
    "sizes", [((9_000, 18),), ((5_000, 9), (4_000, 9)), ((4_000, 5), (5_000, 13)), ((4_000, 5), (4_000, 5), (1_000, 8))]
)
def test_the_papers_example_gives_three_and_two_on_one_node_and_on_several(sizes: tuple[tuple[int, int], ...]) -> None:
    assert served(PAPER, *sizes) == [3, 2]


def test_the_papers_example_with_divisible_tasks_gives_three_and_two() -> None:
    assert fill(PAPER, (9_000, 18)) == [3, 2]


def test_with_weights_the_planner_comes_within_one_instance_of_the_divisible_shares() -> None:
    twice = [replace(PAPER[0], weight=2), PAPER[1]]
    assert fill(twice, (9_000, 18)) == [Fraction(54, 13), Fraction(18, 13)]
    assert served(twice, (9_000, 18)) == [4, 1]


def test_a_third_resource_decides_where_it_is_the_dominant_one() -> None:
    both = (User((1_000, 4, 2)), User((3_000, 1, 0)))
    assert fill(both, (9_000, 18, 4)) == [Fraction(18, 11), Fraction(27, 11)]
    assert served(both, (9_000, 18, 4)) == [2, 2]


def test_where_constraints_part_the_machines_the_paper_s_teams_get_all_of_theirs() -> None:
    teams = (Team(TeamName("ann")), Team(TeamName("bob")))
    places = tuple(
        Node(NodeId(f"all-{arch}"), PoolName("all"), amount(9_000, 18), labels=(("arch", arch),))
        for arch in ("amd64", "arm64")
    )
    fleet = Fleet(teams=teams, pools=(a_pool("all"),), nodes=places, reclaim=ReclaimTerms(0, 0, 0))
    services = [
        a_service(
            f"{team.name}/x",
            40,
            resources=amount(*user.demand),
            ladder=HOME_LADDER,
            placement=PlacementRules((Constraint("arch", arch),)),
        )
        for team, user, arch in zip(teams, PAPER, ("amd64", "arm64"), strict=True)
    ]
    world = World(fleet, services)
    world.settle()
    assert [len(world.running(each.id)) for each in services] == [4, 3]


@given(st.lists(weighted, min_size=1, max_size=4), st.tuples(*[st.integers(6, 24)] * 3))
def test_divisible_nobody_would_rather_have_its_part_of_every_machine(all_users: list[User], whole: tuple[int]) -> None:
    """Sharing incentive: Ghodsi et al., NSDI 2011, section 3."""
    tasks, weights = fill(all_users, whole), sum(each.weight for each in all_users)
    for user, count in zip(all_users, tasks, strict=True):
        assert count >= user.tasks_in([Fraction(each * user.weight, weights) for each in whole])


@given(st.lists(weighted, min_size=2, max_size=4), st.tuples(*[st.integers(6, 24)] * 3))
def test_divisible_nobody_envies_another_by_weight(all_users: list[User], whole: tuple[int]) -> None:
    tasks = fill(all_users, whole)
    for user, mine in zip(all_users, tasks, strict=True):
        for other, theirs in zip(all_users, tasks, strict=True):
            bundle = [theirs * need * user.weight / other.weight for need in other.demand]
            assert mine >= user.tasks_in(bundle)


@given(st.lists(weighted, min_size=1, max_size=4), st.tuples(*[st.integers(6, 24)] * 3))
def test_divisible_everybody_needs_something_that_is_used_up(all_users: list[User], whole: tuple[int]) -> None:
    """Pareto efficiency: nobody can run more unless somebody runs less."""
    tasks = fill(all_users, whole)
    used = [sum(n * user.demand[k] for n, user in zip(tasks, all_users, strict=True)) for k in range(len(whole))]
    assert all(use <= room for use, room in zip(used, whole, strict=True))
    full = [kind for kind, room in enumerate(whole) if used[kind] == room]
    assert all(any(user.demand[kind] for kind in full) for user in all_users)


@given(st.lists(weighted, min_size=2, max_size=4), st.tuples(*[st.integers(6, 24)] * 3))
def test_divisible_nobody_loses_when_somebody_goes(all_users: list[User], whole: tuple[int]) -> None:
    """Population monotonicity, where every user needs every resource: Ghodsi et al., NSDI 2011, section 3."""
    positive = [replace(each, demand=tuple(max(1, need) for need in each.demand)) for each in all_users]
    before, after = fill(positive, whole), fill(positive[1:], whole)
    assert all(more >= less for more, less in zip(after, before[1:], strict=True))


@given(st.lists(weighted, min_size=2, max_size=4), weighted, st.tuples(*[st.integers(6, 24)] * 3))
def test_divisible_nobody_gains_by_lying_about_its_tasks(all_users: list[User], lie: User, whole: tuple[int]) -> None:
    """Strategy-proofness: what a liar gets runs no more of its true tasks."""
    true = all_users[0]
    claimed = replace(lie, weight=true.weight)
    got = fill([claimed, *all_users[1:]], whole)[0]
    assert true.tasks_in([got * need for need in claimed.demand]) <= fill(all_users, whole)[0]


def test_divisible_a_larger_fleet_may_leave_somebody_with_less() -> None:
    """Resource monotonicity fails, as Ghodsi et al. say: no policy has it with sharing incentive and efficiency."""
    both = [User((3, 4)), User((2, 2))]
    assert fill(both, (4, 5)) == [Fraction(20, 31), Fraction(32, 31)]
    larger = [fill(both, (4 + more, 5)) for more in range(1, 7)]
    assert any(tasks[0] < Fraction(20, 31) for tasks in larger)


machines = st.fixed_dictionaries({name: st.integers(1, 12) for name in "abc"})
compatible = st.lists(st.frozensets(st.sampled_from("abc"), min_size=1), min_size=1, max_size=4)


@given(machines, compatible)
def test_constrained_nobody_gets_less_than_its_part_of_each_machine_that_it_may_use(
    rooms: dict[str, int], allowed: list[frozenset[str]]
) -> None:
    """One resource: Choosy's constrained max-min fairness keeps the sharing incentive."""
    got = fill_where_allowed([1] * len(allowed), allowed, rooms)
    for mine, names in zip(got, allowed, strict=True):
        assert mine >= Fraction(sum(rooms[name] for name in names), len(allowed))
    assert sum(got) <= sum(rooms.values())


@few
@given(st.lists(users, min_size=2, max_size=4), wholes)
def test_whole_nobody_envies_another_by_more_than_one_instance(all_users: list[User], whole: tuple[int, int]) -> None:
    """Envy-free up to one bundle, on one node: Parkes, Procaccia and Shah, EC 2012."""
    counts = served(all_users, whole)
    for user, mine in zip(all_users, counts, strict=True):
        for other, theirs in zip(all_users, counts, strict=True):
            bundle = [Fraction(max(0, theirs - 1) * need) for need in other.demand]
            assert int(user.tasks_in(bundle)) <= mine


@few
@given(st.lists(users, min_size=1, max_size=4), wholes)
def test_whole_no_instance_more_fits(all_users: list[User], whole: tuple[int, int]) -> None:
    """So no team can have one more unless another has less: Pareto efficiency for one-node fleets."""
    counts = served(all_users, whole)
    left = [whole[k] - sum(n * user.demand[k] for n, user in zip(counts, all_users, strict=True)) for k in (0, 1)]
    assert not any(user.tasks_in([Fraction(each) for each in left]) >= 1 for user in all_users)


def test_whole_a_team_may_get_one_less_than_an_equal_part_would_carry() -> None:
    """The sharing incentive fails for whole instances: a third of (24, 19) carries six of the first team's."""
    three = [User((1, 1)), User((5, 3)), User((4, 4))]
    assert int(three[0].tasks_in([Fraction(24, 3), Fraction(19, 3)])) == 6
    assert served(three, (24, 19)) == [5, 2, 2]


def test_whole_a_team_may_lose_an_instance_because_another_went() -> None:
    """Population monotonicity fails for whole instances."""
    four = [User((3, 6)), User((3, 6)), User((6, 6)), User((5, 1))]
    assert served(four, (22, 15)) == [1, 1, 0, 3]
    assert served(four[1:], (22, 15)) == [1, 1, 2]


def test_whole_a_team_may_gain_by_asking_for_more_than_it_needs() -> None:
    """Strategy-proofness fails for whole instances."""
    three = [User((3, 6)), User((5, 6)), User((3, 2))]
    assert served(three, (20, 8)) == [1, 0, 1]
    assert served([*three[:2], User((4, 4))], (20, 8)) == [0, 0, 2]


@given(histories(CALM), st.sampled_from([0.0, 1.0, 3.0]))
@settings(max_examples=max(10, settings().max_examples // 3))
def test_law_7_nobody_could_gain_from_a_team_above_it_once_all_is_at_rest(spec: Spec, hold: float) -> None:
    terms = replace(spec.fleet.reclaim, hold_seconds=hold)

    def look(index: Index, made: Plan) -> None:
        laws_of_fairness.law_7_whoever_gives_way_may_be_asked_to(Moment(index, made))

    world = replace(spec, fleet=replace(spec.fleet, reclaim=terms)).play(look)
    world.make_ready(*sorted(world.containers))
    world.run(60, step=1)
    laws_of_fairness.law_7_nobody_can_gain_from_a_team_above_it(Moment(world.index, world.plan()))


@pytest.mark.parametrize("family", ["small", "mixed", "crossing", "bands"])
def test_law_7_whoever_came_first_gives_back_what_is_above_its_fair_share(family: str) -> None:
    """Services come one after another, so that the first take all; also that fairness had something to do."""
    codes: set[str] = set()
    for seed in range(30):
        case = make_case(family, seed)
        world = planned(case.problem, range(len(case.turns)))
        codes.update(world.event_codes())
        laws_of_fairness.law_7_nobody_can_gain_from_a_team_above_it(Moment(world.index, world.plan()))
    assert "fair-share" in codes


@pytest.mark.parametrize("seed", [18, 1137, 2263])
def test_bands_and_fairness_come_to_rest_where_they_once_undid_each_other(seed: int) -> None:
    """A batch guest's leaving once lowered the share by which its team's production had been judged."""
    case = make_case("bands", seed)
    planned(case.problem, case.turns)


def test_nobody_gives_way_at_home_who_could_come_back_and_keep_the_other_from_beginning() -> None:
    """The own part takes four of the five; the fifth would need the place of one that overflows and comes back."""
    fleet = a_fleet(pools=(a_pool("feed", "feed", contribution_percent=10),), nodes=nodes("feed", 3, amount(200, 256)))
    lower = a_service("feed/spare", 1, resources=amount(50, 32), ladder=HOME_LADDER, band=Band.BEST_EFFORT)
    world = World(fleet, [lower])
    world.run(2)
    world.deploy(a_service("feed/web", 5, resources=amount(100, 32), ladder=(Rung.OWN,)))
    world.settle()
    world.run(5)
    assert (len(world.ready("feed/web")), len(world.ready("feed/spare"))) == (4, 1)
    assert world.why("feed/web").refusals[0].code == "own-full"
