"""Rungs are counts: which rung each placement of a pool stands on, read off the pool. Relabelling moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from springtide.model.fleet import Pool
from springtide.model.identifiers import InstanceId
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import Resources
from springtide.planning import quota


@dataclass(frozen=True, slots=True)
class PoolRungs:
    """The rung of a pool's owners and of its guests; ``by_id`` where they straddle a border."""

    owners: Rung | None
    guests: Rung | None
    by_id: Mapping[InstanceId, Rung] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, id: InstanceId, *, is_owner: bool) -> Rung:
        """The rung of one placement. Raises KeyError where the pool doesn't hold it."""
        uniform = self.owners if is_owner else self.guests
        return uniform if uniform is not None else self.by_id[id]


def work_out_rungs(
    pool: Pool,
    own_part: Resources,
    healthy: Resources,
    owner_use: Resources,
    guest_use: Resources,
    present: Callable[[bool], Iterable[Placement]],
) -> PoolRungs:
    """The rungs of a pool's placements.

    The longest-standing owner instances are own, later ones shared; of guests the longest-standing
    are shared, later ones borrowed. What leaves is counted like the rest. ``present`` gives the owners
    (``True``) or the guests in that order; it is asked only where not all of them stand on one rung.
    """
    if pool.is_elastic:
        return PoolRungs(Rung.CLOUD, Rung.CLOUD)
    owners = Rung.OWN if owner_use.fits_in(own_part) else None
    shareable = quota.shareable_left(own_part, healthy, owner_use)
    guests = Rung.SHARED if guest_use.fits_in(shareable) else None
    if owners is not None and guests is not None:
        return PoolRungs(owners, guests)
    by_id: dict[InstanceId, Rung] = {}
    if owners is None:
        left = dict(own_part.amounts)
        for placement in present(True):
            amounts = placement.resources.amounts
            is_own = all(amount <= left.get(kind, 0) for kind, amount in amounts if amount > 0)
            by_id[placement.instance] = Rung.OWN if is_own else Rung.SHARED
            _take(left, amounts)
    if guests is None:
        left = dict(shareable.amounts)
        for placement in present(False):
            amounts = placement.resources.amounts
            begins_shared = all(left.get(kind, 0) > 0 for kind, amount in amounts if amount > 0)
            by_id[placement.instance] = Rung.SHARED if begins_shared else Rung.BORROWED
            _take(left, amounts)
    return PoolRungs(owners, guests, MappingProxyType(by_id))


def _take(left: dict[str, int], amounts: Iterable[tuple[str, int]]) -> None:
    """Plain integers in place: a large pool is walked placement by placement."""
    for kind, amount in amounts:
        left[kind] = left.get(kind, 0) - amount
