"""The peer that does least: containers started over the engine's API with the same settings, and probed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiodocker import Docker

from springtide.engines.base import InstanceSpec
from springtide.engines.docker_containers import ContainerWish, container_body
from springtide.engines.docker_instances import ContainerNames
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources
from springtide.model.workloads import Template

CONCURRENCY = 8
PROBE_PAUSE_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class BareRun:
    """Containers of one run, on a network of their own."""

    docker: Docker
    image: str
    names: ContainerNames

    async def seconds_to_start(self, count: int) -> float:
        """Start so many at once and wait until each answers its health page."""
        await self.docker.networks.create({"Name": self.names.network(AppName("bare"), "default"), "Driver": "bridge"})
        begun_at = time.perf_counter()
        at_once = asyncio.Semaphore(CONCURRENCY)
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as http:
            await asyncio.gather(*(self._start(number, at_once, http) for number in range(count)))
        return time.perf_counter() - begun_at

    async def remove(self, count: int) -> None:
        """Remove everything again."""
        at_once = asyncio.Semaphore(CONCURRENCY)

        async def remove_one(number: int) -> None:
            async with at_once:
                await self.docker.containers.container(self.names.container(_id(number))).delete(force=True)

        await asyncio.gather(*(remove_one(number) for number in range(count)))
        await (await self.docker.networks.get(self.names.network(AppName("bare"), "default"))).delete()

    async def _start(self, number: int, at_once: asyncio.Semaphore, http: aiohttp.ClientSession) -> None:
        async with at_once:
            spec = self._spec(number)
            config = container_body(ContainerWish(self.names, spec, spec.template))
            container = await self.docker.containers.create(config, name=self.names.container(_id(number)))
            await container.start()
        shown: dict[str, Any] = await container.show()
        (network,) = shown["NetworkSettings"]["Networks"].values()
        while True:
            if await is_ready(http, network["IPAddress"]):
                return
            await asyncio.sleep(PROBE_PAUSE_SECONDS)

    def _spec(self, number: int) -> InstanceSpec:
        environment = (("CONCURRENCY", "4"), ("QUEUE", "8"), ("WORK_MS", "100"))
        return InstanceSpec(
            id=_id(number),
            app=AppName("bare"),
            service=ServiceId("bare/web"),
            revision=RevisionId("bare"),
            node=NodeId("bare"),
            template=Template(image=self.image, environment=environment, aliases=("web",)),
            resources=Resources.of({CPU_MILLIS: 50, MEMORY_BYTES: 32 * 2**20, PIDS: 128}),
        )


def _id(number: int) -> InstanceId:
    return InstanceId(f"bare-{number}")


async def is_ready(http: aiohttp.ClientSession, address: str) -> bool:
    """Whether an instance of the sample app answers its health page with 200."""
    try:
        async with http.get(f"http://{address}:8000/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
