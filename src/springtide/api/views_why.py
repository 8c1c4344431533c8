"""Why a service stands as it does: the plan's reasons, and what its instances say themselves."""

from __future__ import annotations

from springtide.api.standing import Standing
from springtide.api.views_services import instance_wire, placements_of, readiness_of, rung_counts
from springtide.api.wire import CrashesWire, HoldingWire, WhyWire, reason_wire
from springtide.model.events import Reason
from springtide.model.observations import Readiness
from springtide.model.placements import Placement
from springtide.model.workloads import Service
from springtide.planning.draft import is_staying

_NOT_PLANNED = Reason("not-planned-yet", "The control plane has made no plan with this service yet; ask again.")


def why_wire(standing: Standing, service: Service) -> WhyWire:
    explanation = standing.explanations.get(service.id)
    placements = placements_of(standing, service)
    ready = [each for each in placements if readiness_of(standing, each.instance) is Readiness.READY]
    wanted = explanation.wanted if explanation else service.scale.minimum
    return WhyWire(
        service=service.id,
        team=service.team,
        sentence=_summary(standing, service, placements, len(ready), wanted),
        instances=len(placements),
        wanted=wanted,
        ready=len(ready),
        missing=explanation.missing if explanation else 0,
        waiting=explanation.waiting if explanation else 0,
        demand=reason_wire(explanation.demand if explanation else _NOT_PLANNED),
        holdings=_holdings(standing, placements),
        refusals=[reason_wire(refusal) for refusal in explanation.refusals] if explanation else [],
        not_ready=[instance_wire(standing, each) for each in placements if is_staying(each) and each not in ready],
        leaving=[instance_wire(standing, each) for each in placements if not is_staying(each)],
        crashes=_crashes(standing, service),
    )


def _summary(standing: Standing, service: Service, placements: list[Placement], ready: int, wanted: int) -> str:
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


def _crashes(standing: Standing, service: Service) -> CrashesWire | None:
    crashes = standing.index.carry.crashes.get(service.id)
    if crashes is None:
        return None
    return CrashesWire(count=crashes.count, last_at=crashes.last_at, detail=crashes.detail)
