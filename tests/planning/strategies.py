"""Fleets, services and histories to try the laws on: small numbers, so that they collide often."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from springtide.model.fleet import (
    Budget,
    Cloud,
    Department,
    Fleet,
    Node,
    Offer,
    Pool,
    ReclaimTerms,
    ScalingTerms,
    Site,
    Team,
)
from springtide.model.identifiers import CloudName, NodeId, PoolName, RevisionId, ServiceId, SiteName, TeamName
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.record import Change, Kind
from springtide.model.resources import NO_CEILING, Ceiling, Resources
from springtide.model.workloads import Band, Constraint, PlacementRules, ScalePolicy, Service, StandbyPolicy
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from tests.builders import MIB, START, a_revision
from tests.planning.world import World

CLOUD = CloudName("rented")
PRICE = 360_000
"""Micros an hour: 1,000 for a billing period of ten seconds."""

shapes: st.SearchStrategy[Resources] = st.builds(
    lambda cpu, memory, pids, gpu: Resources.of(cpu_millis=cpu, memory_bytes=memory * MIB, pids=pids, gpu=gpu),
    st.sampled_from([50, 50, 100, 150]),
    st.sampled_from([32, 32, 64, 128]),
    st.sampled_from([0, 0, 10]),
    st.sampled_from([0, 0, 0, 0, 1]),
)
"""What one instance reserves: always cpu and memory, sometimes pids or an extended kind."""

node_sizes: st.SearchStrategy[Resources] = st.builds(
    lambda cpu, memory, gpu: Resources.of(cpu_millis=cpu, memory_bytes=memory * MIB, pids=40, gpu=gpu),
    st.sampled_from([100, 200, 300]),
    st.sampled_from([128, 256, 512]),
    st.sampled_from([0, 1, 2]),
)

limits: st.SearchStrategy[Resources | None] = st.one_of(
    st.none(),
    st.none(),
    st.builds(
        lambda cpu, memory: Resources.of(cpu_millis=cpu, memory_bytes=memory * MIB, pids=40, gpu=1),
        st.sampled_from([0, 50, 100, 200]),
        st.sampled_from([0, 128, 512]),
    ),
)

ladders: st.SearchStrategy[tuple[Rung, ...]] = st.one_of(
    *[st.just(FULL_LADDER)] * 4,
    st.sets(st.sampled_from(list(Rung)), min_size=1).map(lambda rungs: tuple(sorted(rungs, key=lambda r: r.order))),
)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """1 to 3 teams; 1 to 4 pools: of teams, of the company, elastic; 1 to 6 nodes."""
    teams = tuple(
        Team(TeamName(name), draw(st.integers(1, 2)))
        for name in ("ann", "bob", "cyd")[: draw(st.sampled_from([1, 2, 2, 3]))]
    )
    owners: list[str | None] = [team.name for team in teams]
    kinds = [owners[0], *draw(st.lists(st.sampled_from([*owners, *owners, None]), max_size=2))]
    home = [draw(_home_pools(PoolName(f"{owner or 'all'}{n}"), owner)) for n, owner in enumerate(kinds)]
    names = [pool.name for pool in home]
    places = [*names, *draw(st.lists(st.sampled_from(names), max_size=6 - len(names)))]
    nodes = tuple(Node(NodeId(f"{name}-{n}"), name, draw(node_sizes)) for n, name in enumerate(places))
    offers, elastic = (draw(_offers()), (draw(_elastic_pools()),)) if draw(st.integers(0, 3)) else ((), ())
    budgets = draw(st.sampled_from([(), (), (Budget("hour", 4_000),), (Budget("day", 12_000),)]))
    return Fleet(
        sites=(Site(SiteName("home")), Site(SiteName("away"), is_cloud=True)),
        teams=teams,
        pools=(*home, *elastic),
        nodes=nodes,
        clouds=(Cloud(CLOUD, "simulated", SiteName("away"), offers),),
        budgets=budgets,
        reclaim=ReclaimTerms(
            notice_seconds=draw(st.sampled_from([0.0, 2.0, 4.0])),
            grace_seconds=draw(st.sampled_from([0.0, 1.0, 2.0])),
            hold_seconds=draw(st.sampled_from([0.0, 1.0, 3.0])),
        ),
        scaling=ScalingTerms(
            up_seconds=1,
            down_seconds=draw(st.sampled_from([1, 3])),
            home_seconds=draw(st.sampled_from([0, 1, 2])),
            proof_seconds=draw(st.sampled_from([0, 1])),
            max_moves_at_once=draw(st.integers(1, 2)),
        ),
    )


def _home_pools(name: PoolName, owner: str | None) -> st.SearchStrategy[Pool]:
    return st.builds(
        Pool,
        name=st.just(name),
        site=st.just(SiteName("home")),
        team=st.just(TeamName(owner) if owner else None),
        contribution_percent=st.sampled_from([0, 10, 25, 50, 100]),
        lending_limit=limits,
        price_micros_per_cpu_hour=st.sampled_from([0, 1_000_000]),
    )


def _elastic_pools() -> st.SearchStrategy[Pool]:
    return st.builds(
        lambda most: Pool(PoolName("burst"), SiteName("away"), cloud=CLOUD, max_nodes=most), st.integers(0, 4)
    )


@st.composite
def _offers(draw: st.DrawFn) -> tuple[Offer, ...]:
    period, boot = draw(st.sampled_from([5, 10, 3600])), draw(st.sampled_from([0.0, 1.0, 3.0]))
    stock = draw(st.sampled_from([None, 0, 2, 8]))
    sizes = draw(st.sampled_from([(100,), (200,), (100, 200)]))
    return tuple(
        Offer(
            cloud=CLOUD,
            shape=f"m{cpu}",
            resources=Resources.of(cpu_millis=cpu, memory_bytes=256 * MIB, pids=40, gpu=1),
            price_micros_per_hour=PRICE * cpu // 100,
            billing_period_seconds=period,
            boot_seconds=boot,
            stock=stock,
        )
        for cpu in sizes
    )


@st.composite
def services_of(draw: st.DrawFn, fleet: Fleet) -> tuple[Service, ...]:
    """1 to 5 services of the fleet's teams: fixed counts, or a rate between bounds."""
    return tuple(draw(_a_service(fleet, n)) for n in range(draw(st.integers(len(fleet.teams), 5))))


@st.composite
def _a_service(draw: st.DrawFn, fleet: Fleet, number: int) -> Service:
    team = fleet.teams[number % len(fleet.teams)].name
    name = f"s{number}"
    id = ServiceId(f"{team}/{name}")
    most = draw(st.integers(0, 3))
    standby = StandbyPolicy(
        draw(st.sampled_from([0, 0, 0, 1, 3])), max_age_seconds=draw(st.sampled_from([4.0, 3600.0]))
    )
    by_rate = ScalePolicy(min(1, most), most + 3, requests_per_second=10, standby=standby)
    return Service(
        id=id,
        app=team,  # type: ignore[arg-type]
        name=name,
        team=team,
        revision=RevisionId(f"{id}@1"),
        resources=draw(shapes),
        scale=draw(st.sampled_from([ScalePolicy(most, most), by_rate])),
        ladder=draw(ladders),
        band=draw(st.sampled_from(list(Band))),
    )


LABELS = ((("zone", "a"),), (("zone", "b"),), (("zone", "b"), ("os", "linux")))

ceilings: st.SearchStrategy[Ceiling] = st.builds(
    lambda cpu: NO_CEILING if cpu is None else Ceiling.of(cpu_millis=cpu), st.sampled_from([None, None, 0, 50, 150])
)


@st.composite
def ruled_fleets(draw: st.DrawFn) -> Fleet:
    """The same with departments, ceilings, cohorts and minimum holds, and nodes in zones."""
    fleet = draw(fleets())
    cohorts = st.sampled_from(["", "", "", "north"])
    top = Department("top", None, NO_CEILING, draw(ceilings), draw(ceilings), draw(cohorts))
    low = Department("low", "top", NO_CEILING, draw(ceilings), draw(ceilings))
    teams = tuple(
        replace(
            team,
            department=draw(st.sampled_from([None, "top", "low"])),
            lending_limit=draw(ceilings),
            borrowing_limit=draw(ceilings),
            cohort=draw(cohorts),
        )
        for team in fleet.teams
    )
    return replace(
        fleet,
        departments=(top, low),
        teams=teams,
        nodes=tuple(replace(node, labels=draw(st.sampled_from(LABELS))) for node in fleet.nodes),
        reclaim=replace(fleet.reclaim, hold_seconds=draw(st.sampled_from([0.0, 2.0]))),
    )


def placement_rules(service: ServiceId, others: tuple[ServiceId, ...]) -> st.SearchStrategy[PlacementRules]:
    """Often none; constraints, so many a node, spread, near and apart, mostly one of them."""
    strangers = [each for each in others if each != service]
    some = st.lists(st.sampled_from(strangers), max_size=1).map(tuple) if strangers else st.just(())
    constraint = st.builds(Constraint, st.sampled_from(["zone", "os"]), st.sampled_from(["a", "linux"]), st.booleans())
    return st.one_of(
        st.just(PlacementRules()),
        st.builds(PlacementRules, constraints=st.tuples(constraint)),
        st.builds(PlacementRules, max_per_node=st.integers(1, 2), spread=st.sampled_from([(), ("zone",), ("node",)])),
        st.builds(PlacementRules, near=some, apart=st.just(()), domain=st.sampled_from(["node", "zone"])),
        st.builds(PlacementRules, near=st.just(()), apart=some, domain=st.sampled_from(["node", "zone"])),
    )


@st.composite
def ruled_services_of(draw: st.DrawFn, fleet: Fleet) -> tuple[Service, ...]:
    """The same with placement rules."""
    services = draw(services_of(fleet))
    ids = tuple(each.id for each in services)
    return tuple(replace(each, placement=draw(placement_rules(each.id, ids))) for each in services)


@dataclass(frozen=True)
class Spec:
    """Everything that one history needs: a fleet, its services, and what happens. Printed when a law breaks."""

    fleet: Fleet
    services: tuple[Service, ...]
    proven: bool
    steps: tuple[Step, ...]

    def world(self) -> World:
        world = World(self.fleet)
        for service in self.services:
            world.deploy(service, proven_at=START if self.proven else None)
        world.observe()
        return world

    def play(self, on_plan: Callable[[Index, Plan], None]) -> World:
        """The world after every step; each plan is shown with the index it was made from."""
        world = self.world()
        world.on_plan = on_plan
        for step in self.steps:
            step.apply(world)
        return world


@dataclass(frozen=True)
class Step:
    """One thing that happens. ``pick`` chooses among what there is, modulo how many there are."""

    what: str
    pick: int = 0
    value: int = 0

    def apply(self, world: World) -> None:
        {**_STEPS, **_FURTHER_STEPS}[self.what](world, self.pick, self.value)


def _tick(world: World, seconds: float, keep: int, *, ready: bool = True) -> None:
    """A round in which only the actions whose bit is set in ``keep`` are carried out."""
    world.now = world.now.__class__.fromtimestamp(world.now.timestamp() + seconds, world.now.tzinfo)
    world.observe()
    made = world.plan()
    world.commit(made)
    done = [action for n, action in enumerate(made.actions) if keep >> (n % 8) & 1]
    world.act(done, ready)
    world.observe()


def _late(world: World, pick: int, value: int) -> None:
    """A plan whose actions only arrive after the next plan is made, and then twice."""
    world.observe()
    early = world.plan()
    world.commit(early)
    made = world.plan()
    world.commit(made)
    gone = {action.subject for action in made.actions} - {action.subject for action in early.actions}
    world.act([action for action in early.actions if action.subject not in gone])
    world.act(early.actions)
    world.observe()


def _stale(world: World, pick: int, value: int) -> None:
    """A plan that nobody commits."""
    world.plan()


def _fail(world: World, pick: int, value: int) -> None:
    """All actions of a round come back with an error."""
    made = world.plan()
    world.commit(made)
    for action in made.actions:
        world.fail(action.subject)


def _scale(world: World, pick: int, value: int) -> None:
    service = _picked(world.record.services, pick)
    if service is None:
        return
    if service.scale.requests_per_second is not None:
        world.loads[service.id] = value * 10.0
    else:
        world.scale(service.id, value)


def _kill(world: World, pick: int, value: int) -> None:
    id = _picked({id: id for id in world.containers}, pick)
    if id is not None:
        world.kill(id)


def _unready(world: World, pick: int, value: int) -> None:
    id = _picked({id: id for id in world.containers}, pick)
    if id is not None:
        world.unready(id)


def _all_ready(world: World, pick: int, value: int) -> None:
    world.make_ready(*sorted(world.containers))


def _busy(world: World, pick: int, value: int) -> None:
    for id in world.containers:
        world.in_flight[id] = value % 2


def _vanish(world: World, pick: int, value: int) -> None:
    token = _picked({token: token for token in world.machines}, pick)
    if token is not None:
        world.vanish(token)


def _drop_node(world: World, pick: int, value: int) -> None:
    nodes = world.record.fleet.nodes
    if nodes:
        world.set_fleet(nodes=tuple(node for n, node in enumerate(nodes) if n != pick % len(nodes)))


def _add_node(world: World, pick: int, value: int) -> None:
    pools = [pool.name for pool in world.record.fleet.pools if not pool.is_elastic]
    pool = pools[pick % len(pools)]
    node = Node(NodeId(f"{pool}-new{value}"), pool, Resources.of(cpu_millis=200, memory_bytes=256 * MIB, pids=40))
    if node.id not in {each.id for each in world.record.fleet.nodes}:
        world.set_fleet(nodes=(*world.record.fleet.nodes, node))


def _shrink_node(world: World, pick: int, value: int) -> None:
    nodes = world.record.fleet.nodes
    if nodes:
        smaller = replace(nodes[pick % len(nodes)], allocatable=nodes[pick % len(nodes)].allocatable.percent(50))
        world.set_fleet(nodes=tuple(smaller if node.id == smaller.id else node for node in nodes))


def _lending(world: World, pick: int, value: int) -> None:
    pools = world.record.fleet.pools
    changed = replace(
        pools[pick % len(pools)],
        lending_limit=Resources.of(cpu_millis=50 * value, memory_bytes=64 * MIB * value, pids=10 * value),
        contribution_percent=min(100, 10 * value),
    )
    if not changed.is_elastic:
        world.set_fleet(pools=tuple(changed if pool.name == changed.name else pool for pool in pools))


def _max_nodes(world: World, pick: int, value: int) -> None:
    pools = tuple(replace(e, max_nodes=value) if e.is_elastic else e for e in world.record.fleet.pools)
    world.set_fleet(pools=pools)


def _stock(world: World, pick: int, value: int) -> None:
    for cloud in world.record.fleet.clouds:
        for offer in cloud.offers:
            world.stock[offer.shape] = value
    world.observe()


def _budget(world: World, pick: int, value: int) -> None:
    world.set_fleet(budgets=(Budget("hour", 1_000 * value),))


def _refusing(world: World, pick: int, value: int) -> None:
    world.refusing = {CLOUD} if value % 2 else set()


def _new_revision(world: World, pick: int, value: int) -> None:
    service = _picked(world.record.services, pick)
    if service is not None:
        number = int(service.revision.partition("@")[2]) + 1
        fresh = replace(service, revision=RevisionId(f"{service.id}@{number}"))
        world.put(
            Change(Kind.REVISION, fresh.revision, a_revision(fresh.id, number, proven_at=None)),
            Change(Kind.SERVICE, fresh.id, fresh),
        )


def _new_instances(world: World, pick: int, value: int) -> None:
    service = _picked(world.record.services, pick)
    if service is not None:
        world.put(Change(Kind.SERVICE, service.id, replace(service, restarted_at=world.now)))


def _remove(world: World, pick: int, value: int) -> None:
    service = _picked(world.record.services, pick)
    if service is not None:
        world.remove(service.id)


def _arrive(world: World, pick: int, value: int) -> None:
    """One more service, like another but for its count and its name."""
    model = _picked(world.record.services, pick)
    if model is not None and len(world.record.services) < 7:
        name = f"new{value}"
        id = ServiceId(f"{model.app}/{name}")
        if id in world.record.services or id in world.record.ordinals:
            return
        scale = ScalePolicy(value, value)
        world.deploy(replace(model, id=id, name=name, revision=RevisionId(f"{id}@1"), scale=scale))
        world.observe()


def _department(world: World, pick: int, value: int) -> None:
    """Another limit of a department, or of a team: of lending, of borrowing, or none."""
    limit: dict[str, Any] = {
        ("lending_limit", "borrowing_limit")[value % 2]: Ceiling.of(cpu_millis=50 * (value // 2))
        if value
        else NO_CEILING
    }
    teams, departments = world.record.fleet.teams, world.record.fleet.departments
    number = pick % (len(teams) + len(departments))
    if number < len(teams):
        world.set_fleet(teams=tuple(replace(e, **limit) if n == number else e for n, e in enumerate(teams)))
    else:
        number -= len(teams)
        world.set_fleet(departments=tuple(replace(e, **limit) if n == number else e for n, e in enumerate(departments)))


def _rules(world: World, pick: int, value: int) -> None:
    """Other placement rules of a service."""
    service = _picked(world.record.services, pick)
    if service is not None:
        others = (
            PlacementRules(),
            PlacementRules((Constraint("zone", "a"),)),
            PlacementRules((Constraint("os", "linux", is_equal=False),)),
            PlacementRules(max_per_node=1),
            PlacementRules(spread=("zone",)),
        )
        world.put(Change(Kind.SERVICE, service.id, replace(service, placement=others[value % len(others)])))


def _restart(world: World, pick: int, value: int) -> None:
    world.restart()


def _picked(things: Mapping[Any, Any], pick: int) -> Any | None:
    keys = sorted(things)
    return things[keys[pick % len(keys)]] if keys else None


_STEPS: Mapping[str, Callable[[World, int, int], None]] = {
    "tick": lambda world, pick, value: _tick(world, 0.5, 255),
    "wait": lambda world, pick, value: _tick(world, float(value), 255),
    "partly": lambda world, pick, value: _tick(world, 0.5, pick * 37 % 256),
    "starting": lambda world, pick, value: _tick(world, 0.5, 255, ready=False),
    "late": _late,
    "stale": _stale,
    "fail": _fail,
    "scale": _scale,
    "kill": _kill,
    "unready": _unready,
    "all ready": _all_ready,
    "busy": _busy,
    "vanish": _vanish,
    "drop node": _drop_node,
    "add node": _add_node,
    "shrink node": _shrink_node,
    "lending": _lending,
    "max nodes": _max_nodes,
    "stock": _stock,
    "budget": _budget,
    "refusing": _refusing,
    "new revision": _new_revision,
    "new instances": _new_instances,
    "remove": _remove,
    "restart": _restart,
}

_FURTHER_STEPS: Mapping[str, Callable[[World, int, int], None]] = {
    "arrive": _arrive,
    "department": _department,
    "rules": _rules,
}
"""What only the state machine lets happen."""

CALM = ("tick",) * 4 + ("wait",) * 2 + ("scale",) * 4
"""Weights of a history in which only demand changes and everything works."""
ROUGH = (*CALM, *CALM, "partly", "partly", "late", "starting", "fail", "kill", "busy", "all ready", "stale", "restart")
"""Beside that, plans are carried out late, twice, in part or not at all, and instances end."""
STORMY = (*ROUGH, *CALM, *(name for name in _STEPS if name not in ROUGH))
"""Beside that, the fleet itself changes."""


def steps(names: tuple[str, ...] = STORMY) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.sampled_from(names), st.integers(0, 7), st.integers(0, 6))


@st.composite
def histories(
    draw: st.DrawFn,
    names: tuple[str, ...] = STORMY,
    most: int = 30,
    fleets: st.SearchStrategy[Fleet] = fleets(),  # noqa: B008
    services: Callable[[Fleet], st.SearchStrategy[tuple[Service, ...]]] = services_of,
) -> Spec:
    """A fleet, its services, and up to ``most`` things that happen to them."""
    fleet = draw(fleets)
    return Spec(
        fleet=fleet,
        services=draw(services(fleet)),
        proven=draw(st.sampled_from([True, True, True, False])),
        steps=tuple(draw(st.lists(steps(names), min_size=most // 2, max_size=most))),
    )


def reordered(index: Index, seed: int) -> Index:
    """The same index, its mappings and its record's filled in another order."""
    chance = random.Random(seed)
    return _shuffled(replace(index, record=_shuffled(index.record, chance)), chance)  # type: ignore[no-any-return]


def _shuffled(thing: Any, chance: random.Random) -> Any:
    fresh = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if isinstance(value, Mapping):
            items = list(value.items())
            chance.shuffle(items)
            fresh[field.name] = MappingProxyType(dict(items))
    return replace(thing, **fresh)
