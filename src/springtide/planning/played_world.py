"""The world that an outlook plays: the present going on, in which all succeeds, under steady loads and spikes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from springtide.model.fleet import Offer
from springtide.model.identifiers import CloudName, InstanceId, ServiceId
from springtide.model.observations import (
    ContainerState,
    EngineInstance,
    ProbedInstance,
    Readiness,
    Usage,
    UsageSample,
)
from springtide.model.placements import Placement
from springtide.planning.convergence import Action, CreateInstance
from springtide.planning.index import Index, InstanceSeen, Observation, advance
from springtide.planning.loads import Loads
from springtide.planning.planner import Plan
from springtide.planning.world import World, running_instance


class PlayedWorld(World):
    """A world in which all succeeds, under steady loads and spikes."""

    def __init__(self, index: Index, now: datetime, loads: Loads) -> None:
        super().__init__(index, now)
        self.loads = loads
        self._stock = {
            (offer.cloud, offer.shape): offer.stock + self._rented(offer)
            for view in index.clouds.values()
            for offer in view.offers
            if offer.stock is not None
        }
        """What clouds that were seen have in all, rented machines included."""
        usage = index.usage.instances if index.usage is not None else ()
        self._used = {id: used.cpu_nanoseconds for id, used in usage}
        self._used_at = index.usage.at if index.usage is not None else now
        self._finish_starts()

    @property
    def step_seconds(self) -> float:
        """Fine enough for windows of load and for the time in which a machine is paid or returned."""
        terms = self.record.fleet.scaling
        return max(terms.period_seconds, terms.up_seconds / 2)

    def begin_anew(self) -> None:
        """Let loads, and spikes upon them, begin now."""
        self.loads = replace(self.loads, start=self.now)

    def _carry_out(self, action: Action, ready: bool) -> list[Observation]:
        if isinstance(action, CreateInstance) and action.placement.service in self._awaited():
            return [InstanceSeen(_as_completed(running_instance(action.placement, self.now)))]
        return super()._carry_out(action, ready)

    def _awaited(self) -> set[ServiceId]:
        """For whose end others wait: it comes at once. Other work goes on, and holds its room."""
        services = self.record.services.values()
        return {each.service for service in services for each in service.depends_on if each.completed}

    def step(self) -> Plan:
        """One round at this moment."""
        return self.tick(0)

    def observe(self) -> None:
        super().observe()
        self._use_cpu()

    def rates(self) -> Mapping[ServiceId, float]:
        return self.loads.rates(self.now)

    def offers_of(self, cloud: CloudName) -> tuple[Offer, ...]:
        """What the cloud itself has shown, else the fleet file's; nothing of a cloud that is out of stock."""
        declared = next(each for each in self.record.fleet.clouds if each.name == cloud)
        view = self.index.clouds.get(cloud)
        shown = view.offers if view is not None else declared.offers
        if declared.faults.out_of_stock:
            return tuple(replace(each, stock=0) for each in shown)
        return tuple(replace(each, stock=self._left(each)) for each in shown)

    def _left(self, offer: Offer) -> int | None:
        declared = (each for cloud in self.record.fleet.clouds for each in cloud.offers)
        otherwise = next((e.stock for e in declared if (e.cloud, e.shape) == (offer.cloud, offer.shape)), None)
        stock = self._stock.get((offer.cloud, offer.shape), otherwise)
        return None if stock is None else max(0, stock - self._rented(offer))

    def _finish_starts(self) -> None:
        """What is starting now is ready at once, as everything that the outlook starts."""
        started, ready, awaited = [], [], self._awaited()
        for id, instance in sorted(self.index.instances.items()):
            if instance.service in awaited and instance.state in (ContainerState.CREATED, ContainerState.RUNNING):
                started.append(InstanceSeen(_as_completed(instance)))
                continue
            if instance.state is ContainerState.CREATED:
                started.append(InstanceSeen(_as_running(instance, self.now)))
            probed = self.index.readiness.get(id)
            is_starting = probed is None or probed.readiness is Readiness.STARTING
            if is_starting and instance.state in (ContainerState.CREATED, ContainerState.RUNNING):
                ready.append(ProbedInstance(id, Readiness.READY, self.now))
        self.index = advance(self.index, [*started, *ready])

    def _use_cpu(self) -> None:
        """Let one instance of each service carry the whole service's cpu: the planner looks at the sum."""
        loads, seconds = self.loads.cpu(self.now), (self.now - self._used_at).total_seconds()
        if not loads or seconds <= 0:
            return
        used: dict[InstanceId, int] = {}
        for service, placements in _by_service(self.record.placements.values(), loads).items():
            fresh = {each.instance: self._used.get(each.instance, 0) for each in placements}
            known = next((id for id in sorted(fresh) if id in self._used), None)
            if known is not None:
                fresh[known] += round(loads[service] * seconds * 1_000_000)
            used |= fresh
        self._used, self._used_at = used, self.now
        sample = tuple((id, Usage(count, 0, 0)) for id, count in sorted(used.items()))
        self.index = advance(self.index, [UsageSample(self.now, sample)])


def _by_service(placements: Iterable[Placement], services: Iterable[ServiceId]) -> dict[ServiceId, list[Placement]]:
    found: dict[ServiceId, list[Placement]] = {id: [] for id in services}
    for placement in placements:
        if placement.service in found:
            found[placement.service].append(placement)
    return found


def _as_completed(instance: EngineInstance) -> EngineInstance:
    return replace(instance, state=ContainerState.EXITED, exit_code=0)


def _as_running(instance: EngineInstance, now: datetime) -> EngineInstance:
    return replace(instance, state=ContainerState.RUNNING, started_at=instance.started_at or now)
