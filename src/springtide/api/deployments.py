"""Writing wants: an app as deployed, its removal, the bounds of a service. Each is one commit on what it rests on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
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
    """What putting an app changed: its services, those that it no longer has, the version of the commit."""

    services: tuple[Service, ...]
    removed: tuple[ServiceId, ...]
    version: int


async def put_app(store: Store, deployed: DeployedApp, ingress_port: int) -> Deployment:
    """Make the record want this app. Raises RefusedError where the fleet or another app stands against it."""

    async def attempt(record: Record) -> Deployment:
        check_app(record, deployed, ingress_port)
        kept = {service.id for service in deployed.services}
        removed = tuple(id for id in services_of(record, deployed.app.name) if id not in kept)
        changes = [
            *_revision_changes(record, deployed),
            *_new_tries(record, deployed),
            *(Change(Kind.SERVICE, service.id, service) for service in deployed.services),
            *(Change(Kind.SERVICE, id, None) for id in removed),
            Change(Kind.APP, deployed.app.name, deployed.app),
        ]
        version = await store.commit(changes, read=_read_versions(record))
        return Deployment(deployed.services, removed, version)

    return await _on_fresh_record(store, attempt)


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


def _new_tries(record: Record, deployed: DeployedApp) -> list[Change]:
    """Who deploys what has failed for good wants it tried again; what has completed of it stays so."""
    failed = [service.id for service in deployed.services if has_failed(record, service)]
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
