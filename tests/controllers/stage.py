"""A stage in virtual time: real controllers over simulated adapters, whose state outlives the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from springtide.clouds.base import RentRequest
from springtide.clouds.simulated import SimulatedCloud, SimulatedCloudState
from springtide.controllers.plane import Adapters, ControlPlane
from springtide.controllers.reconciliation import plan_inline
from springtide.engines.simulated import SimulatedEngine
from springtide.engines.simulated_machine import SimulatedFaults, SimulatedMachine
from springtide.model.fleet import Fleet
from springtide.model.identifiers import ServiceId
from springtide.model.networks import NetworkDefinition
from springtide.model.observations import MachineState
from springtide.model.placements import Placement, PlacementState
from springtide.model.record import Change, Kind, Record
from springtide.model.workloads import Route, Service
from springtide.routers.base import RouteTable
from springtide.routers.simulated import SimulatedRouter
from springtide.store.base import NOTHING_READ, Fence, ReadVersions
from springtide.store.memory import MemoryStore
from tests.builders import START, a_fleet, a_revision, an_app

ROUTES = (Route(8000, host="web.localhost"),)


class Boundaries:
    """Every crossing between the control plane and the world, numbered; one of them may be its last.

    From the fatal crossing on, the dead control plane's calls have no effect and never return.
    """

    def __init__(self, fatal: int = 0) -> None:
        self.fatal = fatal
        self.count = 0
        self.names: list[str] = []
        self.died = asyncio.Event()

    async def cross(self, name: str) -> None:
        if self.died.is_set():
            await asyncio.Event().wait()
        self.count += 1
        self.names.append(name)
        if self.count == self.fatal:
            self.died.set()
            await asyncio.Event().wait()


class MortalStore:
    """A store whose caller may die before or after each commit."""

    def __init__(self, store: MemoryStore, boundaries: Boundaries) -> None:
        self._store = store
        self._boundaries = boundaries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(
        self, changes: Sequence[Change], *, read: ReadVersions = NOTHING_READ, fence: Fence | None = None
    ) -> int:
        await self._boundaries.cross("before commit")
        version = await self._store.commit(changes, read=read, fence=fence)
        await self._boundaries.cross("after commit")
        return version


class MortalEngine(SimulatedEngine):
    """An engine whose caller may die before or after each effect."""

    boundaries: Boundaries

    async def create(self, spec: Any) -> None:
        await self.boundaries.cross(f"before create {spec.id}")
        await super().create(spec)
        await self.boundaries.cross(f"after create {spec.id}")

    async def delete(self, id: Any, grace_seconds: float) -> None:
        await self.boundaries.cross(f"before delete {id}")
        await super().delete(id, grace_seconds)
        await self.boundaries.cross(f"after delete {id}")

    async def pause(self, id: Any) -> None:
        await self.boundaries.cross(f"before pause {id}")
        await super().pause(id)
        await self.boundaries.cross(f"after pause {id}")

    async def resume(self, id: Any) -> None:
        await self.boundaries.cross(f"before resume {id}")
        await super().resume(id)
        await self.boundaries.cross(f"after resume {id}")

    async def ensure_network(self, app: Any, network: NetworkDefinition) -> None:
        await self.boundaries.cross(f"before network {app}")
        await super().ensure_network(app, network)
        await self.boundaries.cross(f"after network {app}")

    async def delete_networks(self, app: Any) -> None:
        await self.boundaries.cross(f"before clearing {app}")
        await super().delete_networks(app)
        await self.boundaries.cross(f"after clearing {app}")


class MortalCloud(SimulatedCloud):
    """A cloud whose caller may die before or after each effect."""

    boundaries: Boundaries

    async def rent(self, request: RentRequest) -> None:
        await self.boundaries.cross(f"before rent {request.token}")
        await super().rent(request)
        await self.boundaries.cross(f"after rent {request.token}")

    async def give_back(self, token: str) -> None:
        await self.boundaries.cross(f"before return {token}")
        await super().give_back(token)
        await self.boundaries.cross(f"after return {token}")


class MortalRouter(SimulatedRouter):
    """A router whose caller may die before or after each change."""

    boundaries: Boundaries
    cut_off = 0
    """Requests that were in flight at endpoints when they were taken away."""

    async def apply(self, table: RouteTable) -> None:
        await self.boundaries.cross("before routes")
        staying = {endpoint.instance for routed in table for endpoint in routed.endpoints}
        view = await self.view()
        self.cut_off += sum(load.in_flight for instance, load in view.endpoints if instance not in staying)
        await super().apply(table)
        await self.boundaries.cross("after routes")


class Stage:
    """Store, machine, cloud and router, and the control plane that runs on them at the moment."""

    def __init__(self, fleet: Fleet | None = None, services: Sequence[Service] = ()) -> None:
        self.fleet = fleet or a_fleet()
        self.services = services
        self.store = MemoryStore()
        self.machine = SimulatedMachine(now)
        self.faults = SimulatedFaults()
        self.cloud_state = SimulatedCloudState()
        self.boundaries = Boundaries()
        self.router = MortalRouter(now)
        self.router.boundaries = self.boundaries
        self.engine = self._engine()
        self.cloud = self._cloud()
        self.plane: ControlPlane | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Stage:
        await self.store.commit([Change(Kind.FLEET, "fleet", self.fleet)])
        for service in self.services:
            await self.deploy(service)
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def begin(self) -> None:
        """Start a control plane over whatever is there."""
        self.engine, self.cloud = self._engine(), self._cloud()
        self.router.boundaries = self.boundaries
        store: Any = MortalStore(self.store, self.boundaries)
        adapters = Adapters(store, self.engine, self.router, {self.cloud.name: self.cloud})
        self.plane = ControlPlane(adapters, planner=plan_inline, now=now)
        self._running = asyncio.create_task(self.plane.run())

    async def end(self) -> None:
        """End the control plane as it ends when told to; what runs keeps running."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def die_at(self, crossing: int) -> None:
        """Let the control plane die at the crossing of this number, counted from now on."""
        self.boundaries.fatal = self.boundaries.count + crossing

    async def replace_dead(self) -> None:
        """Start another control plane after the first has died."""
        await self.end()
        self.boundaries = Boundaries()
        await self.begin()

    async def deploy(self, service: Service, **revision: Any) -> None:
        number = int(service.revision.partition("@")[2])
        await self.store.commit(
            [
                Change(Kind.APP, service.app, an_app(service.app, service.id)),
                Change(Kind.REVISION, service.revision, a_revision(service.id, number, **revision)),
                Change(Kind.SERVICE, service.id, service),
            ]
        )

    async def scale(self, service: str, count: int) -> None:
        before = (await self.record()).services[ServiceId(service)]
        scale = replace(before.scale, minimum=count, maximum=count)
        await self.store.commit([Change(Kind.SERVICE, service, replace(before, scale=scale))])

    async def remove(self, app: str) -> None:
        record = await self.record()
        services = [id for id, service in record.services.items() if service.app == app]
        changes = [Change(Kind.SERVICE, id, None) for id in services]
        emptied = next(each for name, each in record.apps.items() if name == app)
        await self.store.commit([*changes, Change(Kind.APP, app, replace(emptied, services=()))])

    async def record(self) -> Record:
        return await self.store.read()

    async def running(self, service: str) -> list[Placement]:
        """Placements of the service that are meant to stay and whose container runs."""
        placements = (await self.record()).placements.values()
        return [
            each
            for each in placements
            if each.service == service
            and each.state is PlacementState.RUNNING
            and each.eviction is None
            and each.instance in self.machine.containers
            and self.machine.containers[each.instance].is_running
        ]

    async def counts(self) -> dict[str, int]:
        """How many instances of each service run and are meant to stay."""
        record = await self.record()
        return {str(id): len(await self.running(id)) for id in sorted(record.services)}

    async def machines(self) -> dict[str, MachineState]:
        return {machine.token: machine.state for machine in (await self.cloud.view()).machines}

    async def event_codes(self) -> list[str]:
        return [entry.value.reason.code for entry in await self.store.list(Kind.EVENT)]

    async def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> float:
        """Let virtual time pass until the condition (plain or awaitable) holds; the seconds it took."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            held = condition()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return loop.time() - start
            if loop.time() - start > seconds:
                raise AssertionError(f"it didn't come true within {seconds} s: {await self.counts()}")
            if self._running is not None and self._running.done():
                self._running.result()
            await asyncio.sleep(0.05)

    async def reaches(self, seconds: float = 60.0, **counts: int) -> float:
        """Wait until the named apps' web services run so many instances, and nothing else is left over."""

        async def reached() -> bool:
            present = await self.counts()
            return all(present.get(f"{app}/web", 0) == count for app, count in counts.items())

        return await self.until(reached, seconds)

    async def is_tidy(self) -> bool:
        """Containers and placements, machines and rentals are the same sets: nothing doubled, orphaned or lost."""
        record = await self.record()
        placed = {id for id, each in record.placements.items() if each.state is PlacementState.RUNNING}
        return (
            set(self.machine.containers) == set(record.placements) == placed
            and all(container.is_running for container in self.machine.containers.values())
            and set(await self.machines()) == set(record.rentals)
        )

    def _engine(self) -> MortalEngine:
        engine = MortalEngine(now, machine=self.machine, faults=self.faults)
        engine.boundaries = self.boundaries
        return engine

    def _cloud(self) -> MortalCloud:
        cloud = MortalCloud(self.fleet.clouds[0], self.cloud_state, "owner", now=now)
        cloud.boundaries = self.boundaries
        return cloud


def now() -> datetime:
    """The virtual clock: the loop's time since the start of every test."""
    return START + timedelta(seconds=asyncio.get_running_loop().time())
