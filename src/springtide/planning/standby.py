"""Standby: instances that wait, paused, until they are wanted; who comes to stand by, and who goes.

They serve nobody, count toward no quota, and hold no processor once they are paused. Their room counts as about
to be free from the first (``Board.stand_by``): whoever has it promised has it, and they go. So they come last in
a plan, and only where the service itself lacks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from springtide.model.events import Reason
from springtide.model.fleet import Pool
from springtide.model.identifiers import NodeId, PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import Readiness
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import CPU_MILLIS, NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning.admission import rung_for
from springtide.planning.board import Board
from springtide.planning.draft import Draft
from springtide.planning.fitting import best_row
from springtide.planning.layout import IntArray
from springtide.planning.misplacement import broken_constraint
from springtide.planning.settlement import count_crash, failure_of, is_current
from springtide.planning.siting import Siting
from springtide.planning.space import Space

STOP_SECONDS = 1.0
"""Who stands by has nothing in flight; so long it may take leave."""
MOST_WARMING = 4
"""So many of a service start at a time in order to stand by."""


def at_rest(amount: Resources) -> Resources:
    """What a paused instance holds: all but the processor."""
    return amount.without(CPU_MILLIS)


def settle_standby(draft: Draft) -> None:
    """Take note of who is paused by now, who is gone, who has failed, and who has become useless.

    Failures of one round count once, as a crash of what the service wants by now.
    """
    failed: dict[ServiceId, str] = {}
    for standby in _in_order(draft.board):
        if standby.state is PlacementState.STOPPING:
            if standby.instance in draft.index.deleted:
                draft.board.end_standby(standby.instance)
        elif draft.is_paused(standby.instance):
            draft.board.stand_by(replace(standby, resources=at_rest(standby.resources)))
        elif (failure := failure_of(draft, standby)) is not None:
            _stop(draft, standby)
            draft.say(standby.service, failure.code, failure.sentence, **dict(failure.figures))
            if standby.service in draft.index.record.services and is_current(draft, standby):
                failed[standby.service] = failure.sentence
    for id, sentence in failed.items():
        count_crash(draft, id, sentence, was_proven=False)
    for standby in _waiting(draft.board):
        if (why := _uselessness(draft, standby)) is not None:
            _stop(draft, standby)
            sentence = f"{standby.instance} no longer stands by on {standby.node}: {why}."
            draft.say(standby.service, "standby-ends", sentence, instance=standby.instance)
    for id in sorted(draft.board.standby_of):
        if id in draft.index.record.services:
            _stop_surplus(draft, draft.service(id))
            _stop_oldest(draft, draft.service(id))


def make_standby_yield(draft: Draft) -> None:
    """Stop who stands by on nodes whose room others have promised."""
    rows = draft.board.table.row_of
    for node in sorted({each.node for each in _waiting(draft.board) if each.node in rows}):
        yield_on(draft, node, NOTHING)


def yield_on(draft: Draft, node: NodeId, amount: Resources) -> None:
    """Stop who stands by on a node until so much fits there beside what is promised, or nobody is left.

    The lowest bands and the youngest go first. Each resource is judged apart: who holds nothing of what is
    short stays.
    """
    board = draft.board
    here = [each for each in _waiting(board) if each.node == node]
    for standby in sorted(here, key=lambda each: (-_band_order(draft, each), -each.ordinal, each.instance)):
        short = _shortage(board, board.table.row_of[node], amount)
        if any(standby.resources[kind] > 0 for kind in short.kinds):
            _stop(draft, standby)
            sentence = f"{standby.instance} no longer stands by on {node}: its room is needed."
            draft.say(standby.service, "standby-yields", sentence, instance=standby.instance, node=node)


def refill_standby(draft: Draft) -> None:
    """Start who is to stand by where the service itself lacks nothing, a few at a time."""
    wanting = [each for each in draft.index.record.services.values() if each.scale.standby.count > 0]
    if not wanting:
        return
    filling = _Filling(draft, _space_once_resumed(draft))
    for service in sorted(wanting, key=lambda each: (each.band.order, each.id)):
        if _may_refill(draft, service):
            filling.fill(service)


def lacking_standby(draft: Draft, service: Service) -> int:
    """How many more should stand by: never more than the service may have beside those that it wants now."""
    useful = max(0, service.scale.maximum - draft.demands[service.id].count)
    standing = sum(1 for each in standby_of(draft.board, service.id) if each.state is PlacementState.RUNNING)
    return min(service.scale.standby.count, useful) - standing


@dataclass(frozen=True, slots=True)
class StandbyStanding:
    """How many are to stand by, how many are paused and how many are starting to; why others aren't."""

    wished: int
    paused: int
    starting: int
    reason: Reason | None = None


def standby_standing(draft: Draft, service: Service) -> StandbyStanding | None:
    """How a service's standby stands once all steps are done; ``None`` where nobody is to stand by."""
    wished = service.scale.standby.count
    if wished <= 0:
        return None
    mine = [each for each in standby_of(draft.board, service.id) if each.state is PlacementState.RUNNING]
    paused = sum(1 for each in mine if draft.is_paused(each.instance))
    return StandbyStanding(wished, paused, len(mine) - paused, _why_not_more(draft, service, wished - len(mine)))


def _why_not_more(draft: Draft, service: Service, lacking: int) -> Reason | None:
    if lacking <= 0:
        return None
    figures = (("lacking", lacking), ("wanted", draft.demands[service.id].count))
    if not _may_refill(draft, service):
        return Reason("standby-waits", "its own instances that serve come first.", figures)
    if lacking_standby(draft, service) <= 0:
        most = service.scale.maximum
        return Reason("standby-at-maximum", f"it may have {most} instances in all.", (*figures, ("maximum", most)))
    return Reason("standby-no-room", "no node has room for one more that could serve.", figures)


def standby_of(board: Board, id: ServiceId) -> list[Placement]:
    """Who stands by for a service, stopping ones included, by ordinal."""
    return sorted((board.standby[each] for each in board.standby_of.get(id, ())), key=lambda each: each.ordinal)


def _in_order(board: Board) -> list[Placement]:
    return [board.standby[id] for id in sorted(board.standby)]


def _waiting(board: Board) -> Iterator[Placement]:
    """Those that nobody has asked to stop, by instance id."""
    return (each for each in _in_order(board) if each.state is PlacementState.RUNNING)


def _stop(draft: Draft, standby: Placement) -> None:
    stopping = replace(standby, state=PlacementState.STOPPING, drain_since=draft.now, gone_by=draft.after(STOP_SECONDS))
    draft.board.stand_by(stopping)


def _uselessness(draft: Draft, standby: Placement) -> str | None:
    """Why one will never serve, in words."""
    service = draft.index.record.services.get(standby.service)
    if service is None or service.scale.standby.count <= 0:
        return "nobody is to stand by any more"
    if not service.is_current(standby.revision, standby.placed_at):
        return f"it is older than what is to serve, {service.revision}"
    row, pool = draft.board.table.row_of.get(standby.node), draft.board.pools.get(standby.pool)
    if row is None or not draft.board.table.space.accepts[row] or pool is None or pool.is_elastic:
        return "its node leaves"
    if (constraint := broken_constraint(draft.board, standby)) is not None:
        return f"its service asks for {constraint}"
    probed = draft.index.readiness.get(standby.instance)
    if probed is not None and probed.readiness is Readiness.UNREADY:
        return f"its probes fail ({probed.detail})"
    return None


def _stop_surplus(draft: Draft, service: Service) -> None:
    """Fewer are to stand by than do: the youngest go."""
    mine = [each for each in standby_of(draft.board, service.id) if each.state is PlacementState.RUNNING]
    for standby in mine[max(0, service.scale.standby.count) :]:
        _stop(draft, standby)


def _stop_oldest(draft: Draft, service: Service) -> None:
    """Who has stood by for long enough is replaced, one at a time, while all the others are paused."""
    mine = standby_of(draft.board, service.id)
    oldest = min(mine, key=lambda each: (each.placed_at, each.ordinal), default=None)
    is_calm = all(draft.is_paused(each.instance) and each.state is PlacementState.RUNNING for each in mine)
    if oldest is None or not is_calm:
        return
    age_seconds = (draft.now - oldest.placed_at).total_seconds()
    if age_seconds >= service.scale.standby.max_age_seconds:
        _stop(draft, oldest)
        sentence = f"{oldest.instance} has stood by for {age_seconds:.0f} s and is replaced."
        draft.say(service.id, "standby-too-old", sentence, instance=oldest.instance)


def _band_order(draft: Draft, standby: Placement) -> int:
    service = draft.index.record.services.get(standby.service)
    return service.band.order if service is not None else len(Band)


def _shortage(board: Board, row: int, amount: Resources) -> Resources:
    """What is promised on a node, or asked for, and neither free nor about to be since somebody stops."""
    space, node = board.table.space, board.table.nodes[row].id
    stopping = [e for e in board.standby.values() if e.node == node and e.state is PlacementState.STOPPING]
    short = space.promised[row] - space.free[row] + board.table.ask(amount).vector
    for each in stopping:
        short = short - board.table.ask(each.resources).vector
    return board.table.amount_of(short).at_least_zero()


def _may_refill(draft: Draft, service: Service) -> bool:
    """Only once the service has all that it wants, and all of those answer."""
    id = service.id
    has_all = draft.wanted[id] <= 0 and not draft.waiting.get(id) and draft.may_grow(id)
    return has_all and draft.ready_count(id) >= draft.demands[id].count


def _space_once_resumed(draft: Draft) -> Space:
    """The nodes as they would be, were all that stand by resumed to stay: so that each that stands by could be."""
    space, board = draft.board.table.space.copy(), draft.board
    for standby in _waiting(board):
        service, row = draft.index.record.services.get(standby.service), board.table.row_of.get(standby.node)
        if service is not None and row is not None:
            space.free[row] -= board.table.ask(service.resources - standby.resources).vector
            space.leaving[row] -= board.table.ask(standby.resources).vector
    return space


@dataclass(slots=True)
class _Filling:
    """Nodes as they would be once all who stand by serve, and who has been started here."""

    draft: Draft
    space: Space
    _in_pool: dict[tuple[ServiceId, PoolName], int] = field(default_factory=dict)

    def fill(self, service: Service) -> None:
        """Start as many as are lacking, as far as there is room, on the cheapest rungs first."""
        board = self.draft.board
        by_rung: dict[Rung, int] = {}
        for standby in standby_of(board, service.id):
            if standby.state is PlacementState.RUNNING:
                self._count(service, standby.pool, by_rung)
        waking = sum(1 for each in standby_of(board, service.id) if not self.draft.is_paused(each.instance))
        lacking, started = lacking_standby(self.draft, service), 0
        while started < min(lacking, MOST_WARMING - waking) and (row := self._row(service, by_rung)) is not None:
            standby = self.draft.next_instance(service, board.table.nodes[row].id)
            board.stand_by(standby)
            self.space.free[row] -= board.table.ask(service.resources).vector
            self._count(service, standby.pool, by_rung)
            started += 1
        if started:
            sentence = f"{started} more are started to stand by, {lacking - started} are still lacking."
            self.draft.say(service.id, "standby", sentence, count=started, lacking=lacking - started)

    def _count(self, service: Service, pool: PoolName, by_rung: dict[Rung, int]) -> None:
        if pool in self.draft.board.pools and (rung := self._next_rung(service, pool)) is not None:
            by_rung[rung] = by_rung.get(rung, 0) + 1
        self._in_pool[service.id, pool] = self._in_pool.get((service.id, pool), 0) + 1

    def _next_rung(self, service: Service, pool: PoolName) -> Rung | None:
        """The rung on which one more would serve, once all of its own that stand by there do."""
        count = 1 + self._in_pool.get((service.id, pool), 0)
        return rung_for(self.draft.board, replace(service, resources=service.resources.times(count)), pool)

    def _row(self, service: Service, by_rung: dict[Rung, int]) -> int | None:
        """The node for the next one: on the cheapest rung, in the fleet's order of pools."""
        board = self.draft.board
        rungs = {pool.name: self._next_rung(service, pool.name) for pool in board.fleet.pools if not pool.is_elastic}
        for rung in (Rung.OWN, Rung.SHARED, Rung.BORROWED):
            if not _is_open(service, rung, by_rung):
                continue
            own_first = sorted(board.fleet.pools, key=lambda pool: not pool.is_owned_by(service.team))
            for pool in own_first:
                row = self._row_in(service, pool) if rungs.get(pool.name) is rung else None
                if row is not None:
                    return row
        return None

    def _row_in(self, service: Service, pool: Pool) -> int | None:
        board = self.draft.board
        rows: IntArray = board.table.rows_in([pool.name])
        return best_row(self.space, Siting(board), service, rows, is_now=True)


def _is_open(service: Service, rung: Rung, by_rung: dict[Rung, int]) -> bool:
    limits = dict(service.scale.standby.by_rung)
    return not limits or by_rung.get(rung, 0) < limits.get(rung, 0)
