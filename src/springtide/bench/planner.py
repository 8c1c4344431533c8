"""The planner alone, on one core: index from cold, a full plan, one service changed, one node lost."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from springtide.bench.report import Bench
from springtide.model.fleet import Fleet, Node, Pool, Site, Team
from springtide.model.identifiers import (
    AppName,
    InstanceId,
    NodeId,
    PoolName,
    RevisionId,
    ServiceId,
    SiteName,
    TeamName,
    instance_id,
)
from springtide.model.observations import ContainerState, EngineInstance, ProbedInstance, Readiness
from springtide.model.placements import Placement
from springtide.model.record import Change, Commit, Kind, Record
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources
from springtide.model.workloads import App, Revision, ScalePolicy, Service, Template
from springtide.planning.index import Index, InstancesListed, RecordChanged, advance
from springtide.planning.planner import plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHAPES = ((100, 128), (250, 256), (500, 512), (1000, 1024), (250, 1024), (2000, 2048))
MIB = 2**20


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


async def run(folder: Path, rounds: int) -> Bench:
    """Each size in turn; a fleet that is at rest, so that what is measured is looking, not moving."""
    return await asyncio.to_thread(_measure, rounds)


def _measure(rounds: int) -> Bench:
    bench = Bench("planner")
    for size in SIZES:
        record, instances, readiness = make_fleet(size, seed=1)
        for _ in range(rounds):
            _measure_once(bench, size, record, instances, readiness)
        bench.add(
            size.name, "peak memory of the process", "MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        )
    return bench


def _measure_once(
    bench: Bench,
    size: Size,
    record: Record,
    instances: tuple[EngineInstance, ...],
    readiness: tuple[ProbedInstance, ...],
) -> None:
    begun_at = time.perf_counter()
    index = advance(Index(), [RecordChanged(record), InstancesListed(instances), *readiness])
    indexed_at = time.perf_counter()
    first = plan(index, NOW)
    planned_at = time.perf_counter()
    bench.add(size.name, "index from cold", "s", indexed_at - begun_at)
    bench.add(size.name, "full plan", "s", planned_at - indexed_at)
    bench.add(size.name, "changes at rest", "count", len(first.changes))
    _measure_change(bench, size, index)


def _measure_change(bench: Bench, size: Size, index: Index) -> None:
    service = index.record.services[min(index.record.services)]
    grown = replace(service, scale=ScalePolicy(service.scale.minimum + 1, service.scale.maximum + 1))
    changed = index.record.after(Commit(index.record.version + 1, (Change(Kind.SERVICE, service.id, grown),)))
    begun_at = time.perf_counter()
    plan(advance(index, [RecordChanged(changed)]), NOW + timedelta(seconds=1))
    bench.add(size.name, "one service changed", "s", time.perf_counter() - begun_at)


def make_fleet(size: Size, seed: int) -> tuple[Record, tuple[EngineInstance, ...], tuple[ProbedInstance, ...]]:
    """A fleet at rest: every team with its pool and services, every instance placed, running and ready."""
    chance = random.Random(seed)
    fleet = _fleet(size)
    services, placements = _workloads(size, fleet, chance)
    changes = [Change(Kind.FLEET, "fleet", fleet)]
    changes += [Change(Kind.SERVICE, each.id, each) for each in services]
    changes += [Change(Kind.APP, each.app, App(each.app, each.team, (each.id,))) for each in services]
    changes += [Change(Kind.REVISION, each.revision, _revision(each)) for each in services]
    changes += [Change(Kind.ORDINAL, each.id, each.scale.maximum + 1) for each in services]
    changes += [Change(Kind.PLACEMENT, each.instance, each) for each in placements]
    record = Record().after(Commit(1, tuple(changes)))
    instances = tuple(
        EngineInstance(p.instance, p.service, p.revision, p.node, ContainerState.RUNNING, "sha256:1", "10.0.0.1", NOW)
        for p in placements
    )
    return record, instances, tuple(ProbedInstance(p.instance, Readiness.READY, NOW) for p in placements)


def _fleet(size: Size) -> Fleet:
    teams = tuple(Team(TeamName(f"team-{n:03}")) for n in range(size.teams))
    pools = tuple(Pool(PoolName(team.name), SiteName("home"), team.name) for team in teams)
    shape = Resources.of({CPU_MILLIS: 16_000, MEMORY_BYTES: 64 * 1024 * MIB, PIDS: 100_000})
    nodes = tuple(Node(NodeId(f"node-{n:05}"), pools[n % len(pools)].name, shape) for n in range(size.nodes))
    return Fleet(sites=(Site(SiteName("home")),), teams=teams, pools=pools, nodes=nodes)


def _workloads(size: Size, fleet: Fleet, chance: random.Random) -> tuple[list[Service], list[Placement]]:
    """Services round the teams; instances go to their team's nodes in turn while they fit."""
    free = {node.id: node.allocatable for node in fleet.nodes}
    by_pool: dict[PoolName, list[NodeId]] = {}
    for node in fleet.nodes:
        by_pool.setdefault(node.pool, []).append(node.id)
    counts = _counts(size, chance)
    services, placements = [], []
    for number, count in enumerate(counts):
        team = fleet.teams[number % len(fleet.teams)].name
        cpu_millis, memory_mib = chance.choice(SHAPES)
        amount = Resources.of({CPU_MILLIS: cpu_millis, MEMORY_BYTES: memory_mib * MIB, PIDS: 128})
        id = ServiceId(f"app-{number:04}/web")
        placed = _place(id, amount, count, PoolName(team), by_pool[PoolName(team)], free)
        placements += placed
        scale = ScalePolicy(len(placed), len(placed))
        services.append(Service(id, AppName(f"app-{number:04}"), "web", team, RevisionId(f"{id}@1"), amount, scale))
    return services, placements


def _counts(size: Size, chance: random.Random) -> list[int]:
    """Unequal counts that sum to the size's instances: a few large services, many small ones."""
    weights = [chance.paretovariate(1.2) for _ in range(size.services)]
    scale = size.instances / sum(weights)
    return [max(1, int(weight * scale)) for weight in weights]


def _place(
    service: ServiceId,
    amount: Resources,
    count: int,
    pool: PoolName,
    nodes: list[NodeId],
    free: dict[NodeId, Resources],
) -> list[Placement]:
    placed: list[Placement] = []
    turn = 0
    while len(placed) < count and turn < count + 2 * len(nodes):
        node = nodes[turn % len(nodes)]
        turn += 1
        if amount.fits_in(free[node]):
            free[node] = free[node] - amount
            ordinal = len(placed) + 1
            id: InstanceId = instance_id(service, ordinal)
            placed.append(Placement(id, service, RevisionId(f"{service}@1"), node, pool, amount, NOW, ordinal))
    return placed


def _revision(service: Service) -> Revision:
    return Revision(service.revision, service.id, Template("sha256:1"), NOW, proven_at=NOW)
