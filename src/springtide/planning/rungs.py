"""Rungs are counts: which rung each placement of a pool stands on, read off the pool. Relabelling moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from springtide.model.fleet import Pool
from springtide.model.identifiers import InstanceId, TeamName
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import Resources, total
from springtide.model.workloads import Band
from springtide.planning import quota
from springtide.planning.ground import Group


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


@dataclass(frozen=True, slots=True)
class PoolGroup:
    """Some of a pool's placements, with who runs them and in which band.

    What nobody wants any more has no team, and counts like production until it is gone.
    """

    group: Group
    team: TeamName | None
    band: Band

    @property
    def is_best_effort(self) -> bool:
        return self.band is Band.BEST_EFFORT


@dataclass(frozen=True, slots=True)
class KnownRungs:
    """A pool's rungs with all that they were worked out from; as good as new where that is the same.

    ``beyond_own``: what each team uses here, by band, on the rungs shared and borrowed, leaving ones included.
    """

    pool: Pool
    healthy: Resources
    own_part: Resources
    groups: tuple[PoolGroup, ...]
    rungs: PoolRungs
    beyond_own: Mapping[tuple[TeamName, Band], Resources]

    def hold_for(self, pool: Pool, healthy: Resources, own_part: Resources, groups: tuple[PoolGroup, ...]) -> bool:
        """Whether they would be worked out the same from these."""
        return (self.pool, self.healthy, self.own_part, self.groups) == (pool, healthy, own_part, groups)


def know_rungs(
    pool: Pool,
    healthy: Resources,
    own_part: Resources,
    groups: tuple[PoolGroup, ...],
    placements: Mapping[InstanceId, Placement],
) -> KnownRungs:
    """Work out the rungs of everything that stands in a pool, and what teams use beyond their own."""

    def standing(are_owners: bool) -> list[Placement]:
        mine = [each for each in groups if pool.is_owned_by(each.team) is are_owners]
        return _by_standing(mine, placements, are_owners)

    owner_use = total(each.group.amount for each in groups if pool.is_owned_by(each.team))
    guest_use = total(each.group.amount for each in groups if not pool.is_owned_by(each.team))
    rungs = work_out_rungs(pool, own_part, healthy, owner_use, guest_use, standing)
    return KnownRungs(pool, healthy, own_part, groups, rungs, _beyond_own(pool, rungs, groups, placements))


def _by_standing(
    groups: Iterable[PoolGroup], placements: Mapping[InstanceId, Placement], are_owners: bool
) -> list[Placement]:
    """The longest-standing first; of guests, best-effort last."""
    found = [
        (each.band is Band.BEST_EFFORT and not are_owners, placements[id]) for each in groups for id in each.group.ids
    ]
    found.sort(key=lambda each: (each[0], each[1].placed_at, each[1].instance))
    return [placement for _, placement in found]


def _beyond_own(
    pool: Pool, rungs: PoolRungs, groups: Iterable[PoolGroup], placements: Mapping[InstanceId, Placement]
) -> Mapping[tuple[TeamName, Band], Resources]:
    sums: dict[tuple[TeamName, Band], list[Resources]] = {}
    for each in groups:
        uniform = rungs.owners if pool.is_owned_by(each.team) else rungs.guests
        if each.team is None or uniform in (Rung.OWN, Rung.CLOUD):
            continue
        mine = sums.setdefault((each.team, each.band), [])
        if uniform is not None:
            mine.append(each.group.amount)
        else:
            mine += [placements[id].resources for id in each.group.ids if rungs.by_id[id] is not Rung.OWN]
    return {key: total(amounts) for key, amounts in sums.items()}


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
