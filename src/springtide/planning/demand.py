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
from springtide.model.workloads import ScalePolicy, Service
from springtide.planning.demands import Demand
from springtide.planning.index import CpuPoint, Index, LoadPoint

MOST_INSTANCES = 100_000
"""No service has more, whatever its bounds and its load say."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a load asks for: so many instances at so much each; both in ``unit``."""

    count: int
    load: float
    per_instance: float
    unit: str


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of load of a service, oldest first: moments with the mean over the window that ends there."""

    loads: Sequence[LoadPoint] | Sequence[CpuPoint]
    per_instance: float
    unit: str
    tolerance: float

    def need(self, load: float) -> Need:
        """Instances so that none carries more than its target and the tolerated share above."""
        copies = load / (self.per_instance * (1 + max(0.0, self.tolerance)))
        count = ceil(round(min(copies, MOST_INSTANCES), 9))
        return Need(count, load, self.per_instance, self.unit)

    def latest(self) -> Need:
        return self.need(_mean_at(self.loads[-1]) or 0.0)

    def highest_since(self, start: datetime) -> Need:
        """The need of the highest load from then on; the latest where nothing was seen since."""
        means = [mean for each in self.loads if each.at >= start and (mean := _mean_at(each)) is not None]
        return self.need(max(means)) if means else self.latest()

    def begins(self) -> datetime:
        """When the first mean was known."""
        return next((each.at for each in self.loads if _mean_at(each) is not None), self.loads[-1].at)


def _mean_at(point: LoadPoint | CpuPoint) -> float | None:
    return point.rate if isinstance(point, LoadPoint) else point.mean_millis


def plan_demand(index: Index, now: datetime) -> dict[ServiceId, Demand]:
    """The demand of every service, within its bounds, by service id in order."""
    services, memos, before = index.record.services, index.carry.memos, index.carry.demands
    running = _running_counts(index) if len(before) < len(services) else Counter()
    demands: dict[ServiceId, Demand] = {}
    for id in sorted(services):
        service, memo = services[id], memos.get(id)
        if memo is not None and memo.service is service and id in before and not _has_signals(service):
            demands[id] = before[id]
        else:
            present = before[id].count if id in before else running[id]
            demands[id] = _demand_of(index, service, present, now)
    return demands


def _has_signals(service: Service) -> bool:
    return service.scale.requests_per_second is not None or service.scale.cpu_percent is not None


def _running_counts(index: Index) -> Counter[ServiceId]:
    """What the record holds of each service: the present count after a restart, so that nothing falls unseen."""
    running = PlacementState.RUNNING
    return Counter(each.service for each in index.record.placements.values() if each.state is running)


def _demand_of(index: Index, service: Service, present: int, now: datetime) -> Demand:
    terms = index.record.fleet.scaling
    signals = [each for each in (_requests(index, service, terms), _cpu(index, service, terms)) if each is not None]
    if not signals:
        return _fixed(service, present)
    asked = [_within_windows(signal, present, terms, now) for signal in signals]
    count, need = max(asked, key=lambda each: (each[0], each[1].unit))
    return _bounded(service, count, need)


def _within_windows(signal: Signal, present: int, terms: ScalingTerms, now: datetime) -> tuple[int, Need]:
    """The count after the rules for rise and fall, and the need that decided it."""
    latest = signal.latest()
    if latest.count >= present:
        return latest.count, latest
    start = now - timedelta(seconds=terms.down_seconds)
    highest = signal.highest_since(start)
    if signal.begins() > start:
        return max(present, highest.count), latest
    return min(present, highest.count), highest


def _requests(index: Index, service: Service, terms: ScalingTerms) -> Signal | None:
    target, points = service.scale.requests_per_second, index.loads.get(service.id, ())
    if target is None or target <= 0 or not points or points[-1].rate is None:
        return None
    return Signal(points, target, "requests a second", terms.tolerance)


def _cpu(index: Index, service: Service, terms: ScalingTerms) -> Signal | None:
    percent, reserved, points = service.scale.cpu_percent, service.resources[CPU_MILLIS], index.cpu.get(service.id, ())
    if percent is None or percent <= 0 or reserved <= 0 or not points:
        return None
    return Signal(points, reserved * percent / 100, "millis of cpu", terms.tolerance)


def _within_bounds(scale: ScalePolicy, count: int) -> int:
    """The maximum stands above the minimum; no service has fewer than none, or more than ``MOST_INSTANCES``."""
    return max(0, min(max(count, scale.minimum), scale.maximum, MOST_INSTANCES))


def target_of(scale: ScalePolicy) -> int:
    """How many of a service that runs to its end are to complete."""
    return _within_bounds(scale, scale.minimum)


def _fixed(service: Service, present: int) -> Demand:
    scale = service.scale
    count = _within_bounds(scale, present)
    figures = (("count", count), ("minimum", scale.minimum), ("maximum", scale.maximum))
    if scale.minimum == scale.maximum:
        return Demand(service.id, count, Reason("fixed", f"{service.id} is set to {count}.", figures))
    sentence = (
        f"{service.id} stays at {count}: no load has been measured yet (bounds {scale.minimum} to {scale.maximum})."
    )
    return Demand(service.id, count, Reason("no-load-measured", sentence, figures))


def _bounded(service: Service, wanted: int, need: Need) -> Demand:
    scale = service.scale
    count = _within_bounds(scale, wanted)
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
