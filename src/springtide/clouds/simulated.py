"""A cloud in memory and virtual time, for tests and simulations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from springtide.clouds.booked import BookedCloud
from springtide.clouds.books import Books
from springtide.model.fleet import Cloud

Result = TypeVar("Result")


class SimulatedCloudState:
    """What the cloud itself knows. It outlives a control plane that is killed: hand it to the next one."""

    def __init__(self, books: Books | None = None) -> None:
        self.books = books or Books()

    async def read(self) -> Books:
        return self.books

    async def change(self, turn: Callable[[Books], tuple[Books, Result]]) -> Result:
        self.books, result = turn(self.books)
        return result


class SimulatedCloud(BookedCloud):
    """Rents without machines. Bad days are played with :meth:`play` and :meth:`lose`.

    ``now`` is the virtual clock; late answers wait with ``asyncio.sleep``.
    """

    def __init__(self, settings: Cloud, state: SimulatedCloudState, owner: str, *, now: Callable[[], datetime]) -> None:
        super().__init__(settings, state, owner, now)
