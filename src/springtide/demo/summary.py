"""The summary: every figure of the demo, worked out from what was seen and what the generator counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from springtide.demo.story import APPS, RETURNING, SPIKE_BEGINS, SPIKING, STORY, begins_at, highest_rate_after, rate_at
from springtide.demo.timeline import Moment, Timeline
from springtide.load.generator import LoadRun
from springtide.load.report import Outcome, summarise
from springtide.model.fleet import MICROS

RUNGS = ("own", "shared", "borrowed", "cloud")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the summary is made from. ``begun_at`` is the story's beginning by the clock."""

    timeline: Timeline
    loads: dict[str, LoadRun]
    events: list[dict[str, Any]]
    leases_end: list[dict[str, Any]]
    spend_micros: int
    currency: str
    begun_at: datetime
    dashboard_url: str


def summarise_demo(facts: Facts) -> dict[str, Any]:
    """The summary as ``--json`` writes it. Seconds are ``None`` where a thing never came."""
    moments = facts.timeline.moments
    outcomes = {app: load.report().outcome for app, load in facts.loads.items()}
    shed = sum(_shed_in_shortage(load, moments, app) for app, load in facts.loads.items())
    all_shed = sum(outcome.shed for outcome in outcomes.values())
    failed = sum(outcome.failed for outcome in outcomes.values()) + all_shed - shed
    kinds: dict[str, int] = {}
    for outcome in outcomes.values():
        for kind, count in outcome.failures:
            kinds[kind] = kinds.get(kind, 0) + count
    return {
        "requests_total": sum(outcome.total for outcome in outcomes.values()),
        "requests_failed": failed,
        "requests_shed": shed,
        "failures": {**kinds, **({"503 outside a shortage": all_shed - shed} if all_shed > shed else {})},
        "rungs_used": {app: _rungs_used(moments, app) for app in APPS},
        "spike": {"capacity_ready_seconds": _capacity_ready_seconds(moments)},
        "starts": {
            "resumed": _starts(facts, was_standby=True),
            "started": _starts(facts, was_standby=False),
        },
        "reclaim": {"owner_ready_seconds": _owner_ready_seconds(facts), "count": len(_reclaims(facts))},
        "cloud": {
            "nodes_peak": max((moment.rented_nodes for moment in moments), default=0),
            "nodes_end": moments[-1].rented_nodes if moments else 0,
            "spend": facts.spend_micros / MICROS,
            "currency": facts.currency,
        },
        "home": {"moves": sum(1 for event in facts.events if event["code"] == "come-home")},
        "phases": [_phase(facts.loads, index) for index in range(len(STORY))],
        "leases_end": facts.leases_end,
        "generator_max_lag_ms": max(load.report().max_lag_ms for load in facts.loads.values()),
        "dashboard_url": facts.dashboard_url,
    }


def _starts(facts: Facts, *, was_standby: bool) -> dict[str, Any]:
    """How many got ready, and the median seconds from grant to ready."""
    seconds = [each.seconds for each in facts.timeline.starts.values() if each.was_standby is was_standby]
    return {"count": len(seconds), "ready_seconds": round(median(seconds), 3) if seconds else None}


def _phase(loads: dict[str, LoadRun], index: int) -> dict[str, Any]:
    outcome: Outcome = summarise([tally for load in loads.values() for tally in load.tallies_of_phase(index)])
    scene = STORY[index]
    return {
        "name": scene.name,
        "start": begins_at(scene.name),
        "requests": outcome.total,
        "failed": outcome.failed,
        "shed": outcome.shed,
        "p50_ms": outcome.p50_ms,
        "p95_ms": outcome.p95_ms,
    }


def _shed_in_shortage(load: LoadRun, moments: list[Moment], app: str) -> int:
    """503s that fell in a second in which more was offered than ready instances carry in comfort."""
    short = {
        int(moment.second)
        for moment in moments
        if app in moment.services and rate_at(app, moment.second) > moment.services[app].capacity
    }
    return sum(outcome.shed for second, outcome in enumerate(load.report().seconds) if second in short)


def _rungs_used(moments: list[Moment], app: str) -> list[str]:
    """The rungs in the order in which the app first stood on them."""
    used: list[str] = []
    for moment in moments:
        standing = moment.services[app].rungs if app in moment.services else {}
        used += [rung for rung in RUNGS if rung in standing and rung not in used]
    return used


def _capacity_ready_seconds(moments: list[Moment]) -> float | None:
    """From the start of the rise until ready instances carry the rate offered for the rest of the peak."""
    start, rate = begins_at(SPIKE_BEGINS), highest_rate_after(SPIKING, SPIKE_BEGINS)
    for moment in moments:
        if moment.second >= start and moment.services[SPIKING].capacity >= rate:
            return round(moment.second - start, 2)
    return None


def _owner_ready_seconds(facts: Facts) -> float | None:
    """The longest over all reclaims, each from its own notice until the owner has what it wanted ready."""
    waits = [_wait_after(facts, second) for second in _reclaims(facts)]
    if not waits or None in waits:
        return None
    return round(max(wait for wait in waits if wait is not None), 2)


def _reclaims(facts: Facts) -> list[float]:
    """When notices were given for the returning owner, in seconds of the story."""
    owner = f"{RETURNING}/web"
    notices = [
        event for event in facts.events if event["code"] == "reclaim-notice" and event["figures"]["owner"] == owner
    ]
    return [(datetime.fromisoformat(event["at"]) - facts.begun_at).total_seconds() for event in notices]


def _wait_after(facts: Facts, second: float) -> float | None:
    for moment in facts.timeline.moments:
        service = moment.services.get(RETURNING)
        if service is not None and moment.second > second and service.ready >= service.wanted:
            return moment.second - second
    return None
