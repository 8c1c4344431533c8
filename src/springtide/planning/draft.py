"""The draft: a plan in the making, handed from step to step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from springtide.model.events import Event, Figure, Reason
from springtide.model.fleet import Node
from springtide.model.identifiers import (
    CloudName,
    InstanceId,
    NodeId,
    PoolName,
    RevisionId,
    ServiceId,
    TeamName,
    instance_id,
)
from springtide.model.leases import Rung
from springtide.model.mappings import thawed
from springtide.model.observations import ContainerState, EndpointLoad, MachineState, Readiness
from springtide.model.placements import Eviction, Placement, PlacementState, Rental, RentalState
from springtide.model.resources import NOTHING, Resources
from springtide.model.runs import Run
from springtide.model.workloads import RestartPolicy, Service
from springtide.planning.board import Board
from springtide.planning.demands import Demand
from springtide.planning.evictions import LEAVES_IF
from springtide.planning.fairness import KnownUse, Shares, know_use
from springtide.planning.index import CrashHistory, Index, RentRefusal, ground_of
from springtide.planning.memo import Memo, holds_still
from springtide.planning.misplacement import broken_constraint
from springtide.planning.money import Purse
from springtide.planning.news import News


@dataclass(slots=True)
class Draft:
    """The index with its ground, the board, and what the steps so far have decided.

    ``wanted`` is what each service still lacks; steps lower it as they place, promise or keep.
    ``waiting`` counts instances that have capacity promised but can't be placed on it yet.
    """

    index: Index
    now: datetime
    demands: dict[ServiceId, Demand]
    board: Board
    news: News
    rentals: dict[str, Rental]
    ordinals: dict[ServiceId, int]
    runs: dict[ServiceId, Run] = field(default_factory=dict)
    wanted: dict[ServiceId, int] = field(default_factory=dict)
    waiting: dict[ServiceId, int] = field(default_factory=dict)
    blocked: dict[ServiceId, Reason] = field(default_factory=dict)
    cloud_refusals: dict[ServiceId, Reason] = field(default_factory=dict)
    lost: dict[InstanceId, Placement] = field(default_factory=dict)
    crashes: dict[ServiceId, CrashHistory] = field(default_factory=dict)
    room_since: dict[ServiceId, datetime] = field(default_factory=dict)
    spare_since: dict[str, datetime] = field(default_factory=dict)
    rent_refusals: dict[CloudName, tuple[RentRefusal, ...]] = field(default_factory=dict)
    lacking_since: dict[ServiceId, datetime] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    sizes: dict[tuple[Resources, Resources], int] = field(default_factory=dict)
    """The largest part of a node of that size that an amount is, in permille: asked of guests by the thousand."""
    known_use: KnownUse | None = None
    """What teams use beyond their own, as it was counted last."""
    _endpoints: dict[InstanceId, EndpointLoad] | None = None
    _memos: dict[ServiceId, Memo | None] = field(default_factory=dict)
    _shares: Shares | None = None
    _purse: Purse | None = None
    _services_by_team: dict[TeamName, list[ServiceId]] | None = None

    def service(self, id: ServiceId) -> Service:
        return self.index.record.services[id]

    def may_grow(self, id: ServiceId) -> bool:
        """Whether one more instance of the service may be placed now."""
        return id not in self.blocked and self.predecessor(id) is None

    def predecessor(self, id: ServiceId) -> Placement | None:
        """An instance that must have gone before another can start.

        Either both have an address or port fixed, or the service runs to its end: then there are never more of it
        than are still to complete.
        """
        if not self.board.counts.get(id):
            return None
        if self.restart_policy(self.service(id)) is not None and self.board.counts[id] >= self.demands[id].count:
            return self.of_service(id)[0]
        if not self._stands_alone(self.service(id).revision):
            return None
        return next((each for each in self.of_service(id) if self._stands_alone(each.revision)), None)

    def _stands_alone(self, id: RevisionId) -> bool:
        revision = self.index.record.revisions.get(id)
        return revision is not None and revision.template.stands_alone

    def restart_policy(self, service: Service) -> RestartPolicy | None:
        """The policy of a service that runs to its end; ``None`` for any other."""
        return self.index.record.one_shot_policy(service.revision)

    def policy_of(self, placement: Placement) -> RestartPolicy | None:
        """The policy of an instance that runs to its end, as long as its service is wanted; ``None`` for any other."""
        is_wanted = placement.service in self.index.record.services
        return self.index.record.one_shot_policy(placement.revision) if is_wanted else None

    def services_of(self, team: TeamName) -> list[ServiceId]:
        """The team's services, by id."""
        if self._services_by_team is None:
            self._services_by_team = {}
            for id, service in sorted(self.index.record.services.items()):
                self._services_by_team.setdefault(service.team, []).append(id)
        return self._services_by_team.get(team, [])

    def shares(self) -> Shares:
        """The teams' weighted dominant shares, from when they are first asked for on."""
        if self._shares is None:
            self.known_use = know_use(self.board, self.known_use)
            self._shares = Shares.on(self.board, self.known_use)
        return self._shares

    def purse(self) -> Purse:
        """What budgets have left, from when it is first asked for on: once it is settled which machines are gone.

        Machines that this plan has lost count: they enter the ledger only with it.
        """
        if self._purse is None:
            record = self.index.record
            rentals = {**record.rentals, **self.rentals}.values()
            self._purse = Purse.of(record.fleet, rentals, record.ledger.values(), self.now)
        return self._purse

    def memo(self, id: ServiceId) -> Memo | None:
        """What an earlier plan worked out for the service, where it still holds. Asked once all steps are done."""
        if id not in self._memos:
            memo = self.index.carry.memos.get(id)
            holds = memo is not None and holds_still(memo, self.board, self.index.ground, id)
            self._memos[id] = memo if holds else None
        return self._memos[id]

    def recount_shares(self) -> Shares:
        """The shares as they are now, for what comes after."""
        self._shares = None
        return self.shares()

    def after(self, seconds: float) -> datetime:
        """The moment so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def say(self, subject: str, code: str, sentence: str, **figures: Figure) -> None:
        """Add an event for people."""
        self.events.append(Event(self.now, subject, Reason(code, sentence, tuple(sorted(figures.items())))))

    def of_service(self, service: ServiceId) -> list[Placement]:
        """The service's placements on the board, by ordinal."""
        return self.board.of_service(service)

    def staying(self, service: ServiceId) -> list[Placement]:
        """Those that run and that nobody has asked to leave."""
        return [each for each in self.of_service(service) if is_staying(each)]

    def departing(self, service: ServiceId) -> list[Placement]:
        """Those that don't stay, by ordinal."""
        found = (self.board.placements[id] for id in self.board.departing.get(service, ()))
        return sorted(found, key=lambda placement: placement.ordinal)

    def staying_count(self, service: ServiceId) -> int:
        """How many run and aren't asked to leave."""
        return self.board.counts.get(service, 0) - len(self.board.departing.get(service, ()))

    def ready_count(self, service: ServiceId) -> int:
        """How many run and answer, leaving ones included."""
        return self.board.counts.get(service, 0) - len(self.board.unready.get(service, ()))

    def all_departing(self) -> list[Placement]:
        """Everything that doesn't stay, by instance id."""
        ids = sorted(id for ids in self.board.departing.values() for id in ids)
        return [self.board.placements[id] for id in ids]

    def is_ready(self, id: InstanceId) -> bool:
        """Whether the instance runs and its last probes passed."""
        instance, probed = self.index.instances.get(id), self.index.readiness.get(id)
        if instance is None or instance.state is not ContainerState.RUNNING or probed is None:
            return False
        return probed.readiness is Readiness.READY

    def is_paused(self, id: InstanceId) -> bool:
        """Whether the instance is frozen, as those that stand by are once they have answered."""
        instance = self.index.instances.get(id)
        return instance is not None and instance.state is ContainerState.PAUSED

    def is_held(self, placement: Placement) -> bool:
        """Whether a guest's minimum hold protects it from moves; at home and in the cloud nobody is a guest."""
        if self.board.pools[placement.pool].is_elastic or self.board.owns(placement):
            return False
        return (self.now - placement.placed_at).total_seconds() < self.board.fleet.reclaim.hold_seconds

    def endpoint(self, id: InstanceId) -> EndpointLoad | None:
        """What the router shows of an instance."""
        if self._endpoints is None:
            self._endpoints = dict(self.index.router.endpoints) if self.index.router is not None else {}
        return self._endpoints.get(id)

    def rung(self, placement: Placement) -> Rung:
        """The rung that counts give this placement now."""
        return self.board.rung(placement)

    def update(self, placement: Placement) -> None:
        """Put a changed placement (same node, same amounts) in the place of the old one."""
        self.board.update(placement)

    def place(self, service: Service, node: NodeId) -> Placement:
        """Place a new instance of the service's revision on a node."""
        placement = self.next_instance(service, node)
        self._grant(service, placement)
        return placement

    def resume(self, standby: Placement) -> None:
        """Let one that stands by serve: it has what any new instance has, where it stands already."""
        service = self.service(standby.service)
        self.board.end_standby(standby.instance)
        self._grant(service, replace(standby, resources=service.resources, placed_at=self.now, was_standby=True))

    def next_instance(self, service: Service, node: NodeId) -> Placement:
        """The service's next instance, for a node; it isn't placed yet."""
        ordinal = self.ordinals.get(service.id, 1)
        self.ordinals[service.id] = ordinal + 1
        return Placement(
            instance=instance_id(service.id, ordinal),
            service=service.id,
            revision=service.revision,
            node=node,
            pool=self.board.rooms[node].node.pool,
            resources=service.resources,
            placed_at=self.now,
            ordinal=ordinal,
        )

    def _grant(self, service: Service, placement: Placement) -> None:
        if self.board.crossings is not None:
            self.board.crossings.reserve(service, placement.node)
        self.board.add(placement)
        self.wanted[service.id] = self.wanted.get(service.id, 0) - 1

    def promise(self, service: Service, node: NodeId) -> None:
        """Hold a node's capacity for one instance of the service."""
        if self.board.crossings is not None:
            self.board.crossings.promise(service, node)
        self.board.promise(service, node)
        self.wanted[service.id] -= 1
        self.waiting[service.id] = self.waiting.get(service.id, 0) + 1

    def evict(self, placement: Placement, eviction: Eviction) -> None:
        """Ask an instance to leave; it serves on until it is replaced or its time is up."""
        self.update(replace(placement, eviction=eviction))
        self.board.mark_leaving(placement.instance)

    def drain(self, placement: Placement) -> None:
        """Let an instance finish what it has; its capacity is about to be free."""
        terms = self.index.record.fleet.reclaim
        limit = self.after(terms.notice_seconds + terms.grace_seconds)
        gone_by = placement.eviction.gone_by if placement.eviction and placement.eviction.gone_by else limit
        self.update(replace(placement, state=PlacementState.DRAINING, drain_since=self.now, gone_by=gone_by))
        self.board.mark_leaving(placement.instance)

    def take_back(self, service: ServiceId, pools: Iterable[PoolName]) -> None:
        """Let leaving instances of the service stay after all, cheapest rung first, while it wants more."""
        if self.wanted.get(service, 0) <= 0 or not self.board.departing.get(service):
            return
        wanted_pools = set(pools)
        leaving = [
            each
            for each in self.departing(service)
            if each.pool in wanted_pools and self._may_return(each) and self.board.can_keep(each.instance)
        ]
        for placement in sorted(leaving, key=lambda each: (self.rung(each).order, each.ordinal)):
            if self.wanted.get(service, 0) <= 0 or not self.board.can_keep(placement.instance):
                continue
            self.update(replace(placement, state=PlacementState.RUNNING, eviction=None, drain_since=None, gone_by=None))
            self.board.keep(placement.instance)
            self.wanted[service] -= 1
            sentence = f"{placement.instance} on {placement.node} stays after all: its service wants it again."
            self.say(service, "taken-back", sentence, instance=placement.instance, node=placement.node)

    def _may_return(self, placement: Placement) -> bool:
        if placement.state is PlacementState.STOPPING or placement.instance not in self.board.leaving:
            return False
        probed = self.index.readiness.get(placement.instance)
        if probed is not None and probed.readiness is Readiness.UNREADY:
            return False
        is_current = self.service(placement.service).is_current(placement.revision, placement.placed_at)
        return is_current and broken_constraint(self.board, placement) is None


def is_staying(placement: Placement) -> bool:
    """Whether the placement runs and nobody has asked it to leave."""
    return placement.state is PlacementState.RUNNING and placement.eviction is None


def start_draft(index: Index, demands: dict[ServiceId, Demand], now: datetime) -> Draft:
    """Lay the fleet, the rented nodes and all placements out on a fresh board."""
    index = replace(index, ground=ground_of(index))
    record, ground = index.record, index.ground
    kinds = {kind for rental in record.rentals.values() for kind in rental.resources.kinds}
    kinds.update(kind for view in index.clouds.values() for offer in view.offers for kind in offer.resources.kinds)
    board = Board.start(ground, record.services, kinds, index.carry.rungs, index.carry.tally)
    draft = Draft(
        index=index,
        now=now,
        demands=demands,
        board=board,
        news=News.since(index.carry.seen, board, ground),
        rentals=thawed(record.rentals),
        ordinals=thawed(record.ordinals),
        runs=thawed(record.runs),
        crashes=thawed(index.carry.crashes),
        known_use=index.carry.use,
    )
    states = machine_states(index)
    for token in sorted(draft.rentals):
        _add_rented_node(draft, draft.rentals[token], states.get(token))
    _remove_from_lost_pools(draft)
    for node in sorted(draft.board.by_node.keys() - draft.board.table.row_of.keys()):
        for placement in draft.board.on_node(node)[:1]:
            draft.board.add_node(Node(node, placement.pool, NOTHING), accepts=False)
    for id in sorted(ground.unsettled):
        if id in draft.board.placements:
            _note_unsettled(draft, draft.board.placements[id])
    return draft


def machine_states(index: Index) -> dict[str, MachineState]:
    """What the clouds say of each machine, by token."""
    return {machine.token: machine.state for view in index.clouds.values() for machine in view.machines}


def _add_rented_node(draft: Draft, rental: Rental, state: MachineState | None) -> None:
    if rental.pool not in draft.board.pools:
        return
    accepts = rental.state is RentalState.RENTING and state is not MachineState.RETURNING
    node = Node(rental.node, rental.pool, rental.resources, rental.labels)
    draft.board.add_node(node, is_ready=state is MachineState.READY, accepts=accepts)


def _remove_from_lost_pools(draft: Draft) -> None:
    """What stands in a pool that the fleet no longer has is stopped."""
    for pool in sorted(draft.board.services_in.keys() - draft.board.pools.keys()):
        for placement in draft.board.in_pool(pool):
            draft.lost[placement.instance] = placement
            draft.board.remove(placement.instance)
            sentence = f"{placement.instance} is stopped: its pool {pool} is gone."
            draft.say(placement.service, "pool-removed", sentence)


def _note_unsettled(draft: Draft, placement: Placement) -> None:
    """Take note of what leaves and of what doesn't answer; what is known to be gone leaves the board."""
    if placement.state is PlacementState.STOPPING and placement.instance in draft.index.deleted:
        draft.lost[placement.instance] = placement
        draft.board.remove(placement.instance)
        return
    board = draft.board
    if not draft.is_ready(placement.instance):
        board.unready.setdefault(placement.service, set()).add(placement.instance)
    if not is_staying(placement):
        board.departing.setdefault(placement.service, set()).add(placement.instance)
    if placement.state is not PlacementState.RUNNING or (
        placement.eviction is not None and placement.eviction.rule not in LEAVES_IF
    ):
        board.mark_leaving(placement.instance)
