"""What is wanted of a service, as a thing that plans hand on."""

from __future__ import annotations

from dataclasses import dataclass

from springtide.model.events import Reason
from springtide.model.identifiers import ServiceId


@dataclass(frozen=True, slots=True)
class Demand:
    """The wanted count of a service's instances, and the signal that asked for it."""

    service: ServiceId
    count: int
    reason: Reason
