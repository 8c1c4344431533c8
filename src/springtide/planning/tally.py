"""What stands when a plan begins, counted: by service, and by pool for its owner and for guests by band.

Of two plans hardly anything differs, so a tally is made from the one before, service by service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self, TypeVar

from springtide.model.identifiers import PoolName, ServiceId
from springtide.model.mappings import thawed
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning.ground import Group, GroupKey, Groups
from springtide.planning.guest_uses import GuestUses
from springtide.planning.layout import Layout

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over groups of placements, with what they were made from. Never changed in place: copy what you change."""

    layout: Layout
    services: Mapping[ServiceId, Service]
    groups: Groups
    counts: Mapping[ServiceId, int]
    services_in: Mapping[PoolName, frozenset[ServiceId]]
    owner_use: Mapping[PoolName, Resources]
    guest_use: Mapping[PoolName, Resources]
    band_use: Mapping[tuple[PoolName, Band], Resources]
    uses: GuestUses
    """What counts toward the limits of teams and departments, before anybody says what pools share."""

    @classmethod
    def of(
        cls, layout: Layout, services: Mapping[ServiceId, Service], groups: Groups, before: Self | None = None
    ) -> Self:
        """All that stands; made from the tally before where it is of the same fleet."""
        if before is not None and before.layout is layout:
            changed = _changed(before, services, groups)
            if not changed and before.services is services:
                return before
            sums = _Sums(layout, before)
            sums.count(before.services, {id: before.groups.get(id, {}) for id in changed}, -1)
            sums.count(services, {id: groups.get(id, {}) for id in changed})
        else:
            sums = _Sums(layout)
            sums.count(services, groups)
        return cls(
            layout,
            services,
            groups,
            MappingProxyType(sums.counts),
            MappingProxyType({pool: ids for pool, ids in sums.services_in.items() if ids}),
            MappingProxyType(sums.owner_use),
            MappingProxyType(sums.guest_use),
            MappingProxyType(sums.band_use),
            sums.uses,
        )


def _changed(before: Tally, services: Mapping[ServiceId, Service], groups: Groups) -> set[ServiceId]:
    """Services that stand otherwise, or count otherwise: where they came, went, or changed hands or bands."""
    standing = {id for ids in (before.groups, groups) for id in ids if before.groups.get(id) is not groups.get(id)}
    if services is before.services:
        return standing
    stood = before.services
    return standing | {id for id in groups if not counts_the_same(stood.get(id), services.get(id))}


def counts_the_same(one: Service | None, other: Service | None) -> bool:
    """Whether what stands of a service counts for the same owner and band as it did."""
    if one is None or other is None:
        return one is other
    return one is other or (one.team, one.band) == (other.team, other.band)


class _Sums:
    """Sums in the making."""

    def __init__(self, layout: Layout, before: Tally | None = None) -> None:
        self.layout = layout
        self.counts: dict[ServiceId, int] = thawed(before.counts) if before else {}
        self.services_in: dict[PoolName, frozenset[ServiceId]] = thawed(before.services_in) if before else {}
        self.owner_use: dict[PoolName, Resources] = thawed(before.owner_use) if before else {}
        self.guest_use: dict[PoolName, Resources] = thawed(before.guest_use) if before else {}
        self.band_use: dict[tuple[PoolName, Band], Resources] = thawed(before.band_use) if before else {}
        self.uses = before.uses.copy() if before else GuestUses(layout.tree, {})

    def count(self, services: Mapping[ServiceId, Service], groups: Groups, sign: int = 1) -> None:
        """Count these groups; with ``sign`` -1 no longer. What nobody wants any more counts like production."""
        for id, mine in groups.items():
            self.counts[id] = self.counts.get(id, 0) + sign * sum(len(group.ids) for group in mine.values())
            for pool in {pool for pool, _ in mine}:
                here = self.services_in.get(pool, frozenset())
                self.services_in[pool] = here | {id} if sign > 0 else here - {id}
            self._count_uses(services.get(id), mine.items(), sign)

    def _count_uses(self, service: Service | None, mine: Iterable[tuple[GroupKey, Group]], sign: int) -> None:
        for (name, _), group in mine:
            pool, amount = self.layout.pools.get(name), group.amount
            if pool is None:
                continue
            if service is not None and pool.is_owned_by(service.team):
                _add_to(self.owner_use, name, amount, sign)
                continue
            band = service.band if service is not None else Band.PRODUCTION
            _add_to(self.guest_use, name, amount, sign)
            _add_to(self.band_use, (name, band), amount, sign)
            if service is not None and band is not Band.BEST_EFFORT and self.layout.tree.limits:
                change = self.uses.add if sign > 0 else self.uses.remove
                change(name, service.team, amount)


def _add_to(sums: dict[_Key, Resources], key: _Key, amount: Resources, sign: int) -> None:
    before = sums.get(key, NOTHING)
    sums[key] = before + amount if sign > 0 else before - amount
