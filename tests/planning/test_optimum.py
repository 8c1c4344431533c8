"""The planner against the exact optimum, on fleets of up to 30 nodes that are too small for what is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import prod
from statistics import mean

import pytest
from hypothesis import settings

from springtide.model.fleet import Fleet, Team
from springtide.model.identifiers import TeamName
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Constraint, PlacementRules, Service
from tests.builders import HOME_LADDER, a_pool, a_service, amount, nodes
from tests.planning.crowded_fleets import (
    FAMILIES,
    Case,
    Outcome,
    at_home,
    counts_at_rest,
    counts_of,
    entitlements,
    make_case,
    outcome_of,
    planned,
)
from tests.planning.optimum import Counts, Entitlement, Problem, Program


@dataclass(frozen=True)
class Reach:
    """How near the planner comes today: measured on these and some hundred more fleets, not proven.

    To be raised as it improves.
    """

    fleets: int
    at_optimum: float
    mean: float
    worst: float


REACHED = {
    "small": Reach(fleets=60, at_optimum=0.92, mean=0.985, worst=0.65),
    "mixed": Reach(fleets=40, at_optimum=0.9, mean=0.99, worst=0.85),
    "crumbs first": Reach(fleets=40, at_optimum=0.82, mean=0.99, worst=0.9),
    "crossing": Reach(fleets=24, at_optimum=0.8, mean=0.988, worst=0.88),
    "bands": Reach(fleets=24, at_optimum=0.95, mean=0.99, worst=0.9),
    "thirty": Reach(fleets=8, at_optimum=0.75, mean=0.99, worst=0.95),
    "fine": Reach(fleets=14, at_optimum=0.57, mean=0.985, worst=0.93),
}
"""The goal is 0.95 at the optimum and none below 0.9; for ``fine``, where it is the linear bound, none below 0.98."""
LEAST_PROVEN = 0.6
"""Of the fleets, how many the solver must have been able to judge."""
SOAK = settings().max_examples // 100
"""1, or far more in the soak."""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.timeout(120 * SOAK)
def test_the_planner_comes_as_near_to_the_optimum_as_is_known(family: str) -> None:
    """Prints the distribution and the worst fleet; ``pytest -rP`` shows it where it passes."""
    reach = REACHED[family]
    tried = reach.fleets * SOAK
    outcomes = [each for seed in range(tried) if (each := outcome_of(make_case(family, seed), whole=family != "fine"))]
    shares = [each.share for each in outcomes]
    print(_distribution(family, outcomes, tried))
    assert len(outcomes) >= LEAST_PROVEN * tried
    assert min(shares) >= reach.worst - (0.15 if SOAK > 1 else 0.0)  # more fleets, worse ones among them
    assert mean(shares) >= reach.mean
    assert sum(share == 1 for share in shares) >= reach.at_optimum * len(shares)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "fine"])
def test_no_promise_is_broken_and_no_missing_instance_could_be_added(family: str) -> None:
    """Laws 1, 2 and 6; what is an owner's is what the planner gives it with nobody else there."""
    for seed in range((4 if family == "thirty" else 15) * SOAK):
        case = make_case(family, seed)
        counts = counts_at_rest(case)
        assert not case.problem.broken_rules(counts), case.describe()
        assert not case.problem.one_more_fits(counts), case.describe()
        rights = entitlements(case.problem, case.turns)
        for service in case.problem.services:
            least = rights[service.team].at_home.get(service.id, 0)
            assert at_home(case.problem, counts, service) >= least, case.describe()


def test_guests_who_came_first_leave_for_the_owner() -> None:
    """Without it, that owners have what is theirs proves nothing."""
    codes: set[str] = set()
    for seed in range(20):
        case = _guests_first(make_case("small", seed))
        world = planned(case.problem, case.turns)
        counts, rights = counts_of(world), entitlements(case.problem, case.turns)
        codes.update(world.event_codes())
        for service in case.problem.services:
            least = rights[service.team].at_home.get(service.id, 0)
            assert at_home(case.problem, counts, service) >= least, case.describe()
    assert "reclaim-notice" in codes


def test_of_equal_instances_the_planner_serves_as_many_as_can_be_served() -> None:
    """Where no team has two pools: whoever lacks an instance has filled its own, so all spare room is open to it."""
    for seed in range(60 * SOAK):
        case = make_case("small", seed)
        alike = tuple(replace(each, resources=amount(50, 32)) for each in case.problem.services)
        problem = replace(case.problem, services=alike)
        counts = counts_of(planned(problem, case.turns))
        best = Program(problem, entitlements(problem, case.turns)).most()
        assert problem.by_band(problem.served(counts)) == best, case.describe()


def test_an_owner_of_two_pools_leaves_guests_the_one_that_lends() -> None:
    lends, keeps = (a_pool(name, "ann", contribution_percent=0) for name in ("a-lends", "b-keeps"))
    pools = (lends, replace(keeps, lending_limit=amount(0, 64)))
    places = (*nodes("a-lends", 1, amount(100, 64)), *nodes("b-keeps", 1, amount(100, 64)))
    services = (a_service("ann/web", 1, ladder=HOME_LADDER), a_service("bob/web", 2, ladder=HOME_LADDER))
    fleet = Fleet(teams=(Team(TeamName("ann")), Team(TeamName("bob"))), pools=pools, nodes=places)
    problem = Problem(fleet, services)
    assert Program(problem, entitlements(problem, (0, 0))).most()[0] == 3
    assert sum(counts_of(planned(problem, (0, 0))).values()) == 3


def test_the_fair_optimum_of_the_papers_example_is_three_and_two() -> None:
    """Ghodsi et al., section 4: 9 cpu and 18 GB; tasks of 1 cpu and 4 GB against 3 cpu and 1 GB."""
    services = (
        a_service("ann/tasks", 18, resources=amount(1_000, 4_096), ladder=HOME_LADDER),
        a_service("bob/tasks", 9, resources=amount(3_000, 1_024), ladder=HOME_LADDER),
    )
    problem = _of_company(amount(9_000, 18 * 1_024), *services)
    program = Program(problem, NO_RIGHTS)
    program.be_fair()
    assert program.most()[0] == 5
    assert problem.served(program.placement()) == {"ann/tasks": 3, "bob/tasks": 2}


def test_the_most_that_can_be_served_is_more_where_nobody_asks_for_fairness() -> None:
    services = (
        a_service("ann/large", 4, resources=amount(100, 64), ladder=HOME_LADDER),
        a_service("bob/small", 20, resources=amount(10, 8), ladder=HOME_LADDER),
    )
    problem = _of_company(amount(200, 512), *services)
    assert Program(problem, NO_RIGHTS).most()[0] == 20
    fair = Program(problem, NO_RIGHTS)
    fair.be_fair()
    assert fair.most()[0] == 11


def test_the_program_finds_what_counting_every_placement_finds() -> None:
    compared = 0
    for seed in range(200):
        problem = make_case("small", seed).problem
        few = replace(problem, services=problem.services[:2])
        choices = [range(few.most_on(service, node) + 1) for service in few.services for node in few.fleet.nodes]
        if prod(map(len, choices)) > 2_000:
            continue
        keys = [(service.id, node.id) for service in few.services for node in few.fleet.nodes]
        placements = (dict(zip(keys, counts, strict=True)) for counts in product(*choices))
        allowed = [sum(counts.values()) for counts in placements if not _too_many(few, counts)]
        no_rights = {team.name: Entitlement({}, NOTHING) for team in few.fleet.teams}
        assert Program(few, no_rights).most()[0] == max(allowed)
        compared += 1
    assert compared > 50


def _too_many(problem: Problem, counts: Counts) -> bool:
    served = problem.served(counts)
    wants_less = any(served[each.id] > problem.wanted(each) for each in problem.services)
    return wants_less or bool(problem.broken_rules(counts))


def test_the_linear_bound_is_never_below_the_optimum() -> None:
    for seed in range(10):
        case = make_case("small", seed)
        rights = entitlements(case.problem, case.turns)
        whole, split = (Program(case.problem, rights, whole=each).most() for each in (True, False))
        assert whole[0] <= split[0] + 1e-6


def test_the_optimum_stands_where_placement_rules_allow() -> None:
    rules = PlacementRules((Constraint("arch", "arm64"),), max_per_node=1)
    service = a_service("ann/web", 9, ladder=HOME_LADDER, placement=rules)
    problem = _of_company(amount(500, 512), service, count=3)
    labelled = tuple(replace(each, labels=(("arch", "arm64"),)) for each in problem.fleet.nodes[1:])
    problem = replace(problem, fleet=replace(problem.fleet, nodes=(problem.fleet.nodes[0], *labelled)))
    assert Program(problem, NO_RIGHTS).most()[0] == 2


NO_RIGHTS = {TeamName(name): Entitlement({}, NOTHING) for name in ("ann", "bob")}


def _of_company(size: Resources, *services: Service, count: int = 1) -> Problem:
    """Nodes that are nobody's own, all of them for guests."""
    teams = tuple(Team(TeamName(name)) for name in ("ann", "bob"))
    return Problem(Fleet(teams=teams, pools=(a_pool("all"),), nodes=nodes("all", count, size)), services)


def _guests_first(case: Case) -> Case:
    """The same case, except that teams with machines of their own ask a turn later."""
    owners = {pool.team for pool in case.problem.fleet.pools}
    return replace(case, turns=tuple(1 if service.team in owners else 0 for service in case.problem.services))


def _distribution(family: str, outcomes: list[Outcome], tried: int) -> str:
    shares = sorted(each.share for each in outcomes)
    above = sum(each.served > each.best for each in outcomes)
    worst = min(outcomes, key=lambda each: each.share)
    return (
        f"{family}: {len(shares)} of {tried} fleets judged; {sum(share == 1 for share in shares)} at the optimum "
        f"({above} of them serve more, less fairly), mean {mean(shares):.4f}, lowest {shares[:3]}\n{worst.describe()}"
    )
