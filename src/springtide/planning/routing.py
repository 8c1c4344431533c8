"""Where traffic goes: ready instances get it, draining ones finish what they have."""

from __future__ import annotations

from collections.abc import Collection

from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import ContainerState
from springtide.model.placements import PlacementState
from springtide.model.record import Record
from springtide.model.routing import Endpoint, RoutedService, RouteTable
from springtide.model.workloads import Service
from springtide.planning.draft import Draft


def plan_routes(after: Record, draft: Draft) -> RouteTable:
    """The route table for this record: services by id, endpoints by ordinal."""
    return tuple(route_of(draft, service) for _, service in sorted(after.services.items()) if service.routes)


def route_of(draft: Draft, service: Service) -> RoutedService:
    """Where one service's traffic goes."""
    memo = draft.memo(service.id)
    if memo is not None and memo.routed is not None:
        return memo.routed
    return RoutedService(service.id, service.routes, _endpoints(draft, service.id))


def _endpoints(draft: Draft, id: ServiceId) -> tuple[Endpoint, ...]:
    endpoints: list[Endpoint] = []
    unready: Collection[InstanceId] = draft.board.unready.get(id, ())
    for placement in draft.of_service(id):
        instance = draft.index.instances.get(placement.instance)
        if instance is None or instance.address is None or placement.state is PlacementState.STOPPING:
            continue
        ready = placement.instance not in unready
        if ready or (instance.state is ContainerState.RUNNING and draft.endpoint(placement.instance) is not None):
            accepting = ready and placement.state is PlacementState.RUNNING
            endpoints.append(Endpoint(placement.instance, instance.address, accepting))
    return tuple(endpoints)
