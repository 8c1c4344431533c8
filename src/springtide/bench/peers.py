"""Peers that people use instead: Docker Compose and one-node Docker Swarm, run as their users run them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiodocker import Docker

from springtide.bench.bare_engine import is_ready
from springtide.bench.ground import LOOK_SECONDS, write
from springtide.model.errors import RefusedError
from springtide.temporary import free_port

COMPOSE = Path(sys.executable).with_name("docker-compose")
REGISTRY = "docker-registry"
WAIT_SECONDS = 180.0
PEER_IMAGE = "springtide-bench/web:1"


@dataclass(frozen=True, slots=True)
class ComposePeer:
    """One project of Docker Compose v2 from a file."""

    docker: Docker
    project: str
    file: Path

    async def up(self, *arguments: str) -> float:
        """``docker-compose up -d``: the seconds until it has ended."""
        begun_at = time.perf_counter()
        await _run(str(COMPOSE), "-p", self.project, "-f", str(self.file), "up", "-d", *arguments)
        return time.perf_counter() - begun_at

    async def seconds_to_scale(self, service: str, count: int) -> float:
        """Scale up until each container answers its health page."""
        begun_at = time.perf_counter()
        await self.up("--no-recreate", "--scale", f"{service}={count}")
        await self._all_answer(count)
        return time.perf_counter() - begun_at

    async def down(self) -> None:
        await _run(str(COMPOSE), "-p", self.project, "-f", str(self.file), "down", "-t", "1", "-v")

    async def _all_answer(self, count: int) -> None:
        filters = {"label": [f"com.docker.compose.project={self.project}"]}
        rows = await self.docker.containers.list(filters=filters)
        addresses = [next(iter(row["NetworkSettings"]["Networks"].values()))["IPAddress"] for row in rows]
        if len(addresses) != count:
            raise RefusedError(f"Docker Compose runs {len(addresses)} containers instead of {count}.")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            waiting = set(addresses)
            while waiting:
                waiting = {each for each in waiting if not await is_ready(http, each)}


@dataclass(frozen=True, slots=True)
class SwarmPeer:
    """One service on an overlay network of a swarm of this one node."""

    docker: Docker
    service: str

    async def seconds_to_scale(self, count: int) -> float:
        """Scale until so many tasks run: none is asked whether it answers, which is in Swarm's favour."""
        begun_at = time.perf_counter()
        await _run("docker", "service", "scale", "--detach", f"{self.service}={count}")
        while await self._running() != count:
            if time.perf_counter() - begun_at > WAIT_SECONDS:
                raise RefusedError(f"Swarm hasn't {count} tasks running within {WAIT_SECONDS:g} s.")
            await asyncio.sleep(LOOK_SECONDS)
        return time.perf_counter() - begun_at

    async def _running(self) -> int:
        tasks = await self.docker.tasks.list(filters={"service": self.service})
        return sum(task["Status"]["State"] == "running" for task in tasks)


@asynccontextmanager
async def compose_project(docker: Docker, folder: Path, text: str) -> AsyncIterator[ComposePeer]:
    """A project that is gone at the end with all that it made. Raises RefusedError where Docker Compose is missing."""
    if not COMPOSE.exists():
        raise RefusedError("Docker Compose isn't in the virtual environment.", remedy="Run make setup.")
    peer = ComposePeer(docker, f"bench-{os.getpid()}", write(folder, "peer.compose.yaml", text))
    try:
        yield peer
    finally:
        await peer.down()


@asynccontextmanager
async def swarm_service(docker: Docker, folder: Path, image: str) -> AsyncIterator[SwarmPeer]:
    """A service with one task, of an image id, in a swarm that ends with it.

    Raises RefusedError where the engine is in a swarm already, or the registry is missing: Swarm pulls every
    image anew, and waits for time-outs where nobody has it.
    """
    info = await docker.system.info()
    if info["Swarm"]["LocalNodeState"] != "inactive":
        raise RefusedError("The engine is in a swarm already.", remedy="Measure on an engine that isn't.")
    async with AsyncExitStack() as stack:
        reference = await _pushed(stack, docker, folder, image)
        await docker.swarm.init(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
        stack.push_async_callback(docker.swarm.leave, force=True)
        await _run("docker", "network", "create", "--driver", "overlay", "bench-overlay")
        settings = ("--network", "bench-overlay", "--endpoint-mode", "dnsrr", "--limit-memory", "32M")
        variables = ("--env", "CONCURRENCY=4", "--env", "QUEUE=8", "--env", "WORK_MS=100")
        name = "bench-web"
        await _run("docker", "service", "create", "--detach", "--name", name, *settings, *variables, reference)
        peer = SwarmPeer(docker, name)
        stack.push_async_callback(_run, "docker", "service", "rm", name)
        await peer.seconds_to_scale(1)
        yield peer


async def _pushed(stack: AsyncExitStack, docker: Docker, folder: Path, image: str) -> str:
    """The image's reference in a registry of its own, which ends with the stack."""
    if shutil.which(REGISTRY) is None:
        raise RefusedError(f"{REGISTRY} isn't installed.", remedy=f"Install the distribution's package {REGISTRY}.")
    address = f"127.0.0.1:{free_port(5000)}"
    configuration = write(
        folder,
        "registry.yml",
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {address}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n",
    )
    silent = asyncio.subprocess.DEVNULL
    registry = await asyncio.create_subprocess_exec(REGISTRY, "serve", str(configuration), stdout=silent, stderr=silent)
    stack.push_async_callback(_end, registry)
    await _answers(f"http://{address}/v2/")
    reference = f"{address}/bench/web:1"
    await _run("docker", "tag", image, reference)
    stack.push_async_callback(_run, "docker", "rmi", reference)
    await _run("docker", "push", "--quiet", reference)
    return reference


async def _answers(url: str) -> None:
    begun_at = time.perf_counter()
    async with aiohttp.ClientSession() as http:
        while time.perf_counter() - begun_at < WAIT_SECONDS:
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(LOOK_SECONDS)
    raise RefusedError(f"{url} doesn't answer.")


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()


async def _run(*command: str) -> None:
    """Run a command to its end. Raises RefusedError with what it said where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RefusedError(f"{' '.join(command)} ended with {process.returncode}: {said.decode()[-600:]}")
