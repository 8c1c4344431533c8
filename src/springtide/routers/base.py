"""The protocol of routers: what sends traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.observations import RouterView
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


class Router(Protocol):
    """Sends each request to an accepting endpoint of its service.

    Endpoints come and go without a lost request. Every method may raise RouterError; a retry of
    the same call is safe.
    """

    async def start(self) -> None:
        """Start, or adopt what an earlier control plane left running. Raises PortTakenError."""
        ...

    async def apply(self, table: RouteTable) -> None:
        """Make the router send traffic as the table says; services not in it answer 404.

        Only what differs is changed. An endpoint missing from the table is cut off at once, so drain
        it first (``accepting`` false) and remove it when ``view`` shows nothing in flight.
        """
        ...

    async def view(self) -> RouterView:
        """Loads per service and per endpoint, draining ones included."""
        ...

    async def close(self) -> None:
        """Let go; the router keeps serving as last told."""
        ...

    async def stop(self) -> None:
        """End the router. Stopping twice succeeds."""
        ...
