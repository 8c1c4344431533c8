"""An engine without containers, in the event loop's time: for tests and simulations; no input or output."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from springtide.engines.base import (
    Capability,
    Command,
    ExecResult,
    InstanceSpec,
    PathStatus,
    ProbeOutcome,
    RunningCommand,
    refuse_what_is_lacking,
)
from springtide.engines.simulated_inside import SimulatedCommand, packed, status_in, unpacked
from springtide.engines.simulated_machine import (
    SimulatedContainer,
    SimulatedFaults,
    SimulatedInside,
    SimulatedMachine,
    unreachable_error,
)
from springtide.model.builds import BuildSpec, Pull
from springtide.model.errors import EngineError, ImageMissingError, LacksCapabilityError
from springtide.model.identifiers import AppName, InstanceId
from springtide.model.mounts import MountType, VolumeDefinition, volume_named
from springtide.model.networks import OWN_NETWORKS, NetworkDefinition
from springtide.model.observations import ContainerState, EngineInstance, Usage
from springtide.model.resources import Resources
from springtide.model.workloads import ExecProbe, HttpProbe, TcpProbe, Template

TIMED_OUT = 124
LOG_POLL_SECONDS = 0.1
EVERYTHING = frozenset(Capability) - {Capability.OVERLAY}


class SimulatedEngine:
    """Plays an engine over a :class:`SimulatedMachine`; a new engine over the same machine finds what runs.

    ``now`` is the clock that ``asyncio.sleep`` follows. Starting takes ``start_seconds``, passing a
    probe ``ready_seconds`` more, stopping ``stop_seconds`` (or the grace, if that is shorter).
    A create that is cancelled leaves its container as a killed control plane would: created, not running.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        start_seconds: float = 0.2,
        ready_seconds: float = 0.1,
        stop_seconds: float = 0.0,
        machine: SimulatedMachine | None = None,
        faults: SimulatedFaults | None = None,
        capabilities: frozenset[Capability] = EVERYTHING,
    ) -> None:
        self.machine_state = machine or SimulatedMachine(now)
        self.faults = faults or SimulatedFaults()
        self.capabilities = capabilities
        self.start_seconds = start_seconds
        self.ready_seconds = ready_seconds
        self.stop_seconds = stop_seconds
        self._now = now

    async def start(self) -> None:
        await self.faults.before("start", "")

    async def close(self) -> None:
        """Nothing is held open."""

    async def machine(self) -> Resources:
        await self.faults.before("machine", "")
        return self.machine_state.resources

    async def platform(self) -> tuple[str, str]:
        await self.faults.before("platform", "")
        return self.machine_state.platform

    def lose_connection(self) -> None:
        """From now on no call is answered, and every watch ends; :meth:`restore_connection` ends it."""
        self.faults.unreachable = True
        self.machine_state.drop_watchers(unreachable_error())

    def restore_connection(self) -> None:
        self.faults.unreachable = False

    # Networks and volumes

    async def ensure_network(self, app: AppName, network: NetworkDefinition) -> None:
        await self.faults.before("ensure_network", f"{app}/{network.name}")
        self._refuse_missing_external(network.external_name)
        self.machine_state.networks.add((app, network.name))
        self.faults.after("ensure_network", f"{app}/{network.name}")

    async def ensure_volume(self, app: AppName, volume: VolumeDefinition) -> None:
        self._need(Capability.VOLUMES)
        await self.faults.before("ensure_volume", f"{app}/{volume.name}")
        self._refuse_missing_external(volume.external_name)
        if not volume.is_external:
            self.machine_state.volumes.setdefault((app, volume.name), {})
        self.faults.after("ensure_volume", f"{app}/{volume.name}")

    async def delete_volumes(self, app: AppName) -> None:
        await self.faults.before("delete_volumes", app)
        in_use = {key for each in self.machine_state.containers.values() for key in _volumes_of(each.spec)}
        if taken := sorted(name for owner, name in in_use & self.machine_state.volumes.keys() if owner == app):
            raise EngineError(f"The engine could not remove the volume {taken[0]}: volume is in use.")
        volumes = self.machine_state.volumes
        self.machine_state.volumes = {key: files for key, files in volumes.items() if key[0] != app}
        self.faults.after("delete_volumes", app)

    async def delete_networks(self, app: AppName) -> None:
        await self.faults.before("delete_networks", app)
        in_use = {
            (each.spec.app, network)
            for each in self.machine_state.containers.values()
            if each.has_processes
            for network in each.spec.template.networks
        }
        idle = {each for each in self.machine_state.networks if each[0] == app and each not in in_use}
        self.machine_state.networks -= idle
        self.faults.after("delete_networks", app)

    # The life of an instance

    async def create(self, spec: InstanceSpec) -> None:
        refuse_what_is_lacking(spec, self.capabilities)
        await self.faults.before("create", spec.id)
        self._refuse_missing_image(spec.template)
        container = self.machine_state.containers.get(spec.id)
        if container is None:
            self._refuse_missing_network(spec)
            self._refuse_missing_volume(spec)
            container = self.machine_state.add(spec)
        elif container.spec.service != spec.service:
            raise EngineError(f"The name {spec.id} is taken by one that isn't of {spec.service}.")
        if not container.has_processes:
            await self._run(container)
        self.faults.after("create", spec.id)

    async def _run(self, container: SimulatedContainer) -> None:
        id = container.spec.id
        await asyncio.sleep(self.start_seconds)
        if self.machine_state.containers.get(id) is not container:
            raise EngineError(f"{id} was removed while it was being started.")
        container.started_at = self._now()
        container.ready_at = container.started_at + timedelta(seconds=self.ready_seconds)
        container.exit_code, container.detail, container.ended_at = None, "", None
        self.machine_state.turn(id, ContainerState.RUNNING)

    async def delete(self, id: InstanceId, grace_seconds: float) -> None:
        await self.faults.before("delete", id)
        container = self.machine_state.containers.get(id)
        if container is not None and container.has_processes and grace_seconds > 0:
            await asyncio.sleep(min(self.stop_seconds, grace_seconds))
        self.machine_state.remove(id)
        self.faults.after("delete", id)

    async def pause(self, id: InstanceId) -> None:
        await self._turn("pause", id, ContainerState.PAUSED)

    async def resume(self, id: InstanceId) -> None:
        await self._turn("resume", id, ContainerState.RUNNING)

    async def _turn(self, method: str, id: InstanceId, state: ContainerState) -> None:
        self._need(Capability.STANDBY)
        await self.faults.before(method, id)
        if not self._container(id).has_processes:
            raise EngineError(f"The engine could not {method} {id}: it is not running.")
        self.machine_state.turn(id, state)
        self.faults.after(method, id)

    # What there is

    async def list(self) -> Sequence[EngineInstance]:
        await self.faults.before("list", "")
        return [container.seen() for container in self.machine_state.containers.values()]

    async def get(self, id: InstanceId) -> EngineInstance | None:
        await self.faults.before("get", id)
        container = self.machine_state.containers.get(id)
        return None if container is None else container.seen()

    def watch(self) -> AsyncIterator[InstanceId]:
        return self._changes(self.machine_state.subscribe())

    async def _changes(self, queue: asyncio.Queue[InstanceId | EngineError]) -> AsyncIterator[InstanceId]:
        try:
            await self.faults.before("watch", "")
            while True:
                change = await queue.get()
                if isinstance(change, EngineError):
                    raise change
                yield change
        finally:
            self.machine_state.unsubscribe(queue)

    async def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        await self.faults.before("usage", "")
        found = {id: self.machine_state.containers.get(id) for id in ids}
        return {id: each.usage(self._now()) for id, each in found.items() if each is not None and each.has_processes}

    # Inside an instance

    async def logs(self, id: InstanceId, *, tail: int = 100, companion: str = "") -> str:
        await self.faults.before("logs", id)
        log = self._inside(id, companion).log
        return "".join(f"{line}\n" for line in log[max(0, len(log) - tail) :])

    async def follow_logs(self, id: InstanceId, *, tail: int = 100, companion: str = "") -> AsyncIterator[str]:
        container, log = self._container(id), self._inside(id, companion).log
        shown = max(0, len(log) - tail)
        while True:
            while shown < len(log):
                yield log[shown]
                shown += 1
            if not container.has_processes or self.machine_state.containers.get(id) is not container:
                return
            await asyncio.sleep(LOG_POLL_SECONDS)

    async def exec(self, id: InstanceId, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        """What :class:`SimulatedCommand` knows."""
        running = await self._begin("exec", id, Command(tuple(command)))
        output = b""
        try:
            async with asyncio.timeout(timeout_seconds):
                async for _, data in running.output():
                    output += data
        except TimeoutError:
            return ExecResult(TIMED_OUT, output.decode())
        return ExecResult(await running.exit_code(), output.decode())

    async def run(self, id: InstanceId, command: Command) -> RunningCommand:
        return await self._begin("run", id, command)

    async def _begin(self, method: str, id: InstanceId, command: Command) -> SimulatedCommand:
        self._need(Capability.EXEC)
        await self.faults.before(method, id)
        self._inside(id, command.companion)
        if not self._container(id).is_running:
            raise EngineError(f"The engine could not run {command.words[0]} in {id}: it is not running.")
        return SimulatedCommand(command)

    async def path_status(self, id: InstanceId, path: str, companion: str = "") -> PathStatus | None:
        await self.faults.before("path_status", id)
        return status_in(self._inside(id, companion).files, path)

    async def read_files(self, id: InstanceId, path: str, companion: str = "") -> AsyncIterator[bytes]:
        self._need(Capability.COPY)
        await self.faults.before("read_files", id)
        files = self._inside(id, companion).files
        if status_in(files, path) is None:
            raise EngineError(f"The engine could not read {path} in {id}: no such file.")
        yield packed(files, path)

    async def write_files(
        self, id: InstanceId, directory: str, archive: AsyncIterator[bytes], companion: str = ""
    ) -> None:
        self._need(Capability.COPY)
        await self.faults.before("write_files", id)
        inside = self._inside(id, companion)
        status = status_in(inside.files, directory)
        if status is None or not status.is_directory:
            raise EngineError(f"The engine could not write to {directory} in {id}: no such directory.")
        inside.files |= unpacked(b"".join([chunk async for chunk in archive]), directory)

    async def probe(
        self,
        instance: EngineInstance,
        probe: HttpProbe | TcpProbe | ExecProbe,
        timeout_seconds: float,
        companion: str = "",
    ) -> ProbeOutcome:
        await self.faults.before("probe", instance.id)
        container = self.machine_state.containers.get(instance.id)
        if container is None or container.state in (ContainerState.CREATED, ContainerState.EXITED):
            return ProbeOutcome(False, "connection refused")
        if container.state is ContainerState.PAUSED:
            await asyncio.sleep(timeout_seconds)
            return ProbeOutcome(False, f"no answer within {timeout_seconds:g} s")
        return self._outcome(container, companion)

    def _outcome(self, container: SimulatedContainer, companion: str) -> ProbeOutcome:
        machine, spec = self.machine_state, container.spec
        is_ready = (
            container.ready_at is not None
            and self._now() >= container.ready_at
            and spec.revision not in machine.never_ready
            and spec.id not in machine.unready
            and (spec.id, companion) not in machine.unready_companions
        )
        return ProbeOutcome(is_ready, "ready" if is_ready else "not ready yet")

    # Images

    async def build(self, spec: BuildSpec) -> str:
        self._need(Capability.BUILD)
        await self.faults.before("build", str(spec.context))
        return _image_id(repr(spec))

    async def resolve_image(self, reference: str, pull: Pull = Pull.MISSING) -> str:
        await self.faults.before("resolve_image", reference)
        machine = self.machine_state
        if reference in machine.missing_images or (pull is Pull.NEVER and reference in machine.unpulled_images):
            raise _image_missing(reference)
        machine.unpulled_images.discard(reference)
        if pull is Pull.ALWAYS and reference in machine.newer_images:
            machine.images[reference] = machine.newer_images.pop(reference)
        if reference in machine.images:
            return machine.images[reference]
        return reference if reference.startswith("sha256:") else _image_id(reference)

    def _container(self, id: InstanceId) -> SimulatedContainer:
        container = self.machine_state.containers.get(id)
        if container is None:
            raise EngineError(f"There is no instance {id} on the engine.")
        return container

    def _inside(self, id: InstanceId, companion: str) -> SimulatedInside:
        container = self._container(id)
        if companion and companion not in container.companions:
            raise EngineError(f"The instance {id} has no container {companion}.")
        return container.companions[companion] if companion else container

    def _refuse_missing_image(self, template: Template) -> None:
        for each in template.containers:
            if each.image in self.machine_state.missing_images:
                raise _image_missing(each.image)

    def _refuse_missing_network(self, spec: InstanceSpec) -> None:
        for network in spec.template.networks if spec.template.network_mode == OWN_NETWORKS else ():
            if (spec.app, network) not in self.machine_state.networks:
                raise EngineError(f"The engine could not create {spec.id}: network {spec.app}-{network} not found.")

    def _refuse_missing_volume(self, spec: InstanceSpec) -> None:
        for app, name in _volumes_of(spec):
            if (app, name) not in self.machine_state.volumes and not volume_named(name, spec.volumes).is_external:
                raise EngineError(f"The engine could not create {spec.id}: volume {app}-{name} not found.")

    def _refuse_missing_external(self, name: str) -> None:
        if name and name not in self.machine_state.foreign:
            raise EngineError(f"The file calls {name} external, and the engine has none of that name.")

    def _need(self, capability: Capability) -> None:
        if capability not in self.capabilities:
            raise LacksCapabilityError(f"This engine has no {capability}.", remedy="Choose another engine.")


def _volumes_of(spec: InstanceSpec) -> list[tuple[AppName, str]]:
    mounts = [mount for each in spec.template.containers for mount in each.mounts]
    return [(spec.app, mount.source) for mount in mounts if mount.type is MountType.VOLUME and mount.source]


def _image_id(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _image_missing(reference: str) -> ImageMissingError:
    return ImageMissingError(f"The image {reference} isn't on the engine.", remedy="Build it, or correct its name.")
