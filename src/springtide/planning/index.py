"""The index: the record and all observations as one immutable snapshot, advanced by events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any, TypeVar

from springtide.model.identifiers import AppName, CloudName, InstanceId, PoolName, RevisionId, ServiceId
from springtide.model.mappings import thawed
from springtide.model.observations import (
    ActionFailed,
    CloudView,
    ContainerState,
    EngineInstance,
    ProbedInstance,
    RouterView,
    ServiceLoad,
    Usage,
    UsageSample,
)
from springtide.model.record import Record
from springtide.model.workloads import Service
from springtide.planning.demands import Demand
from springtide.planning.fairness import KnownUse
from springtide.planning.ground import EMPTY_GROUND, Ground, advance_ground
from springtide.planning.line_use import NetworkPoint, away_from_home
from springtide.planning.memo import Memo
from springtide.planning.news import Seen
from springtide.planning.rungs import KnownRungs
from springtide.planning.tally import Tally

KEPT_FAILURES = 8
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """The record as the store has it now."""

    record: Record


@dataclass(frozen=True, slots=True)
class InstancesListed:
    """Everything that the engine runs for this installation."""

    instances: tuple[EngineInstance, ...]


@dataclass(frozen=True, slots=True)
class InstanceSeen:
    """One instance as the engine shows it now."""

    instance: EngineInstance


@dataclass(frozen=True, slots=True)
class InstanceMissing:
    """The engine doesn't have this instance; nobody says that it is gone for good."""

    id: InstanceId


@dataclass(frozen=True, slots=True)
class InstanceDeleted:
    """The engine has confirmed that this instance is gone, and nothing under way can bring it back."""

    id: InstanceId


@dataclass(frozen=True, slots=True)
class MachineReturned:
    """The cloud has confirmed the return of the machine with this token."""

    token: str


@dataclass(frozen=True, slots=True)
class RoutesApplied:
    """The router does what the plan of this moment says."""

    at: datetime


@dataclass(frozen=True, slots=True)
class AppCleared:
    """Nothing of this app is left on the engine, networks included."""

    app: AppName


FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CrashHistory:
    """Failures of a service's instances of one revision in a row, and when the last one was."""

    count: int
    last_at: datetime
    detail: str
    revision: RevisionId | None = None

    def is_of(self, service: Service) -> bool:
        """Whether it speaks of what the service wants now: of its revision, and since its last restart."""
        return self.revision in (None, service.revision) and (
            service.restarted_at is None or self.last_at >= service.restarted_at
        )


def pause_ends(crash: CrashHistory) -> datetime:
    """When a service whose instances fail may try again: at once after one failure, then ever later."""
    if crash.count <= 1:
        return crash.last_at
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(crash.count - 2, 10))
    return crash.last_at + timedelta(seconds=pause)


@dataclass(frozen=True, slots=True)
class RentRefusal:
    """A cloud's last refusal. ``shape`` is ``None`` where it wasn't about one shape alone."""

    at: datetime
    shape: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Carry:
    """What one plan tells the next. In memory only: after a restart all windows start anew."""

    room_since: Mapping[ServiceId, datetime] = field(default_factory=lambda: MappingProxyType({}))
    spare_since: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    """Since when others have had room for all of a rented machine, by its token."""
    crashes: Mapping[ServiceId, CrashHistory] = field(default_factory=lambda: MappingProxyType({}))
    refusals: Mapping[ServiceId, str] = field(default_factory=lambda: MappingProxyType({}))
    """The code of each service's present refusal, so that an event is written once, not every tick."""
    rent_refusals: Mapping[CloudName, tuple[RentRefusal, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """What clouds have just refused: requests that were given up are forgotten, the pause after them isn't."""
    rungs: Mapping[PoolName, KnownRungs] = field(default_factory=lambda: MappingProxyType({}))
    """Worked out from the record, and checked against it before it is used again: only saves time."""
    tally: Tally | None = field(default=None, compare=False)
    """What stood when it began: only saves time."""
    use: KnownUse | None = field(default=None, compare=False)
    """What teams used beyond their own: only saves time."""
    lacking_since: Mapping[ServiceId, datetime] = field(default_factory=lambda: MappingProxyType({}))
    """Since when services have lacked instances that nothing could be rented for."""
    memos: Mapping[ServiceId, Memo] = field(default_factory=lambda: MappingProxyType({}))
    """What was worked out for services at rest: only saves time."""
    seen: Seen = field(default_factory=Seen)
    """What pools answered to services: only saves time."""
    demands: Mapping[ServiceId, Demand] = field(default_factory=lambda: MappingProxyType({}))
    """What was wanted: a fall needs to know from where."""


@dataclass(frozen=True, slots=True)
class PlanCommitted:
    carry: Carry


Observation = (
    RecordChanged
    | InstancesListed
    | InstanceSeen
    | InstanceMissing
    | InstanceDeleted
    | MachineReturned
    | RoutesApplied
    | AppCleared
    | PlanCommitted
    | ProbedInstance
    | CloudView
    | RouterView
    | UsageSample
    | ActionFailed
)


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """Requests that a service has had in all until a moment, whatever the router's restarts.

    ``rate`` is the mean arrivals per second over the up window that ends here, worked out once when the
    point came; ``None`` at the first.
    """

    at: datetime
    arrived: int
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class CpuPoint:
    """The cpu that all instances of a service used, as a mean since the point before.

    ``mean_millis`` is the mean of the points within the up window that ends here.
    """

    at: datetime
    used_millis: int
    mean_millis: float = 0.0


Point = TypeVar("Point", LoadPoint, CpuPoint, NetworkPoint)


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Index:
    """Everything that a plan may look at."""

    record: Record = field(default_factory=Record)
    instances: Mapping[InstanceId, EngineInstance] = field(default_factory=_none)
    readiness: Mapping[InstanceId, ProbedInstance] = field(default_factory=_none)
    clouds: Mapping[CloudName, CloudView] = field(default_factory=_none)
    router: RouterView | None = None
    routes_applied_at: datetime = _EPOCH
    loads: Mapping[ServiceId, tuple[LoadPoint, ...]] = field(default_factory=_none)
    cpu: Mapping[ServiceId, tuple[CpuPoint, ...]] = field(default_factory=_none)
    usage: UsageSample | None = None
    network: Mapping[ServiceId, Mapping[InstanceId, tuple[NetworkPoint, ...]]] = field(default_factory=_none)
    """What instances away from home had received and sent, of services that declare a line load."""
    deleted: frozenset[InstanceId] = frozenset()
    returned: frozenset[str] = frozenset()
    cleared: frozenset[AppName] = frozenset()
    failures: Mapping[str, tuple[ActionFailed, ...]] = field(default_factory=_none)
    engine_listed: bool = False
    """False until the engine has been listed once: nothing may be called missing before."""
    carry: Carry = field(default_factory=Carry)
    ground: Ground = EMPTY_GROUND
    """Worked out from the rest by :func:`ground_of`; kept only to save the time."""


def ground_of(index: Index) -> Ground:
    """The ground under this index's record and observations."""
    record = index.record
    return advance_ground(index.ground, record, index.instances, index.readiness)


def advance(index: Index, events: Iterable[Observation]) -> Index:
    """The index after these events, in their order."""
    for kind, run in groupby(events, key=type):
        if kind is ProbedInstance:
            index = _with_readiness(index, run)
        elif kind is InstanceSeen:
            index = _with_instances(index, run)
        elif kind is InstanceMissing:
            index = _without_instances(index, run)
        else:
            for event in run:
                index = _advanced(index, event)
    return replace(index, ground=ground_of(index))


def _with_readiness(index: Index, probed: Iterable[Any]) -> Index:
    """One copy for a whole run of news: large fleets start with one for each instance."""
    asleep = {id for id, each in index.instances.items() if each.state is ContainerState.PAUSED}
    fresh = {each.id: _same(index.readiness.get(each.id), each) for each in probed if each.id not in asleep}
    return replace(index, readiness=MappingProxyType(thawed(index.readiness) | fresh))


def _with_instances(index: Index, seen: Iterable[Any]) -> Index:
    """Who is paused must answer anew before it counts as ready."""
    fresh = {each.instance.id: _same(index.instances.get(each.instance.id), each.instance) for each in seen}
    index = replace(index, instances=MappingProxyType(thawed(index.instances) | fresh))
    paused = [id for id, each in fresh.items() if each.state is ContainerState.PAUSED and id in index.readiness]
    return _without_readiness(index, paused) if paused else index


def _without_readiness(index: Index, ids: Iterable[InstanceId]) -> Index:
    readiness = thawed(index.readiness)
    for id in ids:
        readiness.pop(id, None)
    return replace(index, readiness=_frozen(readiness))


def _advanced(index: Index, event: Observation) -> Index:
    match event:
        case RecordChanged():
            return _with_record(index, event.record)
        case InstancesListed():
            before = index.instances
            listed = {each.id: _same(before.get(each.id), each) for each in event.instances}
            awake = {id for id, each in listed.items() if each.state is not ContainerState.PAUSED}
            kept = {id: probed for id, probed in index.readiness.items() if id in awake}
            return replace(index, instances=_frozen(listed), readiness=_frozen(kept), engine_listed=True)
        case InstanceSeen():
            return _with_instances(index, (event,))
        case InstanceMissing():
            return _without_instances(index, (event,))
        case InstanceDeleted():
            return replace(_without_instances(index, (event,)), deleted=index.deleted | {event.id})
        case MachineReturned():
            return replace(index, returned=index.returned | {event.token})
        case RoutesApplied():
            return replace(index, routes_applied_at=max(index.routes_applied_at, event.at))
        case AppCleared():
            return replace(index, cleared=index.cleared | {event.app})
        case PlanCommitted():
            return replace(index, carry=event.carry)
        case ProbedInstance():
            return _with_readiness(index, (event,))
        case CloudView():
            return replace(index, clouds=_with(index.clouds, event.cloud, event))
        case RouterView():
            return _with_router_view(index, event)
        case UsageSample():
            return _with_usage(index, event)
        case ActionFailed():
            kept_failures = (*index.failures.get(event.subject, ()), event)[-KEPT_FAILURES:]
            return replace(index, failures=_with(index.failures, event.subject, kept_failures))


def _same(before: Any, after: Any) -> Any:
    """The object that is known already, where the news is none: what is worked out from it stays good."""
    return before if before == after else after


def _with_record(index: Index, record: Record) -> Index:
    """Take over the record, and forget facts about what is no longer in it."""

    def is_known(id: str) -> bool:
        return id in record.placements or id in record.standby

    return replace(
        index,
        record=record,
        deleted=frozenset(id for id in index.deleted if is_known(id)),
        returned=frozenset(token for token in index.returned if token in record.rentals),
        cleared=frozenset(app for app in index.cleared if app in record.apps and not record.apps[app].services),
        failures=_frozen({id: kept for id, kept in index.failures.items() if is_known(id) or id in record.rentals}),
        loads=_frozen({service: points for service, points in index.loads.items() if service in record.services}),
        cpu=_frozen({service: points for service, points in index.cpu.items() if service in record.services}),
    )


def _with_router_view(index: Index, view: RouterView) -> Index:
    before = index.router
    same_counters = before is not None and before.generation == view.generation
    counted = dict(before.services) if before is not None and same_counters else {}
    horizon, window = history_start(index, view.at), index.record.fleet.scaling.up_seconds
    loads = thawed(index.loads)
    for service, load in view.services:
        points = loads.get(service, ())
        arrived_before = points[-1].arrived if points else 0
        fresh = load.requests - counted.get(service, ServiceLoad()).requests
        arrived = arrived_before + max(0, fresh)
        rate = mean_rate(points, view.at, arrived, window)
        loads[service] = (*_since(points, horizon), LoadPoint(view.at, arrived, rate))
    return replace(index, router=view, loads=_frozen(loads))


def mean_rate(points: Sequence[LoadPoint], at: datetime, arrived: int, window_seconds: float) -> float | None:
    """The mean arrivals per second over the window that ends now; over what there is while that is less.

    ``None`` where no time has passed since the first point, or a clock has jumped back.
    """
    if not points:
        return None
    first = max(0, bisect_right(points, at - timedelta(seconds=window_seconds), key=lambda point: point.at) - 1)
    seconds = (at - points[first].at).total_seconds()
    return (arrived - points[first].arrived) / seconds if seconds > 0 else None


def _mean_millis(points: Sequence[CpuPoint], at: datetime, used_millis: int, window_seconds: float) -> float:
    first = bisect_right(points, at - timedelta(seconds=window_seconds), key=lambda point: point.at)
    window = [used_millis, *(point.used_millis for point in points[first:])]
    return sum(window) / len(window)


def _with_usage(index: Index, sample: UsageSample) -> Index:
    before = index.usage
    cpu = thawed(index.cpu)
    if before is not None and sample.at > before.at:
        seconds = (sample.at - before.at).total_seconds()
        horizon = history_start(index, sample.at)
        for service, nanoseconds in _nanoseconds_by_service(index, dict(before.instances), sample).items():
            used_millis, points = round(nanoseconds / seconds / 1_000_000), cpu.get(service, ())
            mean = _mean_millis(points, sample.at, used_millis, index.record.fleet.scaling.up_seconds)
            cpu[service] = (*_since(points, horizon), CpuPoint(sample.at, used_millis, mean))
    return replace(index, usage=sample, cpu=_frozen(cpu), network=_network_after(index, sample))


def _network_after(
    index: Index, sample: UsageSample
) -> Mapping[ServiceId, Mapping[InstanceId, tuple[NetworkPoint, ...]]]:
    """Points of those that still stand away from home; the others' are forgotten."""
    away = away_from_home(index.record)
    horizon = history_start(index, sample.at)
    network: dict[ServiceId, dict[InstanceId, tuple[NetworkPoint, ...]]] = {}
    for id, usage in sample.instances if away else ():
        if id in away:
            before = index.network.get(away[id], {}).get(id, ())
            point = NetworkPoint(sample.at, usage.received_bytes, usage.sent_bytes)
            network.setdefault(away[id], {})[id] = (*_since(before, horizon), point)
    return _frozen({service: _frozen(points) for service, points in network.items()})


def _nanoseconds_by_service(
    index: Index, before: Mapping[InstanceId, Usage], sample: UsageSample
) -> dict[ServiceId, int]:
    sums: dict[ServiceId, int] = {}
    for id, usage in sample.instances:
        placement = index.record.placements.get(id)
        if placement is None:
            continue
        used = usage.cpu_nanoseconds - before[id].cpu_nanoseconds if id in before else 0
        sums[placement.service] = sums.get(placement.service, 0) + max(0, used)
    return sums


def history_start(index: Index, now: datetime) -> datetime:
    """From when on points are kept: what the windows of scaling look back on."""
    terms = index.record.fleet.scaling
    return now - timedelta(seconds=terms.up_seconds + terms.down_seconds + 2 * terms.period_seconds + 1)


def _since(points: tuple[Point, ...], horizon: datetime) -> tuple[Point, ...]:
    """The points after the horizon, and the last one before it."""
    first = next((i for i, point in enumerate(points) if point.at > horizon), len(points))
    return points[max(0, first - 1) :]


def _without_instances(index: Index, gone: Iterable[Any]) -> Index:
    """One copy for all of them: a node that is lost takes many."""
    instances, readiness = thawed(index.instances), thawed(index.readiness)
    for each in gone:
        instances.pop(each.id, None)
        readiness.pop(each.id, None)
    return replace(index, instances=_frozen(instances), readiness=_frozen(readiness))


def _with(mapping: Mapping[Any, Any], key: Any, value: Any) -> Mapping[Any, Any]:
    return MappingProxyType(thawed(mapping) | {key: value})


def _frozen(mapping: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(mapping)
