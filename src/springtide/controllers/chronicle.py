"""The chronicle: what people look at. The last plan's reasons, and a sample a second of the recent past."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from springtide.model.history import LastWords, Sample, ServiceSample
from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import ServiceLoad
from springtide.model.placements import RentalState
from springtide.model.record import Record
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index
from springtide.planning.planner import Plan

KEPT_SAMPLES = 1800
SAMPLE_SECONDS = 0.5


class Chronicle:
    """Keeps the newest index and plan, and samples of the past."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self.index = Index()
        self.explanations: Mapping[ServiceId, Explanation] = MappingProxyType({})
        self.last_words: dict[ServiceId, LastWords] = {}
        """Of the last instance of each service that failed."""
        self._noted = asyncio.Event()

    def note_last_words(self, service: ServiceId, words: LastWords) -> None:
        """Keep what an instance that failed had written."""
        self.last_words[service] = words

    async def next_note(self, timeout_seconds: float) -> None:
        """Return once another plan has been taken over, or after the time-out."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._noted.wait()
        except TimeoutError:
            return

    def note(self, index: Index, plan: Plan) -> None:
        """Take over a committed plan; sample when the last sample is old enough."""
        self.index, self.explanations = index, plan.explanations
        for id in [id for id in self.last_words if id not in index.record.services]:
            del self.last_words[id]
        if not self.samples or plan.now - self.samples[-1].at >= timedelta(seconds=SAMPLE_SECONDS):
            self.samples.append(_sample(index, plan))
        noted, self._noted = self._noted, asyncio.Event()
        noted.set()


def spend_micros(record: Record) -> int:
    """All rent committed so far, past machines included."""
    past = sum(entry.amount_micros for entry in record.ledger.values() if entry.kind == "rent")
    return past + sum(rental.periods_committed * rental.price_micros_per_period for rental in record.rentals.values())


def _sample(index: Index, plan: Plan) -> Sample:
    loads = dict(index.router.services) if index.router is not None else {}
    services = {
        id: _service_sample(index, explanation, loads.get(id, ServiceLoad()))
        for id, explanation in plan.explanations.items()
    }
    rented = sum(1 for rental in index.record.rentals.values() if rental.state is RentalState.RENTING)
    return Sample(plan.now, MappingProxyType(services), rented, spend_micros(index.record))


def _service_sample(index: Index, explanation: Explanation, load: ServiceLoad) -> ServiceSample:
    service = index.record.services[explanation.service]
    rungs = {rung.value: 0 for rung in Rung}
    for holding in explanation.holdings:
        rungs[holding.rung.value] += holding.count
    per_instance = service.scale.requests_per_second
    return ServiceSample(
        wanted=explanation.wanted,
        ready=explanation.ready,
        rungs=MappingProxyType(rungs),
        rate=rate_of(index, explanation.service),
        capacity=explanation.ready * per_instance if per_instance is not None else None,
        load=load,
    )


def rate_of(index: Index, service: ServiceId) -> float | None:
    """The service's present arrivals per second, ``None`` before two samples."""
    points = index.loads.get(service, ())
    return points[-1].rate if points else None
