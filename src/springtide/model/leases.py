"""Rungs of the ladder, and leases: who may use how much of which pool, on which terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from springtide.model.identifiers import PoolName, ServiceId, TeamName


class Rung(StrEnum):
    """A step of the ladder, in order of avoidable cost."""

    OWN = "own"
    SHARED = "shared"
    BORROWED = "borrowed"
    CLOUD = "cloud"

    @property
    def order(self) -> int:
        """0 for own to 3 for cloud."""
        return _ORDER[self]


_ORDER = {rung: order for order, rung in enumerate(Rung)}
FULL_LADDER = tuple(Rung)


@dataclass(frozen=True, slots=True)
class Lease:
    """A grant: ``count`` instances of a service on a pool under a rung since a moment.

    ``counted_since`` is when the count last changed: the ledger is written up to there. ``until`` is
    the moment by which reclaimed instances must be gone, ``None`` while nobody asks. The price is
    that of one instance.
    """

    service: ServiceId
    pool: PoolName
    rung: Rung
    count: int
    since: datetime
    counted_since: datetime
    reclaimable: bool
    price_micros_per_hour: int
    until: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.service}:{self.pool}:{self.rung}"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one party owes another for a stretch of time; never changed once written."""

    id: str
    kind: str
    """``rent`` (to a cloud) or ``lend`` (to a pool's team)."""
    debtor: TeamName | None
    creditor: str
    pool: PoolName
    since: datetime
    until: datetime
    instance_seconds: int
    amount_micros: int
    subject: str
    """The service that used the capacity, or the rental's token."""
    period_seconds: int = 0
    """Of rent: the billing period; ``amount_micros`` is a whole number of periods from ``since`` on."""
    period_micros: int = 0
    """Of rent: the charge of one period."""
