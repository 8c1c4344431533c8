"""The fleet that the planner is measured on: many teams on unlike machines, most of them at home, some as guests.

Half of the machines are of four types, the other half all slightly different. Three teams in ten want more than
they own: their other instances stand on shared, borrowed or rented machines. A third of the services have rules
of placement, another third follow their requests, half of the teams stand under ceilings of their departments.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heapify, heapreplace

from springtide.model.fleet import MICROS, Cloud, Department, Fleet, Link, Node, Offer, Pool, ScalingTerms, Site, Team
from springtide.model.identifiers import (
    AppName,
    CloudName,
    NodeId,
    PoolName,
    RevisionId,
    ServiceId,
    SiteName,
    TeamName,
    instance_id,
)
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.placements import Placement, Rental
from springtide.model.record import Change, Commit, Kind, Record
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Ceiling, Resources, total
from springtide.model.workloads import (
    App,
    Constraint,
    PlacementRules,
    Revision,
    Route,
    ScalePolicy,
    Service,
    Template,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=20)
"""When everything that runs was placed, and the rented machines were rented."""
RATE_PER_INSTANCE = 50.0
GIB = 2**30
GPU = "gpu"
HOME, AWAY, COMPANY = SiteName("home"), SiteName("away"), PoolName("company")
BURST, CLOUD = PoolName("burst"), CloudName("rented")
MACHINE_TYPES = ((8, 32, 0), (16, 64, 0), (16, 128, 0), (32, 128, 4))
"""Cores, GiB of memory, graphics cards."""
SHAPES = ((250, 0.5), (250, 1.0), (500, 1.0), (500, 2.0), (1_000, 2.0), (1_000, 4.0), (2_000, 4.0), (4_000, 8.0))
"""Thousandths of a core, GiB of memory."""
RENTED = Resources.of({CPU_MILLIS: 16_000, MEMORY_BYTES: 64 * GIB, PIDS: 32_000})


@dataclass(frozen=True, slots=True)
class Size:
    """How large the fleet is; instances are spread over services of unequal counts."""

    nodes: int
    instances: int
    services: int
    teams: int

    @property
    def name(self) -> str:
        return f"{self.nodes:,} nodes, {self.instances:,} instances"


SIZES = (Size(100, 1_000, 20, 10), Size(1_000, 10_000, 200, 50), Size(10_000, 100_000, 1_000, 200))


def make_record(size: Size, seed: int = 1) -> Record:
    """A fleet of this size in full swing: what each service wants is placed, the dearest rungs last."""
    for surplus_percent in range(0, 100, 5):
        fleet, services, ground = _filled(size, surplus_percent, seed)
        placed = sum(len(mine) for mine in ground.of_service.values())
        if placed >= size.instances:
            break
    wanting = [_scaled(each, len(ground.of_service.get(each.id, ())), n) for n, each in enumerate(services)]
    changes = [Change(Kind.FLEET, "fleet", fleet)]
    changes += [change for service in wanting for change in _changes_of(service)]
    changes += [Change(Kind.RENTAL, rental.token, rental) for rental in ground.rentals]
    changes += [Change(Kind.ORDINAL, f"rental:{BURST}", len(ground.rentals) + 1)]
    changes += [Change(Kind.PLACEMENT, each.instance, each) for mine in ground.of_service.values() for each in mine]
    return Record().after(Commit(1, tuple(changes)))


def _filled(size: Size, surplus_percent: int, seed: int) -> tuple[Fleet, list[Service], _Ground]:
    """Services that want so much more than the size's instances, placed as far as there is room."""
    chance = random.Random(seed)
    counts = _counts(size, surplus_percent, chance)
    services = [_a_service(number, count, size, chance) for number, count in enumerate(counts)]
    fleet = _fleet(size, services, chance)
    ground = _Ground(fleet)
    at_home = {each.id: ground.place_at_home(each) for each in services}
    left = size.instances - sum(at_home.values())
    for service in services:
        left -= ground.place_away(service, min(left, service.scale.minimum - at_home[service.id]))
    return fleet, services, ground


def rates_of(record: Record) -> Mapping[ServiceId, float]:
    """Requests a second that ask for as many instances of each scaled service as there are."""
    counts: dict[ServiceId, int] = {}
    for placement in record.placements.values():
        counts[placement.service] = counts.get(placement.service, 0) + 1
    comfort = RATE_PER_INSTANCE * (1 + record.fleet.scaling.tolerance)
    return {
        service.id: comfort * (counts.get(service.id, 1) - 0.5)
        for service in record.services.values()
        if service.scale.requests_per_second is not None
    }


def _counts(size: Size, surplus_percent: int, chance: random.Random) -> list[int]:
    """Unequal counts, a few large services, many small ones."""
    weights = [min(chance.paretovariate(1.2), 20.0) for _ in range(size.services)]
    scale = size.instances * (100 + surplus_percent) / 100 / sum(weights)
    return [max(2, round(weight * scale)) for weight in weights]


def _a_service(number: int, count: int, size: Size, chance: random.Random) -> Service:
    """Every third has rules of placement, every twentieth may only own or rent, one in thirty asks for a card."""
    team = TeamName(f"team-{number % size.teams:03}")
    app = AppName(f"app-{number:04}")
    id = ServiceId(f"{app}/web")
    cpu_millis, memory_gib = chance.choice(SHAPES)
    amount = Resources.of(
        {
            CPU_MILLIS: cpu_millis,
            MEMORY_BYTES: int(memory_gib * GIB),
            PIDS: chance.choice((0, 128, 512)),
            GPU: 1 if number % 30 == 29 else 0,
        }
    )
    rents = number % 20 == 1
    return Service(
        id=id,
        app=app,
        name="web",
        team=team,
        revision=RevisionId(f"{id}@1"),
        resources=amount,
        scale=ScalePolicy(count, count),
        ladder=(Rung.OWN, Rung.CLOUD) if rents else FULL_LADDER,
        routes=(Route(8000, host=f"{app}.localhost"),) if number % 3 else (),
        line_load_bits_per_second=2_000_000 if rents else 0,
        placement=_rules(number, chance) if number % 3 == 2 else PlacementRules(),
    )


def _rules(number: int, chance: random.Random) -> PlacementRules:
    return chance.choice(
        (
            PlacementRules(spread=("zone",)),
            PlacementRules((Constraint("arch", "amd64"),), spread=("zone", "node")),
            PlacementRules((Constraint("os", "linux"), Constraint("zone", "c", is_equal=False))),
            PlacementRules((Constraint("zone", "abc"[number % 2]),), max_per_node=4),
            PlacementRules(max_per_node=2),
        )
    )


def _scaled(service: Service, count: int, number: int) -> Service:
    """The same service, wanting as many as are placed: a third of them by their requests."""
    scale = ScalePolicy(count, count)
    if number % 3 == 1:
        scale = ScalePolicy(max(1, count // 2), 2 * count + 1, requests_per_second=RATE_PER_INSTANCE)
    return replace(service, scale=scale)


def _changes_of(service: Service) -> list[Change]:
    template = Template("sha256:1")
    return [
        Change(Kind.SERVICE, service.id, service),
        Change(Kind.APP, service.app, App(service.app, service.team, (service.id,))),
        Change(
            Kind.REVISION, service.revision, Revision(service.revision, service.id, template, EARLIER, proven_at=NOW)
        ),
        Change(Kind.ORDINAL, service.id, 2 * service.scale.maximum + 2),
    ]


def _fleet(size: Size, services: Iterable[Service], chance: random.Random) -> Fleet:
    """Machines for every team by what it wants, a twelfth of all for the company, and a cloud."""
    machines = [_machine(number, chance) for number in range(size.nodes)]
    of_company = size.nodes // 12
    nodes = [Node(NodeId(f"node-{n:05}"), COMPANY, *machines[n]) for n in range(of_company)]
    teams = _teams(size)
    owners = _dealt(teams, services, machines[of_company:])
    nodes += [Node(NodeId(f"node-{n:05}"), owner, *machines[n]) for n, owner in enumerate(owners, of_company)]
    pools = tuple(
        Pool(PoolName(team.name), HOME, team.name, contribution_percent=(5, 10, 25)[number % 3])
        for number, team in enumerate(teams)
    )
    return Fleet(
        sites=(Site(HOME), Site(AWAY, is_cloud=True)),
        teams=tuple(_limited(team, nodes) for team in teams),
        pools=(Pool(COMPANY, HOME), *pools, Pool(BURST, AWAY, cloud=CLOUD, max_nodes=size.nodes // 10)),
        nodes=tuple(nodes),
        clouds=(Cloud(CLOUD, "simulated", AWAY, (_offer(),)),),
        links=(Link((HOME, AWAY), 10_000_000_000, 0.002),),
        departments=_departments(size, nodes),
        scaling=ScalingTerms(max_moves_at_once=100),
    )


def _offer() -> Offer:
    return Offer(CLOUD, "large", RENTED, MICROS // 2, 3600, 60.0, labels=_labels("b", "amd64"))


def _labels(zone: str, arch: str) -> tuple[tuple[str, str], ...]:
    return (("arch", arch), ("os", "linux"), ("zone", zone))


def _machine(number: int, chance: random.Random) -> tuple[Resources, tuple[tuple[str, str], ...]]:
    """What a machine has after the system's overhead, and its labels; every other one is like no other."""
    cores, memory_gib, cards = chance.choices(MACHINE_TYPES, (4, 8, 4, 1))[0]
    is_odd = number % 2 == 1
    overhead = Resources.of({CPU_MILLIS: 100, MEMORY_BYTES: GIB})
    if is_odd:
        lost = {CPU_MILLIS: chance.randrange(100, 500), MEMORY_BYTES: chance.randrange(GIB, 2 * GIB, 4096)}
        overhead = Resources.of(lost)
    whole = Resources.of({CPU_MILLIS: cores * 1000, MEMORY_BYTES: memory_gib * GIB, PIDS: 32_000, GPU: cards})
    labels = _labels("abc"[number % 3], "arm64" if number % 10 == 4 else "amd64")
    return whole - overhead, (*labels, ("serial", str(number))) if is_odd else labels


def _teams(size: Size) -> list[Team]:
    """Half of them in departments of eight."""
    return [
        Team(
            TeamName(f"team-{n:03}"),
            weight=1 + n % 3 // 2,
            department=f"department-{n // 16:02}" if n % 2 else None,
        )
        for n in range(size.teams)
    ]


def _departments(size: Size, nodes: Iterable[Node]) -> tuple[Department, ...]:
    """Ceilings that allow what there is, and have to be looked at."""
    count = (size.teams + 15) // 16
    share = total(node.allocatable for node in nodes).percent(100 // count + 1)
    return tuple(
        Department(f"department-{n:02}", lending_limit=_ceiling(share), borrowing_limit=_ceiling(share))
        for n in range(count)
    )


def _limited(team: Team, nodes: Iterable[Node]) -> Team:
    """A team in a department may use of others' machines as much as it has itself."""
    if team.department is None:
        return team
    own = total(node.allocatable for node in nodes if node.pool == PoolName(team.name))
    return Team(team.name, team.weight, team.department, borrowing_limit=_ceiling(own))


def _ceiling(amount: Resources) -> Ceiling:
    return Ceiling.of({kind: amount[kind] for kind in (CPU_MILLIS, MEMORY_BYTES)})


def _dealt(
    teams: list[Team], services: Iterable[Service], machines: Iterable[tuple[Resources, object]]
) -> list[PoolName]:
    """Whose each machine is: dealt in turn by want, so that three teams in ten get less than they want."""
    wants = {team.name: 1 for team in teams}
    for service in services:
        wants[service.team] += service.resources[CPU_MILLIS] * service.scale.minimum
    shares = {team.name: wants[team.name] * (8 if n % 10 < 3 else 18) for n, team in enumerate(teams)}
    heap = [(0.0, name) for name in shares]
    heapify(heap)
    owners = []
    for amount, _ in machines:
        level, name = heap[0]
        owners.append(PoolName(name))
        heapreplace(heap, (level + amount[CPU_MILLIS] / shares[name], name))
    return owners


KINDS = (CPU_MILLIS, MEMORY_BYTES, PIDS, GPU)


@dataclass(slots=True)
class _Ground:
    """Places instances where a ladder leads them, one service after the other, each as evenly as room allows."""

    fleet: Fleet
    of_service: dict[ServiceId, list[Placement]] = field(default_factory=dict)
    rentals: list[Rental] = field(default_factory=list)
    free: dict[NodeId, list[int]] = field(default_factory=dict)
    nodes_of: dict[PoolName, list[Node]] = field(default_factory=dict)
    shared: dict[PoolName, list[int]] = field(default_factory=dict)
    lent: dict[PoolName, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.fleet.nodes:
            self.free[node.id] = _columns(node.allocatable)
            self.nodes_of.setdefault(node.pool, []).append(node)
        for pool in self.fleet.pools:
            healthy = total(node.allocatable for node in self.nodes_of.get(pool.name, ()))
            if pool.team is not None:
                self.shared[pool.name] = _columns(healthy.percent(pool.contribution_percent))
                self.lent[pool.name] = _columns(healthy.percent(10))
            elif not pool.is_elastic:
                self.shared[pool.name] = _columns(healthy)

    def place_at_home(self, service: Service) -> int:
        """How many of the service's instances its team's own machines carry."""
        return self._place_in(service, PoolName(service.team), service.scale.minimum)

    def place_away(self, service: Service, count: int) -> int:
        """How many of at most ``count`` others' machines carry: the company's and shared ones, lent ones; or rented.

        What its rules keep from its own machines isn't placed: under other rules it would come home.
        """
        if service.placement or count <= 0:
            return 0
        if Rung.BORROWED in service.ladder:
            as_shared = self._place_with_others(service, self.shared, count)
            return as_shared + self._place_with_others(service, self.lent, count - as_shared)
        return self._rent(service, min(count, 40)) if service.resources[GPU] == 0 else 0

    def _place_with_others(self, service: Service, left: dict[PoolName, list[int]], count: int) -> int:
        """How many of at most ``count`` found room as guests, of what pools have left for them."""
        placed, asked = 0, _columns(service.resources)
        for pool in self.fleet.pools:
            if placed < count and pool.name in left and pool.team != service.team:
                most = min(have // amount for have, amount in zip(left[pool.name], asked, strict=True) if amount)
                here = self._place_in(service, pool.name, min(count - placed, most))
                left[pool.name] = [have - here * amount for have, amount in zip(left[pool.name], asked, strict=True)]
                placed += here
        return placed

    def _place_in(self, service: Service, pool: PoolName, count: int) -> int:
        """How many of at most ``count`` found room; a round over the nodes gives each at most one."""
        rules, asked = service.placement, _columns(service.resources)
        nodes = [node for node in self.nodes_of.get(pool, ()) if _is_allowed(rules, node)]
        rounds = rules.max_per_node or count
        placed = 0
        while nodes and placed < count and rounds:
            nodes = [node for node in nodes if all(a <= f for a, f in zip(asked, self.free[node.id], strict=True))]
            for node in nodes[: count - placed]:
                self._put(service, node.id, pool, asked)
                placed += 1
            rounds -= 1
        return placed

    def _put(self, service: Service, node: NodeId, pool: PoolName, asked: list[int]) -> None:
        mine = self.of_service.setdefault(service.id, [])
        ordinal = len(mine) + 1
        id = instance_id(service.id, ordinal)
        mine.append(Placement(id, service.id, service.revision, node, pool, service.resources, EARLIER, ordinal))
        self.free[node] = [free - amount for free, amount in zip(self.free[node], asked, strict=True)]

    def _rent(self, service: Service, count: int) -> int:
        """Machines for this service alone, each as full as it gets."""
        each = service.resources.copies_in(RENTED)
        for begun in range(0, count, each):
            node = self._rented_node(service)
            for _ in range(min(each, count - begun)):
                self._put(service, node, BURST, _columns(service.resources))
        return count

    def _rented_node(self, service: Service) -> NodeId:
        token = f"{BURST}-{len(self.rentals) + 1}"
        offer = _offer()
        self.rentals.append(
            Rental(
                token=token,
                cloud=CLOUD,
                pool=BURST,
                node=NodeId(token),
                shape=offer.shape,
                resources=offer.resources,
                price_micros_per_hour=offer.price_micros_per_hour,
                price_micros_per_period=offer.price_micros_per_period,
                billing_period_seconds=offer.billing_period_seconds,
                requested_at=EARLIER,
                boot_seconds=offer.boot_seconds,
                since=EARLIER,
                team=service.team,
            )
        )
        self.free[NodeId(token)] = _columns(RENTED)
        return NodeId(token)


def _columns(amount: Resources) -> list[int]:
    return [amount[kind] for kind in KINDS]


def _is_allowed(rules: PlacementRules, node: Node) -> bool:
    labels = {"site": HOME, **dict(node.labels)}
    return all((labels.get(each.key) == each.value) == each.is_equal for each in rules.constraints)
