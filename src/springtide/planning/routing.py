"""Where traffic goes: ready instances get it, draining ones finish what they have."""

from __future__ import annotations

from springtide.model.observations import ContainerState
from springtide.model.placements import Placement, PlacementState
from springtide.model.record import Record
from springtide.model.routing import Endpoint, RoutedService, RouteTable
from springtide.planning.draft import Draft


def plan_routes(after: Record, draft: Draft) -> RouteTable:
    """The route table for this record: services by id, endpoints by ordinal."""
    placements = sorted(after.placements.values(), key=lambda each: (each.service, each.ordinal))
    by_service: dict[str, list[Placement]] = {}
    for placement in placements:
        by_service.setdefault(placement.service, []).append(placement)
    return tuple(
        RoutedService(id, service.routes, _endpoints(draft, by_service.get(id, [])))
        for id, service in sorted(after.services.items())
        if service.routes
    )


def _endpoints(draft: Draft, placements: list[Placement]) -> tuple[Endpoint, ...]:
    known = {id for id, _ in draft.index.router.endpoints} if draft.index.router is not None else set()
    endpoints = []
    for placement in placements:
        instance = draft.index.instances.get(placement.instance)
        if instance is None or instance.address is None or placement.state is PlacementState.STOPPING:
            continue
        ready = draft.is_ready(placement.instance)
        if ready or (placement.instance in known and instance.state is ContainerState.RUNNING):
            accepting = ready and placement.state is PlacementState.RUNNING
            endpoints.append(Endpoint(placement.instance, instance.address, accepting))
    return tuple(endpoints)
