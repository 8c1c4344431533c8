"""What a router should do, as data: which service answers where, and with which endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.workloads import Route


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one instance is reached. ``accepting`` false: it finishes what it has and gets no more."""

    instance: InstanceId
    address: str
    accepting: bool = True


@dataclass(frozen=True, slots=True)
class RoutedService:
    """A service's routes and its endpoints; endpoints may be none: requests then wait, then get 503.

    An endpoint's port is its route's ``target_port``.
    """

    service: ServiceId
    routes: tuple[Route, ...]
    endpoints: tuple[Endpoint, ...] = ()


RouteTable = tuple[RoutedService, ...]
