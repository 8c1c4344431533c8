"""Whether a pool's quotas let one more instance in, and under which rung; whether a node has room is another matter."""

from __future__ import annotations

from collections.abc import Sequence

from springtide.model.identifiers import PoolName
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import Resources, total
from springtide.model.workloads import Service
from springtide.planning import quota
from springtide.planning.board import Board
from springtide.planning.pool_quotas import Gone, GoneGuest, RoomLeft


def rung_for(board: Board, service: Service, pool_name: PoolName) -> Rung | None:
    """The cheapest rung that the service's ladder and the quotas allow for one more instance."""
    pool = board.pools[pool_name]
    is_open = pool.is_elastic or pool.is_owned_by(service.team) or board.quotas.tree.lends_to(pool_name, service.team)
    if not is_open or not board.quotas.has_headroom(service, pool_name):
        return None
    return quota_rung(board, service, pool_name)


def quota_rung(board: Board, service: Service, pool_name: PoolName) -> Rung | None:
    """The same as far as the pool itself says, whatever cohorts and the limits of teams and departments do."""
    rung = _rung_in(board, service, pool_name)
    return rung if rung in service.ladder else None


def _rung_in(board: Board, service: Service, pool_name: PoolName) -> Rung | None:
    quotas, pool = board.quotas, board.pools[pool_name]
    if pool.is_elastic:
        return Rung.CLOUD
    if pool.is_owned_by(service.team):
        own = quota.is_own(quotas.own_part(pool_name), quotas.owner_claim(pool_name), service.resources)
        return Rung.OWN if own else Rung.SHARED
    left = quotas.room_left(pool_name, service.band)
    if not service.resources.fits_in(left.most):
        return None
    return Rung.SHARED if service.resources.fits_in(left.shared) else Rung.BORROWED


def guest_rung_without(board: Board, service: Service, pool: PoolName, gone: Sequence[Placement]) -> Rung:
    """The rung on which one more guest would begin once these guests have gone, if it may come at all."""
    left = _room_without(board, service, pool, gone)
    return Rung.SHARED if service.resources.fits_in(left.shared) else Rung.BORROWED


def lacking_without(board: Board, service: Service, pool: PoolName, gone: Sequence[Placement]) -> Resources:
    """By how much quotas and limits are too small for one more guest once these guests have gone."""
    most = _room_without(board, service, pool, gone).most
    lacking = ((kind, amount - most[kind]) for kind, amount in service.resources.amounts if amount > 0)
    above = Resources.of((kind, amount) for kind, amount in lacking if amount > 0)
    return above or _limits_lacking_without(board, service, pool, gone)


def _room_without(board: Board, service: Service, pool: PoolName, gone: Sequence[Placement]) -> RoomLeft:
    firm = [each for each in gone if board.quotas.is_firm(each.service)]
    leaving = total(each.resources for each in gone if each.instance in board.leaving)
    leaving_firm = total(each.resources for each in firm if each.instance in board.leaving)
    left = Gone(total(each.resources for each in gone), total(each.resources for each in firm), leaving, leaving_firm)
    return board.quotas.room_left_without(pool, service.band, left)


def _limits_lacking_without(board: Board, service: Service, pool: PoolName, gone: Sequence[Placement]) -> Resources:
    """The same of the limits of teams and departments."""
    quotas = board.quotas
    if not quotas.tree.limits:
        return Resources()
    firm = [
        GoneGuest(team, each.resources, each.instance in board.leaving)
        for each in gone
        if (team := board.team_of(each)) and quotas.is_firm(each.service)
    ]
    breach = quotas.headroom_refusal(service, pool, firm)
    return breach.excess if breach is not None else Resources()
