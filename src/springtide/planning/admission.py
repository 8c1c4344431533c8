"""Whether a pool's quotas let one more instance in, and under which rung; whether a node has room is another matter.

Bands: production and batch count toward what a pool shares and lends; best-effort may use all that is
idle, whatever the lending limits say, and counts toward none. An instance *fits in* where it does with
everybody counted; it *would fit* where it does once those have gone that give way to its band.
"""

from __future__ import annotations

from springtide.model.fleet import Pool
from springtide.model.identifiers import PoolName
from springtide.model.leases import Rung
from springtide.model.resources import Resources
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.board import Board


def rung_for(board: Board, service: Service, pool_name: PoolName, *, giving_way: bool = False) -> Rung | None:
    """The cheapest rung that the service's ladder and the quotas allow for one more instance.

    ``giving_way``: once all guests of lower bands have left.
    """
    pool = board.pools[pool_name]
    is_lent = pool.is_elastic or board.is_owner(service.team, pool) or board.tree.lends_to(pool_name, service.team)
    if not is_lent or not (giving_way or board.has_headroom(service, pool_name)):
        return None
    return quota_rung(board, service, pool_name, giving_way=giving_way)


def quota_rung(board: Board, service: Service, pool_name: PoolName, *, giving_way: bool = False) -> Rung | None:
    """The same as far as the pool itself says, whatever cohorts and the limits of teams and departments do."""
    rung = _rung_in(board, service, board.pools[pool_name], giving_way)
    return rung if rung in service.ladder else None


def _rung_in(board: Board, service: Service, pool: Pool, giving_way: bool) -> Rung | None:
    if pool.is_elastic:
        return Rung.CLOUD
    if board.is_owner(service.team, pool):
        own = quota.is_own(board.own_part(pool.name), board.owner_claim(pool.name), service.resources)
        return Rung.OWN if own else Rung.SHARED
    shared, most = _room_left(board, service.band, pool.name, giving_way)
    if service.resources.fits_in(shared) and service.resources.fits_in(most):
        return Rung.SHARED
    return Rung.BORROWED if service.resources.fits_in(most) else None


def _room_left(board: Board, band: Band, pool_name: PoolName, giving_way: bool) -> tuple[Resources, Resources]:
    """What a pool's quotas leave one more guest of a band: of what is shared, and of all that it may use."""
    key, version = (pool_name, band, giving_way), board.versions.get(pool_name, 0)
    known = board.known_room.get(key)
    if known is None or known[0] != version:
        counted = board.guest_use_of(pool_name, _counted(band, giving_way))
        everybody = board.guest_use_of(pool_name, band if giving_way else Band.BEST_EFFORT)
        most = board.idle(pool_name) - everybody
        if band is not Band.BEST_EFFORT:
            firm = board.guest_quota(pool_name, may_borrow=True) - counted
            most = Resources.of((kind, min(most[kind], firm[kind])) for kind in {*most.kinds, *firm.kinds})
        shared = board.guest_quota(pool_name, may_borrow=False) - counted
        known = board.known_room[key] = version, shared, most
    return known[1], known[2]


def _counted(band: Band, giving_way: bool) -> Band:
    """The lowest band that counts beside an instance of this one."""
    if band is Band.BEST_EFFORT:
        return Band.BEST_EFFORT
    return band if giving_way else Band.BATCH
