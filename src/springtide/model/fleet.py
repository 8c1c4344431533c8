"""Sites, pools, nodes, clouds: what there is to run on, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass, field

from springtide.model.identifiers import CloudName, NodeId, PoolName, SiteName, TeamName
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, NO_CEILING, PIDS, Ceiling, Resources

MICROS = 1_000_000
"""Money is integer millionths of the fleet's currency."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place with machines, private or cloud."""

    name: SiteName
    is_cloud: bool = False


@dataclass(frozen=True, slots=True)
class LinkWindow:
    """From each moment that ``cron`` names, in ``timezone``, for ``duration_seconds``: another bandwidth."""

    cron: str
    duration_seconds: float
    bits_per_second: int
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Link:
    """The line between two sites, as wide in either direction; the first window that holds decides.

    An image pull through it is shaped to ``pull_bits_per_second``.
    """

    sites: tuple[SiteName, SiteName]
    bits_per_second: int
    latency_seconds: float = 0.0
    windows: tuple[LinkWindow, ...] = ()
    pull_bits_per_second: int = 0

    @property
    def name(self) -> str:
        return "-".join(self.sites)


@dataclass(frozen=True, slots=True)
class Department:
    """A branch of the tree of teams, within ``parent`` or at its top.

    ``nominal`` caps what counts as its teams' own, taken together; ``lending_limit`` what teams
    outside may borrow of that; ``borrowing_limit`` what its teams may use of others' machines.
    Departments and teams of one cohort lend to one another; a top department names it.
    """

    name: str
    parent: str | None = None
    nominal: Ceiling = NO_CEILING
    lending_limit: Ceiling = NO_CEILING
    borrowing_limit: Ceiling = NO_CEILING
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class Team:
    """Who owns pools, runs services and pays. ``weight`` scales its fair share.

    Quotas and limits mean what a department's do, for the team alone. ``cohort`` counts for teams
    without a department.
    """

    name: TeamName
    weight: int = 1
    department: str | None = None
    nominal: Ceiling = NO_CEILING
    lending_limit: Ceiling = NO_CEILING
    borrowing_limit: Ceiling = NO_CEILING
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """A named set of nodes of one site: a team's, the company's, or elastic (rented).

    ``contribution_percent`` of a team pool's healthy allocatable is shared with guests, or what
    ``contribution_by_kind`` says of a kind; of the rest, guests may borrow what is idle up to
    ``lending_limit`` (``None``: all of it). A company pool serves every cohort unless it names one.
    ``price_micros_per_cpu_hour`` is what guests are charged for one whole cpu-hour.
    """

    name: PoolName
    site: SiteName
    team: TeamName | None = None
    contribution_percent: int = 10
    lending_limit: Resources | None = None
    cloud: CloudName | None = None
    max_nodes: int = 0
    price_micros_per_cpu_hour: int = 0
    contribution_by_kind: tuple[tuple[str, int], ...] = ()
    cohort: str | None = None

    @property
    def is_elastic(self) -> bool:
        return self.cloud is not None

    def contributed_of(self, healthy: Resources) -> Resources:
        """What of the pool's healthy allocatable guests may use without borrowing, rounded down, each kind apart."""
        if self.team is None:
            return healthy
        by_kind, share = dict(self.contribution_by_kind), self.contribution_percent
        return Resources.of((kind, amount * by_kind.get(kind, share) // 100) for kind, amount in healthy.amounts)

    def is_owned_by(self, team: TeamName | None) -> bool:
        """Whether it is this team's; the company's pools and rented ones are nobody's."""
        return team is not None and self.team == team


@dataclass(frozen=True, slots=True)
class Node:
    """One machine, or a slice of one, with what instances may use of it.

    The labels ``os``, ``arch`` and ``isolation`` say what placement constraints of these names ask for.
    """

    id: NodeId
    pool: PoolName
    allocatable: Resources
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A machine shape that a cloud rents. ``stock`` is ``None`` where the cloud doesn't say."""

    cloud: CloudName
    shape: str
    resources: Resources
    price_micros_per_hour: int
    billing_period_seconds: int
    boot_seconds: float
    stock: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of its machines, as of nodes; ``zone`` is their failure domain."""
    interruptions_percent_per_hour: int = 0
    """Of a spot offer: how likely a machine is taken away within an hour."""

    @property
    def price_micros_per_period(self) -> int:
        """One billing period's charge, rounded up."""
        return -(-self.price_micros_per_hour * self.billing_period_seconds // 3600)


@dataclass(frozen=True, slots=True)
class CloudFaults:
    """Failures that the slices cloud plays on request, so that bad days can be tried."""

    out_of_stock: bool = False
    fail_every: int = 0
    """Every n-th rent request is refused; 0 for none."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where nodes are rented: an adapter's kind, its site and its offers."""

    name: CloudName
    kind: str
    site: SiteName
    offers: tuple[Offer, ...] = ()
    faults: CloudFaults = CloudFaults()


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``limit_micros`` of rent committed within each ``period`` (hour, day or month)."""

    period: str
    limit_micros: int


@dataclass(frozen=True, slots=True)
class ReclaimTerms:
    """How long a guest may stay after its owner asks, and how long it may take to stop.

    For ``hold_seconds`` after its start a guest isn't moved and gives no way to a fairer share; an
    owner needn't wait for it.
    """

    notice_seconds: float = 30.0
    grace_seconds: float = 10.0
    hold_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class ScalingTerms:
    """Windows of target tracking, up and down apart, and of coming home.

    A rise answers the mean load over ``up_seconds``; a fall goes down to the highest need seen
    during ``down_seconds``; room at home must last ``home_seconds`` before a move.
    ``tolerance`` is the share by which load may exceed the target without a rise.
    """

    up_seconds: float = 3.0
    down_seconds: float = 60.0
    home_seconds: float = 60.0
    tolerance: float = 0.05
    period_seconds: float = 0.5
    max_moves_at_once: int = 2
    move_cost_micros: int = 0
    proof_seconds: float = 3.0
    """How long an instance of a revision must have been ready at home before clouds may run it."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything the fleet file says."""

    sites: tuple[Site, ...] = ()
    teams: tuple[Team, ...] = ()
    pools: tuple[Pool, ...] = ()
    nodes: tuple[Node, ...] = ()
    clouds: tuple[Cloud, ...] = ()
    budgets: tuple[Budget, ...] = ()
    reclaim: ReclaimTerms = ReclaimTerms()
    scaling: ScalingTerms = ScalingTerms()
    defaults: Resources = field(
        default_factory=lambda: Resources.of({CPU_MILLIS: 100, MEMORY_BYTES: 64 * 2**20, PIDS: 128})
    )
    """What a service counts for where it doesn't reserve, each kind apart."""
    cpu_overcommit: float = 4.0
    currency: str = "EUR"
    links: tuple[Link, ...] = ()
    departments: tuple[Department, ...] = ()

    def pool(self, name: PoolName) -> Pool:
        """The pool of this name. Raises KeyError where there is none."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)

    def weight(self, team: TeamName) -> int:
        return next((each.weight for each in self.teams if each.name == team), 1)


EMPTY_FLEET = Fleet()
