"""Placements: the record of each instance that should exist, written before it is started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from springtide.model.identifiers import CloudName, InstanceId, NodeId, PoolName, RevisionId, ServiceId, TeamName
from springtide.model.resources import Resources


class PlacementState(StrEnum):
    """``running`` → ``draining`` (no new requests; may be taken back) → ``stopping`` (final) → gone."""

    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Eviction:
    """Why an instance must leave, and by when.

    It drains as soon as it is replaced, at latest at ``drain_by``, and is gone by ``gone_by``;
    without deadlines it waits for its replacement. ``rule`` is a reason code; ``chosen_by`` what set a
    victim apart from those who could have left in its place.
    """

    rule: str
    noticed_at: datetime
    drain_by: datetime | None = None
    gone_by: datetime | None = None
    beneficiary: ServiceId | None = None
    chosen_by: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """One instance, the node it belongs on, and what it holds there until it is seen gone."""

    instance: InstanceId
    service: ServiceId
    revision: RevisionId
    node: NodeId
    pool: PoolName
    resources: Resources
    placed_at: datetime
    ordinal: int
    state: PlacementState = PlacementState.RUNNING
    eviction: Eviction | None = None
    drain_since: datetime | None = None
    gone_by: datetime | None = None
    """Set when it drains: the moment by which it must have stopped."""
    was_standby: bool = False
    """It stood by before it served. Engines give such an instance no names among its peers."""


class RentalState(StrEnum):
    """What the record wants of a rented machine."""

    RENTING = "renting"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Rental:
    """The intent to rent one machine, written before the cloud is called; then the machine itself.

    ``since`` is when the cloud began to charge, ``None`` until the cloud has shown the machine.
    ``periods_committed`` counts the billing periods that are paid or committed.
    """

    token: str
    cloud: CloudName
    pool: PoolName
    node: NodeId
    shape: str
    resources: Resources
    price_micros_per_hour: int
    price_micros_per_period: int
    billing_period_seconds: int
    requested_at: datetime
    boot_seconds: float
    state: RentalState = RentalState.RENTING
    since: datetime | None = None
    periods_committed: int = 1
    team: TeamName | None = None
    """The team whose need caused the rent; it pays."""
    labels: tuple[tuple[str, str], ...] = ()
