"""Guests: what is shared first, then what may be borrowed, one instance at a time to the neediest team."""

from __future__ import annotations

from fractions import Fraction

from springtide.model.identifiers import PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import Resources
from springtide.model.workloads import Constraint, Service
from springtide.planning.admission import quota_rung
from springtide.planning.board import NodeRoom
from springtide.planning.displacing import make_way
from springtide.planning.draft import Draft
from springtide.planning.fairness import Shares
from springtide.planning.fitting import best_room
from springtide.planning.notices import is_reclaimed, withdraw_notices
from springtide.planning.promises import keep_promises
from springtide.planning.resuming import resumable, room_held_by_standby
from springtide.planning.turns import service_order
from springtide.planning.victims import is_noticed

MOST_WAYS_A_PLAN = 64
"""So many are asked to give way at a time; the next plan goes on. Each takes a look at all who could."""


def place_guests(draft: Draft) -> None:
    """Grant shared and borrowed capacity, lowest dominant share first, while any instance fits or somebody gives way.

    Notices that were given for guests' sake, and that none of them needs any more, are withdrawn.
    """
    pools = [pool.name for pool in draft.board.fleet.pools if not pool.is_elastic]
    noticed = [each.instance for each in draft.all_departing() if is_noticed(each) and not is_reclaimed(each)]
    keep_promises(draft)
    for id in sorted(draft.index.record.services):
        if id not in draft.blocked:
            draft.take_back(id, pools)
    open_services = [id for id in sorted(draft.index.record.services) if _may_be_guest(draft, id)]
    if open_services:
        _Sharing(draft, draft.recount_shares()).fill(open_services)
    withdraw_notices(draft, noticed)


class _Sharing:
    """One plan's turns: who is next, and where nothing more fits."""

    def __init__(self, draft: Draft, shares: Shares) -> None:
        self._draft = draft
        self._shares = shares
        self._full: dict[tuple[PoolName, Resources, tuple[Constraint, ...], ServiceId | None], int] = {}
        self._ways = 0
        self._lenders: dict[TeamName, list[PoolName]] = {}
        self._rungs: dict[ServiceId, dict[PoolName, tuple[int, Rung | None]]] = {}
        self._open: dict[ServiceId, list[PoolName]] = {}
        """By service the pools that may have room: while nobody gives way, room and quotas only grow less."""
        self._neediest: dict[TeamName, ServiceId] = {}
        """By team, until something of it has changed."""
        self._orders: dict[ServiceId, tuple[int, Fraction, Fraction, TeamName]] = {}

    def fill(self, open_services: list[ServiceId]) -> None:
        draft = self._draft
        refused: list[ServiceId] = []
        while open_services:
            id = self._next(open_services)
            service = draft.service(id)
            self._neediest.pop(service.team)
            if self._place(service):
                self._shares.add(service)
                self._forget_orders_of(service.team)
            elif self._ways < MOST_WAYS_A_PLAN and make_way(draft, service, self._shares):
                self._ways += 1
                for known in (self._open, self._orders, self._neediest):
                    known.clear()
                # Who has just given way looks for another place, as a guest or further down the ladder.
                open_services += [each for each in self._displaced() if each not in {*open_services, *refused}]
            else:
                open_services.remove(id)
                refused.append(id)
                continue
            if draft.wanted[id] <= 0:
                open_services.remove(id)
            # Who may only borrow waits until others have filled what is shared, and gets another turn then.
            again = [each for each in refused if Rung.SHARED not in draft.service(each).ladder]
            if again:
                open_services += again
                refused = [each for each in refused if each not in again]
                self._neediest.clear()

    def _place(self, service: Service) -> bool:
        """Let one more serve that stands by, or else start one; or hold the room of some who stand by."""
        draft = self._draft
        pools = self._lenders_of(service.team)
        standby = resumable(draft, service, pools, lambda pool: self._rung_in(pool, service))
        if standby is not None:
            draft.resume(standby)
        elif (room := self.find_room(service)) is not None:
            draft.place(service, room.node.id)
        elif (room := self._room_held_by_standby(service)) is not None:
            draft.promise(service, room.node.id)
        else:
            return False
        return True

    def _room_held_by_standby(self, service: Service) -> NodeRoom | None:
        board = self._draft.board
        if not board.standby:
            return None
        pools = [pool for pool in self._lenders_of(service.team) if self._rung_in(pool, service) is not None]
        found = (room_held_by_standby(board, pool, service) for pool in pools)
        return next((room for room in found if room is not None), None)

    def _displaced(self) -> list[ServiceId]:
        """Services of which somebody leaves, and that want another place."""
        departing = (id for id, leaving in self._draft.board.departing.items() if leaving)
        services = self._draft.index.record.services
        return sorted(id for id in departing if id in services and _may_be_guest(self._draft, id))

    def find_room(self, service: Service) -> NodeRoom | None:
        """The node for one more instance: the cheapest rung, then the fleet's order of pools, then best fit."""
        borrowed: list[PoolName] = []
        closed: set[PoolName] = set()
        found: NodeRoom | None = None
        for pool in self._may_have_room(service):
            rung = self._rung_in(pool, service)
            if rung is Rung.SHARED and (found := self._room_in(pool, service)) is not None:
                break
            if rung is Rung.BORROWED:
                borrowed.append(pool)
            else:
                closed.add(pool)
        for pool in borrowed if found is None else ():
            if (found := self._room_in(pool, service)) is not None:
                break
            closed.add(pool)
        if closed and not service.placement.depends_on_others and Rung.SHARED in service.ladder:
            self._open[service.id] = [pool for pool in self._may_have_room(service) if pool not in closed]
        return found

    def _may_have_room(self, service: Service) -> list[PoolName]:
        known = self._open.get(service.id)
        return known if known is not None else self._lenders_of(service.team)

    def _lenders_of(self, team: TeamName) -> list[PoolName]:
        """The pools of others that lend to a team, in the fleet's order."""
        if team not in self._lenders:
            board = self._draft.board
            others = [each for each in board.fleet.pools if not each.is_elastic and not each.is_owned_by(team)]
            self._lenders[team] = [each.name for each in others if board.quotas.tree.lends_to(each.name, team)]
        return self._lenders[team]

    def _rung_in(self, pool: PoolName, service: Service) -> Rung | None:
        """As quotas allow; those of the pool are worked out again only where something has changed there."""
        board = self._draft.board
        version = board.quotas.versions.get(pool, 0)
        known = self._rungs.setdefault(service.id, {})
        found = known.get(pool)
        if found is None or found[0] != version:
            found = known[pool] = version, quota_rung(board, service, pool)
        return found[1] if found[1] is not None and board.quotas.has_headroom(service, pool) else None

    def _room_in(self, pool: PoolName, service: Service) -> NodeRoom | None:
        """Not asked again while nothing has changed in the pool."""
        board = self._draft.board
        who = service.id if board.crossings is not None else None
        key = pool, service.resources, service.placement.constraints, who
        version = board.quotas.versions.get(pool, 0)
        if self._full.get(key) == version:
            return None
        room = best_room(board, [pool], service)
        if room is None and not service.placement.depends_on_others:
            self._full[key] = version
        return room

    def _next(self, open_services: list[ServiceId]) -> ServiceId:
        """Of each team's neediest service the highest band, then the lowest share, then whoever adds least to it.

        Higher bands go first, since lower ones would have to give way to them.
        """
        teams: dict[TeamName, list[ServiceId]] = {}
        for id in open_services:
            team = self._draft.service(id).team
            if team not in self._neediest:
                teams.setdefault(team, []).append(id)
        for team, ids in teams.items():
            self._neediest[team] = min(ids, key=self._turn)
        return min(self._neediest.values(), key=self._order)

    def _turn(self, id: ServiceId) -> tuple[int, Fraction, ServiceId]:
        """Within its team."""
        return service_order(self._draft, id, self._draft.demands[id].count - self._draft.wanted[id])

    def _order(self, id: ServiceId) -> tuple[int, Fraction, Fraction, TeamName]:
        if id not in self._orders:
            service = self._draft.service(id)
            team, band = service.team, service.band
            after = self._shares.with_more(team, service.resources, band)
            self._orders[id] = band.order, self._shares.of(team, band), after, team
        return self._orders[id]

    def _forget_orders_of(self, team: TeamName) -> None:
        for id in self._draft.services_of(team):
            self._orders.pop(id, None)


def _may_be_guest(draft: Draft, id: ServiceId) -> bool:
    ladder = draft.service(id).ladder
    asks = draft.wanted[id] > 0 and draft.may_grow(id)
    return asks and (Rung.SHARED in ladder or Rung.BORROWED in ladder)
