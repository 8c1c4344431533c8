"""Samples of the recent past, for people to look at; no decision rests on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from springtide.model.identifiers import InstanceId, RevisionId, ServiceId
from springtide.model.observations import ServiceLoad


@dataclass(frozen=True, slots=True)
class ServiceSample:
    """One service at one moment. ``capacity`` and ``rate`` are requests a second."""

    wanted: int
    ready: int
    rungs: Mapping[str, int]
    rate: float | None
    capacity: float | None
    load: ServiceLoad


@dataclass(frozen=True, slots=True)
class LastWords:
    """What an instance that failed had written at last, kept since its container goes."""

    instance: InstanceId
    revision: RevisionId
    at: datetime
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """The fleet at one moment. ``spend_micros`` is all rent committed so far."""

    at: datetime
    services: Mapping[ServiceId, ServiceSample]
    rented_nodes: int
    spend_micros: int
