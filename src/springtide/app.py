"""Settings and wiring: which store, engine, clouds and router the control plane runs on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from springtide.api.server import create_api
from springtide.clouds.base import CloudProvider
from springtide.clouds.slices import SlicesCloud
from springtide.controllers.plane import Adapters, ControlPlane
from springtide.controllers.reconciliation import plan_in_thread
from springtide.engines.base import Engine
from springtide.engines.docker import DockerEngine
from springtide.formats.fleet import default_fleet, load_fleet
from springtide.formats.machine_fit import check_fleet_fits
from springtide.formats.platforms import on_platform
from springtide.model.errors import RefusedError
from springtide.model.fleet import EMPTY_FLEET, Cloud, Fleet
from springtide.model.history import LastWords, Sample
from springtide.model.identifiers import ServiceId
from springtide.model.record import FLEET_ID, Change, Kind, Record
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index
from springtide.routers.haproxy import HaproxyRouter
from springtide.store.base import Store
from springtide.store.sql import SqlStore

SHUTDOWN_SECONDS = 2
"""How long a build or a log that somebody follows may hold up the end of the control plane."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a control plane keeps its state, and where it listens (loopback only)."""

    home: Path
    fleet_file: Path | None = None
    api_port: int = 7070
    ingress_port: int = 8080
    docker_host: str | None = None


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """The control plane as the API sees it."""

    plane: ControlPlane
    ingress_port: int

    @property
    def store(self) -> Store:
        return self.plane.adapters.store

    @property
    def engine(self) -> Engine:
        return self.plane.adapters.engine

    @property
    def record(self) -> Record:
        return self.plane.follower.record

    @property
    def index(self) -> Index:
        return self.plane.chronicle.index

    @property
    def explanations(self) -> Mapping[ServiceId, Explanation]:
        return self.plane.chronicle.explanations

    @property
    def samples(self) -> Sequence[Sample]:
        return self.plane.chronicle.samples

    @property
    def last_words(self) -> Mapping[ServiceId, LastWords]:
        return self.plane.chronicle.last_words

    async def catch_up(self) -> None:
        await self.plane.follower.wait_until(await self.store.commit([]))

    async def next_plan(self, timeout_seconds: float) -> None:
        await self.plane.chronicle.next_note(timeout_seconds)

    def now(self) -> datetime:
        return system_now()


def system_now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Run the control plane and its API until the process is told to end; what runs keeps running.

    Raises EngineError, StoreError, PortTakenError, FleetFileError or RefusedError where it can't start.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = SqlStore(f"sqlite:///{settings.home / 'springtide.db'}")
    engine = DockerEngine(installation_id(settings.home), docker_host=settings.docker_host)
    router = HaproxyRouter(settings.home / "haproxy", port=settings.ingress_port)
    try:
        await engine.start()
        fleet = await settle_fleet(store, engine, settings.fleet_file)
        await router.start()
        adapters = Adapters(store, engine, router, open_clouds(fleet, settings.home))
        plane = ControlPlane(adapters, planner=plan_in_thread, now=system_now)
        await _run_with_api(plane, settings)
    finally:
        await router.close()
        await engine.close()
        await store.close()


async def settle_fleet(store: Store, engine: Engine, fleet_file: Path | None) -> Fleet:
    """The fleet from the file, else from the record, else the machine in halves; kept in the record.

    Its slices are of the machine's operating system and architecture where they don't say otherwise.
    """
    known = (await store.read()).fleet
    machine = await engine.machine()
    if fleet_file is not None:
        fleet = load_fleet(fleet_file)
    else:
        fleet = known if known != EMPTY_FLEET else default_fleet(machine)
    fleet = on_platform(fleet, *await engine.platform())
    check_fleet_fits(fleet, machine)
    if fleet != known:
        await store.commit([Change(Kind.FLEET, FLEET_ID, fleet)])
    return fleet


def open_clouds(fleet: Fleet, home: Path) -> dict[str, CloudProvider]:
    """An adapter for each cloud of the fleet."""
    return {cloud.name: _open_cloud(cloud, home) for cloud in fleet.clouds}


def installation_id(home: Path) -> str:
    """The name by which this home knows its containers, made once."""
    file = home / "installation"
    if not file.exists():
        file.write_text(secrets.token_hex(4))
    return file.read_text().strip()


def _open_cloud(cloud: Cloud, home: Path) -> CloudProvider:
    if cloud.kind == "slices":
        books = home / f"cloud-{cloud.name}.json"
        return SlicesCloud(cloud, books, owner=installation_id(home), now=system_now)
    raise RefusedError(
        f"Cloud {cloud.name} is of kind {cloud.kind!r}, which this version can't rent from.",
        remedy="Use kind: slices.",
    )


async def _run_with_api(plane: ControlPlane, settings: Settings) -> None:
    """The control plane ends when the API's server has been told to end, and the other way round."""
    platform = RunningPlatform(plane, settings.ingress_port)
    config = uvicorn.Config(
        create_api(platform),
        host="127.0.0.1",
        port=settings.api_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    loops = asyncio.create_task(plane.run(), name="control plane")
    serving = asyncio.create_task(server.serve(), name="api")
    done, _ = await asyncio.wait({loops, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    loops.cancel()
    await asyncio.gather(loops, serving, return_exceptions=True)
    for task in done:
        task.result()
