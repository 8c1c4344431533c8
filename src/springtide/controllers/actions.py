"""Carrying plans out: one call at a time per instance, machine or app; what comes back are facts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from springtide.clouds.base import CloudProvider, RentRequest
from springtide.controllers.instances import InstanceWatcher
from springtide.controllers.mailbox import Mailbox
from springtide.engines.base import Engine, InstanceSpec
from springtide.model.errors import AdapterError
from springtide.model.history import LastWords
from springtide.model.identifiers import AppName, InstanceId, ServiceId
from springtide.model.mounts import MountType, VolumeDefinition, volume_named
from springtide.model.networks import OWN_NETWORKS, NetworkDefinition, network_named
from springtide.model.observations import ActionFailed, ContainerState
from springtide.model.placements import Placement
from springtide.model.record import Record
from springtide.model.workloads import App, Template
from springtide.planning.convergence import (
    Action,
    ClearApp,
    CreateInstance,
    DeleteInstance,
    PauseInstance,
    RentMachine,
    ResumeInstance,
    ReturnMachine,
)
from springtide.planning.index import AppCleared, InstanceDeleted, MachineReturned

LAST_LINES = 12

log = structlog.get_logger()


class Actor:
    """Carries actions out. A subject with a call under way is left alone until that call has ended."""

    def __init__(
        self,
        engine: Engine,
        clouds: Mapping[str, CloudProvider],
        watcher: InstanceWatcher,
        mailbox: Mailbox,
        record: Callable[[], Record],
        now: Callable[[], datetime],
        note_last_words: Callable[[ServiceId, LastWords], None],
    ) -> None:
        self._engine = engine
        self._clouds = clouds
        self._watcher = watcher
        self._mailbox = mailbox
        self._record = record
        self._now = now
        self._note_last_words = note_last_words
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._ground: dict[tuple[AppName, NetworkDefinition | VolumeDefinition], asyncio.Task[None]] = {}
        """Networks and volumes that were asked for."""

    def dispatch(self, actions: tuple[Action, ...]) -> None:
        """Begin every action whose subject has nothing under way."""
        for action in actions:
            if action.subject not in self._under_way:
                task = asyncio.create_task(self._carry_out(action), name=f"{type(action).__name__} {action.subject}")
                self._under_way[action.subject] = task

    async def close(self) -> None:
        """Drop what is under way; a later control plane goes on from the record."""
        tasks = [*self._under_way.values(), *self._ground.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, action: Action) -> None:
        try:
            await self._call(action)
        except AdapterError as error:
            log.warning("action_failed", action=type(action).__name__, subject=action.subject, error=str(error))
            self._mailbox.report(ActionFailed(action.subject, self._now(), error.code, str(error)))
        finally:
            del self._under_way[action.subject]

    async def _call(self, action: Action) -> None:
        match action:
            case CreateInstance(placement):
                await self._create(placement)
            case PauseInstance(id):
                await self._engine.pause(id)
                self._watcher.look_at(id)
            case ResumeInstance(id):
                await self._engine.resume(id)
                self._watcher.look_at(id)
            case DeleteInstance(id, grace_seconds):
                await self._hear_out(id)
                await self._engine.delete(id, grace_seconds)
                self._mailbox.report(InstanceDeleted(id))
            case RentMachine(rental):
                await self._clouds[rental.cloud].rent(RentRequest(rental.token, rental.pool, rental.shape))
            case ReturnMachine(cloud, token):
                await self._clouds[cloud].give_back(token)
                self._mailbox.report(MachineReturned(token))
            case ClearApp(app):
                await self._engine.delete_networks(app)
                self._ground = {key: task for key, task in self._ground.items() if key[0] != app}
                self._mailbox.report(AppCleared(app))

    async def _hear_out(self, id: InstanceId) -> None:
        """Keep the last lines of an instance that failed: with its container they would be gone."""
        placement = self._record().placements.get(id)
        if placement is None or placement.drain_since is None or placement.drain_since != placement.gone_by:
            return  # it drains: nothing is wrong with it
        try:
            written = await self._engine.logs(id, tail=LAST_LINES)
        except AdapterError:
            return  # it was never made, or its engine keeps no logs; that is told elsewhere
        if lines := tuple(written.splitlines()):
            words = LastWords(id, placement.revision, self._now(), lines)
            self._note_last_words(placement.service, words)

    async def _create(self, placement: Placement) -> None:
        """Start what the record says; where it has changed its mind meanwhile, nothing is started."""
        record = self._record()
        service, revision = record.services.get(placement.service), record.revisions.get(placement.revision)
        is_standby = placement.instance in record.standby
        is_wanted = is_standby or placement.instance in record.placements
        if service is None or revision is None or not is_wanted:
            return
        if revision.template.restart.is_one_shot and await self._was_started(placement.instance):
            return
        app = record.apps.get(service.app) or App(service.app, service.team, ())
        await self._ensure_ground(app, revision.template)
        spec = InstanceSpec(
            placement.instance,
            service.app,
            service.id,
            revision.id,
            placement.node,
            revision.template,
            placement.resources,
            app.network_definitions,
            app.volumes,
            is_standby,
        )
        await self._engine.create(spec)
        self._watcher.look_at(placement.instance)

    async def _was_started(self, id: InstanceId) -> bool:
        """Whether it runs or has run: an engine that is asked again would start what has ended once more."""
        seen = await self._engine.get(id)
        if seen is None or seen.state is ContainerState.CREATED:
            return False
        self._watcher.look_at(id)
        return True

    async def _ensure_ground(self, app: App, template: Template) -> None:
        """Make the networks and named volumes that instances of this template stand on."""
        networks = template.networks if template.network_mode == OWN_NETWORKS else ()
        mounts = [mount for each in template.containers for mount in each.mounts]
        volumes = {mount.source for mount in mounts if mount.type is MountType.VOLUME and mount.source}
        ground: list[NetworkDefinition | VolumeDefinition] = [
            *(network_named(name, app.network_definitions) for name in networks),
            *(volume_named(name, app.volumes) for name in sorted(volumes)),
        ]
        await asyncio.gather(*(self._ensure_once(app.name, each) for each in ground))

    async def _ensure_once(self, app: AppName, definition: NetworkDefinition | VolumeDefinition) -> None:
        """Ask once; who comes while it is being made waits for the same answer."""
        key = (app, definition)
        task = self._ground.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._ensure(app, definition))
            self._ground[key] = task
        await asyncio.shield(task)

    async def _ensure(self, app: AppName, definition: NetworkDefinition | VolumeDefinition) -> None:
        if isinstance(definition, NetworkDefinition):
            await self._engine.ensure_network(app, definition)
        else:
            await self._engine.ensure_volume(app, definition)
