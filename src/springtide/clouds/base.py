"""The protocol of clouds: what rents nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from springtide.model.identifiers import CloudName, PoolName
from springtide.model.observations import CloudView


@dataclass(frozen=True, slots=True)
class RentRequest:
    """Rent one machine of a shape into a pool. ``token`` is the idempotency token."""

    token: str
    pool: PoolName
    shape: str


class CloudProvider(Protocol):
    """Rents machines and takes them back.

    Every method may raise CloudError; a retry of the same call is safe.
    """

    @property
    def name(self) -> CloudName: ...

    async def view(self) -> CloudView:
        """Machines that carry this owner's tag, booting ones included, and the offers with their stock."""
        ...

    async def rent(self, request: RentRequest) -> None:
        """Ask for one machine; return when the cloud has taken the request (not when it has booted).

        The same token twice rents once. Raises OutOfStockError, CloudError; after a CloudError the
        machine may exist all the same: look at ``view``.
        """
        ...

    async def give_back(self, token: str) -> None:
        """Return the machine of this token and stop its charge. What is gone succeeds."""
        ...

    async def close(self) -> None: ...
