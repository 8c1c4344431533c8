"""Fleets that are too small for what is wanted of them, made to be packed badly; and what the planner makes of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from springtide.model.fleet import Fleet, Node, Pool, ReclaimTerms, Team
from springtide.model.identifiers import NodeId, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources, describe, total
from springtide.model.workloads import Band, ScalePolicy, Service
from tests.builders import HOME_LADDER, a_pool, a_service, amount
from tests.planning.optimum import Counts, Entitlement, NotProvenError, Problem, Program
from tests.planning.world import World

Shape = tuple[int, int]
"""Thousandths of a core, MiB."""


@dataclass(frozen=True)
class Case:
    """A problem, and for each of its services the turn in which its demand comes; equal turns come together."""

    family: str
    seed: int
    problem: Problem
    turns: tuple[int, ...]

    def describe(self) -> str:
        """The fleet and what is wanted of it, for people."""
        fleet = self.problem.fleet
        lines = [f"{self.family} fleet, seed {self.seed}"]
        for pool in fleet.pools:
            here = Counter(describe(node.allocatable) for node in fleet.nodes if node.pool == pool.name)
            limit = "all" if pool.lending_limit is None else describe(pool.lending_limit)
            sizes = ", ".join(f"{count} x {size}" for size, count in here.items())
            lines.append(
                f"  pool {pool.name} of {pool.team or 'all'}: {sizes}; "
                f"shares {pool.contribution_percent}%, lends {limit}"
            )
        for service, turn in zip(self.problem.services, self.turns, strict=True):
            wanted = f"{self.problem.wanted(service)} x {describe(service.resources)}"
            weight = fleet.weight(service.team)
            lines.append(f"  {service.id} (weight {weight}, {service.band}) wants {wanted} in turn {turn}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Outcome:
    """What the planner serves of a case and the most that could be served, band by band."""

    case: Case
    served: tuple[int, ...]
    best: tuple[float, ...]

    @property
    def share(self) -> float:
        """Of the best, in the first band that falls short; at most 1."""
        for served, best in zip(self.served, self.best, strict=True):
            if served < best - 1e-6:
                return served / best
            if served > best + 1e-6:
                return 1.0
        return 1.0

    def describe(self) -> str:
        return f"{self.share:.3f}: served {self.served} of {self.best}\n{self.case.describe()}"


def outcome_of(case: Case, *, whole: bool = True) -> Outcome | None:
    """The planner's result beside the exact one; ``None`` where the solver ran out of time."""
    problem = case.problem
    counts = counts_at_rest(case)
    served = problem.by_band(problem.served(counts))
    wanted = problem.by_band({service.id: problem.wanted(service) for service in problem.services})
    if served == wanted:
        return Outcome(case, served, wanted)
    rights = entitlements(problem, case.turns)
    try:
        unfair = Program(problem, rights, whole=whole).most()
        if served >= unfair:
            return Outcome(case, served, unfair)
        program = Program(problem, rights, whole=whole)
        program.be_fair()
        return Outcome(case, served, program.most())
    except NotProvenError:
        return None


def counts_at_rest(case: Case) -> Counts:
    """Where instances stand once plans change nothing more; fails with the fleet where they never do (law 5)."""
    try:
        return counts_of(planned(case.problem, case.turns))
    except AssertionError as error:
        raise AssertionError(f"never at rest: {case.describe()}") from error


def planned(problem: Problem, turns: Sequence[int]) -> World:
    """The world at rest after every service's demand has come in its turn.

    So guests are often there before the owner; notice, grace and hold are nought, so that reclaims finish.
    """
    fleet = replace(problem.fleet, reclaim=ReclaimTerms(notice_seconds=0, grace_seconds=0, hold_seconds=0))
    world = World(fleet, [replace(each, scale=ScalePolicy(0, 0)) for each in problem.services])
    for turn in sorted(set(turns)):
        for service, its_turn in zip(problem.services, turns, strict=True):
            if its_turn == turn:
                world.scale(service.id, problem.wanted(service))
        world.settle()
    return world


def counts_of(world: World) -> Counts:
    return Counter((each.service, each.node) for each in world.record.placements.values())


def entitlements(problem: Problem, turns: Sequence[int]) -> Mapping[TeamName, Entitlement]:
    """Law 2: what the planner gives each team at home when nobody else is there."""
    return {team.name: _entitlement(problem, turns, team.name) for team in problem.fleet.teams}


def at_home(problem: Problem, counts: Counts, service: Service) -> int:
    """How many of a service stand on its team's own machines."""
    home = {node.id for node in problem.fleet.nodes if problem.is_home(service, node)}
    return sum(count for (id, node), count in counts.items() if id == service.id and node in home)


def _entitlement(problem: Problem, turns: Sequence[int], team: TeamName) -> Entitlement:
    mine = [(service, turn) for service, turn in zip(problem.services, turns, strict=True) if service.team == team]
    own = {pool.name for pool in problem.fleet.pools if pool.team == team}
    if not mine or not own:
        return Entitlement({}, NOTHING)
    world = planned(replace(problem, services=tuple(each for each, _ in mine)), [turn for _, turn in mine])
    counts = counts_of(world)
    services = {service.id: service for service, _ in mine}
    beyond = total(
        services[lease.service].resources.times(lease.count)
        for lease in world.record.leases.values()
        if lease.pool in own and lease.rung is Rung.SHARED
    )
    return Entitlement({service.id: at_home(problem, counts, service) for service, _ in mine}, beyond)


def make_case(family: str, seed: int) -> Case:
    """The case of this family and seed, the same each time."""
    return FAMILIES[family](random.Random(f"{family} {seed}"), seed)


def _case(
    chance: random.Random,
    seed: int,
    *,
    family: str,
    most_nodes: int,
    sizes: Sequence[Shape],
    shapes: Sequence[Shape],
    large: Sequence[Shape] = (),
    bands: Sequence[Band] = (Band.PRODUCTION,),
    least_nodes: int = 1,
) -> Case:
    """Pools of teams and of the company, services that want 0.7 to 1.8 of all; ``large`` shapes come a turn later."""
    teams = [TeamName(name) for name in ("ann", "bob", "cyd", "dee")[: chance.randint(2, 4)]]
    owners = [*chance.sample(teams, chance.randint(1, len(teams))), *([None] if chance.random() < 0.6 else [])]
    pools = tuple(_a_pool(f"pool{n}", owner, chance) for n, owner in enumerate(owners))
    count = chance.randint(max(least_nodes, len(pools)), max(most_nodes, len(pools)))
    names = [*(pool.name for pool in pools), *(chance.choice(pools).name for _ in range(count - len(pools)))]
    nodes = tuple(Node(NodeId(f"{name}-{n:02}"), name, amount(*chance.choice(sizes))) for n, name in enumerate(names))
    whole = total(node.allocatable for node in nodes)
    services, turns = [], []
    for number in range(chance.randint(len(teams), 2 * len(teams))):
        is_large = bool(large) and number % 2 == 1
        shape = amount(*chance.choice(large if is_large else shapes))
        fills = max(shape[kind] / whole[kind] for kind in shape.kinds)
        wanted = round(chance.uniform(0.3, 1.2) / len(teams) / fills)
        services.append(_a_service(teams[number % len(teams)], number, shape, max(1, wanted), chance.choice(bands)))
        turns.append(1 if is_large else 0)
    weights = tuple(Team(team, chance.choice([1, 1, 1, 2])) for team in teams)
    return Case(family, seed, Problem(Fleet(teams=weights, pools=pools, nodes=nodes), tuple(services)), tuple(turns))


def _a_pool(name: str, owner: TeamName | None, chance: random.Random) -> Pool:
    limit = chance.choice([None, None, None, amount(200, 256)])
    return a_pool(name, owner, contribution_percent=chance.choice([0, 25, 50, 100]), lending_limit=limit)


def _a_service(team: TeamName, number: int, shape: Resources, wanted: int, band: Band) -> Service:
    scale = ScalePolicy(wanted, wanted)
    return a_service(f"{team}/s{number}", scale=scale, resources=shape, ladder=HOME_LADDER, band=band)


_MIXED: Sequence[Shape] = ((50, 32), (50, 64), (100, 64), (100, 128), (150, 64), (200, 128), (250, 256))
_SIZES: Sequence[Shape] = ((200, 256), (400, 256), (400, 512))

FAMILIES: Mapping[str, Callable[[random.Random, int], Case]] = {
    "small": partial(
        _case, family="small", most_nodes=4, sizes=((100, 128), (200, 128)), shapes=((50, 32), (50, 64), (100, 64))
    ),
    "mixed": partial(_case, family="mixed", most_nodes=10, sizes=_SIZES, shapes=_MIXED),
    "crumbs first": partial(
        _case,
        family="crumbs first",
        most_nodes=8,
        sizes=_SIZES,
        shapes=((50, 32), (50, 64)),
        large=((200, 128), (300, 256)),
    ),
    "crossing": partial(
        _case,
        family="crossing",
        most_nodes=10,
        sizes=((400, 512), (600, 512)),
        shapes=((50, 224), (50, 160), (250, 32), (180, 64), (130, 160)),
    ),
    "bands": partial(_case, family="bands", most_nodes=8, sizes=_SIZES, shapes=_MIXED, bands=tuple(Band)),
    "thirty": partial(_case, family="thirty", least_nodes=15, most_nodes=30, sizes=_SIZES, shapes=_MIXED),
    "fine": partial(
        _case,
        family="fine",
        most_nodes=30,
        sizes=((2000, 2048), (4000, 2048)),
        shapes=((20, 20), (50, 25), (100, 50), (50, 100), (70, 70), (30, 100)),
    ),
}
"""By name. In ``fine`` every instance is at most a twentieth of every node."""
