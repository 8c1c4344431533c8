"""The board: working state of one plan, on which placements are tried, made and taken away.

It is the only mutable thing in planning, lives for one plan, and is never shared. It starts from the
ground and copies only what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from springtide.model.fleet import Fleet, Node, Pool
from springtide.model.identifiers import InstanceId, NodeId, PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.mappings import thawed
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning.ground import Ground, Group, GroupKey, regrouped
from springtide.planning.node_table import NodeTable
from springtide.planning.pool_quotas import PoolQuotas
from springtide.planning.rungs import KnownRungs, PoolGroup, PoolRungs, know_rungs
from springtide.planning.tally import Tally

if TYPE_CHECKING:
    from springtide.planning.crossings import Crossings


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """One node as the board has it: a window on its row."""

    board: Board
    row: int

    @property
    def node(self) -> Node:
        return self.board.table.nodes[self.row]

    @property
    def free(self) -> Resources:
        return self.board.table.amount_of(self.board.table.space.free[self.row])

    @property
    def leaving(self) -> Resources:
        return self.board.table.amount_of(self.board.table.space.leaving[self.row])

    @property
    def promised(self) -> Resources:
        return self.board.table.amount_of(self.board.table.space.promised[self.row])

    @property
    def is_ready(self) -> bool:
        return bool(self.board.table.space.is_ready[self.row])

    @property
    def accepts(self) -> bool:
        return bool(self.board.table.space.accepts[self.row])

    def close(self) -> None:
        """From now on the node takes nothing more."""
        self.board.table.space.accepts[self.row] = False
        self.board.quotas.touch(self.node.pool)

    def fits_later(self, amount: Resources) -> bool:
        """Whether the amount fits once all that leaves has left."""
        return self.board.table.space.fits_later(self.row, self.board.table.ask(amount))

    def fits_now(self, amount: Resources) -> bool:
        """Whether the amount fits at once without touching what is promised."""
        return self.board.table.space.fits_now(self.row, self.board.table.ask(amount))


@dataclass(slots=True)
class Board:
    """Nodes, placements and the use of each pool by its owner and its guests.

    ``leaving`` are placements whose capacity is about to be free; ``departing`` those that don't stay
    (asked to leave, or leaving), ``unready`` those that don't answer, both by service; ``touched``
    what this plan has changed. ``standby``: instances that stand by. They count toward no quota, and their
    room as about to be free: whoever has it promised has it, and they go (:mod:`.standby`).
    """

    fleet: Fleet
    services: Mapping[ServiceId, Service]
    pools: Mapping[PoolName, Pool]
    table: NodeTable
    placements: dict[InstanceId, Placement]
    standby: dict[InstanceId, Placement]
    groups: dict[ServiceId, Mapping[GroupKey, Group]]
    by_node: dict[NodeId, frozenset[InstanceId]]
    quotas: PoolQuotas
    counts: dict[ServiceId, int] = field(default_factory=dict)
    services_in: dict[PoolName, frozenset[ServiceId]] = field(default_factory=dict)
    leaving: set[InstanceId] = field(default_factory=set)
    departing: dict[ServiceId, set[InstanceId]] = field(default_factory=dict)
    unready: dict[ServiceId, set[InstanceId]] = field(default_factory=dict)
    touched: set[InstanceId] = field(default_factory=set)
    known_rungs: dict[PoolName, KnownRungs] = field(default_factory=dict)
    unchanged: frozenset[PoolName] = frozenset()
    """Pools that are as the plan before left them, until this one changes anything there."""
    standby_of: dict[ServiceId, set[InstanceId]] = field(default_factory=dict)
    """Who stands by, by service."""
    tally: Tally | None = None
    """What stood at the beginning."""
    coming: dict[ServiceId, dict[int, int]] = field(default_factory=dict)
    """How many of a service have room promised on which row."""
    crossings: Crossings | None = None
    """What is reserved of lines between sites; ``None`` where the fleet has no links."""
    _rungs_now: dict[PoolName, tuple[int, PoolRungs]] = field(default_factory=dict)
    _standing: dict[ServiceId, dict[int, int]] = field(default_factory=dict)
    _apart: dict[ServiceId, list[ServiceId]] | None = None
    _pools_by_team: dict[TeamName, list[PoolName]] | None = None

    @classmethod
    def start(
        cls,
        ground: Ground,
        services: Mapping[ServiceId, Service],
        kinds: Iterable[str] = (),
        known_rungs: Mapping[PoolName, KnownRungs] | None = None,
        known_tally: Tally | None = None,
    ) -> Board:
        """A board with the fleet's nodes and every placement on it.

        ``kinds`` are those that rented nodes add; ``known_rungs`` and ``known_tally`` what an earlier plan has
        worked out.
        """
        layout = ground.layout
        tally = Tally.of(layout, services, ground.groups, known_tally)
        board = cls(
            fleet=layout.fleet,
            services=services,
            pools=layout.pools,
            table=NodeTable.start(ground, kinds),
            placements=thawed(ground.placements),
            standby=thawed(ground.standby),
            groups=thawed(ground.groups),
            by_node=thawed(ground.by_node),
            quotas=PoolQuotas.start(tally, thawed(layout.healthy)),
            counts=thawed(tally.counts),
            services_in=thawed(tally.services_in),
            known_rungs=thawed(known_rungs or {}),
            tally=tally,
        )
        for each in board.standby.values():
            board.standby_of.setdefault(each.service, set()).add(each.instance)
            board._count_standby(each, 1)
        return board

    @property
    def rooms(self) -> Rooms:
        """Every node on the board, by id."""
        return Rooms(self)

    def add_node(self, node: Node, *, is_ready: bool = True, accepts: bool = True) -> None:
        """Put a node on the board, with whatever is placed on it. ``accepts`` false: what runs there must leave."""
        row = self.table.add(node, self.pools.get(node.pool), is_ready=is_ready, accepts=accepts)
        for id in self.by_node.get(node.id, ()):
            self.table.space.free[row] -= self.table.ask(self.placements[id].resources).vector
        self.quotas.change_healthy(node.pool, node.allocatable)

    def remove_node(self, id: NodeId) -> None:
        """Take a node that no longer exists off the board, with all that was placed on it."""
        for placement in self.on_node(id):
            self.remove(placement.instance)
        node = self.table.remove(id)
        if node is not None:
            self.quotas.change_healthy(node.pool, NOTHING - node.allocatable)

    def add(self, placement: Placement) -> None:
        """Put a new placement on its node. It counts in full until it is seen gone, also while it leaves."""
        self.placements[placement.instance] = placement
        self._count(placement, added=(placement,))
        self.by_node[placement.node] = self.by_node.get(placement.node, frozenset()) | {placement.instance}
        self.table.space.free[self.table.row_of[placement.node]] -= self.table.ask(placement.resources).vector
        self.unready.setdefault(placement.service, set()).add(placement.instance)

    def remove(self, id: InstanceId) -> None:
        """Take a placement off the board: it is gone."""
        self.keep(id)
        placement = self.placements.pop(id)
        self._count(placement, removed=(placement,))
        self.by_node[placement.node] = self.by_node[placement.node] - {id}
        row = self.table.row_of.get(placement.node)
        if row is not None:
            self.table.space.free[row] += self.table.ask(placement.resources).vector
        for sets in (self.unready, self.departing):
            sets.get(placement.service, set()).discard(id)

    def update(self, placement: Placement) -> None:
        """Put a changed placement (same node, same amounts) in the place of the old one."""
        self.placements[placement.instance] = placement
        self.touched.add(placement.instance)
        departing = self.departing.setdefault(placement.service, set())
        if placement.eviction is None and placement.state is PlacementState.RUNNING:
            departing.discard(placement.instance)
        else:
            departing.add(placement.instance)

    def stand_by(self, placement: Placement) -> None:
        """Put an instance that stands by on its node, in the place of what was there under its id."""
        self.end_standby(placement.instance)
        self.standby[placement.instance] = placement
        self.standby_of.setdefault(placement.service, set()).add(placement.instance)
        self._take_standby(placement, 1)

    def end_standby(self, id: InstanceId) -> None:
        """Take an instance that stands by off the board: it is gone, or it serves from now on."""
        placement = self.standby.pop(id, None)
        if placement is not None:
            self.standby_of[placement.service].discard(id)
            self._take_standby(placement, -1)

    def mark_leaving(self, id: InstanceId) -> None:
        """From now on the instance's capacity counts as about to be free."""
        if id not in self.leaving:
            self.leaving.add(id)
            if self.crossings is not None:
                self.crossings.let_leave(self.placements[id])
            self._count_leaving(self.placements[id], 1)

    def keep(self, id: InstanceId) -> None:
        """Take back ``mark_leaving``."""
        if id in self.leaving:
            self.leaving.remove(id)
            if self.crossings is not None:
                self.crossings.let_leave(self.placements[id], -1)
            self._count_leaving(self.placements[id], -1)

    def can_keep(self, id: InstanceId) -> bool:
        """Whether a leaving instance may stay: its place isn't promised, and no guest's is above quota."""
        placement = self.placements[id]
        if not self.rooms[placement.node].fits_later(placement.resources) or self._is_awaited_without(placement):
            return False
        if self.crossings is not None and not self.crossings.can_keep(placement):
            return False
        if self.owns(placement):
            return True
        quotas = self.quotas
        return not any(quotas.excess(placement.pool)) and not any(
            quotas.relief(breach, placement) for breach in quotas.breaches()
        )

    def _is_awaited_without(self, placement: Placement) -> bool:
        """Whether somebody has room promised nearby who must be apart from it."""
        service, row = self.services.get(placement.service), self.table.row_of.get(placement.node)
        if service is None or row is None or not self.coming:
            return False
        for other, label in self.kept_apart(service):
            rows = [each for each, count in self.coming.get(other, {}).items() if count]
            domains = self.table.domain_of(label) if rows else None
            if domains is not None and any(domains[each] == domains[row] for each in rows):
                return True
        return False

    def promise(self, service: Service, node: NodeId) -> None:
        """Hold capacity of a node for one instance until it can be placed there."""
        row = self.table.row_of[node]
        self.table.space.promised[row] += self.table.ask(service.resources).vector
        coming = self.coming.setdefault(service.id, {})
        coming[row] = coming.get(row, 0) + 1
        self.quotas.promise(self.table.nodes[row].pool, service)

    def pools_of(self, team: TeamName) -> list[PoolName]:
        """The team's pools, in the fleet's order."""
        if self._pools_by_team is None:
            self._pools_by_team = {}
            for pool in self.fleet.pools:
                if pool.team is not None:
                    self._pools_by_team.setdefault(pool.team, []).append(pool.name)
        return self._pools_by_team.get(team, [])

    def team_of(self, placement: Placement) -> TeamName | None:
        """The team that runs it; ``None`` where its service is no longer wanted."""
        service = self.services.get(placement.service)
        return service.team if service is not None else None

    def owns(self, placement: Placement) -> bool:
        """Whether it stands on its own team's pool."""
        return self.quotas.is_own(placement.service, placement.pool)

    def rung(self, placement: Placement) -> Rung:
        """The rung that counts give a placement now."""
        return self.rungs(placement.pool).of(placement.instance, is_owner=self.owns(placement))

    def rungs(self, pool_name: PoolName) -> PoolRungs:
        """The rungs of all placements in a pool."""
        version, rungs = self._rungs_now.get(pool_name, (-1, None))
        now = self.quotas.versions.get(pool_name, 0)
        if rungs is None or version != now:
            rungs = self._find_rungs(pool_name)
            self._rungs_now[pool_name] = now, rungs
        return rungs

    def is_unchanged(self, pool: PoolName) -> bool:
        """Whether a pool is as the plan before left it, which knew its rungs."""
        return pool in self.unchanged and not self.quotas.versions.get(pool)

    def is_left_alone(self, pool: PoolName) -> bool:
        """Whether this plan has looked at a pool's rungs and changed nothing there."""
        return not self.quotas.versions.get(pool) and pool in self._rungs_now

    def rooms_in(self, pools: Iterable[PoolName]) -> list[NodeRoom]:
        """The rooms of these pools, by node id."""
        return [NodeRoom(self, int(row)) for row in self.table.rows_in(pools)]

    def standing(self, service: ServiceId) -> dict[int, int]:
        """How many of a service stand on which row, leaving ones included."""
        if service not in self._standing:
            counts = self._standing[service] = {}
            for placement in self.of_service(service):
                row = self.table.row_of.get(placement.node)
                if row is not None:
                    counts[row] = counts.get(row, 0) + 1
        return self._standing[service]

    def apart_of(self, service: ServiceId) -> list[ServiceId]:
        """The services that must stand apart from this one, as they say themselves."""
        if self._apart is None:
            self._apart = {}
            for id, other in sorted(self.services.items()):
                for each in other.placement.apart:
                    self._apart.setdefault(each, []).append(id)
        return self._apart.get(service, [])

    def kept_apart(self, service: Service) -> list[tuple[ServiceId, str]]:
        """From which services one must stand apart, as they or it say, and in which domain."""
        rules = service.placement
        others = sorted({*rules.apart, *self.apart_of(service.id)})
        return [
            (each, rules.domain if each in rules.apart else self.services[each].placement.domain) for each in others
        ]

    def on_node(self, node: NodeId) -> list[Placement]:
        """What is placed on a node, by instance id."""
        return [self.placements[id] for id in sorted(self.by_node.get(node, ()))]

    def of_service(self, service: ServiceId) -> list[Placement]:
        """What is placed of a service, by ordinal."""
        mine = [self.placements[id] for group in self.groups.get(service, {}).values() for id in group.ids]
        return sorted(mine, key=lambda placement: placement.ordinal)

    def in_pool(self, pool: PoolName) -> list[Placement]:
        """What is placed in a pool, by instance id."""
        ids = [
            id
            for service in self.services_in.get(pool, ())
            for key, group in self.groups.get(service, {}).items()
            if key[0] == pool
            for id in group.ids
        ]
        return [self.placements[id] for id in sorted(ids)]

    def beyond_own(self, pool_name: PoolName) -> Mapping[tuple[TeamName, Band], Resources]:
        """What each team uses of a pool, by band, on the rungs shared and borrowed, leaving ones included."""
        self.rungs(pool_name)
        return self.known_rungs[pool_name].beyond_own

    def _find_rungs(self, pool_name: PoolName) -> PoolRungs:
        """What is known still, or worked out anew."""
        if self.is_unchanged(pool_name) and pool_name in self.known_rungs:
            return self.known_rungs[pool_name].rungs
        inputs = (
            self.pools[pool_name],
            self.quotas.healthy.get(pool_name, NOTHING),
            self.quotas.own_part(pool_name),
            tuple(self._groups_in(pool_name)),
        )
        known = self.known_rungs.get(pool_name)
        if known is None or not known.hold_for(*inputs):
            known = self.known_rungs[pool_name] = know_rungs(*inputs, self.placements)
        return known.rungs

    def _groups_in(self, pool: PoolName) -> Iterator[PoolGroup]:
        """What stands in a pool, in a fixed order."""
        for id in sorted(self.services_in.get(pool, ())):
            service, mine = self.services.get(id), self.groups.get(id, {})
            team, band = (service.team, service.band) if service is not None else (None, Band.PRODUCTION)
            for key in sorted(mine):
                if key[0] == pool:
                    yield PoolGroup(mine[key], team, band)

    def _count(self, placement: Placement, removed: Iterable[Placement] = (), added: Iterable[Placement] = ()) -> None:
        """Quotas count an instance until it is seen gone, also while it leaves."""
        pool, service = placement.pool, placement.service
        sign = 1 if added else -1
        self.quotas.count(pool, service, placement.resources.times(sign))
        mine, key = dict(self.groups.get(service, {})), (pool, placement.revision)
        mine[key] = regrouped(mine.get(key, Group()), removed, added)
        if not mine[key].ids:
            del mine[key]
        self.groups[service] = mine
        self.counts[service] = self.counts.get(service, 0) + sign
        row = self.table.row_of.get(placement.node)
        if service in self._standing and row is not None:
            self._standing[service][row] = self._standing[service].get(row, 0) + sign
        self.services_in[pool] = self.services_in.get(pool, frozenset()) | {service}
        self.touched.add(placement.instance)

    def _count_leaving(self, placement: Placement, sign: int) -> None:
        row = self.table.row_of.get(placement.node)
        if row is not None:
            self.table.space.leaving[row] += sign * self.table.ask(placement.resources).vector
        self.quotas.count_leaving(placement.pool, placement.service, placement.resources.times(sign))

    def _take_standby(self, placement: Placement, sign: int) -> None:
        row = self.table.row_of.get(placement.node)
        if row is not None:
            self.table.space.free[row] -= sign * self.table.ask(placement.resources).vector
        self._count_standby(placement, sign)
        if placement.pool in self.pools:
            self.quotas.touch(placement.pool)

    def _count_standby(self, placement: Placement, sign: int) -> None:
        """What is on standby leaves as soon as anybody needs its room."""
        row = self.table.row_of.get(placement.node)
        if row is not None:
            self.table.space.leaving[row] += sign * self.table.ask(placement.resources).vector


@dataclass(frozen=True, slots=True)
class Rooms(Mapping[NodeId, NodeRoom]):
    """The board's nodes by id."""

    board: Board

    def __getitem__(self, id: NodeId) -> NodeRoom:
        return NodeRoom(self.board, self.board.table.row_of[id])

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self.board.table.row_of)

    def __len__(self) -> int:
        return len(self.board.table.row_of)


def all_rungs(board: Board) -> dict[InstanceId, Rung]:
    """The rung of every placement."""
    return {id: board.rung(placement) for id, placement in board.placements.items()}


def rungs_by_group(board: Board, service_id: ServiceId) -> Iterator[tuple[PoolName, Rung, frozenset[InstanceId]]]:
    """A service's placements by pool and rung: whole groups where all of a group stand on one rung."""
    service = board.services.get(service_id)
    for (pool_name, _), group in board.groups.get(service_id, {}).items():
        if not group.ids:
            continue
        is_owner = service is not None and board.pools[pool_name].is_owned_by(service.team)
        rungs = board.rungs(pool_name)
        uniform = rungs.owners if is_owner else rungs.guests
        if uniform is not None:
            yield pool_name, uniform, group.ids
            continue
        apart: dict[Rung, set[InstanceId]] = {}
        for id in group.ids:
            apart.setdefault(rungs.by_id[id], set()).add(id)
        for rung in sorted(apart, key=lambda each: each.order):
            yield pool_name, rung, frozenset(apart[rung])
