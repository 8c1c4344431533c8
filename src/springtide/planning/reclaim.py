"""Owners come first: their instances on their own pools, and the guests that must leave for them.

The owner takes free capacity at once. Where guests are in the way they get notice, and what they
will free is promised to the owner. Law 2 asks for as many as would be placed were there no guests,
so the same placer runs twice: once around the guests, once as if they weren't there. Where going
around places fewer, the second answer counts, and whoever stands in its way is asked to leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from springtide.model.identifiers import InstanceId, PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import NOTHING, Resources, total
from springtide.model.workloads import Service
from springtide.planning import quota
from springtide.planning.displacing import make_way_at_home
from springtide.planning.draft import Draft
from springtide.planning.evictions import RECLAIM
from springtide.planning.fitting import best_row
from springtide.planning.layout import IntArray
from springtide.planning.limits import enforce_limits
from springtide.planning.notices import give_notice, is_reclaimed, withdraw_notices
from springtide.planning.resuming import resume_at_home
from springtide.planning.siting import Siting
from springtide.planning.space import Space
from springtide.planning.turns import neediest_first
from springtide.planning.victims import by_rule, choose_victims, chosen_by, is_noticed


def place_owned(draft: Draft) -> None:
    """Place, promise and give notice for every team on its own pools; withdraw owners' notices that nobody needs."""
    noticed = [each.instance for each in draft.all_departing() if is_noticed(each)]
    _place_teams(draft, {draft.service(id).team for id, count in draft.wanted.items() if count > 0})
    before = set(draft.board.leaving)
    enforce_limits(draft)
    _place_teams(draft, _teams_of(draft, draft.board.leaving - before))
    while displaced := _let_own_bands_give_way(draft):
        _place_teams(draft, displaced)
    reclaimed = [id for id in noticed if is_reclaimed(draft.board.placements[id])]
    withdraw_notices(draft, reclaimed)


def _place_teams(draft: Draft, teams: set[TeamName]) -> None:
    """Team by team; then once more for those whose guests must leave another's pool and may find room on their own."""
    while teams:
        before = set(draft.board.leaving)
        for team in sorted(teams):
            _place_team(draft, team)
        teams = _teams_of(draft, draft.board.leaving - before)


def _teams_of(draft: Draft, instances: set[InstanceId]) -> set[TeamName]:
    board = draft.board
    return {team for id in instances if (team := board.team_of(board.placements[id])) is not None}


def _place_team(draft: Draft, team: TeamName) -> None:
    pools = draft.board.pools_of(team)
    growing = [id for id in draft.services_of(team) if _may_own(draft.service(id)) and id not in draft.blocked]
    for id in growing:
        draft.take_back(id, pools)
    resume_at_home(draft, growing, pools)
    turns = {id: _most_that_fit(draft, pools, id) for id in growing if draft.wanted[id] > 0}
    wants = {id: count for id, count in turns.items() if count > 0}
    if not wants or not pools:
        return
    order = [draft.service(id) for id in neediest_first(draft, wants)]
    around = _around_guests(draft, pools, order)
    if not any(draft.board.quotas.guest_use.get(pool) for pool in pools):
        _carry_out(draft, around)
        return
    spared = frozenset(around.awaited)
    through = _through_guests(draft, pools, order, spared)
    is_enough = around.counts() >= through.counts()
    _carry_out(draft, around if is_enough else _asking_guests(draft, order, through, spared))


def _most_that_fit(draft: Draft, pools: Sequence[PoolName], id: ServiceId) -> int:
    """What a service wants, but not more turns than instances of it would fit on its team's empty pools."""
    amount = draft.service(id).resources
    if not any(value > 0 for _, value in amount.amounts):
        return draft.wanted[id]
    return min(
        draft.wanted[id], amount.copies_in(total(draft.board.quotas.healthy.get(pool, NOTHING) for pool in pools))
    )


def _let_own_bands_give_way(draft: Draft) -> set[TeamName]:
    """Once no guest is in the way any more, a team's own lower bands make room for its higher ones; whose did."""
    hungry = [draft.service(id) for id, count in sorted(draft.wanted.items()) if count > 0 and id not in draft.blocked]
    displaced = set()
    for service in sorted(hungry, key=lambda each: (each.band.order, each.id)):
        while _may_own(service) and draft.wanted[service.id] > 0 and make_way_at_home(draft, service):
            displaced.add(service.team)
    return displaced


def _may_own(service: Service) -> bool:
    return Rung.OWN in service.ladder or Rung.SHARED in service.ladder


_Choice = tuple[int, tuple[InstanceId, ...]]
"""A row of the trial, and the guests that must leave it."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One instance of a service on a row of the trial, and the guests that must leave for it."""

    service: Service
    row: int
    victims: tuple[InstanceId, ...] = ()


@dataclass(slots=True)
class _Trial:
    """The owner's placer on a copy of its nodes; the steps are carried out only once chosen."""

    draft: Draft
    rows: IntArray
    space: Space
    siting: Siting
    claims: dict[PoolName, Resources]
    steps: list[_Step] = field(default_factory=list)
    victims: set[InstanceId] = field(default_factory=set)
    full: set[ServiceId] = field(default_factory=set)
    awaited: set[ServiceId] = field(default_factory=set)
    """Whom those must find there who are placed or have room promised near them."""

    @classmethod
    def start(cls, draft: Draft, pools: Sequence[PoolName]) -> _Trial:
        board = draft.board
        claims = {pool: board.quotas.owner_claim(pool) for pool in pools}
        trial = cls(draft, board.table.rows_in(pools), board.table.space.copy(), Siting(board), claims)
        teams = {board.pools[pool].team for pool in pools}
        waiting = (draft.service(id) for id, count in draft.waiting.items() if count)
        trial.awaited.update(near for each in waiting if each.team in teams for near in each.placement.near)
        return trial

    def counts(self) -> Counter[ServiceId]:
        """How many instances of each service the steps place."""
        return Counter(step.service.id for step in self.steps)

    def open_to(self, service: Service) -> IntArray:
        """The rows that the service's ladder allows: own part, contributed part or both."""
        if Rung.OWN in service.ladder and Rung.SHARED in service.ladder:
            return self.rows
        return self.draft.board.table.rows_in(
            pool for pool in self.claims if self._rung(service, pool) in service.ladder
        )

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

    def take(self, service: Service, row: int, victims: tuple[InstanceId, ...] = ()) -> None:
        """Note the step and what it leaves on the node."""
        board, space = self.draft.board, self.space
        for id in victims:
            space.leaving[row] += board.table.ask(board.placements[id].resources).vector
            self.siting.suppose_gone(board.placements[id])
        ask = board.table.ask(service.resources)
        if space.fits_now(row, ask):
            space.free[row] -= ask.vector
        else:
            space.promised[row] += ask.vector
        self.awaited.update(service.placement.near)
        self.siting.add(service.id, row)
        pool = board.table.nodes[row].pool
        self.claims[pool] = self.claims[pool] + service.resources
        self.victims.update(victims)
        self.steps.append(_Step(service, row, victims))

    def guests(self, row: int) -> list[Placement]:
        """The guests of a node that nobody has asked to leave."""
        board = self.draft.board
        here = board.by_node.get(board.table.nodes[row].id, frozenset()) - board.leaving - self.victims
        return [board.placements[id] for id in sorted(here) if not board.owns(board.placements[id])]

    def victims_on(
        self, row: int, amount: Resources, spared: Collection[ServiceId] = ()
    ) -> tuple[InstanceId, ...] | None:
        """The guests of a node that must leave so that the amount fits there; ``None`` where all aren't enough."""
        later = self.space.later(np.array([row]))[0]
        guests = [each for each in self.guests(row) if each.service not in spared]
        candidates = (each.placement for each in by_rule(self.draft, guests))
        return choose_victims(candidates, amount, self.draft.board.table.amount_of(later))

    def _rung(self, service: Service, pool: PoolName) -> Rung:
        own = quota.is_own(self.draft.board.quotas.own_part(pool), self.claims[pool], service.resources)
        return Rung.OWN if own else Rung.SHARED


def _fill(trial: _Trial, order: Sequence[Service], choose: Callable[[Service], _Choice | None]) -> _Trial:
    """Each wanted instance in turn, where ``choose`` finds room.

    Who may have the contributed part but not the own part waits until others have filled the own
    part, so such services get another turn after those.
    """
    while order:
        refused = [service for service in order if not _is_taken(trial, service, choose)]
        trial.full.clear()
        order = [each for each in refused if Rung.OWN not in each.ladder] if len(refused) < len(order) else []
    return trial


def _is_taken(trial: _Trial, service: Service, choose: Callable[[Service], _Choice | None]) -> bool:
    choice = choose(service) if service.id not in trial.full else None
    if choice is None:
        trial.full.add(service.id)
        return False
    trial.take(service, *choice)
    return True


def _around_guests(draft: Draft, pools: Sequence[PoolName], order: Sequence[Service]) -> _Trial:
    """Where it fits now, else where it will fit once what leaves has left, else where fewest guests must go."""
    return _fill_around(_Trial.start(draft, pools), order)


def _fill_around(trial: _Trial, order: Sequence[Service]) -> _Trial:
    def choose(service: Service) -> _Choice | None:
        row = trial.best(service, is_now=True)
        if row is None:
            row = trial.best(service, is_now=False)
        return (row, ()) if row is not None else _cheapest_eviction(trial, service)

    return _fill(trial, order, choose)


def _cheapest_eviction(trial: _Trial, service: Service) -> _Choice | None:
    """The node where the fewest guests without notice must leave, then the fewest guests, then by id.

    Whom the service must be near isn't asked, nor whom others wait to be near: with them would go what makes the
    place one.
    """
    rows = trial.siting.open_rows(service, trial.open_to(service))
    spared = trial.awaited.union(service.placement.near)
    found = [
        (int(row), victims)
        for row in rows[trial.space.accepts[rows]]
        if (victims := trial.victims_on(int(row), service.resources, spared)) is not None
    ]
    placements = trial.draft.board.placements

    def cost(each: _Choice) -> tuple[int, int, int]:
        row, victims = each
        return sum(1 for id in victims if not is_noticed(placements[id])), len(victims), row

    return min(found, key=cost, default=None)


def _through_guests(
    draft: Draft, pools: Sequence[PoolName], order: Sequence[Service], spared: Collection[ServiceId]
) -> _Trial:
    """What the placer would do were there no guests, none to be near either: the measure of law 2.

    Guests of the services that are spared stay: somebody of the team comes to be near them.
    """
    trial, board = _Trial.start(draft, pools), draft.board
    for row in trial.rows:
        for guest in trial.guests(int(row)):
            if guest.service in spared:
                continue
            trial.space.leaving[row] += board.table.ask(guest.resources).vector
            trial.siting.suppose_gone(guest)

    def choose(service: Service) -> _Choice | None:
        row = trial.best(service, is_now=False)
        return (row, ()) if row is not None else None

    return _fill(trial, order, choose)


def _asking_guests(draft: Draft, order: Sequence[Service], through: _Trial, spared: Collection[ServiceId]) -> _Trial:
    """The same steps on the real nodes, with the guests named who stand in their way.

    Then those get another turn who must be near somebody: perhaps near a guest who stays.
    """
    trial = _Trial.start(draft, list(through.claims))
    for step in through.steps:
        trial.take(step.service, step.row, trial.victims_on(step.row, step.service.resources, spared) or ())
    placed = through.counts()
    left = [each for each in order if each.placement.near and _is_beyond(placed, each.id)]
    return _fill_around(trial, left)


def _is_beyond(counts: Counter[ServiceId], id: ServiceId) -> bool:
    """Count one down; whether there was none left."""
    counts[id] -= 1
    return counts[id] < 0


def _carry_out(draft: Draft, trial: _Trial) -> None:
    for step in trial.steps:
        node = draft.board.table.nodes[step.row].id
        for id, why in _reasons(draft, step).items():
            give_notice(draft, draft.board.placements[id], RECLAIM, step.service, why)
        if draft.board.rooms[node].fits_now(step.service.resources):
            draft.place(step.service, node)
        else:
            draft.promise(step.service, node)


def _reasons(draft: Draft, step: _Step) -> dict[InstanceId, str]:
    """What set each of a step's victims apart from the guests that may stay beside them."""
    if not step.victims:
        return {}
    board = draft.board
    here = (board.placements[id] for id in sorted(board.by_node[board.table.nodes[step.row].id] - board.leaving))
    candidates = by_rule(draft, [each for each in here if not board.owns(each)])
    return {id: chosen_by(candidates, id, step.victims) for id in step.victims}
