"""What is wanted, what can be rented, and what is chosen of it: the words of `offers.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from springtide.model.events import Reason
from springtide.model.fleet import Offer, Pool
from springtide.model.identifiers import CloudName, PoolName, ServiceId, SiteName
from springtide.model.resources import Resources
from springtide.planning.lines import LineLoads
from springtide.planning.money import Purse, whole_milliseconds


def _allows_all(_pool: Pool, _offer: Offer) -> Reason | None:
    return None


def _nothing() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Want:
    """So many more instances of a service, and where they may stand.

    ``refusal_of`` says why a machine of an offer in a pool may not carry it, ``None`` where it may.
    ``spread`` is the label over whose values instances are spread evenly as far as there is room, and
    ``standing`` how many stand in each. ``home`` and ``load`` (bits a second to home, from home) are what
    the line is asked for. An urgent want has waited so long for what it lacks.
    """

    service: ServiceId
    resources: Resources
    count: int
    refusal_of: Callable[[Pool, Offer], Reason | None] = _allows_all
    is_urgent: bool = False
    waited_seconds: float = 0.0
    max_per_node: int = 0
    apart: frozenset[ServiceId] = frozenset()
    spread: str = ""
    standing: Mapping[str, int] = field(default_factory=_nothing)
    home: SiteName | None = None
    load: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Listing:
    """An offer as a pool may rent it; ``refusal`` says why not for now, as after the cloud has refused."""

    pool: Pool
    offer: Offer
    refusal: Reason | None = None

    @property
    def shape(self) -> tuple[CloudName, str]:
        return self.offer.cloud, self.offer.shape


@dataclass(frozen=True, slots=True)
class Market:
    """What can be rented now. A pool or shape that isn't named has no bound.

    ``nodes_left`` and ``stock_left`` have what is rented and asked for already taken off; without
    ``lines`` nothing is asked of them. A move costs ``move_cost_micros`` an instance.
    """

    listings: tuple[Listing, ...]
    nodes_left: Mapping[PoolName, int]
    stock_left: Mapping[tuple[CloudName, str], int]
    purse: Purse
    lines: LineLoads | None = None
    drain_seconds: float = 0.0
    move_cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class PlannedRental:
    """A machine to rent, and the service of each instance that it is to carry."""

    pool: Pool
    offer: Offer
    contents: tuple[ServiceId, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Machines to rent; of what they don't carry, how many are missing and why no further machine is rented."""

    rentals: tuple[PlannedRental, ...]
    missing: Mapping[ServiceId, int]
    refusals: Mapping[ServiceId, Reason]


def price_of(offer: Offer, instances: int, move_cost_micros: int = 0) -> int:
    """Micros an hour: the price, and what interruptions are expected to cost.

    An interruption loses at most the billing period under way, pays a replacement while it boots, and
    moves every instance: the chance of one within an hour times the sum of these, rounded up.
    """
    boot = offer.price_micros_per_hour * whole_milliseconds(offer.boot_seconds) // 3_600_000
    lost = offer.price_micros_per_period + boot + instances * move_cost_micros
    return offer.price_micros_per_hour - (-offer.interruptions_percent_per_hour * lost // 100)
