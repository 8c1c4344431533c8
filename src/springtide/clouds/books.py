"""A cloud's own books: what is rented to whom since when, what was returned, and the bill. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from springtide.clouds.base import RentRequest
from springtide.clouds.faults import Faults, strikes
from springtide.model.errors import CloudError, OutOfStockError
from springtide.model.fleet import Offer
from springtide.model.identifiers import CloudName, PoolName
from springtide.model.observations import Machine, MachineState

_RETURNS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class BookedMachine:
    """One rental with the terms it was made on. ``until`` is when it was returned."""

    owner: str
    token: str
    pool: PoolName
    shape: str
    since: datetime
    boot_seconds: float
    billing_period_seconds: int
    price_micros_per_period: int
    until: datetime | None = None

    def state(self, now: datetime) -> MachineState:
        """Booting until the boot time has passed, then ready."""
        is_up = now >= self.since + timedelta(seconds=self.boot_seconds)
        return MachineState.READY if is_up else MachineState.BOOTING

    def charge_micros(self, now: datetime) -> int:
        """What is owed: each period that has started, in full; the first starts with the rental."""
        elapsed = (self.until or now) - self.since
        periods = max(1, -(-elapsed // timedelta(seconds=self.billing_period_seconds)))
        return periods * self.price_micros_per_period


@dataclass(frozen=True, slots=True)
class Books:
    """Everything a cloud remembers, of all owners.

    ``returned`` holds the last thousand; what older ones cost is in ``settled``, by owner.
    ``faults`` are those set at run time, ``None`` while the configured ones hold.
    """

    rented: tuple[BookedMachine, ...] = ()
    returned: tuple[BookedMachine, ...] = ()
    settled: tuple[tuple[str, int], ...] = ()
    rent_requests: int = 0
    return_requests: int = 0
    faults: Faults | None = None

    def of(self, owner: str) -> tuple[BookedMachine, ...]:
        """What this owner rents now."""
        return tuple(machine for machine in self.rented if machine.owner == owner)

    def stock_left(self, offer: Offer) -> int | None:
        """How many more of this shape can be rented, ``None`` where the offer doesn't say."""
        if offer.stock is None:
            return None
        return max(0, offer.stock - sum(machine.shape == offer.shape for machine in self.rented))

    def bill_micros(self, owner: str, now: datetime) -> int:
        """What this owner owes for everything that was ever rented."""
        machines = (machine for machine in (*self.returned, *self.rented) if machine.owner == owner)
        return dict(self.settled).get(owner, 0) + sum(machine.charge_micros(now) for machine in machines)

    def knows(self, owner: str, token: str) -> bool:
        """Whether this token has rented already, also where the machine has been returned since."""
        return any(each.owner == owner and each.token == token for each in (*self.rented, *self.returned))


@dataclass(frozen=True, slots=True)
class Order:
    """One rent request as the cloud sees it: who asks, for what, when, and what goes wrong."""

    owner: str
    request: RentRequest
    offer: Offer
    at: datetime
    faults: Faults


def accept(books: Books, order: Order) -> tuple[Books, CloudError | None]:
    """Rent the machine, or don't; the error is what the caller is told."""
    books = replace(books, rent_requests=books.rent_requests + 1)
    if books.knows(order.owner, order.request.token):
        return books, None
    if order.faults.out_of_stock or books.stock_left(order.offer) == 0:
        return books, _out_of_stock(books, order)
    if strikes(order.faults.refuse_rent_every, books.rent_requests):
        return books, _refused(order, "no machine was rented")
    books = replace(books, rented=(*books.rented, _booked(order)))
    if strikes(order.faults.fail_halfway_every, books.rent_requests):
        return books, _refused(order, "whether a machine was rented is not known")
    return books, None


def take_back(books: Books, owner: str, token: str, now: datetime) -> Books:
    """End this rental; without one, nothing changes."""
    leaving = tuple(each for each in books.of(owner) if each.token == token)
    if not leaving:
        return books
    staying = tuple(each for each in books.rented if each not in leaving)
    returned = (*books.returned, *(replace(each, until=now) for each in leaving))
    return _settle(replace(books, rented=staying, returned=returned), now)


def machines(books: Books, owner: str, cloud: CloudName, now: datetime) -> tuple[Machine, ...]:
    """What the owner sees of its machines, in the order of renting."""
    return tuple(
        Machine(each.token, cloud, each.pool, each.shape, each.state(now), each.since) for each in books.of(owner)
    )


def _booked(order: Order) -> BookedMachine:
    offer = order.offer
    return BookedMachine(
        owner=order.owner,
        token=order.request.token,
        pool=order.request.pool,
        shape=offer.shape,
        since=order.at,
        boot_seconds=offer.boot_seconds,
        billing_period_seconds=offer.billing_period_seconds,
        price_micros_per_period=offer.price_micros_per_period,
    )


def _settle(books: Books, now: datetime) -> Books:
    """Fold the oldest returned machines into each owner's settled sum, so that the books stay small."""
    surplus = books.returned[: max(0, len(books.returned) - _RETURNS_KEPT)]
    if not surplus:
        return books
    settled = dict(books.settled)
    for each in surplus:
        settled[each.owner] = settled.get(each.owner, 0) + each.charge_micros(now)
    return replace(books, returned=books.returned[len(surplus) :], settled=tuple(sorted(settled.items())))


def _out_of_stock(books: Books, order: Order) -> OutOfStockError:
    offer = order.offer
    rented = sum(machine.shape == offer.shape for machine in books.rented)
    stock = "" if offer.stock is None else f" ({rented} of {offer.stock} are rented)"
    return OutOfStockError(
        f"Cloud {offer.cloud} has no {offer.shape} left{stock}.", remedy="Wait, or allow another shape or cloud."
    )


def _refused(order: Order, what: str) -> CloudError:
    return CloudError(
        f"Cloud {order.offer.cloud} failed on the request for {order.request.token}: {what}.",
        remedy="Look at what it shows, then send the same request again.",
    )
