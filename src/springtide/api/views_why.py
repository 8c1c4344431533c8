"""Why a service stands as it does: the plan's reasons, and what its instances say themselves."""

from __future__ import annotations

from springtide.api.standing import Standing
from springtide.api.views_runs import run_wire
from springtide.api.views_services import (
    demand_wire,
    held_until,
    instance_wire,
    placement_rules_wire,
    placements_of,
    readiness_of,
    rollout_wire,
    rung_counts,
    standby_wire,
    weakenings_of,
)
from springtide.api.views_shares import share_of
from springtide.api.wire import CrashesWire, HeldWire, HoldingWire, LastWordsWire, WhyWire
from springtide.api.wire_base import reason_wire
from springtide.model.observations import Readiness
from springtide.model.placements import Placement
from springtide.model.workloads import Service
from springtide.planning.draft import is_staying


def why_wire(standing: Standing, service: Service) -> WhyWire:
    explanation = standing.explanations.get(service.id)
    placements = placements_of(standing, service)
    ready = [each for each in placements if readiness_of(standing, each.instance) is Readiness.READY]
    wanted = explanation.wanted if explanation else service.scale.minimum
    return WhyWire(
        service=service.id,
        team=service.team,
        band=service.band.value,
        available=service.scale.minimum_available,
        placement=placement_rules_wire(service.placement),
        sentence=_summary(standing, service, placements, len(ready), wanted),
        instances=len(placements),
        wanted=wanted,
        ready=len(ready),
        missing=explanation.missing if explanation else 0,
        waiting=explanation.waiting if explanation else 0,
        demand=demand_wire(explanation),
        holdings=_holdings(standing, placements),
        refusals=[reason_wire(refusal) for refusal in explanation.refusals] if explanation else [],
        not_ready=[instance_wire(standing, each) for each in placements if is_staying(each) and each not in ready],
        leaving=[instance_wire(standing, each) for each in placements if not is_staying(each)],
        held=_held(standing, placements),
        share=share_of(standing, service.team),
        crashes=_crashes(standing, service),
        run=run_wire(standing.record, service),
        weakenings=weakenings_of(standing, service),
        rollout=rollout_wire(standing.index, service, placements),
        last_words=_last_words(standing, service),
        standby=standby_wire(explanation),
    )


def _summary(standing: Standing, service: Service, placements: list[Placement], ready: int, wanted: int) -> str:
    explanation = standing.explanations.get(service.id)
    if explanation is not None and standing.record.one_shot_policy(service.revision) is not None:
        return explanation.demand.sentence
    counts = rung_counts(standing, placements)
    rungs = ", ".join(f"{count} {rung}" for rung, count in counts.items() if count) or "none anywhere"
    return f"{service.id} wants {wanted} and has {len(placements)} ({rungs}), of which {ready} are ready."


def _holdings(standing: Standing, placements: list[Placement]) -> list[HoldingWire]:
    counts: dict[tuple[int, str, str], int] = {}
    for placement in placements:
        rung = standing.rungs[placement.instance]
        key = rung.order, rung.value, placement.pool
        counts[key] = counts.get(key, 0) + 1
    return [HoldingWire(pool=pool, rung=rung, count=count) for (_, rung, pool), count in sorted(counts.items())]


def _held(standing: Standing, placements: list[Placement]) -> HeldWire | None:
    held = [until for each in placements if (until := held_until(standing, each)) is not None]
    return HeldWire(count=len(held), until=max(held)) if held else None


def _crashes(standing: Standing, service: Service) -> CrashesWire | None:
    crashes = standing.index.carry.crashes.get(service.id)
    if crashes is None or not crashes.is_of(service):
        return None
    return CrashesWire(count=crashes.count, last_at=crashes.last_at, detail=crashes.detail)


def _last_words(standing: Standing, service: Service) -> LastWordsWire | None:
    """Of the last instance of the present revision that failed."""
    words = standing.last_words.get(service.id)
    if words is None or words.revision != service.revision:
        return None
    return LastWordsWire(instance=words.instance, at=words.at, lines=list(words.lines))
