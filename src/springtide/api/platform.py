"""What the API needs of a control plane; the application passes one in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from springtide.engines.base import Engine
from springtide.model.history import LastWords, Sample
from springtide.model.identifiers import ServiceId
from springtide.model.record import Record
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index
from springtide.store.base import Store


class Platform(Protocol):
    """A running control plane as the API sees it."""

    @property
    def store(self) -> Store:
        """Where wants are written."""
        ...

    @property
    def engine(self) -> Engine:
        """For logs, exec, statistics and images only."""
        ...

    @property
    def record(self) -> Record:
        """The record as last seen, at most a moment old."""
        ...

    @property
    def index(self) -> Index:
        """What the last plan was made from."""
        ...

    @property
    def explanations(self) -> Mapping[ServiceId, Explanation]:
        """The last plan's reasons."""
        ...

    @property
    def samples(self) -> Sequence[Sample]:
        """The recent past, two samples a second, oldest first."""
        ...

    @property
    def last_words(self) -> Mapping[ServiceId, LastWords]:
        """What the last instance of each service that failed had written at last."""
        ...

    @property
    def ingress_port(self) -> int:
        """Where the router listens for host routes."""
        ...

    async def catch_up(self) -> None:
        """Return once ``record`` shows all that had been written when this was asked."""
        ...

    async def next_plan(self, timeout_seconds: float) -> None:
        """Return once there is another plan to look at, or after the time-out."""
        ...

    def now(self) -> datetime: ...
