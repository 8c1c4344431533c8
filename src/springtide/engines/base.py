"""The protocol of engines: what runs instances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
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


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: str


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

    async def ensure_network(self, app: AppName, network: str) -> None:
        """Make an app's network unless it exists. Service names resolve to instances on it."""
        ...

    async def delete_networks(self, app: AppName) -> None:
        """Remove all networks of an app on which nothing runs any more."""
        ...

    async def create(self, spec: InstanceSpec) -> None:
        """Create and start the instance on its node, and return when it runs (not yet ready).

        An instance of that id that already exists is started if it isn't running, else left as it is.
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

    async def logs(self, id: InstanceId, *, tail: int = 100) -> str:
        """The last lines of what the instance wrote, standard output and error as one."""
        ...

    def follow_logs(self, id: InstanceId, *, tail: int = 100) -> AsyncIterator[str]:
        """The last lines, then each new one as it comes, until the instance ends."""
        ...

    async def exec(self, id: InstanceId, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        """Run a command in the instance. Needs EXEC. A time-out is exit code 124."""
        ...

    async def probe(
        self, instance: EngineInstance, probe: HttpProbe | TcpProbe | ExecProbe, timeout_seconds: float
    ) -> ProbeOutcome:
        """Ask the instance once whether it is ready. A refusal, an error and a time-out are outcomes, not errors."""
        ...

    async def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """What these instances use; those that don't run are left out."""
        ...

    async def build(self, context: Path, dockerfile: str, arguments: Mapping[str, str]) -> str:
        """Build an image from a directory; the image's immutable id. Needs BUILD.

        Raises EngineError with the build's last lines.
        """
        ...

    async def resolve_image(self, reference: str) -> str:
        """The immutable reference of an image: its repository digest, or its id where it has none.

        Pulls where the engine doesn't have it. Raises ImageMissingError.
        """
        ...
