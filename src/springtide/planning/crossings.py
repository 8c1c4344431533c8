"""Who crosses lines between sites: what stands or is promised away from home, and whether one more may come.

A service is away wherever its pool is at another site than its team's home: an owner too, at a pool of its
own elsewhere. An image is pulled once for each node and revision; until an instance of it is seen there
the pull counts at its shaped rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from springtide.model.events import Reason
from springtide.model.identifiers import InstanceId, NodeId, PoolName, RevisionId, ServiceId, SiteName, TeamName
from springtide.model.observations import EngineInstance
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Service
from springtide.planning.board import Board
from springtide.planning.draft import Draft
from springtide.planning.index import history_start
from springtide.planning.layout import BoolArray
from springtide.planning.line_use import line_load_of, measured_load
from springtide.planning.lines import LineLoad, LineLoads, Routes, home_site_of

_NO_LOAD = LineLoad()


def open_lines(draft: Draft) -> None:
    """Reserve for all that stands away from home, once it is settled what stands; without links there is nothing."""
    board, index = draft.board, draft.index
    if not board.fleet.links:
        return
    window_seconds = (draft.now - history_start(index, draft.now)).total_seconds()
    measured = {
        id: use
        for id, points in index.network.items()
        if (use := measured_load(points.values(), draft.now, window_seconds)) is not None
    }
    board.crossings = Crossings(board, LineLoads(Routes.of(board.fleet.links), draft.now), index.instances, measured)
    board.crossings.reserve_standing(board.placements[id] for id in index.ground.unsettled if id in board.placements)


@dataclass(slots=True)
class Crossings:
    """What is reserved of lines, by services, pools and nodes of a board: working state of one plan."""

    board: Board
    loads: LineLoads
    seen: Mapping[InstanceId, EngineInstance]
    measured: Mapping[ServiceId, tuple[int, int]]
    _homes: dict[TeamName, SiteName | None] = field(default_factory=dict)
    _holders: dict[RevisionId, set[NodeId]] = field(default_factory=dict)
    """The nodes on which a revision's image is, or is being pulled."""
    _to_pull: dict[RevisionId, set[NodeId]] = field(default_factory=dict)
    """The nodes for which a pull is promised: whoever comes before pulls itself."""
    _pools_at: dict[SiteName, list[PoolName]] = field(default_factory=dict)
    _free: set[tuple[SiteName | None, LineLoad, bool]] = field(default_factory=set)
    """From where and with what load lines carry one more to every site, now or not, while nothing more is reserved."""

    def __post_init__(self) -> None:
        if not self._pools_at:
            for pool in self.board.fleet.pools:
                self._pools_at.setdefault(pool.site, []).append(pool.name)

    def copy(self) -> Crossings:
        """The same reservations, to try things on."""
        return Crossings(
            self.board,
            self.loads.copy(),
            self.seen,
            self.measured,
            self._homes,
            {revision: set(nodes) for revision, nodes in self._holders.items()},
            {revision: set(nodes) for revision, nodes in self._to_pull.items()},
            self._pools_at,
            set(self._free),
        )

    def home_of(self, team: TeamName) -> SiteName | None:
        """Where a team's traffic comes in."""
        if team not in self._homes:
            self._homes[team] = home_site_of(self.board.fleet, team)
        return self._homes[team]

    def is_away(self, service: Service, pool: PoolName) -> bool:
        """Whether a service's instances in a pool stand at another site than its home."""
        home = self.home_of(service.team)
        return home is not None and self.board.pools[pool].site != home

    def load_of(self, service: Service) -> LineLoad:
        """What one of its instances puts on a line."""
        return line_load_of(service, self.measured.get(service.id))

    def reserve_standing(self, unsettled: Iterable[Placement]) -> None:
        """Take the lines for all that is placed, group by group, and for the pulls of those that are not seen yet."""
        for id, groups in self.board.groups.items():
            service = self.board.services.get(id)
            if service is None or self.load_of(service) == _NO_LOAD:
                continue
            home, load = self.home_of(service.team), self.load_of(service)
            for (pool, _), group in groups.items():
                if pool in self.board.pools:
                    self.loads.reserve(home, self.board.pools[pool].site, load, False, len(group.ids))
        pulls = {(each.node, each.revision): each for each in unsettled if self._may_pull(each)}
        for (node, revision), placement in sorted(pulls.items()):
            service, site = self.board.services.get(placement.service), self._site_of(node)
            here = (self.board.placements[id] for id in self.board.by_node.get(node, ()))
            is_there = any(each.revision == revision and each.instance in self.seen for each in here)
            if service is not None and site is not None and not is_there:
                self.loads.reserve(self.home_of(service.team), site, _NO_LOAD, True)

        for leaving in self.board.leaving:
            self.let_leave(self.board.placements[leaving])

    def reserve(self, service: Service, node: NodeId) -> None:
        """Take the lines for one more instance on a node, before it is put there; and for its pull, if it pulls."""
        home, site = self.home_of(service.team), self._site_of(node)
        if home is None or site is None or home == site:
            return
        holders = self._holders_of(service)
        self.loads.reserve(home, site, self.load_of(service), node not in holders)
        holders.add(node)
        self._free.clear()

    def promise(self, service: Service, node: NodeId) -> None:
        """Keep the lines for one that waits for room on a node, and for its pull, if it will have to pull."""
        home, site = self.home_of(service.team), self._site_of(node)
        if home is None or site is None or home == site:
            return
        holders, to_pull = self._holders_of(service), self._to_pull.setdefault(service.revision, set())
        self.loads.promise(home, site, self.load_of(service), node not in holders | to_pull)
        to_pull.add(node)
        self._free.clear()

    def let_leave(self, placement: Placement, sign: int = 1) -> None:
        """From now on what an instance takes of lines counts as about to be free; with ``sign`` -1 no longer."""
        service, pool = self.board.services.get(placement.service), self.board.pools.get(placement.pool)
        if service is not None and pool is not None:
            self.loads.let_leave(self.home_of(service.team), pool.site, self.load_of(service), sign)
            if sign < 0:
                self._free.clear()

    def can_keep(self, placement: Placement) -> bool:
        """Whether a leaving instance may stay: nobody waits for what it takes of the lines."""
        service, pool = self.board.services.get(placement.service), self.board.pools[placement.pool]
        home = self.home_of(service.team) if service is not None else None
        if service is None or not self.loads.has_promised(home, pool.site):
            return True
        return self.loads.refusal_of(home, pool.site, self.load_of(service), False, is_now=False) is None

    def asked_by(self, service: Service, node: NodeId) -> Resources:
        """What one more instance on a node would put on lines, its pull included: amounts by line and direction."""
        site = self._site_of(node)
        if site is None or self.home_of(service.team) in (None, site):
            return NOTHING
        pulls = node not in self._holders_of(service) | self._to_pull.get(service.revision, set())
        return self.loads.asked(self.home_of(service.team), site, self.load_of(service), pulls)

    def left_later(self, service: Service, node: NodeId) -> Resources:
        """What the lines that it would cross have left once all that leaves has left."""
        site = self._site_of(node)
        return self.loads.left_later(self.home_of(service.team), site) if site is not None else NOTHING

    def taken_by(self, placement: Placement) -> Resources:
        """What a standing instance takes of lines."""
        service = self.board.services.get(placement.service)
        if service is None:
            return NOTHING
        site = self.board.pools[placement.pool].site
        return self.loads.asked(self.home_of(service.team), site, self.load_of(service), False)

    def open_rows(self, service: Service, *, is_now: bool = True) -> BoolArray | None:
        """By row, whether the lines carry one more instance there, now or later; ``None`` where they do everywhere."""
        board, home, load = self.board, self.home_of(service.team), self.load_of(service)
        if (home, load, is_now) in self._free:
            return None
        carried: BoolArray | None = None
        for site, pools in self._pools_at.items():
            if self.loads.refusal_of(home, site, load, True, is_now=is_now) is None:
                continue
            if carried is None:
                carried = np.ones(len(board.table.class_of), dtype=np.bool_)
            rows = board.table.rows_in(pools)
            carried[rows] = False
            if self.loads.refusal_of(home, site, load, False, is_now=is_now) is None:
                there = self._holders_of(service)
                there = there if is_now else there | self._to_pull.get(service.revision, set())
                holders = [board.table.row_of[node] for node in there if node in board.table.row_of]
                carried[np.intersect1d(rows, np.array(holders, dtype=np.int64))] = True
        if carried is None:
            self._free.add((home, load, is_now))
        return carried

    def refusal_of(self, service: Service, pool: PoolName) -> Reason | None:
        """Why no node of a pool can take one more instance for the line's sake, ``None`` where one can."""
        if not self.is_away(service, pool):
            return None
        site = self.board.pools[pool].site
        home, load = self.home_of(service.team), self.load_of(service)
        holders = self._holders_of(service)
        is_pulled = all(self.board.table.nodes[int(row)].id not in holders for row in self.board.table.rows_in([pool]))
        return self.loads.refusal_of(home, site, load, is_pulled)

    def overloads_of(self, id: ServiceId) -> tuple[Reason, ...]:
        """Of the lines that carry more than they are wide now, those that a service crosses."""
        over, service = self.loads.overloads(), self.board.services[id]
        if not over:
            return ()
        home, sites = (
            self.home_of(service.team),
            {self.board.pools[pool].site for pool, _ in self.board.groups.get(id, ())},
        )
        crossed = {
            (step.link.name, step.towards)
            for site in sites
            for there in (self.loads.routes.path(home, site) if home is not None else None) or ()
            for step in (there, there.back)
        }
        return tuple(each for each in over if (each.figure("link"), each.figure("towards")) in crossed)

    def _may_pull(self, placement: Placement) -> bool:
        """Whether the engine may still be pulling for it."""
        return placement.state is not PlacementState.STOPPING and placement.instance not in self.seen

    def _site_of(self, node: NodeId) -> SiteName | None:
        """Where a node stands; ``None`` where the fleet has no such node, or not its pool."""
        row = self.board.table.row_of.get(node)
        pool = self.board.pools.get(self.board.table.nodes[row].pool) if row is not None else None
        return pool.site if pool is not None else None

    def _holders_of(self, service: Service) -> set[NodeId]:
        revision = service.revision
        if revision not in self._holders:
            groups = self.board.groups.get(service.id, {})
            mine = (
                self.board.placements[id] for key, group in groups.items() if key[1] == revision for id in group.ids
            )
            holding = {each.node for each in mine if each.instance in self.seen or self._may_pull(each)}
            self._holders[revision] = holding
        return self._holders[revision]
