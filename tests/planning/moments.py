"""What a law looks at: one plan, the index it was made from, and the record it leads to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from springtide.model.fleet import Fleet, Pool
from springtide.model.identifiers import InstanceId, NodeId, PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import ContainerState, MachineState, Readiness
from springtide.model.placements import Placement, PlacementState, Rental, RentalState
from springtide.model.record import Commit, Kind, Record
from springtide.model.resources import NOTHING, Resources, total
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.board import Board
from springtide.planning.draft import Draft, start_draft
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from springtide.planning.settlement import settle


@dataclass(frozen=True)
class Moment:
    """One plan with its before and after. Sums are made here anew, not taken from the planner's board."""

    index: Index
    plan: Plan

    @property
    def now(self) -> datetime:
        return self.plan.now

    @property
    def before(self) -> Record:
        return self.index.record

    @property
    def fleet(self) -> Fleet:
        return self.before.fleet

    @cached_property
    def after(self) -> Record:
        return self.before.after(Commit(self.before.version + 1, self.plan.changes))

    @cached_property
    def allocatable(self) -> dict[NodeId, Resources]:
        """Every node that the fleet has or rents, with its pool's share of it."""
        own = {node.id: node.allocatable for node in self.fleet.nodes}
        return own | {rental.node: rental.resources for rental in self.after.rentals.values()}

    @cached_property
    def ready_machines(self) -> frozenset[NodeId]:
        """Rented nodes that are up and that nobody is giving back."""
        states = {each.token: each.state for view in self.index.clouds.values() for each in view.machines}
        kept = [each for each in self.after.rentals.values() if each.state is RentalState.RENTING]
        return frozenset(each.node for each in kept if states.get(each.token) is MachineState.READY)

    @cached_property
    def _settled(self) -> Draft:
        draft = start_draft(self.index, {}, self.now)
        settle(draft)
        return draft

    @property
    def board_before(self) -> Board:
        """The planner's view once losses are settled: for rungs, which are labels by count."""
        return self._settled.board

    @property
    def rentals_before(self) -> Iterable[Rental]:
        """The machines that were there, with what clouds have shown of them since: when their charge began."""
        return self._settled.rentals.values()

    @cached_property
    def board_after(self) -> Board:
        return start_draft(replace(self.index, record=self.after), {}, self.now).board

    def pool_of(self, node: NodeId) -> PoolName:
        known = {each.id: each.pool for each in self.fleet.nodes}
        rented = {each.node: each.pool for each in self.after.rentals.values()}
        return known[node] if node in known else rented[node]

    def placed(self) -> list[Placement]:
        return [placement for _, placement in sorted(self.after.placements.items())]

    def on(self, node: NodeId) -> Resources:
        """What all placements of a node hold, leaving ones included."""
        return total(each.resources for each in self.placed() if each.node == node)

    def standby_on(self, node: NodeId) -> Resources:
        """What those hold that stand by on a node, stopping ones included."""
        return total(each.resources for _, each in sorted(self.after.standby.items()) if each.node == node)

    def free(self, node: NodeId) -> Resources:
        """What placements leave of a node: who stands by gives way to any of them."""
        return self.allocatable[node] - self.on(node)

    def added(self) -> list[Placement]:
        return [each for each in self.placed() if each.instance not in self.before.placements]

    def healthy(self, pool: PoolName) -> Resources:
        return total(node.allocatable for node in self.fleet.nodes if node.pool == pool)

    def is_owner(self, placement: Placement, pool: Pool) -> bool:
        service = self.after.services.get(placement.service)
        return service is not None and pool.team is not None and service.team == pool.team

    def owner_use(self, pool: Pool) -> Resources:
        return total(each.resources for each in self.on_pool(pool))

    def on_pool(self, pool: Pool) -> list[Placement]:
        """The owner's instances on its pool."""
        return [each for each in self.placed() if each.pool == pool.name and self.is_owner(each, pool)]

    def guests(self, pool: Pool) -> list[Placement]:
        return [each for each in self.placed() if each.pool == pool.name and not self.is_owner(each, pool)]

    def guest_limit(self, pool: Pool, *, may_borrow: bool = True, promised: Resources = NOTHING) -> Resources:
        claim = self.owner_use(pool) + promised
        healthy = self.healthy(pool.name)
        return quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, claim, may_borrow=may_borrow)

    def is_firm(self, placement: Placement) -> bool:
        """Whether it counts toward what a pool lends: production, batch, and what nobody wants any more."""
        service = self.after.services.get(placement.service)
        return service is None or service.band is not Band.BEST_EFFORT

    def idle(self, pool: Pool, promised: Resources = NOTHING) -> Resources:
        """What of a pool its owner doesn't use or wait for."""
        return (self.healthy(pool.name) - self.owner_use(pool) - promised).at_least_zero()

    def is_ready(self, id: InstanceId) -> bool:
        instance, probed = self.index.instances.get(id), self.index.readiness.get(id)
        runs = instance is not None and instance.state is ContainerState.RUNNING
        return runs and probed is not None and probed.readiness is Readiness.READY

    def rung_before(self, placement: Placement) -> Rung:
        return self.board_before.rung(placement)

    def rung_after(self, placement: Placement) -> Rung:
        return self.board_after.rung(placement)

    def waiting_amount(self, services: Iterable[Service]) -> Resources:
        """All that these services have promised somewhere: an upper bound of what any one node has promised them."""
        return total(each.resources.times(self.plan.explanations[each.id].waiting) for each in services)

    def services(self) -> list[Service]:
        return [service for _, service in sorted(self.after.services.items())]

    def target(self, id: ServiceId) -> int:
        return self.plan.explanations[id].wanted

    def events(self, code: str) -> list[dict[str, object]]:
        """The figures of this plan's events of a code, with their subject."""
        changes = [each.value for each in self.plan.changes if each.kind is Kind.EVENT and each.value is not None]
        return [{**dict(e.reason.figures), "subject": e.subject} for e in changes if e.reason.code == code]


def is_staying(placement: Placement) -> bool:
    return placement.state is PlacementState.RUNNING and placement.eviction is None
