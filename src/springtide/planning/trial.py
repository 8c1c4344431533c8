"""The owner's placer on a copy of its nodes: what is tried is carried out only once it has been chosen.

Guests on the team's own pools may be asked to leave for an instance: for the room on its node, because it must be
apart from them, or because they fill a line that it has to cross.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from springtide.model.identifiers import InstanceId, PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import Resources, total
from springtide.model.workloads import Service
from springtide.planning import quota
from springtide.planning.draft import Draft
from springtide.planning.evictions import GIVES_WAY
from springtide.planning.fitting import best_row, may_begin
from springtide.planning.layout import IntArray
from springtide.planning.siting import Siting
from springtide.planning.space import Space
from springtide.planning.victims import Candidate, by_rule, choose_victims


@dataclass(frozen=True, slots=True)
class Asked:
    """The guests that must leave for one instance: to be apart from it, for room on its node, for room on a line."""

    apart: tuple[InstanceId, ...] = ()
    on_node: tuple[InstanceId, ...] = ()
    on_line: tuple[InstanceId, ...] = ()

    @property
    def everybody(self) -> tuple[InstanceId, ...]:
        return (*self.apart, *self.on_node, *self.on_line)


NOBODY = Asked()


@dataclass(frozen=True, slots=True)
class TrialStep:
    """One instance of a service on a row of the trial, and who must leave for it."""

    service: Service
    row: int
    asked: Asked = NOBODY


@dataclass(slots=True)
class Trial:
    """Nodes, rules and lines as they would be after the steps so far."""

    draft: Draft
    rows: IntArray
    space: Space
    siting: Siting
    claims: dict[PoolName, Resources]
    steps: list[TrialStep] = field(default_factory=list)
    victims: set[InstanceId] = field(default_factory=set)
    full: set[ServiceId] = field(default_factory=set)
    awaited: set[ServiceId] = field(default_factory=set)
    """Whom those must find there who are placed or have room promised near them."""
    kept: dict[int, int] = field(default_factory=dict)
    """Rows on which a lower band of the team has notice for a higher one: that one's order. Lower ones don't begin."""
    _in_order: list[Candidate] | None = None
    """All guests in the order in which they must leave, until somebody is asked to."""

    @classmethod
    def start(cls, draft: Draft, pools: Sequence[PoolName]) -> Trial:
        """On a team's pools, as they are."""
        board = draft.board
        claims = {pool: board.quotas.owner_claim(pool) for pool in pools}
        trial = cls(draft, board.table.rows_in(pools), board.table.space.copy(), Siting(board), claims)
        teams = {board.pools[pool].team for pool in pools}
        waiting = (draft.service(id) for id, count in draft.waiting.items() if count)
        trial.awaited.update(near for each in waiting if each.team in teams for near in each.placement.near)
        trial.kept = _kept_for_higher_bands(draft, teams)
        return trial

    def counts(self) -> Counter[ServiceId]:
        """How many instances of each service the steps place."""
        return Counter(step.service.id for step in self.steps)

    def open_to(self, service: Service) -> IntArray:
        """The rows that the service's ladder allows (own part, contributed part or both), but for those kept."""
        rows = self.rows
        if Rung.OWN not in service.ladder or Rung.SHARED not in service.ladder:
            open_pools = (pool for pool in self.claims if self._rung(service, pool) in service.ladder)
            rows = self.draft.board.table.rows_in(open_pools)
        kept = [row for row, order in self.kept.items() if order < service.band.order]
        return rows[~np.isin(rows, kept)] if kept else rows

    def best(self, service: Service, *, is_now: bool) -> int | None:
        """The row for one more instance, now or once what leaves has left."""
        rows = self.open_to(service)
        return best_row(self.space, self.siting, service, rows, is_now=is_now, ranks=self._lent(service))

    def _lent(self, service: Service) -> IntArray | None:
        """By row, what guests may borrow of its pool: who owns several fills the one that lends least first."""
        if len(self.claims) < 2:
            return None
        board, kinds = self.draft.board, service.resources.kinds
        ranks = np.zeros(len(self.space.free), dtype=np.int64)
        for name in self.claims:
            own = board.quotas.own_part(name)
            lent = quota.lending_limit(board.pools[name], own)
            rows = board.table.rows_in([name])
            ranks[rows] = sum(lent[kind] * 1000 // max(1, own[kind]) for kind in kinds if own[kind] > 0)
        return ranks

    def take(self, service: Service, row: int, asked: Asked = NOBODY) -> None:
        """Note the step and what it leaves on the node."""
        board, space = self.draft.board, self.space
        for id in asked.everybody:
            self.suppose_gone(board.placements[id])
        ask = board.table.ask(service.resources)
        is_now = may_begin(space, self.siting, service, row)
        if is_now:
            space.free[row] -= ask.vector
        else:
            space.promised[row] += ask.vector
        self.awaited.update(service.placement.near)
        self.siting.add(service.id, row, is_now=is_now)
        pool = board.table.nodes[row].pool
        self.claims[pool] = self.claims[pool] + service.resources
        self.victims.update(asked.everybody)
        if asked.everybody:
            self._in_order = None
        self.steps.append(TrialStep(service, row, asked))

    def suppose_gone(self, guest: Placement) -> None:
        """From now on the guest's room is about to be free, and it is nobody's neighbour."""
        table = self.draft.board.table
        self.space.leaving[table.row_of[guest.node]] += table.ask(guest.resources).vector
        self.siting.suppose_gone(guest)

    def guests(self, row: int) -> list[Placement]:
        """The guests of a node that nobody has asked to leave."""
        board = self.draft.board
        here = board.by_node.get(board.table.nodes[row].id, frozenset()) - board.leaving - self.victims
        return [board.placements[id] for id in sorted(here) if not board.owns(board.placements[id])]

    def all_guests(self, spared: Collection[ServiceId] = ()) -> list[Placement]:
        """The guests of all nodes that nobody has asked to leave, but for those of services that are spared."""
        return [each for row in self.rows for each in self.guests(int(row)) if each.service not in spared]

    def rows_without_guests(self, service: Service, spared: Collection[ServiceId]) -> IntArray:
        """The rows that rules and lines would leave open, were all guests to leave but those who are spared."""
        rows, siting = self.open_to(service), self.siting
        if siting.board.crossings is not None or siting.board.kept_apart(service):
            siting = siting.copy()
            for guest in self.all_guests(spared):
                siting.suppose_gone(guest)
        return siting.open_rows(service, rows, is_now=False)

    def asked_at(self, service: Service, row: int, spared: Collection[ServiceId] = ()) -> Asked | None:
        """The guests that must leave for one more instance on a node; ``None`` where all aren't enough."""
        apart = self._too_close(service, row, spared)
        on_node = self._on_node(service, row, spared, apart)
        if on_node is None:
            return None
        on_line = self._on_line(service, row, spared, (*apart, *on_node))
        return Asked(apart, on_node, on_line) if on_line is not None else None

    def _too_close(self, service: Service, row: int, spared: Collection[ServiceId]) -> tuple[InstanceId, ...]:
        """The guests in whose domain it mustn't stand."""
        board, table = self.draft.board, self.draft.board.table
        domains = {other: table.domain_of(label) for other, label in board.kept_apart(service)}
        if not domains:
            return ()

        def is_close(guest: Placement) -> bool:
            mine = domains.get(guest.service)
            return mine is not None and bool(mine[table.row_of[guest.node]] == mine[row])

        return tuple(each.instance for each in self.all_guests(spared) if is_close(each))

    def _on_node(
        self, service: Service, row: int, spared: Collection[ServiceId], gone: Collection[InstanceId]
    ) -> tuple[InstanceId, ...] | None:
        """Who besides those gone must leave a node so that one more fits."""
        board = self.draft.board
        here = self.guests(row)
        freed = [each.resources for each in here if each.instance in gone]
        room = total([board.table.amount_of(self.space.later(np.array([row]))[0]), *freed])
        guests = [each for each in here if each.service not in spared and each.instance not in gone]
        candidates = (each.placement for each in by_rule(self.draft, guests))
        return choose_victims(candidates, service.resources, room)

    def _on_line(
        self, service: Service, row: int, spared: Collection[ServiceId], gone: Collection[InstanceId]
    ) -> tuple[InstanceId, ...] | None:
        """Who besides those gone must leave the team's pools so that the lines carry one more, with its pull."""
        board, lines = self.draft.board, self.siting.crossings or self.draft.board.crossings
        if lines is None:
            return ()
        node = board.table.nodes[row].id
        asked, left = lines.asked_by(service, node), lines.left_later(service, node)
        if asked.fits_in(left):
            return ()
        left = total([left, *(lines.taken_by(board.placements[id]) for id in gone)])
        candidates = (each.placement for each in self._by_rule())
        guests = (each for each in candidates if each.service not in spared and each.instance not in gone)
        return choose_victims(guests, asked, left, lines.taken_by)

    def _by_rule(self) -> list[Candidate]:
        if self._in_order is None:
            self._in_order = by_rule(self.draft, self.all_guests())
        return self._in_order

    def _rung(self, service: Service, pool: PoolName) -> Rung:
        own = quota.is_own(self.draft.board.quotas.own_part(pool), self.claims[pool], service.resources)
        return Rung.OWN if own else Rung.SHARED


def _kept_for_higher_bands(draft: Draft, teams: Collection[TeamName | None]) -> dict[int, int]:
    """By row, the order of the highest band for which somebody of its own team has notice there."""
    board, kept = draft.board, dict[int, int]()
    for id in (id for team in teams if team is not None for id in draft.services_of(team)):
        for each in draft.departing(id) if board.departing.get(id) else ():
            taker = each.eviction.beneficiary if each.eviction and each.eviction.rule == GIVES_WAY else None
            service = draft.index.record.services.get(taker) if taker is not None else None
            if service is not None and service.team in teams and draft.wanted[service.id] > 0:
                row = board.table.row_of[each.node]
                kept[row] = min(kept.get(row, service.band.order), service.band.order)
    return kept
