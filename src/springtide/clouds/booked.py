"""A cloud that consists of its books: the part that the slices cloud and the simulated one share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from springtide.clouds.base import RentRequest
from springtide.clouds.books import Books, Order, accept, machines, take_back
from springtide.clouds.faults import Faults, strikes
from springtide.model.errors import CloudError
from springtide.model.fleet import Cloud, Offer
from springtide.model.identifiers import CloudName
from springtide.model.observations import CloudView

Result = TypeVar("Result")


class Shelf(Protocol):
    """Where books are kept. Each change sees what the one before has left."""

    async def read(self) -> Books: ...

    async def change(self, turn: Callable[[Books], tuple[Books, Result]]) -> Result:
        """Replace the books by what ``turn`` makes of them, and return its result."""
        ...


class BookedCloud:
    """Rents what its settings offer, to one owner, on the books of a shelf that others may share."""

    def __init__(self, settings: Cloud, shelf: Shelf, owner: str, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._shelf = shelf
        self._owner = owner
        self._now = now
        self._deliveries: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> CloudName:
        return self._settings.name

    async def view(self) -> CloudView:
        books, now = await self._shelf.read(), self._now()
        own = machines(books, self._owner, self.name, now)
        offers = tuple(self._offer_now(books, offer) for offer in self._settings.offers)
        return CloudView(self.name, now, own, offers)

    async def rent(self, request: RentRequest) -> None:
        offer = self._offer(request.shape)
        faults = self._faults(await self._shelf.read())
        # A request that is under way arrives, also where whoever sent it is cancelled.
        await asyncio.shield(self._send(self._deliver(request, offer, faults)))

    async def give_back(self, token: str) -> None:
        refusal = await self._shelf.change(lambda books: self._returned(books, token))
        if refusal is not None:
            raise refusal

    async def close(self) -> None:
        """Nothing is held: requests under way arrive all the same."""

    async def play(self, faults: Faults | None) -> None:
        """Let these go wrong from now on, for every owner; ``None``: what the settings say."""
        await self._shelf.change(lambda books: (replace(books, faults=faults), None))

    async def lose(self, token: str) -> None:
        """Let a machine vanish, as if it had failed; its charge ends. What is gone succeeds."""
        await self._shelf.change(lambda books: (take_back(books, self._owner, token, self._now()), None))

    async def bill(self) -> int:
        """What this owner owes so far, in millionths of the currency: each started period in full."""
        return (await self._shelf.read()).bill_micros(self._owner, self._now())

    def _send(self, delivery: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(delivery)
        self._deliveries.add(task)
        task.add_done_callback(self._delivered)
        return task

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        if not task.cancelled():
            task.exception()  # told to the sender; nobody else needs to hear of it

    async def _deliver(self, request: RentRequest, offer: Offer, faults: Faults) -> None:
        await _wait(faults.accept_seconds)
        refusal = await self._accept(request, offer, faults)
        if faults.deliver_again_seconds is not None:
            self._send(self._deliver_again(request, offer, faults, faults.deliver_again_seconds))
        await _wait(faults.answer_seconds)
        if refusal is not None:
            raise refusal

    async def _deliver_again(self, request: RentRequest, offer: Offer, faults: Faults, seconds: float) -> None:
        await _wait(seconds)
        await self._accept(request, offer, faults)

    async def _accept(self, request: RentRequest, offer: Offer, faults: Faults) -> CloudError | None:
        return await self._shelf.change(
            lambda books: accept(books, Order(self._owner, request, offer, self._now(), faults))
        )

    def _returned(self, books: Books, token: str) -> tuple[Books, CloudError | None]:
        books = replace(books, return_requests=books.return_requests + 1)
        if strikes(self._faults(books).refuse_return_every, books.return_requests):
            sentence = f"Cloud {self.name} failed on the return of {token}: it is still rented."
            return books, CloudError(sentence, remedy="Send the same request again.")
        return take_back(books, self._owner, token, self._now()), None

    def _faults(self, books: Books) -> Faults:
        return books.faults if books.faults is not None else Faults.of(self._settings.faults)

    def _offer_now(self, books: Books, offer: Offer) -> Offer:
        return replace(offer, stock=0 if self._faults(books).out_of_stock else books.stock_left(offer))

    def _offer(self, shape: str) -> Offer:
        for offer in self._settings.offers:
            if offer.shape == shape:
                return offer
        offered = ", ".join(offer.shape for offer in self._settings.offers) or "nothing"
        raise CloudError(f"Cloud {self.name} offers no shape {shape}.", remedy=f"It offers {offered}.")


async def _wait(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
