"""The board: working state of one plan, on which placements are tried, made and taken away.

It is the only mutable thing in planning, lives for one plan, and is never shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from springtide.model.fleet import Fleet, Node, Pool
from springtide.model.identifiers import InstanceId, NodeId, PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import NOTHING, Resources, total
from springtide.model.workloads import Service
from springtide.planning import quota


@dataclass(slots=True)
class NodeRoom:
    """One node's capacity: what is free now, what is about to leave, and what is promised.

    Promised capacity waits for somebody (an owner during the notice, an instance that waits for a
    booting node); nobody else may use it, neither now nor later. A node that isn't ready boots; one
    that doesn't accept is on its way out, and what runs there must leave.
    """

    node: Node
    free: Resources
    leaving: Resources = NOTHING
    promised: Resources = NOTHING
    is_ready: bool = True
    accepts: bool = True

    def fits_later(self, amount: Resources) -> bool:
        """Whether the amount fits once all that leaves has left."""
        return self.accepts and amount.fits_in(self.free + self.leaving - self.promised)

    def fits_now(self, amount: Resources) -> bool:
        """Whether the amount fits at once without touching what is promised."""
        return self.is_ready and amount.fits_in(self.free) and self.fits_later(amount)


@dataclass(slots=True)
class Board:
    """Nodes, placements and the use of each pool by its owner and its guests."""

    fleet: Fleet
    services: Mapping[ServiceId, Service]
    rooms: dict[NodeId, NodeRoom] = field(default_factory=dict)
    placements: dict[InstanceId, Placement] = field(default_factory=dict)
    leaving: set[InstanceId] = field(default_factory=set)
    teams: dict[InstanceId, TeamName | None] = field(default_factory=dict)
    healthy: dict[PoolName, Resources] = field(default_factory=dict)
    owner_use: dict[PoolName, Resources] = field(default_factory=dict)
    owner_leaving: dict[PoolName, Resources] = field(default_factory=dict)
    guest_use: dict[PoolName, Resources] = field(default_factory=dict)
    promised_own: dict[PoolName, Resources] = field(default_factory=dict)
    ids_by_service: dict[ServiceId, set[InstanceId]] = field(default_factory=dict)
    ids_by_pool: dict[PoolName, set[InstanceId]] = field(default_factory=dict)
    ids_by_node: dict[NodeId, set[InstanceId]] = field(default_factory=dict)
    nodes_by_pool: dict[PoolName, set[NodeId]] = field(default_factory=dict)
    rungs_known: dict[PoolName, dict[InstanceId, Rung]] = field(default_factory=dict)
    """What ``rungs_of`` has worked out, by pool, until something is put there or taken away."""

    def add_node(self, node: Node, *, is_ready: bool = True, accepts: bool = True) -> None:
        """Put an empty node on the board. ``accepts`` false: what runs there must leave."""
        self.rooms[node.id] = NodeRoom(node, node.allocatable, is_ready=is_ready, accepts=accepts)
        self.nodes_by_pool.setdefault(node.pool, set()).add(node.id)
        self.rungs_known.pop(node.pool, None)
        self.healthy[node.pool] = self.healthy.get(node.pool, NOTHING) + node.allocatable

    def remove_node(self, id: NodeId) -> None:
        """Take a node that no longer exists off the board, with all that was placed on it."""
        room = self.rooms.pop(id, None)
        if room is None:
            return
        pool = room.node.pool
        self.rungs_known.pop(pool, None)
        self.healthy[pool] = self.healthy[pool] - room.node.allocatable
        self.nodes_by_pool[pool].discard(id)
        for placement in self.on_node(id):
            use = self._use_of(placement)
            use[pool] = use[pool] - placement.resources
            del self.placements[placement.instance]
            self.ids_by_service[placement.service].discard(placement.instance)
            self.ids_by_pool[placement.pool].discard(placement.instance)
            if placement.instance in self.leaving and use is self.owner_use:
                self.owner_leaving[pool] = self.owner_leaving[pool] - placement.resources
            self.leaving.discard(placement.instance)
        self.ids_by_node.pop(id, None)

    def add(self, placement: Placement, team: TeamName | None, *, is_leaving: bool = False) -> None:
        """Put a placement on its node. It counts in full until it is seen gone, also while it leaves."""
        self.rungs_known.pop(placement.pool, None)
        self.placements[placement.instance] = placement
        self.ids_by_service.setdefault(placement.service, set()).add(placement.instance)
        self.ids_by_pool.setdefault(placement.pool, set()).add(placement.instance)
        self.ids_by_node.setdefault(placement.node, set()).add(placement.instance)
        self.teams[placement.instance] = team
        room = self.rooms[placement.node]
        room.free = room.free - placement.resources
        self._count(placement)
        if is_leaving:
            self.mark_leaving(placement.instance)

    def mark_leaving(self, id: InstanceId) -> None:
        """From now on the instance's capacity counts as about to be free."""
        if id not in self.leaving:
            self.leaving.add(id)
            placement = self.placements[id]
            self._count_leaving(placement, placement.resources)

    def keep(self, id: InstanceId) -> None:
        """Take back ``mark_leaving``."""
        if id in self.leaving:
            self.leaving.remove(id)
            placement = self.placements[id]
            self._count_leaving(placement, NOTHING - placement.resources)

    def can_keep(self, id: InstanceId) -> bool:
        """Whether a leaving instance may stay: its capacity isn't promised, and no guest's is above quota."""
        placement = self.placements[id]
        if not self.rooms[placement.node].fits_later(placement.resources):
            return False
        return self.is_owner(self.teams[id], self.fleet.pool(placement.pool)) or not self.guest_excess(placement.pool)

    def guest_excess(self, pool_name: PoolName) -> Resources:
        """By how much a pool's guests are above what they may use, as after a limit was lowered."""
        pool = self.fleet.pool(pool_name)
        if pool.is_elastic:
            return NOTHING
        healthy, claim = self.healthy.get(pool_name, NOTHING), self.owner_claim(pool_name)
        most = quota.guest_quota(pool, healthy, claim, may_borrow=True)
        return (self.guest_use.get(pool_name, NOTHING) - most).at_least_zero()

    def promise(self, service: ServiceId, node: NodeId, amount: Resources) -> None:
        """Hold capacity of a node for a service until it can be placed there."""
        room = self.rooms[node]
        room.promised = room.promised + amount
        pool = self.pool_of(node)
        if pool.team is not None and pool.team == self.services[service].team:
            self.promised_own[pool.name] = self.promised_own.get(pool.name, NOTHING) + amount

    def pool_of(self, node: NodeId) -> Pool:
        return self.fleet.pool(self.rooms[node].node.pool)

    def is_owner(self, team: TeamName | None, pool: Pool) -> bool:
        return pool.team is not None and pool.team == team

    def owner_claim(self, pool: PoolName) -> Resources:
        """The most that the owner uses of its pool, now or once what leaves has left and what is promised has come."""
        use = self.owner_use.get(pool, NOTHING)
        coming = self.promised_own.get(pool, NOTHING) - self.owner_leaving.get(pool, NOTHING)
        return use + coming.at_least_zero()

    def rung_for(self, service_id: ServiceId, pool_name: PoolName) -> Rung | None:
        """The cheapest rung that the service's ladder and the pool's quotas allow for one more instance.

        Speaks of quotas only; whether a node has room is the node's affair.
        """
        service, pool = self.services[service_id], self.fleet.pool(pool_name)
        healthy = self.healthy.get(pool_name, NOTHING)
        allowed = [rung for rung in self._rungs_in(service, pool, healthy) if rung in service.ladder]
        return min(allowed, key=lambda rung: rung.order, default=None)

    def rooms_in(self, pools: Iterable[PoolName]) -> list[NodeRoom]:
        """The rooms of these pools, by node id."""
        ids = {id for pool in pools for id in self.nodes_by_pool.get(pool, ())}
        return [self.rooms[id] for id in sorted(ids)]

    def on_node(self, node: NodeId) -> list[Placement]:
        """What is placed on a node, by instance id."""
        return [self.placements[id] for id in sorted(self.ids_by_node.get(node, ()))]

    def of_service(self, service: ServiceId) -> list[Placement]:
        """What is placed of a service, by ordinal."""
        mine = (self.placements[id] for id in self.ids_by_service.get(service, ()))
        return sorted(mine, key=lambda placement: placement.ordinal)

    def in_pool(self, pool: PoolName) -> list[Placement]:
        """What is placed in a pool, by instance id."""
        return [self.placements[id] for id in sorted(self.ids_by_pool.get(pool, ()))]

    def _rungs_in(self, service: Service, pool: Pool, healthy: Resources) -> list[Rung]:
        amount = service.resources
        if pool.is_elastic:
            return [Rung.CLOUD]
        claim = self.owner_claim(pool.name)
        if self.is_owner(service.team, pool):
            return [Rung.OWN if quota.is_own(pool, healthy, claim, amount) else Rung.SHARED]
        guests = self.guest_use.get(pool.name, NOTHING) + amount
        if guests.fits_in(quota.guest_quota(pool, healthy, claim, may_borrow=False)):
            return [Rung.SHARED]
        if guests.fits_in(quota.guest_quota(pool, healthy, claim, may_borrow=True)):
            return [Rung.BORROWED]
        return []

    def _count(self, placement: Placement) -> None:
        """Quotas count an instance until it is seen gone, also while it leaves."""
        use = self._use_of(placement)
        use[placement.pool] = use.get(placement.pool, NOTHING) + placement.resources

    def _count_leaving(self, placement: Placement, amount: Resources) -> None:
        room = self.rooms[placement.node]
        room.leaving = room.leaving + amount
        if self.is_owner(self.teams[placement.instance], self.fleet.pool(placement.pool)):
            self.owner_leaving[placement.pool] = self.owner_leaving.get(placement.pool, NOTHING) + amount

    def _use_of(self, placement: Placement) -> dict[PoolName, Resources]:
        pool = self.fleet.pool(placement.pool)
        return self.owner_use if self.is_owner(self.teams[placement.instance], pool) else self.guest_use


def rungs_of(board: Board, pool_name: PoolName) -> dict[InstanceId, Rung]:
    """The rung of each placement in a pool, as counts allow: relabelling moves nothing.

    The longest-standing owner instances are own, later ones shared; of guests the longest-standing
    are shared, later ones borrowed. What leaves is counted like the rest.
    """
    if pool_name not in board.rungs_known:
        board.rungs_known[pool_name] = _work_out_rungs(board, pool_name)
    return board.rungs_known[pool_name]


def _work_out_rungs(board: Board, pool_name: PoolName) -> dict[InstanceId, Rung]:
    pool, healthy = board.fleet.pool(pool_name), board.healthy.get(pool_name, NOTHING)
    present = sorted(
        board.in_pool(pool_name),
        key=lambda placement: (placement.placed_at, placement.instance),
    )
    if pool.is_elastic:
        return {placement.instance: Rung.CLOUD for placement in present}
    owners = [each for each in present if board.is_owner(board.teams[each.instance], pool)]
    guests = [each for each in present if not board.is_owner(board.teams[each.instance], pool)]
    rungs: dict[InstanceId, Rung] = {}
    use = NOTHING
    for placement in owners:
        own = quota.is_own(pool, healthy, use, placement.resources)
        rungs[placement.instance] = Rung.OWN if own else Rung.SHARED
        use = use + placement.resources
    shareable = quota.shareable_left(pool, healthy, total(each.resources for each in owners))
    use = NOTHING
    for placement in guests:
        shared = quota.is_shared(shareable, use, placement.resources)
        rungs[placement.instance] = Rung.SHARED if shared else Rung.BORROWED
        use = use + placement.resources
    return rungs
