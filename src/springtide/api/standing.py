"""How things stand: the record, what was last seen, and the rung of every instance, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from springtide.api.platform import Platform
from springtide.model.history import LastWords, Sample, ServiceSample
from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import ServiceLoad
from springtide.model.record import Record
from springtide.planning.board import Board, all_rungs
from springtide.planning.draft import start_draft
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index


@dataclass(frozen=True, slots=True)
class Standing:
    """One consistent look: every figure of an answer comes from the same one."""

    now: datetime
    index: Index
    board: Board
    rungs: Mapping[InstanceId, Rung]
    explanations: Mapping[ServiceId, Explanation]
    sample: Sample | None
    ingress_port: int
    last_words: Mapping[ServiceId, LastWords]

    @property
    def record(self) -> Record:
        return self.index.record

    def load(self, service: ServiceId) -> ServiceLoad:
        """What the router counts for the service; noughts before it was seen."""
        view = self.index.router
        found = dict(view.services).get(service) if view is not None else None
        return found or ServiceLoad()

    def is_routed(self, instance: InstanceId) -> bool:
        """Whether the router gives the instance new requests."""
        view = self.index.router
        load = dict(view.endpoints).get(instance) if view is not None else None
        return load is not None and load.accepting

    def sampled(self, service: ServiceId) -> ServiceSample | None:
        return self.sample.services.get(service) if self.sample is not None else None


def take_standing(platform: Platform) -> Standing:
    """Look once. The record is the newest, observations are those of the last plan."""
    index, now = replace(platform.index, record=platform.record), platform.now()
    board = start_draft(index, {}, now).board
    samples = platform.samples
    return Standing(
        now=now,
        index=index,
        board=board,
        rungs=all_rungs(board),
        explanations=platform.explanations,
        sample=samples[-1] if samples else None,
        ingress_port=platform.ingress_port,
        last_words=platform.last_words,
    )
