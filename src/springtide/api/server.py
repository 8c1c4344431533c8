"""The web application: JSON under /api/v1, metrics, and the tide page at the top."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Scope

import springtide
from springtide.api.errors import answer_errors, declared_errors
from springtide.api.guard import LocalOnly
from springtide.api.metrics import metrics_text
from springtide.api.platform import Platform
from springtide.api.routes_apps import app_routes
from springtide.api.routes_engine import engine_routes
from springtide.api.routes_events import event_routes
from springtide.api.routes_insides import inside_routes
from springtide.api.routes_plan import plan_routes
from springtide.api.routes_state import record_routes, state_routes
from springtide.api.standing import take_standing
from springtide.api.wire import HealthWire

PREFIX = "/api/v1"
WEB = Path(__file__).parent / "web"
_FRESH = {"Cache-Control": "no-cache"}
"""A browser asks whether its copy is the newest: after an upgrade no old page meets a new API."""
_ABOUT = """Springtide decides how many instances of each service run, where and when: own machines first,
the shared pool next, rented machines last, and home again.

Reads show the state; writes change what is wanted, and controllers do the rest. Amounts of resources are
integers by kind, moments ISO 8601, money integer millionths of the fleet's currency (`*_micros`). Every
refusal and failure is `{"code", "sentence", "remedy"}`. Routes that end in `stream` are server-sent events."""


def create_api(platform: Platform) -> FastAPI:
    """The API of this control plane, ready to be served."""
    app = FastAPI(title="Springtide", version=springtide.__version__, description=_ABOUT, responses=declared_errors())
    app.add_middleware(LocalOnly)
    answer_errors(app)
    for routes in (state_routes, record_routes, event_routes, app_routes, engine_routes, inside_routes, plan_routes):
        app.include_router(routes(platform), prefix=PREFIX)
    app.include_router(_top_routes(platform))
    app.mount("/web", _FreshFiles(directory=WEB), name="web")
    return app


def _top_routes(platform: Platform) -> APIRouter:
    routes = APIRouter(tags=["top"])

    @routes.get("/healthz")
    async def health() -> HealthWire:
        """Whether the control plane answers."""
        return HealthWire(status="ok", version=platform.record.version, is_planning=bool(platform.samples))

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """The fleet for a Prometheus server."""
        return Response(metrics_text(take_standing(platform)), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html", headers=_FRESH)

    return routes


class _FreshFiles(StaticFiles):
    """Static files whose copies browsers check before use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_FRESH)
        return response
