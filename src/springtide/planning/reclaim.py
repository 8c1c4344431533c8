"""Owners come first: their instances on their own pools, and the guests that must leave for them.

The owner takes free capacity at once. Where guests are in the way they get notice, and what they
will free is promised to the owner. Law 2 asks for as many as would be placed were there no guests,
so the same placer runs twice: once around the guests, once as if they weren't there. Where going
around places fewer, the second answer counts, and whoever stands in its way is asked to leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from springtide.model.identifiers import InstanceId, NodeId, PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, total
from springtide.model.workloads import Service
from springtide.planning.displacing import make_way_at_home
from springtide.planning.draft import Draft
from springtide.planning.evictions import RECLAIM
from springtide.planning.fitting import may_begin
from springtide.planning.limits import enforce_limits
from springtide.planning.notices import give_notice, is_reclaimed, withdraw_notices
from springtide.planning.resuming import resume_at_home
from springtide.planning.siting import Siting
from springtide.planning.trial import NOBODY, Asked, Trial, TrialStep
from springtide.planning.turns import neediest_first
from springtide.planning.victims import Candidate, by_rule, chosen_by, is_noticed


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
    turns = {id: _most_that_fit(draft, pools, id) for id in growing if draft.wanted[id] > 0 and draft.may_grow(id)}
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
    hungry = [draft.service(id) for id, count in sorted(draft.wanted.items()) if count > 0 and draft.may_grow(id)]
    displaced = set()
    for service in sorted(hungry, key=lambda each: (each.band.order, each.id)):
        while _may_own(service) and draft.wanted[service.id] > 0 and make_way_at_home(draft, service):
            displaced.add(service.team)
    return displaced


def _may_own(service: Service) -> bool:
    return Rung.OWN in service.ladder or Rung.SHARED in service.ladder


_Choice = tuple[int, Asked]
"""A row of the trial, and who must leave for one more instance there."""


def _fill(trial: Trial, order: Sequence[Service], choose: Callable[[Service], _Choice | None]) -> Trial:
    """Each wanted instance in turn, where ``choose`` finds room.

    Who may have the contributed part but not the own part waits until others have filled the own
    part, so such services get another turn after those.
    """
    while order:
        refused = [service for service in order if not _is_taken(trial, service, choose)]
        trial.full.clear()
        order = [each for each in refused if Rung.OWN not in each.ladder] if len(refused) < len(order) else []
    return trial


def _is_taken(trial: Trial, service: Service, choose: Callable[[Service], _Choice | None]) -> bool:
    choice = choose(service) if service.id not in trial.full else None
    if choice is None:
        trial.full.add(service.id)
        return False
    trial.take(service, *choice)
    return True


def _around_guests(draft: Draft, pools: Sequence[PoolName], order: Sequence[Service]) -> Trial:
    """Where it fits now, else where it will fit once what leaves has left, else where fewest guests must go."""
    return _fill_around(Trial.start(draft, pools), order)


def _fill_around(trial: Trial, order: Sequence[Service]) -> Trial:
    def choose(service: Service) -> _Choice | None:
        row = trial.best(service, is_now=True)
        if row is None:
            row = trial.best(service, is_now=False)
        return (row, NOBODY) if row is not None else _cheapest_eviction(trial, service)

    return _fill(trial, order, choose)


def _cheapest_eviction(trial: Trial, service: Service) -> _Choice | None:
    """The node where the fewest guests without notice must leave, then the fewest guests, then by id.

    Whom the service must be near isn't asked, nor whom others wait to be near: with them would go what makes the
    place one.
    """
    spared = trial.awaited.union(service.placement.near)
    rows = trial.rows_without_guests(service, spared)
    found = [
        (int(row), asked)
        for row in rows[trial.space.accepts[rows]]
        if (asked := trial.asked_at(service, int(row), spared)) is not None
    ]
    placements = trial.draft.board.placements

    def cost(each: _Choice) -> tuple[int, int, int]:
        row, asked = each
        return sum(1 for id in asked.everybody if not is_noticed(placements[id])), len(asked.everybody), row

    return min(found, key=cost, default=None)


def _through_guests(
    draft: Draft, pools: Sequence[PoolName], order: Sequence[Service], spared: Collection[ServiceId]
) -> Trial:
    """What the placer would do were there no guests, none to be near either: the measure of law 2.

    Guests of the services that are spared stay: somebody of the team comes to be near them.
    """
    trial = Trial.start(draft, pools)
    for guest in trial.all_guests(spared):
        trial.suppose_gone(guest)

    def choose(service: Service) -> _Choice | None:
        row = trial.best(service, is_now=False)
        return (row, NOBODY) if row is not None else None

    return _fill(trial, order, choose)


def _asking_guests(draft: Draft, order: Sequence[Service], through: Trial, spared: Collection[ServiceId]) -> Trial:
    """The same steps on the real nodes, with the guests named who stand in their way.

    Then those get another turn who must be near somebody: perhaps near a guest who stays.
    """
    trial = Trial.start(draft, list(through.claims))
    for step in through.steps:
        trial.take(step.service, step.row, trial.asked_at(step.service, step.row, spared) or NOBODY)
    placed = through.counts()
    left = [each for each in order if each.placement.near and _is_beyond(placed, each.id)]
    return _fill_around(trial, left)


def _is_beyond(counts: Counter[ServiceId], id: ServiceId) -> bool:
    """Count one down; whether there was none left."""
    counts[id] -= 1
    return counts[id] < 0


def _carry_out(draft: Draft, trial: Trial) -> None:
    board = draft.board
    for step in trial.steps:
        node = board.table.nodes[step.row].id
        for id, why in _reasons(draft, trial, step).items():
            give_notice(draft, board.placements[id], RECLAIM, step.service, why)
        if may_begin(board.table.space, Siting(board), step.service, step.row):
            draft.place(step.service, node)
        else:
            draft.promise(step.service, node)


def _reasons(draft: Draft, trial: Trial, step: TrialStep) -> dict[InstanceId, str]:
    """What set each of those who are asked for a step apart from the guests that may stay beside them.

    On a node those are its other guests, on a line the others on the team's pools who cross it. Whom the instance
    must be apart from are all needed.
    """
    board, asked = draft.board, step.asked
    found = dict.fromkeys(asked.apart, "needed")
    if asked.on_node:
        here = _guests_of(draft, [board.table.nodes[step.row].id])
        found |= {id: chosen_by(here, id, asked.everybody) for id in asked.on_node}
    if asked.on_line and board.crossings is not None:
        lines, ask = board.crossings, board.crossings.asked_by(step.service, board.table.nodes[step.row].id)
        everybody = _guests_of(draft, [board.table.nodes[int(row)].id for row in trial.rows])
        crossing = [each for each in everybody if any(lines.taken_by(each.placement)[kind] > 0 for kind in ask.kinds)]
        found |= {id: chosen_by(crossing, id, asked.everybody) for id in asked.on_line}
    return found


def _guests_of(draft: Draft, nodes: Iterable[NodeId]) -> list[Candidate]:
    """The guests of these nodes that nobody has asked to leave, in the order in which they would be."""
    board = draft.board
    there = (
        board.placements[id] for node in nodes for id in sorted(board.by_node.get(node, frozenset()) - board.leaving)
    )
    return by_rule(draft, [each for each in there if not board.owns(each)])
