"""The protocol of engines: what runs instances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from springtide.model.builds import BuildSpec, Pull
from springtide.model.errors import LacksCapabilityError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.mounts import MountType, VolumeDefinition
from springtide.model.networks import NONE, OWN_NETWORKS, NetworkDefinition
from springtide.model.observations import EngineInstance, Usage
from springtide.model.resources import Resources
from springtide.model.workloads import ExecProbe, HttpProbe, TcpProbe, Template


class Capability(StrEnum):
    """What not every engine can do; asking for what one lacks raises LacksCapabilityError first."""

    STANDBY = "standby"
    EXEC = "exec"
    BUILD = "build"
    PODS = "pods"
    OVERLAY = "overlay"
    COPY = "copy"
    VOLUMES = "volumes"
    BINDS = "binds"
    FILES = "files"
    FIXED_ADDRESSES = "fixed addresses"
    NETWORK_MODES = "network modes"
    HOST_PORTS = "ports of the machine"


def needs_of(template: Template) -> frozenset[Capability]:
    """What an engine must be capable of to start such an instance."""
    asked = {
        Capability.PODS: bool(template.companions),
        Capability.VOLUMES: _mounts(template, MountType.VOLUME),
        Capability.BINDS: _mounts(template, MountType.BIND),
        Capability.FILES: any(each.files for each in template.containers),
        Capability.FIXED_ADDRESSES: any(each.is_fixed for each in template.attachments),
        Capability.NETWORK_MODES: template.network_mode not in (OWN_NETWORKS, NONE),
        Capability.HOST_PORTS: any(each.ports for each in template.containers),
    }
    return frozenset(capability for capability, is_asked in asked.items() if is_asked)


def refuse_what_is_lacking(spec: InstanceSpec, capabilities: Collection[Capability]) -> None:
    """Raises LacksCapabilityError for an instance that needs more than these."""
    lacking = sorted(needs_of(spec.template).difference(capabilities))
    if lacking:
        raise LacksCapabilityError(
            f"{spec.service} needs {', '.join(lacking)}, and the engine of {spec.node} has none of it.",
            remedy="Deploy it without, or where another engine runs it.",
        )


def _mounts(template: Template, type: MountType) -> bool:
    return any(mount.type is type for each in template.containers for mount in each.mounts)


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """Everything an engine needs to start one instance. ``resources`` is what it reserves."""

    id: InstanceId
    app: AppName
    service: ServiceId
    revision: RevisionId
    node: NodeId
    template: Template
    resources: Resources
    networks: tuple[NetworkDefinition, ...] = ()
    """Those of the app that need more than a name."""
    volumes: tuple[VolumeDefinition, ...] = ()
    is_standby: bool = False
    """It is to stand by: no name of its service, and none of its own, leads to it."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run in an instance; in its first container where no companion is named."""

    words: tuple[str, ...]
    user: str = ""
    working_dir: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    has_input: bool = False
    tty: bool = False
    companion: str = ""


class OutputStream(StrEnum):
    OUT = "out"
    ERROR = "error"


class RunningCommand(Protocol):
    """A command under way. Leaving it early doesn't end it: no engine can end a command by itself."""

    async def write(self, data: bytes) -> None:
        """Give it this on its standard input."""
        ...

    async def end_input(self) -> None:
        """Nothing more comes on its standard input."""
        ...

    async def resize(self, rows: int, columns: int) -> None:
        """The size of its terminal, where it has one."""
        ...

    def output(self) -> AsyncIterator[tuple[OutputStream, bytes]]:
        """What it writes, as it comes, until it ends. With a terminal all of it is standard output."""
        ...

    async def exit_code(self) -> int:
        """Its exit code, once its output has ended."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What is at a path in an instance; links are followed."""

    name: str
    is_directory: bool
    size_bytes: int
    mode: int


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """Whether a probe passed, and what it saw in plain words (``GET /healthz: 503``)."""

    passed: bool
    detail: str


class Engine(Protocol):
    """Runs instances and shows them. Everything else on the machine is left alone.

    Every method may raise EngineError (the engine doesn't answer, or refused); a retry of the same
    call is safe: methods are idempotent, and deleting what is gone succeeds.
    """

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    async def start(self) -> None:
        """Connect. Raises EngineError with a remedy where the engine doesn't answer."""
        ...

    async def close(self) -> None:
        """Disconnect; what runs keeps running."""
        ...

    async def machine(self) -> Resources:
        """What the engine's machine has in all (cpu_millis, memory_bytes, pids where known)."""
        ...

    async def platform(self) -> tuple[str, str]:
        """Operating system and architecture of the engine's machine, as the engine calls them; empty where unknown."""
        ...

    async def ensure_network(self, app: AppName, network: NetworkDefinition) -> None:
        """Make an app's network unless it exists. Service names resolve to instances on it.

        Raises EngineError for an external one that isn't there, for one that somebody else made under
        the same name, and for one that was made otherwise and is in use.
        """
        ...

    async def delete_networks(self, app: AppName) -> None:
        """Remove all networks of an app on which nothing runs any more, external ones never."""
        ...

    async def ensure_volume(self, app: AppName, volume: VolumeDefinition) -> None:
        """Make an app's named volume unless it exists. Needs VOLUMES. Raises EngineError as for networks."""
        ...

    async def delete_volumes(self, app: AppName) -> None:
        """Remove all volumes that were made for an app, and what they hold; external ones never."""
        ...

    async def create(self, spec: InstanceSpec) -> None:
        """Create and start the instance on its node, and return when it runs (not yet ready).

        An instance of that id that already exists is started if it isn't running, else left as it is.
        Configs and secrets are in their places before its command starts. Of a pod all containers run,
        or none is left; one that waits for others of its pod starts once they pass their checks.
        Networks and named volumes are there already.
        Raises ImageMissingError, EngineError. After a failure nothing half-made is left behind.
        """
        ...

    async def delete(self, id: InstanceId, grace_seconds: float) -> None:
        """Stop the instance (its stop signal, then kill after the grace) and remove it."""
        ...

    async def pause(self, id: InstanceId) -> None:
        """Freeze every process of the instance. Needs STANDBY."""
        ...

    async def resume(self, id: InstanceId) -> None:
        """Let a paused instance run on. Needs STANDBY."""
        ...

    async def list(self) -> Sequence[EngineInstance]:
        """Every instance of this installation that exists, in any state."""
        ...

    def watch(self) -> AsyncIterator[InstanceId]:
        """The id of each instance whose state may have changed, from the call on.

        Ends or raises EngineError when the connection is lost: list again, then watch again.
        """
        ...

    async def get(self, id: InstanceId) -> EngineInstance | None:
        """One instance, ``None`` where it doesn't exist."""
        ...

    async def logs(self, id: InstanceId, *, tail: int = 100, companion: str = "") -> str:
        """The last lines of what the instance, or a companion of it, wrote, standard output and error as one."""
        ...

    def follow_logs(self, id: InstanceId, *, tail: int = 100, companion: str = "") -> AsyncIterator[str]:
        """The last lines, then each new one as it comes, until the instance ends."""
        ...

    async def exec(self, id: InstanceId, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        """Run a command in the instance. Needs EXEC. A time-out is exit code 124."""
        ...

    async def run(self, id: InstanceId, command: Command) -> RunningCommand:
        """Begin a command in the instance, to be talked with. Needs EXEC."""
        ...

    async def path_status(self, id: InstanceId, path: str, companion: str = "") -> PathStatus | None:
        """What is at an absolute path in the instance; ``None`` where nothing is. Needs COPY."""
        ...

    def read_files(self, id: InstanceId, path: str, companion: str = "") -> AsyncIterator[bytes]:
        """A file or a directory as a tar, whose names begin with the path's last part. Needs COPY."""
        ...

    async def write_files(
        self, id: InstanceId, directory: str, archive: AsyncIterator[bytes], companion: str = ""
    ) -> None:
        """Unpack a tar in a directory of the instance, which must exist. Needs COPY."""
        ...

    async def probe(
        self,
        instance: EngineInstance,
        probe: HttpProbe | TcpProbe | ExecProbe,
        timeout_seconds: float,
        companion: str = "",
    ) -> ProbeOutcome:
        """Ask the instance, or a companion of it, once whether it is ready.

        A refusal, an error and a time-out are outcomes, not errors.
        """
        ...

    async def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """What these instances use; those that don't run are left out."""
        ...

    async def build(self, spec: BuildSpec) -> str:
        """Build an image from a directory of this machine; the image's immutable id. Needs BUILD.

        Raises EngineError with the build's last lines; LacksCapabilityError for what the engine can't do,
        before anything is built.
        """
        ...

    async def resolve_image(self, reference: str, pull: Pull = Pull.MISSING) -> str:
        """The immutable reference of an image: its repository digest, or its id where it has none.

        Raises ImageMissingError where the engine doesn't have it and may not or can't pull it.
        """
        ...
