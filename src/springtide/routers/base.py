"""The protocol of routers: what sends traffic."""

from __future__ import annotations

from typing import Protocol

from springtide.model.observations import RouterView
from springtide.model.routing import Endpoint, RoutedService, RouteTable

__all__ = ["Endpoint", "RouteTable", "RoutedService", "Router"]


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
