"""Wants and listings as numbers: what fits where, what it is worth, and in which order a machine is packed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from springtide.planning.market import Listing, Market, Want, price_of
from springtide.planning.money import commitment_of

WORTH_OF_A_MICRO = 10**6
"""Worths are fine fractions of a micro, so that they stay whole numbers."""
FINE = 10**12
"""Shares and prices for worth are compared as whole multiples of so small a part: fast, and equal where they are."""
GREEDY_WAYS = (0, 1)
IN_TURN = 2
"""Ways of packing: by size, by worth for the room taken, and by size one each in turn, which mixes: for the pilot."""

Contents = tuple[tuple[int, int], ...]
"""How many instances of each want, by the wants' numbers."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Wants and listings as numbers: what doesn't change while machines are chosen."""

    wants: tuple[Want, ...]
    market: Market
    listings: tuple[Listing, ...]
    rooms: tuple[tuple[int, ...], ...]
    sizes: tuple[tuple[int, ...], ...]
    orders: tuple[tuple[tuple[int, ...], ...], ...]
    """For each way of packing and each listing, the wants it may carry, in the order in which they are packed."""
    worths: tuple[int, ...]
    domains: tuple[Mapping[str, int], ...]
    """For each want, how many instances at most each domain takes while the spread is kept."""
    zones: tuple[str, ...]
    commitments: tuple[int, ...]
    """For each listing, the micros that renting one machine commits to."""
    keeps_apart: bool
    least: tuple[int, ...]
    """Of each kind, what the least demanding want asks: a machine with less room than that is full."""

    @classmethod
    def of(cls, wants: tuple[Want, ...], market: Market) -> Problem:
        listings = tuple(sorted(market.listings, key=lambda each: (each.pool.name, each.shape)))
        kinds = sorted({kind for want in wants for kind in want.resources.kinds})
        sizes = tuple(tuple(max(0, want.resources[kind]) for kind in kinds) for want in wants)
        rooms = tuple(tuple(max(0, each.offer.resources[kind]) for kind in kinds) for each in listings)
        fitting = [
            [number for number, want in enumerate(wants) if _may_carry(want, sizes[number], listing, room)]
            for listing, room in zip(listings, rooms, strict=True)
        ]
        worths = tuple(_worth(number, wants, sizes, listings, rooms, fitting) for number in range(len(wants)))
        orders = tuple(
            tuple(
                tuple(sorted(fits, key=lambda number: (not wants[number].is_urgent, rule(number, room), number)))
                for fits, room in zip(fitting, rooms, strict=True)
            )
            for rule in (_by_size(sizes), _by_worth(sizes, worths))
        )
        domains = tuple(_even_shares(number, wants, listings, fitting) for number in range(len(wants)))
        zones = tuple(domain_of(listing, "zone") for listing in listings)
        commitments = tuple(commitment_of(listing.offer, market.drain_seconds) for listing in listings)
        apart = any(want.apart for want in wants)
        least = tuple(map(min, zip(*sizes, strict=True)))
        return cls(wants, market, listings, rooms, sizes, orders, worths, domains, zones, commitments, apart, least)

    def is_apart(self, each: int, contents: Mapping[int, int]) -> bool:
        """Whether a want keeps away from something in a machine, or that from it."""
        want = self.wants[each]
        beside = (self.wants[other] for other in contents)
        return any(other.service in want.apart or want.service in other.apart for other in beside)


def _may_carry(want: Want, size: tuple[int, ...], listing: Listing, room: tuple[int, ...]) -> bool:
    fits = all(amount <= have for amount, have in zip(size, room, strict=True))
    return fits and want.refusal_of(listing.pool, listing.offer) is None


def copies_of(size: tuple[int, ...], room: tuple[int, ...] | list[int], most: int) -> int:
    for amount, have in zip(size, room, strict=True):
        if amount and amount * most > have:
            most = have // amount
    return most


def _worth(
    number: int,
    wants: tuple[Want, ...],
    sizes: tuple[tuple[int, ...], ...],
    listings: tuple[Listing, ...],
    rooms: tuple[tuple[int, ...], ...],
    fitting: list[list[int]],
) -> int:
    """What an instance costs where it is carried cheapest with others alike: by its dominant share of the machine."""
    prices = [
        price_of(listing.offer, 1) * WORTH_OF_A_MICRO // max(1, copies_of(sizes[number], room, 1_000_000))
        for listing, room, fits in zip(listings, rooms, fitting, strict=True)
        if number in fits
    ]
    return max(1, min(prices, default=1))


def _by_size(sizes: tuple[tuple[int, ...], ...]) -> Callable[[int, tuple[int, ...]], int]:
    """Best fit decreasing: the largest dominant share of the machine first."""

    def key(number: int, room: tuple[int, ...]) -> int:
        return -max((size * FINE // have for size, have in zip(sizes[number], room, strict=True) if have), default=0)

    return key


def _by_worth(sizes: tuple[tuple[int, ...], ...], worths: tuple[int, ...]) -> Callable[[int, tuple[int, ...]], int]:
    """The most worth for the room taken, all kinds together, first."""

    def key(number: int, room: tuple[int, ...]) -> int:
        taken = sum(size * FINE // have for size, have in zip(sizes[number], room, strict=True) if have)
        return -(worths[number] * FINE // max(1, taken))

    return key


def _even_shares(
    number: int, wants: tuple[Want, ...], listings: tuple[Listing, ...], fitting: list[list[int]]
) -> Mapping[str, int]:
    want = wants[number]
    if not want.spread:
        return MappingProxyType({})
    domains = {
        domain_of(listing, want.spread) for listing, fits in zip(listings, fitting, strict=True) if number in fits
    }
    standing = {domain: want.standing.get(domain, 0) for domain in domains}
    even = -(-(sum(standing.values()) + want.count) // max(1, len(domains)))
    return {domain: max(0, even - count) for domain, count in standing.items()}


def domain_of(listing: Listing, label: str) -> str:
    return listing.pool.site if label == "site" else dict(listing.offer.labels).get(label, "")
