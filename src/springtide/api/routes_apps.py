"""What people want: apps put, restarted, redeployed, removed and scaled. Controllers do the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Query

from springtide.api.app_changes import as_present, changes_of, foresee
from springtide.api.app_checks import check_app
from springtide.api.deployments import Deployment, delete_app, put_app, restart_services, scale_service
from springtide.api.errors import unknown
from springtide.api.platform import Platform
from springtide.api.redeployments import with_newer_images
from springtide.api.requests import AppChangesRequest, RedeployRequest, ScaleRequest, ServicesRequest
from springtide.api.template_checks import check_capabilities
from springtide.api.views_apps import app_changes_wire, progress_wire
from springtide.api.views_services import urls_of
from springtide.api.wire_apps import (
    AppChangesWire,
    DeletedWire,
    DeployedWire,
    ProgressWire,
    RedeployedWire,
    RestartedWire,
    ScaledWire,
)
from springtide.api.wire_base import Wire
from springtide.formats.app_specs import DeployedApp
from springtide.model.errors import InputError, RefusedError
from springtide.model.identifiers import AppName, ServiceId
from springtide.planning.index import RecordChanged, advance

LONGEST_WAIT_SECONDS = 20.0


class DeletedVolumesWire(Wire):
    app: str


def app_routes(platform: Platform) -> APIRouter:
    """The apps themselves, and what is done to them."""
    routes = APIRouter(prefix="/apps", tags=["apps"])

    @routes.put("/{app}")
    async def put(app: str, deployed: Annotated[DeployedApp, Body()]) -> DeployedWire:
        """Want this app, with exactly these services; revisions that exist keep their proof."""
        _check_name(app, deployed)
        check_capabilities(deployed, platform.engine.capabilities)
        return _deployed(platform, app, await put_app(platform.store, deployed, platform.ingress_port))

    @routes.post("/{app}/changes")
    async def changes(app: str, asked: AppChangesRequest) -> AppChangesWire:
        """What putting this app would change, and where its instances would go. Changes nothing."""
        _check_name(app, asked.app)
        check_capabilities(asked.app, platform.engine.capabilities)
        return await _changes(platform, asked.app, asked.unknown_images)

    @routes.get("/{app}/progress")
    async def progress(
        app: str,
        state: Annotated[str, Query(description="What was shown before; the answer waits until it differs.")] = "",
        seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="How long it may wait.")] = 0.0,
    ) -> ProgressWire:
        """How far the app's services are: instances of the wanted revision, ready ones, those yet to be replaced.

        Whoever has just written something sees it: an older look would say that all is done already.
        """
        await platform.catch_up()
        deadline = time.monotonic() + seconds
        while True:
            if AppName(app) not in platform.record.apps:
                raise unknown("app", app, platform.record.apps)
            seen, left = progress_wire(platform, AppName(app)), deadline - time.monotonic()
            if seen.state != state or left <= 0:
                return seen
            await platform.next_plan(left)

    @routes.delete("/{app}")
    async def delete(app: str) -> DeletedWire:
        """Want nothing of this app: its instances drain, then its networks go."""
        return DeletedWire(app=app, services=list(await delete_app(platform.store, app)))

    @routes.delete("/{app}/volumes")
    async def delete_volumes(app: str) -> DeletedVolumesWire:
        """Remove the volumes that were made for an app that is gone, and what they hold; external ones never."""
        if app in platform.record.apps:
            raise RefusedError(
                f"App {app} is still there, and its volumes are its own.",
                remedy=f"Take it down first: springtide down {app} --volumes",
                code="in-use",
            )
        await platform.engine.delete_volumes(AppName(app))
        return DeletedVolumesWire(app=app)

    _add_verbs(routes, platform)
    return routes


def _add_verbs(routes: APIRouter, platform: Platform) -> None:
    """What is done to an app as it was deployed."""

    @routes.post("/{app}/restart")
    async def restart(app: str, asked: ServicesRequest) -> RestartedWire:
        """Want new instances of the same revisions; they replace the old ones a few at a time."""
        now = platform.now()
        restarted = await restart_services(platform.store, app, asked.services, now)
        return RestartedWire(app=app, services=[each.id for each in restarted], restarted_at=now)

    @routes.post("/{app}/redeploy")
    async def redeploy(app: str, asked: RedeployRequest) -> RedeployedWire:
        """Put the app again as it was last deployed, its images looked up anew."""
        deployed, notices = await with_newer_images(platform, app, asked)
        told = await _changes(platform, deployed, {})
        written = None if asked.dry_run else await put_app(platform.store, deployed, platform.ingress_port)
        answer = None if written is None else _deployed(platform, app, written)
        return RedeployedWire(changes=told, deployed=answer, notices=notices)

    @routes.post("/{app}/services/{name}/scale")
    async def scale(app: str, name: str, bounds: ScaleRequest) -> ScaledWire:
        """Fix a service's count, or set the range in which load moves it."""
        minimum, maximum = bounds.bounds
        service = await scale_service(platform.store, ServiceId(f"{app}/{name}"), minimum, maximum)
        return ScaledWire(service=service.id, minimum=service.scale.minimum, maximum=service.scale.maximum)


def _check_name(app: str, deployed: DeployedApp) -> None:
    if deployed.app.name != app:
        raise InputError(f"The body is app {deployed.app.name!r}.", file=f"app {app}", key="app.name")


async def _changes(platform: Platform, deployed: DeployedApp, unknown_images: Mapping[str, str]) -> AppChangesWire:
    """Checked as if it were put, compared, and where something moves played forward in a thread."""
    record = await platform.store.read()
    check_app(record, deployed, platform.ingress_port)
    found = changes_of(record, deployed, unknown_images)
    if not found.is_nothing and platform.index.engine_listed:
        index, now = advance(platform.index, [RecordChanged(record)]), platform.now()
        present = as_present(record, deployed, unknown_images)
        found = replace(found, outlook=await asyncio.to_thread(foresee, index, now, present))
    return app_changes_wire(deployed, found, record, platform.ingress_port)


def _deployed(platform: Platform, app: str, deployment: Deployment) -> DeployedWire:
    return DeployedWire(
        app=app,
        version=deployment.version,
        services=[service.id for service in deployment.services],
        removed=list(deployment.removed),
        urls={service.id: urls_of(service.routes, platform.ingress_port) for service in deployment.services},
    )
