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
    lacking = guests_above(board, service, pool.name, giving_way=giving_way)
    if lacking:
        return None
    counted = board.guest_use_of(pool.name, _counted(service.band, giving_way)) + service.resources
    return Rung.SHARED if counted.fits_in(board.guest_quota(pool.name, may_borrow=False)) else Rung.BORROWED


def guests_above(board: Board, service: Service, pool_name: PoolName, *, giving_way: bool = False) -> Resources:
    """By how much one more instance would bring a pool's guests above what they may use, in the kinds it asks for."""
    amount = service.resources
    counted = board.guest_use_of(pool_name, _counted(service.band, giving_way)) + amount
    everybody = board.guest_use_of(pool_name, service.band if giving_way else Band.BEST_EFFORT) + amount
    above = (everybody - board.idle(pool_name)).at_least_zero()
    if service.band is not Band.BEST_EFFORT:
        firm = (counted - board.guest_quota(pool_name, may_borrow=True)).at_least_zero()
        above = Resources.of((kind, max(above[kind], firm[kind])) for kind in {*above.kinds, *firm.kinds})
    return Resources.of((kind, value) for kind, value in above.amounts if amount[kind] > 0)


def _counted(band: Band, giving_way: bool) -> Band:
    """The lowest band that counts beside an instance of this one."""
    if band is Band.BEST_EFFORT:
        return Band.BEST_EFFORT
    return band if giving_way else Band.BATCH
