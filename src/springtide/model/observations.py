"""What adapters report: facts with a moment, never decisions. Kept in memory, rebuilt after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from springtide.model.fleet import Offer
from springtide.model.identifiers import CloudName, InstanceId, NodeId, PoolName, RevisionId, ServiceId


class ContainerState(StrEnum):
    """What an engine says of an instance."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class EngineInstance:
    """One instance as its engine shows it. ``address`` is where the control plane reaches it."""

    id: InstanceId
    service: ServiceId
    revision: RevisionId
    node: NodeId
    state: ContainerState
    image: str
    address: str | None = None
    started_at: datetime | None = None
    exit_code: int | None = None
    detail: str = ""
    """Plain words: why it exited, ``out of memory`` and the like."""
    ended_at: datetime | None = None
    """When it exited, where the engine says so."""


class Readiness(StrEnum):
    """What probing says."""

    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"


@dataclass(frozen=True, slots=True)
class ProbedInstance:
    """Readiness of one instance since a moment; ``detail`` is the last probe's outcome in words."""

    id: InstanceId
    readiness: Readiness
    since: datetime
    detail: str = ""


class MachineState(StrEnum):
    """What a cloud says of a rented machine."""

    BOOTING = "booting"
    READY = "ready"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Machine:
    """One rented machine as its cloud shows it. ``since`` is when the charge began."""

    token: str
    cloud: CloudName
    pool: PoolName
    shape: str
    state: MachineState
    since: datetime


@dataclass(frozen=True, slots=True)
class CloudView:
    """Everything a cloud shows at one moment: machines of this owner, and what it offers."""

    cloud: CloudName
    at: datetime
    machines: tuple[Machine, ...]
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class EndpointLoad:
    """An endpoint in the router: whether it gets new requests, and how many it is serving."""

    accepting: bool
    in_flight: int


@dataclass(frozen=True, slots=True)
class ServiceLoad:
    """Counters of one service in the router since the router started, and what waits now.

    ``requests`` counts arrivals, whatever became of them; ``shed`` those answered 503 by the router
    or an instance because of overload; ``failed`` other 5xx and broken connections.
    Latencies are milliseconds over the last window, ``None`` without requests.
    """

    requests: int = 0
    failed: int = 0
    shed: int = 0
    queued: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RouterView:
    """Everything the router shows at one moment. Counters restart from nought with ``generation``."""

    at: datetime
    generation: str
    services: tuple[tuple[ServiceId, ServiceLoad], ...]
    endpoints: tuple[tuple[InstanceId, EndpointLoad], ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance used: cpu as a running total, so that two samples give a rate."""

    cpu_nanoseconds: int
    memory_bytes: int
    pids: int
    received_bytes: int = 0
    """From the network, as a running total."""
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class UsageSample:
    """Usage of many instances at one moment."""

    at: datetime
    instances: tuple[tuple[InstanceId, Usage], ...]


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """An adapter refused or failed; ``subject`` is an instance id or a rental token."""

    subject: str
    at: datetime
    code: str
    sentence: str
