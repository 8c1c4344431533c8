"""The planner alone, on one core: the index from cold, plans at rest, and one change at a time.

What may be remembered from one plan to the next is what ``advance`` puts into the index and what the plan before
gave back as ``Carry``; nothing outlives the index. So each figure says what it starts from:

- *first plan*: an index built this moment out of the record, one listing, one probe an instance and one look at the
  clouds and the router. Nothing has been planned on it, no load measured.
- *full plan*: the index of a fleet at rest with a whole window of loads, a quarter of a second after its last plan,
  with that plan's ``Carry``; and again with an empty one.
- *one service changed* and the like: the same index, then commit (where the record changes), ``advance`` and ``plan``
  together.

Each size is measured in a process of its own, pinned to one core.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import os
import pstats
import resource
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from springtide.bench.planner_fleet import SIZES, Size, make_record
from springtide.bench.planner_stage import LOOK, Stage
from springtide.bench.report import Bench
from springtide.model.observations import ProbedInstance, Readiness
from springtide.model.record import Change, Kind
from springtide.model.workloads import Service
from springtide.planning.index import (
    Carry,
    Index,
    InstanceMissing,
    PlanCommitted,
    advance,
)
from springtide.planning.planner import Plan, plan

LARGEST_FROM_NOTHING_SECONDS = 60.0
"""The largest size is placed from nothing only where the middle one lets expect that it takes no longer."""
PROFILED_LINES = 25

Values = list[tuple[str, str, float]]
"""Metric, unit, value."""
Made = TypeVar("Made")


async def run(folder: Path, rounds: int) -> Bench:
    """Each size in turn, then how figures grow from one size to the next, and a profile beside the results."""
    bench = Bench("planner")
    from_nothing = True
    for size in SIZES:
        for metric, unit, value in await _apart(_measure, size, rounds, from_nothing):
            bench.add(size.name, metric, unit, value)
        for metric, unit, value in await _apart(_measure_memory, size):
            bench.add(size.name, metric, unit, value)
        from_nothing = _may_place_from_nothing(bench, size)
    _add_growth(bench)
    await _apart(write_profile, SIZES[-1], folder.parents[1] / "planner-profile.txt")
    return bench


async def _apart(measure: Callable[..., Values], *arguments: object) -> Values:
    """Run it in a fresh process, so that nothing of another measurement is in its memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_pin) as process:
        return await asyncio.get_running_loop().run_in_executor(process, measure, *arguments)


def _pin() -> None:
    """Keep this process on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _may_place_from_nothing(bench: Bench, size: Size) -> bool:
    """Whether the next size, at a cost that grows by the power of 1.5, is likely to be done within the limit."""
    following = [each for each in SIZES if each.nodes > size.nodes]
    if not following:
        return False
    times = following[0].instances / size.instances
    expected: float = bench.median_of(size.name, "all from nothing") * times**1.5
    return expected <= LARGEST_FROM_NOTHING_SECONDS


def _add_growth(bench: Bench) -> None:
    """How many times a figure of one size is that of the size below; ten would be in proportion."""
    medians = {(row.subject, row.metric): row.median for row in bench.rows() if row.unit in ("s", "MB")}
    for small, large in pairwise(SIZES):
        for (subject, metric), value in medians.items():
            if subject == small.name and value and (large.name, metric) in medians:
                growth = medians[large.name, metric] / value
                bench.add(f"from {small.nodes:,} to {large.nodes:,} nodes", metric, "times", growth)


def _measure(size: Size, rounds: int, from_nothing: bool) -> Values:
    stage = Stage.at_rest(make_record(size))
    values: Values = [("instances at rest", "count", len(stage.record.placements))]
    values += [(f"of these {name}", "count", count) for name, count in stage.census().items()]
    values.append(("plans until at rest", "count", stage.rounds))
    for _ in range(rounds):
        values += _measure_looking(stage)
        values += _measure_changes(stage)
        values += _measure_spike(stage)
        if from_nothing:
            values += _measure_from_nothing(stage)
    return values


def _measure_looking(stage: Stage) -> Values:
    cold, indexing = _timed(lambda: advance(Index(), stage.everything()))
    _, first = _timed(lambda: plan(cold, stage.now))
    looked, looking = _timed(lambda: advance(stage.index, [stage.next_look()]))
    again, full = _timed(lambda: plan(looked, stage.now + LOOK))
    forgotten = advance(looked, [PlanCommitted(Carry())])
    _, without_carry = _timed(lambda: plan(forgotten, stage.now + LOOK))
    return [
        ("index from cold", "s", indexing),
        ("first plan", "s", first),
        ("index and first plan", "s", indexing + first),
        ("one look at the router", "s", looking),
        ("full plan", "s", full),
        ("full plan, Carry() fresh", "s", without_carry),
        ("changes and actions of the full plan", "count", len(again.changes) + len(again.actions)),
    ]


def _measure_changes(stage: Stage) -> Values:
    record = stage.record
    service = record.services[sorted(record.services)[0]]
    scale = replace(service.scale, minimum=service.scale.minimum + 1, maximum=service.scale.maximum + 1)
    probed = ProbedInstance(max(record.placements), Readiness.UNREADY, stage.now, "refused")
    fleet = record.fleet
    lost = fleet.nodes[len(fleet.nodes) // 2]
    smaller = replace(fleet, nodes=tuple(node for node in fleet.nodes if node is not lost))
    missing = [InstanceMissing(each.instance) for each in record.placements.values() if each.node == lost.id]
    service_changed, service_seconds = _timed(
        lambda: stage.planned_after([Change(Kind.SERVICE, service.id, replace(service, scale=scale))])
    )
    _, probe_seconds = _timed(lambda: stage.planned_after([], probed))
    node_lost, node_seconds = _timed(lambda: stage.planned_after([Change(Kind.FLEET, "fleet", smaller)], *missing))
    return [
        ("one service changed", "s", service_seconds),
        ("one probe changed", "s", probe_seconds),
        ("one node lost", "s", node_seconds),
        ("placed after one service changed", "count", _placed(service_changed)),
        ("placed after one node lost", "count", _placed(node_lost)),
    ]


def _measure_spike(stage: Stage) -> Values:
    """A hundred services, or half of them where there are fewer, want twice as much at once."""
    counts = Counter(each.service for each in stage.record.placements.values())
    services = [stage.record.services[id] for id in sorted(counts)]
    doubled = services[:: max(1, len(services) // min(100, len(services) // 2))][:100]
    changes = [_wanting(each, 2 * counts[each.id]) for each in doubled]
    made, seconds = _timed(lambda: stage.planned_after(changes))
    return [
        ("spike", "s", seconds),
        ("asked for in the spike", "count", sum(counts[each.id] for each in doubled)),
        ("placed in the spike", "count", _placed(made)),
        ("placed a second in the spike", "1/s", _placed(made) / seconds),
    ]


def _wanting(service: Service, count: int) -> Change:
    scale = replace(service.scale, minimum=count, maximum=max(count, service.scale.maximum))
    return Change(Kind.SERVICE, service.id, replace(service, scale=scale))


def _measure_from_nothing(stage: Stage) -> Values:
    """All that runs is wanted, and nothing is placed or rented."""
    counts = Counter(each.service for each in stage.record.placements.values())
    wanting = stage.record_after(_wanting(service, counts[id]) for id, service in stage.record.services.items())
    empty = Stage(replace(wanting, placements={}, rentals={}, leases={}))
    made, seconds = _timed(lambda: plan(empty.index, empty.now))
    return [
        ("all from nothing", "s", seconds),
        ("placed from nothing", "count", _placed(made)),
        ("placed a second from nothing", "1/s", _placed(made) / seconds),
    ]


def _measure_memory(size: Size) -> Values:
    """A fleet at rest, looked at from cold and planned again: the peak, and what of it lasts."""
    begun = _resident_mb()
    stage = Stage(make_record(size))
    observed = stage.everything()
    stage.index = Index()
    told = _resident_mb()
    stage.index = advance(Index(), observed)
    indexed = _resident_mb()
    stage.settle()
    plan(stage.index, stage.now + LOOK)
    return [
        ("memory before anything", "MB", begun),
        ("memory of record and observations", "MB", told - begun),
        ("memory of the index beside them", "MB", indexed - told),
        ("peak memory of the process", "MB", _peak_mb()),
    ]


def _peak_mb() -> float:
    """Of this process alone: ``ru_maxrss`` begins with what the process that started it had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def write_profile(size: Size, file: Path) -> Values:
    """Where a full plan and one after a changed service spend their time: the dearest functions, by their own."""
    stage = Stage.at_rest(make_record(size))
    looked = advance(stage.index, [stage.next_look()])
    service = min(stage.record.services.values(), key=lambda each: each.id)
    changed = [_wanting(service, service.scale.maximum + 1)]
    tables = [
        _profiled("full plan", lambda: plan(looked, stage.now + LOOK)),
        _profiled("one service changed: commit, advance and plan", lambda: stage.planned_after(changed)),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{size.name}\n\n" + "\n\n".join(tables) + "\n")
    return []


def _profiled(title: str, work: Callable[[], object]) -> str:
    """The dearest functions as a table without lines and paths, so that it changes only where the time goes."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    dearest = sorted(stats.items(), key=lambda each: each[1][2], reverse=True)[:PROFILED_LINES]
    lines = [f"{title}: {sum(each[2] for each in stats.values()):.3f} s under the profiler", ""]
    lines.append(f"{'own s':>8}  {'with callees s':>14}  {'calls':>9}  function")
    for (file, _, function), (_, calls, own, cumulative, _) in dearest:
        module = Path(file).stem if file != "~" else "built in"
        lines.append(f"{own:8.3f}  {cumulative:14.3f}  {calls:9,}  {module}: {function}")
    return "\n".join(lines)


def _placed(made: Plan) -> int:
    """How many new instances a plan places."""
    return sum(
        1 for each in made.changes if each.kind is Kind.PLACEMENT and each.value and each.value.placed_at == made.now
    )


def _timed(work: Callable[[], Made]) -> tuple[Made, float]:
    gc.collect()
    begun_at = time.perf_counter()
    made = work()
    return made, time.perf_counter() - begun_at
