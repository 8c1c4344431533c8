"""Instances as containers of one Docker Engine (API 1.41 and newer, cgroup versions 1 and 2)."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError
from aiohttp import ClientError

from springtide.engines.base import Capability, ExecResult, InstanceSpec, ProbeOutcome
from springtide.engines.docker_api import CONFLICT, NOT_FOUND, DockerApi, call_timeout, decoded, label_filter
from springtide.engines.docker_exec import run_in
from springtide.engines.docker_images import DockerImages
from springtide.engines.docker_instances import (
    APP,
    INSTALLATION,
    INSTANCE,
    NETWORK,
    SERVICE,
    ContainerNames,
    container_config,
    endpoint_config,
    exit_detail,
    has_ended,
    instance_of,
    state_of,
)
from springtide.engines.docker_logs import read_lines
from springtide.engines.docker_usage import CgroupFiles, usage_of_statistics
from springtide.engines.probes import NetworkProber
from springtide.model.errors import EngineError, ImageMissingError
from springtide.model.identifiers import AppName, InstanceId
from springtide.model.observations import ContainerState, EngineInstance, Usage
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, Resources
from springtide.model.workloads import ExecProbe, HttpProbe, TcpProbe

EVENTS = ["create", "start", "die", "oom", "pause", "unpause", "destroy"]
IN_USE = 403


class DockerEngine:
    """Runs instances on one Docker Engine; sees and touches only what carries its installation's label.

    At most ``concurrency`` creations are under way at a time, and as many removals: more make the
    engine slower, not faster (docs/design/engines.md has the figures). The object outlives the
    engine: calls fail with EngineError while it is away and work again once it is back.
    """

    capabilities = frozenset({Capability.STANDBY, Capability.EXEC, Capability.BUILD})

    def __init__(self, installation: str, *, docker_host: str | None = None, concurrency: int = 8) -> None:
        self._names = ContainerNames(installation)
        self._api = DockerApi(docker_host)
        self._images = DockerImages(self._api, self._names)
        self._prober = NetworkProber()
        self._cgroups = CgroupFiles()
        self._creating = asyncio.Semaphore(concurrency)
        self._removing = asyncio.Semaphore(concurrency)
        self._containers: dict[InstanceId, str] = {}
        """Container ids by instance, as last seen: where their cgroup files are."""
        self._endings: dict[str, str] = {}
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

    # Networks

    async def ensure_network(self, app: AppName, network: str) -> None:
        name = self._names.network(app, network)
        config: dict[str, Any] = {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": {**self._names.labels, APP: app, NETWORK: network},
        }
        with self._api.call(f"make the network {name}"):
            try:
                await self._api.client.networks.create(config)
            except DockerError as error:
                if error.status != CONFLICT:
                    raise
                await self._refuse_foreign_network(name, config["Labels"])

    async def delete_networks(self, app: AppName) -> None:
        ours = label_filter({**self._names.labels, APP: app})
        with self._api.call(f"list the networks of {app}"):
            networks = await self._api.client.networks.list(filters=ours)
        for network in networks:
            with self._api.call(f"remove the network {network['Name']}", tolerate=(NOT_FOUND, IN_USE)):
                await (await self._api.client.networks.get(network["Id"])).delete()

    async def _refuse_foreign_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Names can coincide (app ``a-b``, network ``c`` and app ``a``, network ``b-c``); labels can't."""
        found = (await (await self._api.client.networks.get(name)).show())["Labels"] or {}
        if not labels.items() <= found.items():
            raise EngineError(
                f"The network {name} exists already and belongs to app {found.get(APP, 'unknown')!r} "
                f"of installation {found.get(INSTALLATION, 'none')!r}.",
                remedy="Rename the app or its network, or remove that network.",
            )

    # The life of an instance

    async def create(self, spec: InstanceSpec) -> None:
        async with self._creating:
            with self._api.call(f"create {spec.id}"):
                try:
                    await self._make(spec)
                except DockerError as error:
                    if _says_image_is_missing(error):
                        raise self._image_missing(spec) from error
                    if error.status != CONFLICT:
                        raise
                    await self._start_existing(spec)

    async def _make(self, spec: InstanceSpec) -> None:
        config = container_config(self._names, spec)
        container = await self._api.client.containers.create(config, name=self._names.container(spec.id))
        self._containers[spec.id] = container.id
        try:
            await self._join_other_networks(spec, container)
            await container.start()
        except BaseException as error:
            await self._discard(container, spec.id, error)
            raise

    async def _join_other_networks(self, spec: InstanceSpec, container: DockerContainer) -> None:
        for network in spec.template.networks[1:]:
            joined = await self._api.client.networks.get(self._names.network(spec.app, network))
            await joined.connect({"Container": container.id, "EndpointConfig": endpoint_config(spec)})

    async def _discard(self, container: DockerContainer, id: InstanceId, cause: BaseException) -> None:
        """Remove what was half made; where that fails too, the first failure is the one that is told."""
        self._containers.pop(id, None)
        try:
            await container.delete(force=True, v=True)
        except (DockerError, ClientError, OSError, TimeoutError) as error:
            cause.add_note(f"The half-made container of {id} could not be removed either: {error}")

    async def _start_existing(self, spec: InstanceSpec) -> None:
        row = await self._row(spec.id)
        if row is None or row["Labels"][SERVICE] != spec.service:
            raise EngineError(
                f"The container name {self._names.container(spec.id)} is taken by one that isn't of {spec.service}.",
                remedy="Rename or remove that container.",
            )
        if state_of(row["State"]) in (ContainerState.CREATED, ContainerState.EXITED):
            await row.start()

    async def delete(self, id: InstanceId, grace_seconds: float) -> None:
        container = await self._row(id)
        if container is None:
            return
        if grace_seconds > 0 and not has_ended(container):
            with self._api.call(f"stop {id}", tolerate=(NOT_FOUND, CONFLICT)):
                await self._stop(container, grace_seconds)
        async with self._removing:
            with self._api.call(f"remove {id}", tolerate=(NOT_FOUND, CONFLICT)):
                await container.delete(force=True, v=True)
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
        container = await self._container(id)
        doing = "pause" if wanted is ContainerState.PAUSED else "resume"
        try:
            with self._api.call(f"{doing} {id}"):
                await (container.pause() if wanted is ContainerState.PAUSED else container.unpause())
        except EngineError:
            instance = await self.get(id)
            if instance is None or instance.state is not wanted:
                raise

    # What there is

    async def list(self) -> Sequence[EngineInstance]:
        with self._api.call("list instances"):
            rows = await self._rows(self._names.labels)
            instances = [await self._instance(row) for row in rows]
        self._containers = {instance.id: row.id for instance, row in zip(instances, rows, strict=True)}
        ended = {row.id for row in rows if has_ended(row)}
        self._endings = {container: detail for container, detail in self._endings.items() if container in ended}
        return instances

    async def get(self, id: InstanceId) -> EngineInstance | None:
        row = await self._row(id)
        if row is None:
            return None
        with self._api.call(f"inspect {id}"):
            return await self._instance(row)

    def watch(self) -> AsyncIterator[InstanceId]:
        return self._events_since(time.time())

    async def _events_since(self, moment: float) -> AsyncIterator[InstanceId]:
        filters = instances_filter(self._names.labels, type=["container"], event=EVENTS)
        parameters = {"filters": json.dumps(filters), "since": f"{moment:.9f}"}
        async with self._api.stream("events", parameters, "follow events") as lines:
            async for line in lines:
                yield InstanceId(decoded(line)["Actor"]["Attributes"][INSTANCE])

    async def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        if not self._containers.keys() >= set(ids):
            await self.list()
        containers = {id: self._containers[id] for id in ids if id in self._containers}
        usages = await asyncio.to_thread(self._read_cgroups, containers) if self._api.is_local else {}
        for id in containers.keys() - usages.keys():
            usage = await self._ask_for_usage(id, containers[id])
            if usage is not None:
                usages[id] = usage
        return usages

    def _read_cgroups(self, containers: Mapping[InstanceId, str]) -> dict[InstanceId, Usage]:
        found = {id: self._cgroups.usage(container) for id, container in containers.items()}
        return {id: usage for id, usage in found.items() if usage is not None}

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

    async def logs(self, id: InstanceId, *, tail: int = 100) -> str:
        return "".join([f"{line}\n" async for line in self._log_lines(id, tail, follow=False)])

    def follow_logs(self, id: InstanceId, *, tail: int = 100) -> AsyncIterator[str]:
        return self._log_lines(id, tail, follow=True)

    async def _log_lines(self, id: InstanceId, tail: int, follow: bool) -> AsyncIterator[str]:
        container = await self._container(id)
        parameters = {"stdout": "1", "stderr": "1", "tail": str(tail), "follow": str(int(follow))}
        async with self._api.stream(f"containers/{container.id}/logs", parameters, f"read the log of {id}") as answer:
            async for line in read_lines(answer):
                yield line

    async def exec(self, id: InstanceId, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        container = await self._container(id)
        with self._api.call(f"run {command[0]} in {id}"):
            return await run_in(container, command, timeout_seconds)

    async def probe(
        self, instance: EngineInstance, probe: HttpProbe | TcpProbe | ExecProbe, timeout_seconds: float
    ) -> ProbeOutcome:
        if not isinstance(probe, ExecProbe):
            return await self._prober.probe(instance.address, probe, timeout_seconds)
        try:
            result = await self.exec(instance.id, probe.command, timeout_seconds)
        except EngineError as error:
            return ProbeOutcome(False, error.sentence)
        last_line = result.output.strip().rpartition("\n")[2]
        return ProbeOutcome(result.exit_code == 0, f"{probe.command[0]}: exit {result.exit_code} {last_line}".rstrip())

    # Images

    async def build(self, context: Path, dockerfile: str, arguments: Mapping[str, str]) -> str:
        return await self._images.build(context, dockerfile, arguments)

    async def resolve_image(self, reference: str) -> str:
        return await self._images.resolve(reference)

    async def delete_images(self) -> None:
        """Remove every image that this installation built; for ``down`` with everything, not in the protocol."""
        await self._images.delete_all()

    # Rows of the engine's list

    async def _rows(self, labels: Mapping[str, str]) -> Sequence[DockerContainer]:
        filters = json.dumps(instances_filter(labels))
        return await self._api.client.containers.list(all=True, filters=filters)

    async def _row(self, id: InstanceId) -> DockerContainer | None:
        with self._api.call(f"look up {id}"):
            rows = await self._rows({**self._names.labels, INSTANCE: id})
        if rows:
            self._containers[id] = rows[0].id
        return rows[0] if rows else None

    async def _container(self, id: InstanceId) -> DockerContainer:
        """The container of an instance, of this installation for certain. Raises EngineError where it is gone."""
        if id not in self._containers and await self._row(id) is None:
            raise EngineError(f"There is no instance {id} on the engine at {self._api.host}.")
        return self._api.client.containers.container(self._containers[id])

    async def _instance(self, row: DockerContainer) -> EngineInstance:
        return instance_of(row, await self._ending(row) if has_ended(row) else "")

    async def _ending(self, row: DockerContainer) -> str:
        """Why it ended; asked of the engine once per container."""
        if row.id not in self._endings:
            try:
                container = await self._api.client.containers.get(row.id)
                self._endings[row.id] = exit_detail(container["State"])
            except DockerError as error:
                if error.status != NOT_FOUND:
                    raise
                return "removed"
        return self._endings[row.id]

    def _image_missing(self, spec: InstanceSpec) -> ImageMissingError:
        return ImageMissingError(
            f"The image {spec.template.image} of {spec.id} isn't on the engine at {self._api.host}.",
            remedy=f"Deploy {spec.app} again, so that the image is built or pulled anew.",
        )


def instances_filter(labels: Mapping[str, str], **others: list[str]) -> dict[str, list[str]]:
    """The ``filters`` that select instances only.

    The engine's builder, and anybody who runs an image that was built here by hand, makes containers
    that carry the image's label of this installation too.
    """
    filters = label_filter(labels, **others)
    return {**filters, "label": [*filters["label"], INSTANCE]}


def _says_image_is_missing(error: DockerError) -> bool:
    return error.status == NOT_FOUND and "no such image" in error.message.lower()
