"""What people want: apps put, removed and scaled. Controllers do the rest."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from springtide.api.deployments import delete_app, put_app, scale_service
from springtide.api.platform import Platform
from springtide.api.requests import ScaleRequest
from springtide.api.views_services import urls_of
from springtide.api.wire import DeletedWire, DeployedWire, ScaledWire
from springtide.api.wire_base import Wire
from springtide.formats.app_specs import DeployedApp
from springtide.model.errors import InputError, RefusedError
from springtide.model.identifiers import AppName, ServiceId


class DeletedVolumesWire(Wire):
    app: str


def app_routes(platform: Platform) -> APIRouter:
    routes = APIRouter(prefix="/apps", tags=["apps"])

    @routes.put("/{app}")
    async def put(app: str, deployed: Annotated[DeployedApp, Body()]) -> DeployedWire:
        """Want this app, with exactly these services; revisions that exist keep their proof."""
        if deployed.app.name != app:
            raise InputError(f"The body is app {deployed.app.name!r}.", file=f"app {app}", key="app.name")
        deployment = await put_app(platform.store, deployed, platform.ingress_port)
        return DeployedWire(
            app=app,
            version=deployment.version,
            services=[service.id for service in deployment.services],
            removed=list(deployment.removed),
            urls={service.id: urls_of(service.routes, platform.ingress_port) for service in deployment.services},
        )

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

    @routes.post("/{app}/services/{name}/scale")
    async def scale(app: str, name: str, bounds: ScaleRequest) -> ScaledWire:
        """Fix a service's count, or set the range in which load moves it."""
        minimum, maximum = bounds.bounds
        service = await scale_service(platform.store, ServiceId(f"{app}/{name}"), minimum, maximum)
        return ScaledWire(service=service.id, minimum=service.scale.minimum, maximum=service.scale.maximum)

    return routes
