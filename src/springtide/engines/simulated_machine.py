"""What a simulated engine runs on: containers, networks, and the failures that a test scripts.

Kept apart from the engine, so that a control plane can be killed and another one started over the
same containers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from springtide.engines.base import InstanceSpec
from springtide.model.errors import EngineError, SpringtideError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId
from springtide.model.observations import ContainerState, EngineInstance, Usage
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, Resources
from springtide.model.workloads import ContainerTemplate

KILLED_EXIT_CODE = 137
USED_MEMORY_BYTES = 16 * 2**20
USED_PIDS = 2
NANOSECONDS_PER_MILLI_SECOND_OF_CPU = 1_000_000


@dataclass(slots=True, kw_only=True)
class SimulatedInside:
    """What is inside one container: what it wrote; what was put in or copied in, by absolute path."""

    log: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def _put_in(template: ContainerTemplate) -> dict[str, bytes]:
    return {file.target: file.content for file in template.files}


@dataclass(slots=True)
class SimulatedContainer(SimulatedInside):
    """One instance: how it was asked for, and how it and its first container are now."""

    spec: InstanceSpec
    address: str
    state: ContainerState = ContainerState.CREATED
    started_at: datetime | None = None
    ready_at: datetime | None = None
    exit_code: int | None = None
    detail: str = ""
    ended_at: datetime | None = None
    cpu_millis: int = 0
    cpu_since: datetime | None = None
    cpu_nanoseconds: int = 0
    companions: dict[str, SimulatedInside] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        return self.state is ContainerState.RUNNING

    @property
    def has_processes(self) -> bool:
        return self.state in (ContainerState.RUNNING, ContainerState.PAUSED)

    def seen(self) -> EngineInstance:
        """As the engine shows it."""
        return EngineInstance(
            id=self.spec.id,
            service=self.spec.service,
            revision=self.spec.revision,
            node=self.spec.node,
            state=self.state,
            image=self.spec.template.image,
            address=self.address if self.has_processes else None,
            started_at=self.started_at,
            exit_code=self.exit_code,
            detail=self.detail,
            ended_at=self.ended_at,
        )

    def usage(self, now: datetime) -> Usage:
        self.count_cpu(now)
        return Usage(self.cpu_nanoseconds, USED_MEMORY_BYTES, USED_PIDS)

    def count_cpu(self, now: datetime) -> None:
        """Add what was used since the last count at the present rate."""
        if self.is_running and self.cpu_since is not None:
            seconds = (now - self.cpu_since).total_seconds()
            self.cpu_nanoseconds += int(seconds * self.cpu_millis * NANOSECONDS_PER_MILLI_SECOND_OF_CPU)
        self.cpu_since = now


class SimulatedMachine:
    """Containers that outlive the engine object, and what a test does to them behind its back."""

    def __init__(self, now: Callable[[], datetime], resources: Resources | None = None) -> None:
        self.now = now
        self.platform = ("linux", "x86_64")
        self.resources = resources or Resources.of({CPU_MILLIS: 64_000, MEMORY_BYTES: 256 * 2**30})
        self.containers: dict[InstanceId, SimulatedContainer] = {}
        self.networks: set[tuple[AppName, str]] = set()
        self.volumes: dict[tuple[AppName, str], dict[str, bytes]] = {}
        """Named volumes, and what lies in them by path from their top."""
        self.foreign: set[str] = set()
        """Networks and volumes that somebody else made, by name: what is external may be one of these."""
        self.missing_images: set[str] = set()
        """References that no registry has; any other image is there."""
        self.unpulled_images: set[str] = set()
        """References that registries have and the engine doesn't, until it pulls them."""
        self.newer_images: dict[str, str] = {}
        """What registries have by now for references that the engine has in an older form."""
        self.images: dict[str, str] = {}
        """What references were pulled as, where registries had something newer."""
        self.never_ready: set[RevisionId] = set()
        """Revisions whose instances run but never pass a probe."""
        self.unready: set[InstanceId] = set()
        """Instances that fail their probe as long as they are in here."""
        self.unready_companions: set[tuple[InstanceId, str]] = set()
        """Companions of pods that fail their probe as long as they are in here."""
        self._watchers: list[asyncio.Queue[InstanceId | EngineError]] = []
        self._addresses = 0

    # What an engine does

    def add(self, spec: InstanceSpec) -> SimulatedContainer:
        self._addresses += 1
        third, fourth = divmod(self._addresses, 250)
        address = f"10.{third // 250}.{third % 250}.{fourth + 1}"
        container = self.containers[spec.id] = SimulatedContainer(spec, address, files=_put_in(spec.template))
        container.companions = {
            each.name: SimulatedInside(files=_put_in(each.template)) for each in spec.template.companions
        }
        self.tell(spec.id)
        return container

    def remove(self, id: InstanceId) -> None:
        if self.containers.pop(id, None) is not None:
            self.tell(id)

    def turn(self, id: InstanceId, state: ContainerState) -> None:
        container = self.containers[id]
        container.count_cpu(self.now())
        container.state = state
        self.tell(id)

    def subscribe(self) -> asyncio.Queue[InstanceId | EngineError]:
        queue: asyncio.Queue[InstanceId | EngineError] = asyncio.Queue()
        self._watchers.append(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[InstanceId | EngineError]) -> None:
        self._watchers = [each for each in self._watchers if each is not queue]

    def tell(self, id: InstanceId) -> None:
        for queue in self._watchers:
            queue.put_nowait(id)

    # What a test does

    def exit(self, id: InstanceId, code: int = KILLED_EXIT_CODE, detail: str = "") -> None:
        """The instance's process ends, as if somebody had killed it. Raises KeyError where there is none."""
        container = self.containers[id]
        self.turn(id, ContainerState.EXITED)
        container.exit_code, container.ended_at = code, self.now()
        container.detail = detail or f"exited with {code}"

    def vanish_node(self, node: NodeId) -> None:
        """The node is gone, and what ran on it with it."""
        for id in self._ids_on(node):
            self.remove(id)

    def write_log(self, id: InstanceId, line: str, companion: str = "") -> None:
        container = self.containers[id]
        (container.companions[companion] if companion else container).log.append(line)

    def use_cpu(self, id: InstanceId, cpu_millis: int) -> None:
        """From now on the instance uses this much."""
        container = self.containers[id]
        container.count_cpu(self.now())
        container.cpu_millis = cpu_millis

    def drop_watchers(self, error: EngineError) -> None:
        """Every open watch ends with this error, as when the connection is lost."""
        for queue in self._watchers:
            queue.put_nowait(error)
        self._watchers = []

    def _ids_on(self, node: NodeId) -> Iterable[InstanceId]:
        return [id for id, container in self.containers.items() if container.spec.node == node]


class SimulatedFaults:
    """Failures scripted by a test: by method name (``create``, ``delete``, ``list``, …).

    ``observer`` is called with ``before`` or ``after`` the effect, the method and its subject; what
    it raises comes out of the call. It is how a test kills the control plane at each boundary.
    """

    def __init__(self, observer: Callable[[str, str, str], None] | None = None) -> None:
        self.observer = observer
        self.unreachable = False
        """While set, every call raises EngineError."""
        self._errors: dict[str, list[SpringtideError]] = {}
        self._delays: dict[str, list[float]] = {}

    def fail_next(self, method: str, error: SpringtideError, times: int = 1) -> None:
        """The next calls of this method fail; a failing create leaves nothing behind."""
        self._errors.setdefault(method, []).extend([error] * times)

    def delay_next(self, method: str, seconds: float, times: int = 1) -> None:
        """The next calls of this method take so much longer; a great many seconds is a hang."""
        self._delays.setdefault(method, []).extend([seconds] * times)

    async def before(self, method: str, subject: str) -> None:
        """Play what is scripted before the effect. Raises what is to be raised."""
        delays = self._delays.get(method)
        if delays:
            await asyncio.sleep(delays.pop(0))
        if self.unreachable:
            raise unreachable_error()
        errors = self._errors.get(method)
        if errors:
            raise errors.pop(0)
        if self.observer is not None:
            self.observer("before", method, subject)

    def after(self, method: str, subject: str) -> None:
        """The effect has happened; the caller doesn't know yet."""
        if self.observer is not None:
            self.observer("after", method, subject)


def unreachable_error() -> EngineError:
    return EngineError("No engine answers (simulated).", remedy="Start it.")
