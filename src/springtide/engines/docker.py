"""Instances as containers of one Docker Engine (API 1.41 and newer, cgroup versions 1 and 2)."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError

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
from springtide.engines.docker_api import CONFLICT, NOT_FOUND, DockerApi, call_timeout, decoded
from springtide.engines.docker_creation import FIRST, Creation, is_startable, waits_inside
from springtide.engines.docker_events import events_from_now, instances_filter
from springtide.engines.docker_exec import begin, run_in
from springtide.engines.docker_files import DockerFiles
from springtide.engines.docker_images import DockerImages
from springtide.engines.docker_instances import (
    COMPANION,
    INSTANCE,
    SERVICE,
    ContainerNames,
    exit_detail,
    finished_at,
    has_ended,
    in_pods,
    instance_of,
    state_of,
)
from springtide.engines.docker_logs import read_lines, read_raw_lines
from springtide.engines.docker_networks import DockerNetworks, DockerVolumes
from springtide.engines.docker_usage import CgroupFiles, of_pod, usage_of_statistics
from springtide.engines.probes import NetworkProber
from springtide.model.builds import BuildSpec, Pull
from springtide.model.errors import EngineError, ImageMissingError
from springtide.model.identifiers import AppName, InstanceId
from springtide.model.mounts import VolumeDefinition
from springtide.model.networks import NetworkDefinition
from springtide.model.observations import ContainerState, EngineInstance, Usage
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, Resources
from springtide.model.workloads import ExecProbe, HttpProbe, TcpProbe

FIRST_PAUSE_SECONDS = 0.1


class DockerEngine:
    """Runs instances on one Docker Engine; sees and touches only what carries its installation's label.

    At most ``concurrency`` creations are under way at a time, and as many removals: more make the
    engine slower, not faster (docs/design/engines.md has the figures). The object outlives the
    engine: calls fail with EngineError while it is away and work again once it is back.
    """

    capabilities = frozenset(Capability) - {Capability.OVERLAY}

    def __init__(self, installation: str, *, docker_host: str | None = None, concurrency: int = 8) -> None:
        self._names = ContainerNames(installation)
        self._api = DockerApi(docker_host)
        self._images = DockerImages(self._api, self._names)
        self._prober = NetworkProber()
        self._cgroups = CgroupFiles()
        self._creating = asyncio.Semaphore(concurrency)
        self._removing = asyncio.Semaphore(concurrency)
        self._networks = DockerNetworks(self._api, self._names)
        self._volumes = DockerVolumes(self._api, self._names)
        self._files = DockerFiles(self._api)
        self._creation = Creation(self._api, self._names, self._files)
        self._deleting: set[InstanceId] = set()
        self._containers: dict[InstanceId, tuple[str, ...]] = {}
        """Container ids by instance, as last seen, the first container's first."""
        self._endings: dict[str, tuple[str, datetime | None]] = {}
        """Why containers ended, by container id: asked once each."""

    async def start(self) -> None:
        await self._api.check()

    async def close(self) -> None:
        await self._prober.close()
        await self._api.close()

    async def machine(self) -> Resources:
        with self._api.call("describe its machine"):
            info = await self._api.client.system.info()
        return Resources.of({CPU_MILLIS: int(info["NCPU"]) * 1000, MEMORY_BYTES: int(info["MemTotal"])})

    async def platform(self) -> tuple[str, str]:
        with self._api.call("describe its machine"):
            info = await self._api.client.system.info()
        return str(info.get("OSType", "")), str(info.get("Architecture", ""))

    # Networks and volumes

    async def ensure_network(self, app: AppName, network: NetworkDefinition) -> None:
        await self._networks.ensure(app, network)

    async def delete_networks(self, app: AppName) -> None:
        await self._networks.delete_all(app)

    async def ensure_volume(self, app: AppName, volume: VolumeDefinition) -> None:
        await self._volumes.ensure(app, volume)

    async def delete_volumes(self, app: AppName) -> None:
        await self._volumes.delete_all(app)

    # The life of an instance

    async def create(self, spec: InstanceSpec) -> None:
        refuse_what_is_lacking(spec, self.capabilities)
        await self._creation.refuse_too_new(spec)
        async with self._creating:
            with self._api.call(f"create {spec.id}"):
                try:
                    self._containers[spec.id] = await self._creation.make(spec)
                except DockerError as error:
                    if _says_image_is_missing(error):
                        raise self._image_missing(spec, error) from error
                    if error.status != CONFLICT:
                        raise
                    await self._complete_existing(spec, error)
        if waits_inside(spec.template):
            await self._start_in_order(spec)

    async def _start_in_order(self, spec: InstanceSpec) -> None:
        """Start what doesn't run yet of a pod, each once those that it waits for are healthy; all, or none is left."""
        rows = {row["Labels"].get(COMPANION, FIRST): row for row in await self._pod(spec.id)}
        waits = {FIRST: (), **{each.name: each.waits_for for each in spec.template.companions}}
        try:
            for name, awaited in waits.items():
                for other in awaited:
                    await self._until_healthy(spec, other, name)
                if is_startable(rows[name]):
                    with self._api.call(f"start {name} of {spec.id}"):
                        await rows[name].start()
        except EngineError:
            await self.delete(spec.id, 0)
            raise

    async def _until_healthy(self, spec: InstanceSpec, name: str, waiting: str) -> None:
        """Return once this container of the pod passes its check. Raises EngineError where it has had its time."""
        templates = {each.name: each.template for each in spec.template.companions}
        check = templates.get(name, spec.template).healthcheck
        patience = check.start_period_seconds + check.retries * (check.interval_seconds + check.timeout_seconds)
        give_up, pause, longest = time.monotonic() + patience, FIRST_PAUSE_SECONDS, check.start_interval_seconds or 1.0
        while check.probe is not None:
            seen = await self.get(spec.id)
            if seen is None or seen.state is ContainerState.EXITED:
                raise EngineError(f"{spec.id} ended while {waiting} waited for {name}.")
            outcome = await self.probe(seen, check.probe, check.timeout_seconds, name if name in templates else FIRST)
            if outcome.passed:
                return
            if time.monotonic() > give_up:
                told = f"{name}, which isn't healthy after {patience:g} s: {outcome.detail}"
                raise EngineError(f"{waiting} of {spec.id} waits for {told}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, longest)

    async def _complete_existing(self, spec: InstanceSpec, conflict: DockerError) -> None:
        rows = await self._pod(spec.id)
        if not rows or rows[0]["Labels"][SERVICE] != spec.service:
            names = self._creation.names_of(spec)
            name = next((each for each in names if each in conflict.message), None)
            if not rows and name is None:
                raise conflict  # two wishes of the template contradict each other: no name is taken
            raise EngineError(
                f"The container name {name or names[0]} is taken by one that isn't of {spec.service}.",
                remedy="Rename or remove that container.",
            )
        await self._creation.complete(spec, rows)
        await self._pod(spec.id)

    async def delete(self, id: InstanceId, grace_seconds: float) -> None:
        self._deleting.add(id)
        try:
            await self._delete(id, grace_seconds)
        finally:
            self._deleting.discard(id)

    async def _delete(self, id: InstanceId, grace_seconds: float) -> None:
        rows = await self._all_rows(id)
        if grace_seconds > 0:
            with self._api.call(f"stop {id}", tolerate=(NOT_FOUND, CONFLICT)):
                await asyncio.gather(*(self._stop(row, grace_seconds) for row in rows if not has_ended(row)))
        async with self._removing:
            # The first goes last: as long as it is there, the instance is seen, and so is what is left of it.
            for row in reversed(rows):
                with self._api.call(f"remove {id}", tolerate=(NOT_FOUND, CONFLICT)):
                    await row.delete(force=True, v=True)
        self._containers.pop(id, None)

    @staticmethod
    async def _stop(container: DockerContainer, grace_seconds: float) -> None:
        if state_of(container["State"]) is ContainerState.PAUSED:
            await container.unpause()
        await container.stop(t=math.ceil(grace_seconds), timeout=call_timeout(grace_seconds))

    async def pause(self, id: InstanceId) -> None:
        await self._turn(id, ContainerState.PAUSED)

    async def resume(self, id: InstanceId) -> None:
        await self._turn(id, ContainerState.RUNNING)

    async def _turn(self, id: InstanceId, wanted: ContainerState) -> None:
        doing = "pause" if wanted is ContainerState.PAUSED else "resume"
        for container in await self._containers_of(id):
            try:
                with self._api.call(f"{doing} {id}"):
                    await (container.pause() if wanted is ContainerState.PAUSED else container.unpause())
            except EngineError:
                row = await self._row_of(container.id)
                if row is None or state_of(row["State"]) is not wanted:
                    raise

    # What there is

    async def list(self) -> Sequence[EngineInstance]:
        with self._api.call("list instances"):
            pods = in_pods(await self._rows(self._names.labels))
            instances = [await self._instance(rows) for rows in pods]
        self._containers = {seen.id: _ids(rows) for seen, rows in zip(instances, pods, strict=True)}
        ended = {row.id for rows in pods for row in rows if has_ended(row)}
        self._endings = {container: ending for container, ending in self._endings.items() if container in ended}
        return instances

    async def get(self, id: InstanceId) -> EngineInstance | None:
        rows = await self._pod(id)
        if not rows:
            return None
        with self._api.call(f"inspect {id}"):
            return await self._instance(rows)

    def watch(self) -> AsyncIterator[InstanceId]:
        return events_from_now(self._api, self._names, self._deleting)

    async def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        if not self._containers.keys() >= set(ids):
            await self.list()
        pods = {id: self._containers[id] for id in ids if id in self._containers}
        containers = [container for each in pods.values() for container in each]
        usages = await asyncio.to_thread(self._read_cgroups, containers) if self._api.is_local else {}
        for id, each in pods.items():
            for container in each:
                if container not in usages and (asked := await self._ask_for_usage(id, container)) is not None:
                    usages[container] = asked
        found = {id: [usages[container] for container in each if container in usages] for id, each in pods.items()}
        return {id: of_pod(each) for id, each in found.items() if each}

    def _read_cgroups(self, containers: Iterable[str]) -> dict[str, Usage]:
        found = {container: self._cgroups.usage(container) for container in containers}
        return {container: usage for container, usage in found.items() if usage is not None}

    async def _ask_for_usage(self, id: InstanceId, container: str) -> Usage | None:
        parameters = {"stream": "0", "one-shot": "1"}
        try:
            async with self._api.stream(f"containers/{container}/stats", parameters, f"measure {id}") as answer:
                return usage_of_statistics(decoded(await answer.read()))
        except EngineError as error:
            if isinstance(error.__cause__, DockerError) and error.__cause__.status == NOT_FOUND:
                return None
            raise

    # Inside an instance

    async def logs(self, id: InstanceId, *, tail: int = 100, companion: str = "") -> str:
        return "".join([f"{line}\n" async for line in self._log_lines(id, companion, tail, follow=False)])

    def follow_logs(self, id: InstanceId, *, tail: int = 100, companion: str = "") -> AsyncIterator[str]:
        return self._log_lines(id, companion, tail, follow=True)

    async def _log_lines(self, id: InstanceId, companion: str, tail: int, *, follow: bool) -> AsyncIterator[str]:
        container = await self._container(id, companion)
        with self._api.call(f"read the log of {id}"):
            has_terminal = (await container.show())["Config"]["Tty"]
        parameters = {"stdout": "1", "stderr": "1", "tail": str(tail), "follow": str(int(follow))}
        async with self._api.stream(f"containers/{container.id}/logs", parameters, f"read the log of {id}") as answer:
            async for line in read_raw_lines(answer) if has_terminal else read_lines(answer):
                yield line

    async def exec(self, id: InstanceId, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        container = await self._container(id)
        with self._api.call(f"run {command[0]} in {id}"):
            return await run_in(container, command, timeout_seconds)

    async def run(self, id: InstanceId, command: Command) -> RunningCommand:
        container = await self._container(id, command.companion)
        return await begin(self._api, container, command, f"run {command.words[0]} in {id}")

    async def path_status(self, id: InstanceId, path: str, companion: str = "") -> PathStatus | None:
        container = await self._container(id, companion)
        return await self._files.status(container.id, path, f"look at {path} in {id}")

    async def read_files(self, id: InstanceId, path: str, companion: str = "") -> AsyncIterator[bytes]:
        container = await self._container(id, companion)
        async for chunk in self._files.read(container.id, path, f"read {path} in {id}"):
            yield chunk

    async def write_files(
        self, id: InstanceId, directory: str, archive: AsyncIterator[bytes], companion: str = ""
    ) -> None:
        container = await self._container(id, companion)
        await self._files.write(container.id, directory, archive, f"write to {directory} in {id}")

    async def probe(
        self,
        instance: EngineInstance,
        probe: HttpProbe | TcpProbe | ExecProbe,
        timeout_seconds: float,
        companion: str = "",
    ) -> ProbeOutcome:
        if not isinstance(probe, ExecProbe):
            return await self._prober.probe(instance.address, probe, timeout_seconds)
        try:
            container = await self._container(instance.id, companion)
            with self._api.call(f"run {probe.command[0]} in {instance.id}"):
                result = await run_in(container, probe.command, timeout_seconds)
        except EngineError as error:
            return ProbeOutcome(False, error.sentence)
        last_line = result.output.strip().rpartition("\n")[2]
        return ProbeOutcome(result.exit_code == 0, f"{probe.command[0]}: exit {result.exit_code} {last_line}".rstrip())

    # Images

    async def build(self, spec: BuildSpec) -> str:
        return await self._images.build(spec)

    async def resolve_image(self, reference: str, pull: Pull = Pull.MISSING) -> str:
        return await self._images.resolve(reference, pull)

    async def delete_images(self) -> None:
        """Remove every image that this installation built; for ``down`` with everything, not in the protocol."""
        await self._images.delete_all()

    # Rows of the engine's list

    async def _rows(self, labels: Mapping[str, str]) -> Sequence[DockerContainer]:
        filters = json.dumps(instances_filter(labels))
        return await self._api.client.containers.list(all=True, filters=filters)

    async def _all_rows(self, id: InstanceId) -> Sequence[DockerContainer]:
        """Every container of an instance, its first container first where it is there."""
        with self._api.call(f"look up {id}"):
            rows = await self._rows({**self._names.labels, INSTANCE: id})
        return sorted(rows, key=lambda row: COMPANION in row["Labels"])

    async def _pod(self, id: InstanceId) -> Sequence[DockerContainer]:
        """The containers of an instance, its first one first; none where there is no such instance."""
        pods = in_pods(await self._all_rows(id))
        if pods:
            self._containers[id] = _ids(pods[0])
        return pods[0] if pods else ()

    async def _row_of(self, container: str) -> DockerContainer | None:
        with self._api.call(f"look up {container}"):
            rows = await self._api.client.containers.list(all=True, filters=json.dumps({"id": [container]}))
        return rows[0] if rows else None

    async def _containers_of(self, id: InstanceId) -> Sequence[DockerContainer]:
        """The containers of an instance, of this installation for certain. Raises EngineError where it is gone."""
        if id not in self._containers and not await self._pod(id):
            raise EngineError(f"There is no instance {id} on the engine at {self._api.host}.")
        return [self._api.client.containers.container(each) for each in self._containers[id]]

    async def _container(self, id: InstanceId, companion: str = "") -> DockerContainer:
        """The first container of an instance, or one of its companions'. Raises EngineError where it is gone."""
        if not companion:
            return (await self._containers_of(id))[0]
        for row in await self._pod(id):
            if row["Labels"].get(COMPANION) == companion:
                return row
        raise EngineError(f"The instance {id} has no container {companion}.")

    async def _instance(self, rows: Sequence[DockerContainer]) -> EngineInstance:
        ended = next(filter(has_ended, rows), None)
        detail, ended_at = ("", None) if ended is None else await self._ending(ended)
        if ended is not None and COMPANION in ended["Labels"]:
            detail = f"{ended['Labels'][COMPANION]}: {detail}"
        return replace(instance_of(rows, detail, self._api.machine_address), ended_at=ended_at)

    async def _ending(self, row: DockerContainer) -> tuple[str, datetime | None]:
        """Why it ended, and when; asked of the engine once per container."""
        if row.id not in self._endings:
            try:
                container = await self._api.client.containers.get(row.id)
                self._endings[row.id] = exit_detail(container["State"]), finished_at(container["State"])
            except DockerError as error:
                if error.status != NOT_FOUND:
                    raise
                return "removed", None
        return self._endings[row.id]

    def _image_missing(self, spec: InstanceSpec, error: DockerError) -> ImageMissingError:
        images = [each.image for each in spec.template.containers]
        missing = next((each for each in images if each in error.message), images[0])
        return ImageMissingError(
            f"The image {missing} of {spec.id} isn't on the engine at {self._api.host}.",
            remedy=f"Deploy {spec.app} again, so that the image is built or pulled anew.",
        )


def _ids(rows: Sequence[DockerContainer]) -> tuple[str, ...]:
    return tuple(row.id for row in rows)


def _says_image_is_missing(error: DockerError) -> bool:
    return error.status == NOT_FOUND and "no such image" in error.message.lower()
