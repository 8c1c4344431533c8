"""Making the containers of an instance: create, join networks, put files in, start; all of them or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError
from aiohttp import ClientError

from springtide.engines.base import InstanceSpec
from springtide.engines.docker_api import CALL_SECONDS, DockerApi, dotted
from springtide.engines.docker_containers import ContainerWish, container_body, endpoint_body
from springtide.engines.docker_files import DockerFiles
from springtide.engines.docker_instances import COMPANION, ContainerNames, missing_companions, state_of
from springtide.model.errors import LacksCapabilityError
from springtide.model.identifiers import InstanceId
from springtide.model.observations import ContainerState
from springtide.model.workloads import ContainerTemplate, Template

FIRST = ""
"""The companion's name of the container that is none."""


class Creation:
    """Makes instances on one engine. Raises what aiodocker raises; who calls it knows what was tried."""

    def __init__(self, api: DockerApi, names: ContainerNames, files: DockerFiles) -> None:
        self._api = api
        self._names = names
        self._files = files

    async def refuse_too_new(self, spec: InstanceSpec) -> None:
        """Raises LacksCapabilityError where the engine is too old for what the template asks."""
        asked = newest_asked(spec.template)
        if asked is None:
            return
        version, what = asked
        spoken = await self._api.version()
        if spoken < version:
            raise LacksCapabilityError(
                f"{spec.service} asks for {what}, which needs Docker API {dotted(version)}; "
                f"the engine at {self._api.host} speaks {dotted(spoken)}.",
                remedy="Upgrade the engine, or drop it.",
            )

    def names_of(self, spec: InstanceSpec) -> tuple[str, ...]:
        """What the containers of the instance are called."""
        return tuple(ContainerWish(self._names, spec, template, name).name for name, template in _parts(spec.template))

    async def make(self, spec: InstanceSpec) -> tuple[str, ...]:
        """The ids of the new containers; those before the first that waits run. After a failure none is left."""
        made: list[DockerContainer] = []
        try:
            await self._make_all(spec, made, _parts(spec.template))
            for container in made[: _count_at_once(spec.template)]:
                await container.start()
        except BaseException as error:
            await self.discard(made, spec.id, error)
            raise
        return tuple(container.id for container in made)

    async def complete(self, spec: InstanceSpec, rows: Sequence[DockerContainer]) -> None:
        """Make what is missing of an instance that is there, and start what doesn't run; what is paused stays so.

        Where one container waits for others, none is started yet.
        """
        missing = missing_companions(rows)
        made = list(rows)
        parts = [(name, template) for name, template in _parts(spec.template) if name in missing]
        await self._make_all(spec, made, parts)
        for container in made if not waits_inside(spec.template) else ():
            if container not in rows or is_startable(container):
                await container.start()

    async def _make_all(
        self, spec: InstanceSpec, made: list[DockerContainer], parts: Sequence[tuple[str, ContainerTemplate]]
    ) -> None:
        """Create these containers, adding each to ``made`` as it comes to be."""
        ids = {self._service_of(spec, each): each.id for each in made}
        for name, template in parts:
            wish = ContainerWish(self._names, spec, template, name, dict(ids))
            container = await self._api.client.containers.create(container_body(wish), name=wish.name)
            made.append(container)
            ids[name or _own_name(spec)] = container.id
            await self._join_other_networks(wish, container)
            if template.files:
                async with asyncio.timeout(CALL_SECONDS):
                    await self._files.put_in(container.id, template)

    async def _join_other_networks(self, wish: ContainerWish, container: DockerContainer) -> None:
        for network in wish.networks[1:]:
            joined = await self._api.client.networks.get(wish.engine_network(network))
            await joined.connect({"Container": container.id, "EndpointConfig": endpoint_body(wish, network)})

    async def discard(self, made: Sequence[DockerContainer], id: InstanceId, cause: BaseException) -> None:
        """Remove what was half made; where that fails too, the first failure is the one that is told."""
        for container in reversed(made):
            try:
                await container.delete(force=True, v=True)
            except (DockerError, ClientError, OSError, TimeoutError) as error:
                cause.add_note(f"A half-made container of {id} could not be removed either: {error}")

    @staticmethod
    def _service_of(spec: InstanceSpec, row: DockerContainer) -> str:
        return row["Labels"].get(COMPANION) or _own_name(spec)


def is_startable(row: DockerContainer) -> bool:
    return state_of(row["State"]) in (ContainerState.CREATED, ContainerState.EXITED)


def waits_inside(template: Template) -> bool:
    """Whether a container of the pod waits for another."""
    return any(each.waits_for for each in template.companions)


def _count_at_once(template: Template) -> int:
    """How many containers, from the first on, start without waiting."""
    waiting = (place for place, each in enumerate(template.companions, start=1) if each.waits_for)
    return next(waiting, 1 + len(template.companions))


def newest_asked(template: Template) -> tuple[tuple[int, ...], str] | None:
    """The newest API that anything of this template needs, and what for; ``None`` where the oldest will do."""
    mounts = [mount for each in template.containers for mount in each.mounts]
    attachments = template.attachments
    asked = {
        "a gateway's priority": ((1, 48), any(each.gateway_priority for each in attachments)),
        "an interface's name": ((1, 49), any(each.interface_name for each in attachments)),
        "a subpath of a volume": ((1, 45), any(mount.subpath for mount in mounts)),
        "annotations": ((1, 43), any(each.annotations for each in template.containers)),
    }
    needed = [(version, what) for what, (version, is_asked) in asked.items() if is_asked]
    return max(needed, default=None)


def _parts(template: Template) -> tuple[tuple[str, ContainerTemplate], ...]:
    return ((FIRST, template), *((each.name, each.template) for each in template.companions))


def _own_name(spec: InstanceSpec) -> str:
    """The service's name in its app, which is what others of the pod call its first container."""
    return spec.service.rpartition("/")[2]
