"""Writing wants: an app as deployed, its removal, the bounds of a service. Each is one commit on what it rests on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from springtide.api.app_checks import check_app
from springtide.api.errors import unknown
from springtide.api.template_checks import refuse_copies
from springtide.formats.app_specs import DeployedApp
from springtide.model.errors import StaleReadError
from springtide.model.identifiers import AppName, ServiceId
from springtide.model.record import Change, Kind, Record
from springtide.model.workloads import Service
from springtide.planning.one_shots import has_failed
from springtide.store.base import ReadVersions, Store

ATTEMPTS = 5
RESTS_ON = (Kind.FLEET, Kind.APP, Kind.SERVICE, Kind.REVISION, Kind.RUN)
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Deployment:
    """What putting an app changed: its services, those that it no longer has, the version of the commit.

    Where nothing was to change it is the version as it was.
    """

    services: tuple[Service, ...]
    removed: tuple[ServiceId, ...]
    version: int


async def put_app(store: Store, deployed: DeployedApp, ingress_port: int) -> Deployment:
    """Make the record want this app. Raises RefusedError where the fleet or another app stands against it."""

    async def attempt(record: Record) -> Deployment:
        check_app(record, deployed, ingress_port)
        wanted = record_changes(record, deployed)
        if not wanted.changes:
            return Deployment(deployed.services, (), record.version)
        version = await store.commit(wanted.changes, read=_read_versions(record))
        return Deployment(deployed.services, wanted.removed, version)

    return await _on_fresh_record(store, attempt)


@dataclass(frozen=True, slots=True)
class RecordChanges:
    """What must be committed so that an app is wanted; nothing where it is already."""

    changes: tuple[Change, ...]
    removed: tuple[ServiceId, ...]


def record_changes(record: Record, deployed: DeployedApp) -> RecordChanges:
    """Only what differs from the record; what was restarted stays so, and a date alone is no difference."""
    kept = {service.id for service in deployed.services}
    removed = tuple(id for id in services_of(record, deployed.app.name) if id not in kept)
    services = [_as_restarted(record, service) for service in deployed.services]
    changes = [
        *_revision_changes(record, deployed),
        *_new_tries(record, services),
        *(Change(Kind.SERVICE, each.id, each) for each in services if record.services.get(each.id) != each),
        *(Change(Kind.SERVICE, id, None) for id in removed),
    ]
    before = record.apps.get(deployed.app.name)
    if changes or before is None or replace(before, deployed_at=None) != replace(deployed.app, deployed_at=None):
        changes.append(Change(Kind.APP, deployed.app.name, deployed.app))
    return RecordChanges(tuple(changes), removed)


def _as_restarted(record: Record, service: Service) -> Service:
    before = record.services.get(service.id)
    return replace(service, restarted_at=before.restarted_at if before is not None else None)


async def restart_services(store: Store, name: str, chosen: Collection[str], now: datetime) -> tuple[Service, ...]:
    """Want new instances of these services of an app, or of all, of the same revisions."""

    async def attempt(record: Record) -> tuple[Service, ...]:
        restarted = tuple(replace(each, restarted_at=now) for each in services_named(record, name, chosen))
        await store.commit([Change(Kind.SERVICE, each.id, each) for each in restarted], read=_read_versions(record))
        return restarted

    return await _on_fresh_record(store, attempt)


def services_named(record: Record, app: str, chosen: Collection[str]) -> tuple[Service, ...]:
    """These services of an app by their names, or all. Raises UnknownNameError."""
    if AppName(app) not in record.apps:
        raise unknown("app", app, record.apps)
    there = {record.services[id].name: record.services[id] for id in services_of(record, AppName(app))}
    for each in chosen:
        if each not in there:
            raise unknown("service", each, there)
    return tuple(service for name, service in there.items() if not chosen or name in chosen)


def as_deployed(record: Record, app: str) -> DeployedApp:
    """The app as it was last deployed. Raises UnknownNameError."""
    services = services_named(record, app, ())
    revisions = tuple(record.revisions[each.revision] for each in services)
    return DeployedApp(record.apps[AppName(app)], services, revisions)


async def delete_app(store: Store, name: str) -> tuple[ServiceId, ...]:
    """Want nothing of this app any more; it stays in the record, empty, until its instances have drained."""

    async def attempt(record: Record) -> tuple[ServiceId, ...]:
        app = record.apps.get(AppName(name))
        if app is None:
            raise unknown("app", name, record.apps)
        removed = services_of(record, app.name)
        changes = [Change(Kind.SERVICE, id, None) for id in removed]
        await store.commit(
            [*changes, Change(Kind.APP, app.name, replace(app, services=()))], read=_read_versions(record)
        )
        return removed

    return await _on_fresh_record(store, attempt)


async def scale_service(store: Store, id: ServiceId, minimum: int, maximum: int) -> Service:
    """Set a service's bounds; its targets stay, and no more are kept available than there may be."""

    async def attempt(record: Record) -> Service:
        service = find_service(record, id)
        refuse_copies(service, record.revisions[service.revision].template, maximum)
        available = min(service.scale.available, maximum) if service.scale.available is not None else None
        bounds = replace(service.scale, minimum=minimum, maximum=maximum, available=available)
        scaled = replace(service, scale=bounds)
        await store.commit([Change(Kind.SERVICE, id, scaled)], read=_read_versions(record))
        return scaled

    return await _on_fresh_record(store, attempt)


def find_service(record: Record, id: ServiceId) -> Service:
    """The service of this id. Raises UnknownNameError with what comes near."""
    service = record.services.get(id)
    if service is None:
        raise unknown("service", id, record.services)
    return service


def services_of(record: Record, app: AppName) -> tuple[ServiceId, ...]:
    return tuple(sorted(id for id, service in record.services.items() if service.app == app))


def _revision_changes(record: Record, deployed: DeployedApp) -> list[Change]:
    """Only new revisions are written: one that the record has keeps its ``created_at`` and ``proven_at``."""
    new = [revision for revision in deployed.revisions if revision.id not in record.revisions]
    # What proves a revision is an instance of it, never the one who deploys it.
    return [Change(Kind.REVISION, revision.id, replace(revision, proven_at=None)) for revision in new]


def _new_tries(record: Record, services: Sequence[Service]) -> list[Change]:
    """Who deploys what has failed for good wants it tried again; what has completed of it stays so."""
    failed = [each.id for each in services if has_failed(record, each)]
    return [Change(Kind.RUN, id, replace(record.runs[id], failures=0, last_failure=None)) for id in failed]


def _read_versions(record: Record) -> ReadVersions:
    return ReadVersions({kind: record.set_versions.get(kind, 0) for kind in RESTS_ON}, {})


async def _on_fresh_record(store: Store, attempt: Callable[[Record], Awaitable[Outcome]]) -> Outcome:
    """Read and try again a few times where others commit in between."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt(await store.read())
        except StaleReadError:
            continue
    return await attempt(await store.read())
