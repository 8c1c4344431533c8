"""What a service may ask of another before it starts."""

from __future__ import annotations

from enum import StrEnum


class Condition(StrEnum):
    """How far a dependency must have come, the least first."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"

    @property
    def order(self) -> int:
        return tuple(Condition).index(self)
