"""The load that an outlook plays: what each service carries now, and the spikes that are supposed above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from springtide.model.errors import RefusedError
from springtide.model.identifiers import ServiceId
from springtide.planning.index import Index
from springtide.planning.what_if import Spike


def _none() -> Mapping[ServiceId, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loads:
    """Arrivals a second and millis of cpu of each service, steady but for spikes, which all begin at ``start``."""

    start: datetime
    requests: Mapping[ServiceId, float] = field(default_factory=_none)
    cpu_millis: Mapping[ServiceId, float] = field(default_factory=_none)
    spikes: tuple[Spike, ...] = ()

    def rates(self, at: datetime) -> dict[ServiceId, float]:
        """Arrivals a second at a moment."""
        rates = dict(self.requests)
        for spike in self.spikes:
            steady = rates.setdefault(spike.service, 0.0)
            if spike.requests_per_second is not None and self._lasts(spike, at):
                rates[spike.service] = spike.requests_per_second
            elif spike.times is not None and self._lasts(spike, at):
                rates[spike.service] = steady * spike.times
        return rates

    def cpu(self, at: datetime) -> dict[ServiceId, float]:
        """Millis of cpu at a moment; a rate says nothing about cpu."""
        used = dict(self.cpu_millis)
        for spike in self.spikes:
            if spike.times is not None and spike.service in used and self._lasts(spike, at):
                used[spike.service] *= spike.times
        return used

    def ends(self) -> list[datetime]:
        """When spikes end, the first first; those for good don't."""
        return sorted(self.start + timedelta(seconds=each.seconds) for each in self.spikes if each.seconds is not None)

    def with_spikes(self, spikes: tuple[Spike, ...]) -> Loads:
        """These loads with spikes. Raises RefusedError where a load that isn't there is to be multiplied."""
        for spike in spikes:
            present = max(self.requests.get(spike.service, 0.0), self.cpu_millis.get(spike.service, 0.0))
            if spike.times is not None and present <= 0:
                raise RefusedError(
                    f"{spike.service} has no load now that could be multiplied by {spike.times:g}.",
                    remedy=f"Suppose a rate: {spike.service}=300rps.",
                    code="no-load",
                )
        return replace(self, spikes=(*self.spikes, *spikes))

    def _lasts(self, spike: Spike, at: datetime) -> bool:
        return spike.seconds is None or at < self.start + timedelta(seconds=spike.seconds)


def present_loads(index: Index, now: datetime) -> Loads:
    """What services carry now: the means over the up window that the planner itself answers."""
    window = index.record.fleet.scaling.up_seconds
    rates = {id: points[-1].rate for id, points in sorted(index.loads.items()) if points}
    start = index.usage.at - timedelta(seconds=window) if index.usage is not None else now
    recent = {id: [each.used_millis for each in points if each.at > start] for id, points in index.cpu.items()}
    return Loads(
        start=now,
        requests=MappingProxyType({id: max(0.0, rate) for id, rate in rates.items() if rate is not None}),
        cpu_millis=MappingProxyType({id: sum(used) / len(used) for id, used in sorted(recent.items()) if used}),
    )
