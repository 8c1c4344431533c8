"""What the API sends: plain JSON, amounts by kind, moments in ISO 8601, money in integer micros."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from springtide.api.wire_base import Amounts, ReasonWire, Wire
from springtide.api.wire_shares import SharesWire, TeamShareWire
from springtide.model.events import Figure


class HealthWire(Wire):
    """The control plane answers. ``version`` is that of the record."""

    status: str
    version: int
    is_planning: bool = Field(description="False until the first plan since the start was made.")


class CeilingsWire(Wire):
    """At most so much of the kinds that are named; nought is nothing of that kind."""

    nominal: Amounts
    lending_limit: Amounts
    borrowing_limit: Amounts


class TeamWire(CeilingsWire):
    name: str
    department: str | None
    weight: int
    cohort: str = Field(description="As the fleet file has it; a department's counts before it.")


class DepartmentWire(CeilingsWire):
    name: str
    parent: str | None
    cohort: str


class LinkWire(Wire):
    """The line between two sites, as wide in either direction."""

    name: str
    sites: list[str]
    bits_per_second: int = Field(description="Now, by its calendar.")
    base_bits_per_second: int = Field(description="Outside every window of its calendar.")
    latency_seconds: float
    pull_bits_per_second: int
    windows: int = Field(description="How many windows its calendar has.")


class TermsWire(Wire):
    """How long guests may stay once their owner asks, and how long nothing but an owner moves them."""

    notice_seconds: float
    grace_seconds: float
    hold_seconds: float


class LoadWire(Wire):
    """Requests a second, counters since the router started, and latencies over the last window."""

    rate: float | None = Field(description="Arrivals a second; null before two looks at the router.")
    capacity: float | None = Field(description="Requests a second that the ready instances carry in comfort.")
    requests: int
    shed: int = Field(description="Answered 503 because of overload.")
    failed: int = Field(description="Other 5xx and broken connections.")
    queued: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class RolloutWire(Wire):
    """How far the revision that is wanted has replaced others."""

    revision: str
    ready: int = Field(description="Ready instances of it, placed since the last restart.")
    outdated: int = Field(description="Instances that it is to replace yet.")
    serving_outdated: int = Field(description="Those of them that are ready.")


class PlacementRulesWire(Wire):
    """Where a service's instances may stand; a domain is a value of a label, ``node`` each node by itself."""

    constraints: list[str] = Field(description="As people write them: zone==a, arch!=arm64.")
    spread: list[str]
    max_per_node: int = Field(description="0: no limit.")
    near: list[str]
    apart: list[str]
    domain: str


class EndingWire(Wire):
    """How an instance of a service ended that runs to its end."""

    instance: str
    node: str
    exit_code: int | None = Field(description="null where it could not be started.")
    ended_at: datetime
    sentence: str


class RunWire(Wire):
    """How far the present revision of a service has come that runs to its end."""

    count: int = Field(description="So many instances are to complete.")
    completed: int
    failures: int = Field(description="In a row.")
    has_failed: bool = Field(description="Too many have failed: nothing is tried any more.")
    last_failure: EndingWire | None


class StandbyWire(Wire):
    """Who stands by for a service: how many are to, how many are paused, how many are starting to."""

    wished: int
    paused: int
    starting: int
    reason: ReasonWire | None = Field(description="Why not more stand by, where it is fewer than wished.")


class ServiceWire(LoadWire):
    id: str
    app: str
    name: str
    team: str
    band: str = Field(description="production, batch or best-effort: who gives way to whom.")
    revision: str
    resources: Amounts
    minimum: int
    maximum: int
    available: int = Field(description="As many as guests' moves leave serving.")
    requests_per_second: float | None = Field(description="The rate that one instance carries in comfort.")
    placement: PlacementRulesWire
    weakenings: list[str] = Field(description="What its template opens more than an ordinary container has.")
    rollout: RolloutWire
    ladder: list[str]
    wanted: int
    ready: int
    routed: int = Field(description="Ready, and given requests by the router.")
    missing: int = Field(description="Wanted, and without a place.")
    waiting: int = Field(description="Wanted, with a place promised that isn't free yet.")
    instances: int
    rungs: dict[str, int] = Field(description="Instances by rung: own, shared, borrowed, cloud.")
    urls: list[str]
    url: str | None = Field(description="The first of the URLs; null where the service has no route.")
    run: RunWire | None = Field(description="null where its instances are kept running.")
    demand: ReasonWire
    refusals: list[ReasonWire] = Field(description="What stands in the way of more, or of a cheaper rung.")
    standby: StandbyWire | None = Field(description="null where nobody is to stand by.")


class EvictionWire(Wire):
    """Why an instance must leave, and by when; without moments it waits for its replacement."""

    rule: str
    chosen_by: str = Field(description="What set it apart from those who could have left in its place; may be empty.")
    sentence: str
    noticed_at: datetime
    drain_by: datetime | None
    gone_by: datetime | None
    beneficiary: str | None


class NoticeWire(Wire):
    """An instance that must leave, for the tide page."""

    instance: str
    service: str
    team: str | None
    node: str
    pool: str
    rule: str
    chosen_by: str
    beneficiary: str | None
    sentence: str
    drain_by: datetime | None
    gone_by: datetime | None


class FailureWire(Wire):
    """An action on this instance that an adapter refused or failed."""

    at: datetime
    code: str
    sentence: str


class InstanceWire(Wire):
    id: str
    service: str
    app: str
    team: str | None
    band: str | None = Field(description="null where its service is no longer wanted.")
    node: str
    pool: str
    was_standby: bool = Field(description="It stood by before it served; placed_at is when it was resumed.")
    rung: str | None = Field(
        description="null where it stands by or has ended, or where the pool is no longer in the fleet."
    )
    state: str = Field(
        description="running, standby, draining or stopping: what the record wants; completed or failed once it ended."
    )
    containers: list[str] = Field(description="By their services' names; more than one where it is a pod.")
    container: str | None = Field(description="created, running, paused or exited: what the engine says; null: none.")
    readiness: str = Field(description="starting, ready or unready; ended where it has run to its end.")
    readiness_since: datetime | None
    detail: str = Field(description="The last probe's outcome, or why the container ended, in words.")
    revision: str
    image: str
    address: str | None
    placed_at: datetime
    started_at: datetime | None
    age_seconds: float
    held_until: datetime | None = Field(description="Until then only an owner may move this guest; null: not held.")
    eviction: EvictionWire | None
    gone_by: datetime | None
    failures: list[FailureWire]
    exit_code: int | None = Field(default=None, description="Of one that has run to its end.")
    ended_at: datetime | None = Field(default=None, description="Of one that has run to its end.")


class TileWire(Wire):
    """An instance as its node shows it."""

    id: str
    service: str
    team: str | None
    rung: str | None = Field(description="null where it stands by.")
    state: str
    readiness: str
    leaving: bool = Field(description="Asked to leave, or on its way out.")


class RentalWire(Wire):
    """The terms of a rented node."""

    cloud: str
    shape: str
    state: str
    team: str | None
    requested_at: datetime
    since: datetime | None
    boot_seconds: float
    price_micros_per_hour: int
    price_micros_per_period: int
    billing_period_seconds: int
    committed_micros: int
    next_charge: datetime


class NodeWire(Wire):
    id: str
    pool: str
    state: str = Field(description="ready, booting, returning, or removed (no longer in the fleet).")
    zone: str | None
    labels: dict[str, str]
    allocatable: Amounts
    used: Amounts
    instances: list[TileWire]
    rental: RentalWire | None


class PoolWire(Wire):
    name: str
    site: str
    team: str | None
    cloud: str | None
    is_elastic: bool
    cohort: str | None = Field(description="Of a company pool: which cohort it serves; null: every one.")
    contribution_percent: int
    contribution_by_kind: dict[str, int] = Field(description="Percentages of kinds that differ from the pool's.")
    lending_limit: Amounts | None
    max_nodes: int
    price_micros_per_cpu_hour: int
    allocatable: Amounts
    used: Amounts
    nodes: list[NodeWire]


class StatusWire(Wire):
    """The whole fleet at one moment."""

    at: datetime
    version: int
    currency: str
    spend_micros: int
    rented_nodes: int
    ingress_port: int
    terms: TermsWire
    departments: list[DepartmentWire]
    teams: list[TeamWire]
    links: list[LinkWire]
    services: list[ServiceWire]
    pools: list[PoolWire]
    shares: SharesWire
    notices: list[NoticeWire] = Field(description="Who must leave, why, and why it and nobody else.")


class ServiceSampleWire(LoadWire):
    wanted: int
    ready: int
    rungs: dict[str, int]


class SampleWire(Wire):
    """The fleet at one moment of the recent past."""

    at: datetime
    services: dict[str, ServiceSampleWire]
    rented_nodes: int
    spend_micros: int


class EventWire(Wire):
    """Something that was decided or seen."""

    id: str
    version: int
    at: datetime
    subject: str
    code: str
    sentence: str
    figures: dict[str, Figure]


class LeaseWire(Wire):
    service: str
    pool: str
    rung: str
    count: int
    since: datetime
    until: datetime | None
    reclaimable: bool
    price_micros_per_hour: int


class LedgerEntryWire(Wire):
    id: str
    kind: str
    debtor: str | None
    creditor: str
    pool: str
    since: datetime
    until: datetime
    instance_seconds: int
    amount_micros: int
    subject: str


class LedgerWire(Wire):
    """Closed entries, and the sums that people ask for."""

    currency: str
    rent_micros: int = Field(description="All rent committed so far, present machines included.")
    lend_micros: int
    entries: list[LedgerEntryWire]


class AppWire(Wire):
    name: str
    team: str
    services: list[str]
    networks: list[str]
    deployed_at: datetime | None
    is_leaving: bool = Field(description="Deleted, and still being cleared away.")


class HoldingWire(Wire):
    pool: str
    rung: str
    count: int


class HeldWire(Wire):
    """Guests that only an owner may move for now."""

    count: int
    until: datetime = Field(description="When the last of them may be moved.")


class CrashesWire(Wire):
    """Failures of a service's instances in a row."""

    count: int
    last_at: datetime
    detail: str


class LastWordsWire(Wire):
    """What the last instance that failed had written at last."""

    instance: str
    at: datetime
    lines: list[str]


class WhyWire(Wire):
    """Why a service has the count it has, and what stands in the way of more."""

    service: str
    team: str
    band: str
    available: int = Field(description="As many as guests' moves leave serving.")
    placement: PlacementRulesWire
    sentence: str
    instances: int
    wanted: int
    ready: int
    missing: int
    waiting: int
    demand: ReasonWire
    holdings: list[HoldingWire]
    refusals: list[ReasonWire]
    not_ready: list[InstanceWire] = Field(description="Instances that start or are unhealthy, with the last probe.")
    leaving: list[InstanceWire] = Field(description="Instances on their way out, and why.")
    held: HeldWire | None
    share: TeamShareWire | None = Field(description="Its team's; null where the fleet doesn't know the team.")
    crashes: CrashesWire | None
    run: RunWire | None = Field(description="null where its instances are kept running.")
    weakenings: list[str] = Field(description="What its template opens more than an ordinary container has.")
    rollout: RolloutWire
    last_words: LastWordsWire | None
    standby: StandbyWire | None = Field(description="null where nobody is to stand by.")


class ErrorWire(Wire):
    """Any refusal or failure: what, with figures, and what to do about it."""

    code: str
    sentence: str
    remedy: str
