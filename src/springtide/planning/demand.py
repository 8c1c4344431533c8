"""How many instances each service should have: target tracking on requests and cpu.

A rise answers the mean load over the up window at once. A fall goes down to the highest need seen
during the down window, and only once a full window has been seen; a rise meanwhile ends the fall,
since the higher need is then in the window too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from springtide.model.events import Reason
from springtide.model.fleet import ScalingTerms
from springtide.model.identifiers import ServiceId
from springtide.model.placements import PlacementState
from springtide.model.resources import CPU_MILLIS
from springtide.model.workloads import Service
from springtide.planning.demands import Demand
from springtide.planning.index import CpuPoint, Index, LoadPoint


@dataclass(frozen=True, slots=True)
class Need:
    """What one signal asked for at one moment; ``load`` is in ``unit``."""

    at: datetime
    count: int
    load: float
    per_instance: float
    unit: str


def plan_demand(index: Index, now: datetime) -> dict[ServiceId, Demand]:
    """The demand of every service, within its bounds, by service id in order."""
    running = _running_counts(index) if len(index.carry.targets) < len(index.record.services) else Counter()
    services, memos = index.record.services, index.carry.memos
    demands: dict[ServiceId, Demand] = {}
    for id in sorted(services):
        service, memo = services[id], memos.get(id)
        if memo is not None and memo.service is service and id in index.carry.demands and not _has_signals(service):
            demands[id] = index.carry.demands[id]
        else:
            demands[id] = _demand_of(index, service, index.carry.targets.get(id, running[id]), now)
    return demands


def _has_signals(service: Service) -> bool:
    return service.scale.requests_per_second is not None or service.scale.cpu_percent is not None


def _running_counts(index: Index) -> Counter[ServiceId]:
    """What the record holds of each service: the present count after a restart, so that nothing falls unseen."""
    running = PlacementState.RUNNING
    return Counter(each.service for each in index.record.placements.values() if each.state is running)


def _demand_of(index: Index, service: Service, present: int, now: datetime) -> Demand:
    terms = index.record.fleet.scaling
    signals = [needs for needs in (_request_needs(index, service, terms), _cpu_needs(index, service, terms)) if needs]
    if not signals:
        return _fixed(service, present)
    asked = [_within_windows(needs, present, terms, now) for needs in signals]
    count, need = max(asked, key=lambda each: (each[0], each[1].unit))
    return _bounded(service, count, need)


def _within_windows(needs: Sequence[Need], present: int, terms: ScalingTerms, now: datetime) -> tuple[int, Need]:
    """The count after the rules for rise and fall, and the need that decided it."""
    latest = needs[-1]
    if latest.count >= present:
        return latest.count, latest
    start = now - timedelta(seconds=terms.down_seconds)
    highest = max((need for need in needs if need.at >= start), key=lambda need: need.count, default=latest)
    if needs[0].at > start:
        return max(present, highest.count), latest
    return min(present, highest.count), highest


def _request_needs(index: Index, service: Service, terms: ScalingTerms) -> list[Need]:
    target = service.scale.requests_per_second
    if target is None:
        return []
    points = index.loads.get(service.id, ())
    return [
        Need(at, _count_for(rate, target, terms.tolerance), rate, target, "requests a second")
        for at, rate in request_rates(points, terms.up_seconds)
    ]


def request_rates(points: Sequence[LoadPoint], window_seconds: float) -> list[tuple[datetime, float]]:
    """The mean arrivals per second over the window that ends at each point, oldest first.

    While less than a window has been seen, the mean is over what there is.
    """
    rates: list[tuple[datetime, float]] = []
    first = 0
    for last in range(1, len(points)):
        start = points[last].at - timedelta(seconds=window_seconds)
        while first + 1 < last and points[first + 1].at <= start:
            first += 1
        seconds = (points[last].at - points[first].at).total_seconds()
        if seconds > 0:
            rates.append((points[last].at, (points[last].arrived - points[first].arrived) / seconds))
    return rates


def _cpu_needs(index: Index, service: Service, terms: ScalingTerms) -> list[Need]:
    percent, reserved = service.scale.cpu_percent, service.resources[CPU_MILLIS]
    if percent is None or reserved <= 0:
        return []
    per_instance = reserved * percent / 100
    points = index.cpu.get(service.id, ())
    return [
        Need(point.at, _count_for(mean, per_instance, terms.tolerance), mean, per_instance, "millis of cpu")
        for point, mean in zip(points, _means(points, terms.up_seconds), strict=True)
    ]


def _means(points: Sequence[CpuPoint], window_seconds: float) -> list[float]:
    means = []
    for last, point in enumerate(points):
        start = point.at - timedelta(seconds=window_seconds)
        window = [each.used_millis for each in points[: last + 1] if each.at > start]
        means.append(sum(window) / len(window))
    return means


def _count_for(load: float, per_instance: float, tolerance: float) -> int:
    """Instances so that none carries more than its target and the tolerated share above."""
    return ceil(round(load / (per_instance * (1 + tolerance)), 9))


def _fixed(service: Service, present: int) -> Demand:
    scale = service.scale
    count = min(max(present, scale.minimum), scale.maximum)
    figures = (("count", count), ("minimum", scale.minimum), ("maximum", scale.maximum))
    if scale.minimum == scale.maximum:
        return Demand(service.id, count, Reason("fixed", f"{service.id} is set to {count}.", figures))
    sentence = (
        f"{service.id} stays at {count}: no load has been measured yet (bounds {scale.minimum} to {scale.maximum})."
    )
    return Demand(service.id, count, Reason("no-load-measured", sentence, figures))


def _bounded(service: Service, wanted: int, need: Need) -> Demand:
    scale = service.scale
    count = min(max(wanted, scale.minimum), scale.maximum)
    figures = (
        ("count", count),
        ("wanted", wanted),
        ("load", round(need.load, 1)),
        ("per_instance", need.per_instance),
        ("unit", need.unit),
        ("minimum", scale.minimum),
        ("maximum", scale.maximum),
    )
    sentence = f"{service.id} wants {count}: {need.load:.1f} {need.unit} at {need.per_instance:g} each"
    if wanted > count:
        return Demand(
            service.id, count, Reason("at-maximum", f"{sentence} ask for {wanted}, above its maximum.", figures)
        )
    if wanted < count or (need.count < count == scale.minimum):
        return Demand(
            service.id, count, Reason("at-minimum", f"{sentence} ask for {need.count}, below its minimum.", figures)
        )
    if wanted > need.count:
        return Demand(
            service.id,
            count,
            Reason("fall-waits", f"{sentence} ask for {need.count}; the fall waits for a full window.", figures),
        )
    return Demand(service.id, count, Reason("load", f"{sentence}.", figures))
