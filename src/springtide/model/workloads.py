"""Apps, services, revisions: what people want to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from springtide.model.confinement import (
    ENGINES_ISOLATION,
    ENGINES_LOGGING,
    ENGINES_NAMING,
    ENGINES_SETTINGS,
    Isolation,
    KernelSettings,
    Logging,
    Naming,
)
from springtide.model.identifiers import AppName, RevisionId, ServiceId, TeamName
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.mounts import FileMount, Mount, VolumeDefinition
from springtide.model.networks import OWN_NETWORKS, Attachment, NetworkDefinition, PublishedPort
from springtide.model.resources import NOTHING, Resources


class Band(StrEnum):
    """Priority bands."""

    PRODUCTION = "production"
    BATCH = "batch"
    BEST_EFFORT = "best-effort"

    @property
    def order(self) -> int:
        """0 for production to 2 for best-effort: who is higher gives way to who is lower."""
        return _BAND_ORDER[self]


_BAND_ORDER = {band: order for order, band in enumerate(Band)}


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Ready when a GET of ``path`` on the container's ``port`` answers 2xx or 3xx."""

    port: int
    path: str


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Ready when the container's ``port`` accepts a connection."""

    port: int


@dataclass(frozen=True, slots=True)
class ExecProbe:
    """Ready when the command exits with 0 inside the container."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """When an instance counts as ready. ``probe`` is ``None`` where running is enough.

    Times are seconds. ``retries`` failures in a row make a ready instance unhealthy; failures
    within ``start_period_seconds`` of the start don't count. One that starts is asked often at first, then
    ever less often, at most ``start_interval_seconds`` apart (0: as the control plane sees fit).
    """

    probe: HttpProbe | TcpProbe | ExecProbe | None = None
    interval_seconds: float = 30.0
    timeout_seconds: float = 30.0
    retries: int = 3
    start_period_seconds: float = 0.0
    start_interval_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits of one instance, enforced by the kernel. 0 means none for cpu."""

    memory_bytes: int = 0
    pids: int = 0
    cpu_millis: int = 0


class RestartCondition(StrEnum):
    """After which end Springtide starts an instance again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "no"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How an instance that ended is repaired; anything but ``ALWAYS`` makes the service a one-shot one.

    At most ``max_attempts`` times for each instance that is to complete (0: no limit), each ``delay_seconds``
    after the end before it (0: at once, then ever later); one that ran for ``window_seconds`` (0: none does)
    had started well, and the attempts count anew.
    """

    condition: RestartCondition = RestartCondition.ALWAYS
    max_attempts: int = 0
    delay_seconds: float = 0.0
    window_seconds: float = 0.0

    @property
    def is_one_shot(self) -> bool:
        """Whether an instance that ends with 0 has completed, and isn't replaced."""
        return self.condition is not RestartCondition.ALWAYS

    def gives_up_after(self, failures: int, instances: int) -> bool:
        """Whether so many failures in a row, of so many instances that are to complete, are one too many."""
        if self.condition is RestartCondition.NEVER:
            return failures > 0
        return self.max_attempts > 0 and failures > self.max_attempts * max(1, instances)


@dataclass(frozen=True, slots=True)
class ContainerTemplate:
    """How to start one container.

    ``image`` is an immutable reference: a digest, or the image id where nothing was pulled.
    ``command`` and ``entrypoint`` are ``None`` where the image's own apply.
    """

    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    working_dir: str | None = None
    healthcheck: Healthcheck = Healthcheck()
    limits: Limits = Limits()
    networks: tuple[str, ...] = ("default",)
    """Networks of the app, by the names that its Compose file gives them."""
    aliases: tuple[str, ...] = ()
    """Names under which the instance is found on its networks, the service's name first."""
    stop_grace_seconds: float = 10.0
    stop_signal: str | None = None
    network_mode: str = OWN_NETWORKS
    """Instead of ``networks``: ``none``, ``host``, ``bridge`` or ``container:NAME``."""
    attachments: tuple[Attachment, ...] = ()
    """How the instance stands on those of its networks where names alone don't say it."""
    ports: tuple[PublishedPort, ...] = ()
    """What the engine itself binds on the node's machine; what the router serves is in the service's routes."""
    mounts: tuple[Mount, ...] = ()
    files: tuple[FileMount, ...] = ()
    isolation: Isolation = ENGINES_ISOLATION
    naming: Naming = ENGINES_NAMING
    kernel: KernelSettings = ENGINES_SETTINGS
    logging: Logging = ENGINES_LOGGING
    annotations: tuple[tuple[str, str], ...] = ()
    init: bool | None = None
    """Whether an init process stands above the command; there is one unless this is ``False``."""
    tty: bool = False
    stdin_open: bool = False
    restart: RestartPolicy = RestartPolicy()

    def attachment(self, network: str) -> Attachment:
        """How the container stands on this network of its app."""
        return next((each for each in self.attachments if each.network == network), Attachment(network))


@dataclass(frozen=True, slots=True)
class Companion:
    """One more container of a pod, by its own service's name.

    It shares the network of the instance, so that its template's own networks, modes and names don't count.
    It starts once those in ``waits_for``, containers of the pod by their services' names, pass their health checks.
    """

    name: str
    template: ContainerTemplate
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template(ContainerTemplate):
    """How to start one instance; two equal templates are one revision.

    With ``companions`` the instance is a pod: they are made after its first container, and go with it.
    """

    companions: tuple[Companion, ...] = ()

    @property
    def stands_alone(self) -> bool:
        """Whether a second instance can't stand beside the first on one machine: a name, address or port is fixed."""
        return (
            any(each.is_fixed for each in self.attachments)
            or any(each.host_port for each in self.ports)
            or any(each.naming.container_name for each in self.containers)
        )

    @property
    def containers(self) -> tuple[ContainerTemplate, ...]:
        return (self, *(each.template for each in self.companions))

    def as_container(self) -> ContainerTemplate:
        """What it says of its first container, for an instance in which that is one of others."""
        return ContainerTemplate(**{each.name: getattr(self, each.name) for each in fields(ContainerTemplate)})


@dataclass(frozen=True, slots=True)
class Revision:
    """An immutable version of a service's template.

    ``proven_at`` is when an instance of it had been ready at home for its proof time; rented
    nodes run proven revisions only.
    """

    id: RevisionId
    service: ServiceId
    template: Template
    created_at: datetime
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A node's attribute must be, or mustn't be, this value.

    ``key`` is ``site``, ``os``, ``arch``, ``isolation``, or a node's label.
    """

    key: str
    value: str
    is_equal: bool = True

    def __str__(self) -> str:
        return f"{self.key}{'==' if self.is_equal else '!='}{self.value}"

    def is_met_by(self, attributes: Mapping[str, str]) -> bool:
        """Whether a node with these attributes may be used; one that doesn't say has no value."""
        return (attributes.get(self.key) == self.value) is self.is_equal


@dataclass(frozen=True, slots=True)
class PlacementRules:
    """Where instances may stand. A domain is a value of a label; ``node`` makes each node one.

    ``spread`` asks for even counts over the domains of each label, as far as there is room, the
    first label first; ``near`` for a domain of ``domain`` in which an instance of that service
    stands, ``apart`` for one without any.
    """

    constraints: tuple[Constraint, ...] = ()
    spread: tuple[str, ...] = ()
    max_per_node: int = 0
    near: tuple[ServiceId, ...] = ()
    apart: tuple[ServiceId, ...] = ()
    domain: str = "node"

    @property
    def depends_on_others(self) -> bool:
        """Whether more is asked than what each node says by itself."""
        return bool(self.spread or self.max_per_node or self.near or self.apart)

    def __bool__(self) -> bool:
        return bool(self.constraints or self.spread or self.max_per_node or self.near or self.apart)


def goes_first(id: ServiceId, other: ServiceId, rules_of_other: PlacementRules) -> bool:
    """Of two services that want to be near each other, the first by id needn't wait for the other's first instance."""
    return id in rules_of_other.near and id <= other


def neighbours_awaited(rules: Mapping[ServiceId, PlacementRules]) -> dict[ServiceId, list[ServiceId]]:
    """For whom services wait that can never begin, since each waits for another's first instance to be near.

    Empty where all can begin; services that aren't named here are taken to stand already.
    """
    waits = {
        id: [other for other in each.near if other in rules and not goes_first(id, other, rules[other])]
        for id, each in rules.items()
    }
    begun: set[ServiceId] = set()
    while free := [id for id, others in waits.items() if id not in begun and begun.issuperset(others)]:
        begun.update(free)
    return {id: [other for other in waits[id] if other not in begun] for id in waits if id not in begun}


@dataclass(frozen=True, slots=True)
class StandbyPolicy:
    """How many instances of a service stand by: started, proven ready, then paused until they are wanted.

    At most so many on each rung that ``by_rung`` names, and none on others; where it names none, on any
    rung of the service's ladder but the cloud. Nobody stands by for longer than ``max_age_seconds``.
    """

    count: int = 0
    by_rung: tuple[tuple[Rung, int], ...] = ()
    max_age_seconds: float = 86_400.0


NO_STANDBY = StandbyPolicy()


@dataclass(frozen=True, slots=True)
class ScalePolicy:
    """Bounds and targets of a service's instance count. Equal bounds fix the count."""

    minimum: int = 1
    maximum: int = 1
    requests_per_second: float | None = None
    """The rate that one instance carries in comfort."""
    cpu_percent: float | None = None
    """The share of its reserved cpu that one instance should use."""
    available: int | None = None
    """How many should serve at any time; the minimum where this isn't said."""
    standby: StandbyPolicy = NO_STANDBY

    @property
    def minimum_available(self) -> int:
        """As many as guests' moves leave serving, where others can go instead."""
        return self.minimum if self.available is None else self.available


@dataclass(frozen=True, slots=True)
class Route:
    """How traffic reaches a service: by host name on the ingress port, by a port of its own, or both.

    ``max_requests`` is how many requests one instance is given at a time (0: no limit); more wait
    in the router for at most ``queue_seconds``.
    """

    target_port: int
    host: str | None = None
    listen_port: int | None = None
    max_requests: int = 0
    queue_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Dependency:
    """``service`` must be started, or ready where ``healthy`` is asked, before the first instance.

    Where ``completed`` is asked, all of it must have completed before the first instance of each revision.
    """

    service: ServiceId
    healthy: bool = False
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """What a team wants of one service of an app."""

    id: ServiceId
    app: AppName
    name: str
    team: TeamName
    revision: RevisionId
    resources: Resources = NOTHING
    scale: ScalePolicy = ScalePolicy()
    ladder: tuple[Rung, ...] = FULL_LADDER
    band: Band = Band.PRODUCTION
    routes: tuple[Route, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    line_load_bits_per_second: int = 0
    """What one instance away from its team's site puts on the line, in either direction."""
    placement: PlacementRules = PlacementRules()
    images: tuple[tuple[str, str], ...] = ()
    """What its file calls the images that weren't built for it, by container: a redeployment looks them up anew."""
    restarted_at: datetime | None = None
    """Instances that were placed before are to be replaced by others of the same revision."""

    def is_current(self, revision: RevisionId, placed_at: datetime) -> bool:
        """Whether an instance of this revision, placed then, is one that the service wants."""
        return revision == self.revision and (self.restarted_at is None or placed_at >= self.restarted_at)


@dataclass(frozen=True, slots=True)
class App:
    """A Compose project as deployed. ``networks`` are made per app and isolated from one another.

    Networks that need more than a name are in ``network_definitions``; all named volumes in ``volumes``.
    """

    name: AppName
    team: TeamName
    services: tuple[ServiceId, ...]
    networks: tuple[str, ...] = ("default",)
    deployed_at: datetime | None = None
    network_definitions: tuple[NetworkDefinition, ...] = ()
    volumes: tuple[VolumeDefinition, ...] = ()
