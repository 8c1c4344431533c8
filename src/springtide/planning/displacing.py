"""Making way: lower bands to higher ones, and teams above their fair share to those below, never to ping-pong.

Who gives way gets notice, and the place is promised meanwhile. Fairness takes only what a team has had
for its minimum hold, and only where the taker afterwards doesn't use more than the giver: so whoever
gave can't take it back, and the exchange ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from springtide.model.fleet import Pool
from springtide.model.identifiers import InstanceId, NodeId, PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import Resources, total
from springtide.model.workloads import Service
from springtide.planning import quota
from springtide.planning.admission import guest_rung_without, lacking_without
from springtide.planning.board import Board
from springtide.planning.draft import Draft
from springtide.planning.evictions import FAIR_SHARE, GIVES_WAY
from springtide.planning.fairness import Shares
from springtide.planning.notices import give_notice
from springtide.planning.siting import Siting
from springtide.planning.victims import (
    Candidate,
    by_rule,
    choose_victims,
    chosen_by,
    is_noticed,
)


@dataclass(frozen=True, slots=True)
class _Way:
    """A node, who must leave it or its pool for one instance to fit, and among whom they were chosen."""

    pool: PoolName
    row: int
    victims: tuple[InstanceId, ...]
    candidates: list[Candidate]


def make_way(draft: Draft, service: Service, shares: Shares) -> bool:
    """Promise one instance a place on others' machines where guests give way; whether anybody did."""
    if not _may_anybody(draft.board, service, shares):
        return False
    board = draft.board
    best: _Way | None = None
    rules: dict[tuple[ServiceId, Resources], str | None] = {}
    waiting = (each for each in draft.all_departing() if is_noticed(each) and each.instance not in board.leaving)
    fewest = 0 if any(waiting) else 1
    for name in sorted(board.quotas.tree.pools):
        pool = board.pools[name]
        if pool.is_owned_by(service.team) or not board.quotas.tree.lends_to(name, service.team):
            continue
        if name in board.quotas.awaited_as_borrowed:
            continue  # were others to leave the shared part, who waits would count as shared
        yielding = _yielding(draft, pool, service, shares, rules)
        best = _better_way_in(draft, service, name, yielding, shares, best) if yielding else best
        if best is not None and _cost(board, best)[:2] == (fewest, 1):
            break  # nobody could be disturbed less, and of equal ways the first by name is taken
    return _go(draft, service, best, shares)


def make_way_at_home(draft: Draft, service: Service) -> bool:
    """Promise one instance a place on its team's machines where the team's own lower bands give way."""
    board, siting = draft.board, Siting(draft.board)
    found: list[_Way] = []
    for pool in board.pools_of(service.team):
        if pool in board.quotas.awaited_beyond_own:
            continue  # were others to leave the own part, who waits would count as own
        lower = [each for each in board.in_pool(pool) if board.owns(each) and _is_lower(draft, each, service)]
        lower = [each for each in lower if _is_there(draft, each) and each.service not in service.placement.near]
        candidates = by_rule(draft, lower)
        rows = {board.table.row_of[each.placement.node]: each.placement.node for each in candidates}
        for row in siting.open_rows(service, np.array(sorted(rows), dtype=np.int64)).tolist():
            here = [each for each in candidates if each.placement.node == rows[row]]
            victims = _victims_on(board, service, row, here)
            if victims and _may_begin_at_home(board, service, pool, row, victims):
                found.append(_Way(pool, row, victims, candidates))
    best = min(found, key=lambda each: _cost(board, each), default=None)
    return _go(draft, service, best, None)


def _may_begin_at_home(
    board: Board, service: Service, pool: PoolName, row: int, victims: tuple[InstanceId, ...]
) -> bool:
    """Whether it would then begin on a rung that it may use, also if they come back to the pool before it.

    Otherwise they would come back, keep it from beginning, be asked to leave again, and so on without end.
    """
    gone = [board.placements[id] for id in victims]
    lasting = [each for each in gone if not _may_come_back(board, each, row)]
    staying = board.quotas.owner_use_staying(pool)
    uses = (staying - total(each.resources for each in left) for left in (gone, lasting))
    return all(_home_rung(board, service, pool, use) in service.ladder for use in uses)


def _may_come_back(board: Board, victim: Placement, row: int) -> bool:
    """Whether another node of the pool has room for it, where it may overflow into what its team contributes."""
    service, space = board.services.get(victim.service), board.table.space
    if service is None or Rung.SHARED not in service.ladder:
        return False
    rows = board.table.rows_in([victim.pool])
    return space.best(rows[rows != row], board.table.ask(victim.resources), is_now=False) is not None


def _home_rung(board: Board, service: Service, pool: PoolName, use: Resources) -> Rung:
    return Rung.OWN if quota.is_own(board.quotas.own_part(pool), use, service.resources) else Rung.SHARED


def _go(draft: Draft, service: Service, way: _Way | None, shares: Shares | None) -> bool:
    """Carry out the way, if there is one; whether there was."""
    board = draft.board
    if way is None:
        return False
    for id in way.victims:
        victim = board.placements[id]
        giver = board.services.get(victim.service)
        rule = GIVES_WAY if _is_lower(draft, victim, service) else FAIR_SHARE
        give_notice(draft, victim, rule, service, chosen_by(way.candidates, id, way.victims))
        if shares is not None and giver is not None:
            shares.remove(giver, victim.resources)
    if shares is not None:
        shares.add(service)
    draft.promise(service, board.table.nodes[way.row].id)
    return True


_Cost = tuple[int, int, PoolName, NodeId]


def _cost(board: Board, way: _Way) -> _Cost:
    """Who hasn't been asked yet counts first, then all who must leave, then the pool and the node by name."""
    fresh = sum(1 for id in way.victims if not is_noticed(board.placements[id]))
    return fresh, len(way.victims), way.pool, board.table.nodes[way.row].id


def _may_anybody(board: Board, service: Service, shares: Shares) -> bool:
    """Whether it is worth looking: somebody of a lower band, or a team that uses more than this one would."""
    if any(use and each.order > service.band.order for (_, each), use in board.quotas.band_use.items()):
        return True
    after = shares.with_more(service.team, service.resources, service.band)
    return shares.is_any_above(after, service.band, but=service.team)


def _yielding(
    draft: Draft, pool: Pool, taker: Service, shares: Shares, rules: dict[tuple[ServiceId, Resources], str | None]
) -> list[Placement]:
    """The guests of a pool who would give way to one more instance, by id.

    Asked once for each service: its instances are alike in all but their hold. ``rules`` keeps the answers.
    """
    board, found = draft.board, []
    for id in board.services_in.get(pool.name, ()):
        if board.quotas.is_own(id, pool.name) or id in taker.placement.near:
            continue
        for key, group in board.groups.get(id, {}).items():
            if key[0] != pool.name or not group.ids:
                continue
            one = board.placements[min(group.ids)].resources
            if (id, one) not in rules:
                rules[id, one] = _rule_for(draft, id, one, taker, shares)
            if rules[id, one] is not None:
                found += [each for each in group.ids if _may_yield(draft, each, rules[id, one])]
    return [board.placements[id] for id in sorted(found)]


def _rule_for(draft: Draft, giver: ServiceId, amount: Resources, taker: Service, shares: Shares) -> str | None:
    """Why an instance of one service would have to give way to one of another, if so."""
    service = draft.index.record.services.get(giver)
    if service is None or _is_waited_for(draft, giver):
        return None
    if service.band.order > taker.band.order:
        return GIVES_WAY
    if service.band.order < taker.band.order or service.team == taker.team:
        return None
    after, band = shares.with_more(taker.team, taker.resources, taker.band), taker.band
    is_fairer = after < shares.of(service.team, band) and after <= shares.with_less(service.team, amount, band)
    return FAIR_SHARE if is_fairer else None


def _is_waited_for(draft: Draft, id: ServiceId) -> bool:
    """Whether somebody has room promised that is only any good beside an instance of this service."""
    services = draft.index.record.services
    return any(count and id in services[each].placement.near for each, count in draft.waiting.items())


def _keeps_neighbours(board: Board, service: Service, row: int) -> bool:
    """Whether all whom it must be near, and who stand there, don't merely stand there until they have left."""
    rules = service.placement
    domains = board.table.domain_of(rules.domain) if rules.near else None
    for other in rules.near:
        here = [each for each in board.of_service(other) if domains is not None and each.node in board.table.row_of]
        here = [each for each in here if domains is not None and domains[board.table.row_of[each.node]] == domains[row]]
        if here and all(each.instance in board.leaving for each in here):
            return False
    return True


def _may_yield(draft: Draft, id: InstanceId, rule: str | None) -> bool:
    guest = draft.board.placements[id]
    return _is_there(draft, guest) and (rule == GIVES_WAY or not draft.is_held(guest))


def _is_lower(draft: Draft, placement: Placement, taker: Service) -> bool:
    service = draft.index.record.services.get(placement.service)
    return service is not None and service.band.order > taker.band.order


def _is_there(draft: Draft, placement: Placement) -> bool:
    """Whether it runs, and isn't about to go anyway."""
    is_asked = placement.eviction is not None and not is_noticed(placement)
    return placement.state is PlacementState.RUNNING and not is_asked and placement.instance not in draft.board.leaving


def _better_way_in(
    draft: Draft, service: Service, pool: PoolName, yielding: list[Placement], shares: Shares, best: _Way | None
) -> _Way | None:
    """The way into a pool that disturbs fewest, if it disturbs fewer than the best so far; else that.

    Who must leave for the room on its node is told at once; who must leave for the pool's quotas too takes a closer
    look, and only makes a way worse. So nodes are looked at from the least that each could cost.
    """
    board = draft.board
    if lacking_without(board, service, pool, yielding):
        return best
    candidates = by_rule(draft, yielding)
    least_cost = _cost(board, best) if best is not None else None
    for way in sorted(_ways_into_nodes(draft, service, pool, candidates), key=lambda each: _cost(board, each)):
        if least_cost is not None and _cost(board, way) >= least_cost:
            break
        victims = _with_quota(board, service, pool, way.victims, candidates)
        whole = replace(way, victims=victims) if victims else None
        if whole is None or not _is_fair(draft, service, whole, shares):
            continue
        if least_cost is None or _cost(board, whole) < least_cost:
            best, least_cost = whole, _cost(board, whole)
    return best


def _ways_into_nodes(draft: Draft, service: Service, pool: PoolName, candidates: list[Candidate]) -> Iterator[_Way]:
    """For each node of a pool that rules allow, who must leave it for the room of one more instance."""
    board = draft.board
    rows = Siting(board).open_rows(service, board.table.rows_in([pool]))
    by_node: dict[NodeId, list[Candidate]] = {}
    for each in candidates:
        by_node.setdefault(each.placement.node, []).append(each)
    for row in rows[board.table.space.accepts[rows]].tolist():
        if not _keeps_neighbours(board, service, row):
            continue
        victims = _victims_on(board, service, row, by_node.get(board.table.nodes[row].id, []))
        if victims is not None:
            yield _Way(pool, row, victims, candidates)


def _victims_on(board: Board, service: Service, row: int, here: list[Candidate]) -> tuple[InstanceId, ...] | None:
    if not here and not board.table.space.fits_later(row, board.table.ask(service.resources)):
        return None
    later = board.table.space.later(np.array([row]))[0]
    return choose_victims((each.placement for each in here), service.resources, board.table.amount_of(later))


def _with_quota(
    board: Board, service: Service, pool: PoolName, victims: tuple[InstanceId, ...], candidates: list[Candidate]
) -> tuple[InstanceId, ...] | None:
    """The victims, and as many more of the pool as its quotas ask for; ``None`` where that isn't enough."""
    chosen = [board.placements[id] for id in victims]
    for candidate in candidates:
        above = lacking_without(board, service, pool, chosen)
        if not above:
            break
        guest = candidate.placement
        if guest not in chosen and any(guest.resources[kind] > 0 for kind in above.kinds):
            chosen.append(guest)
    if lacking_without(board, service, pool, chosen) or not rung_is_on_ladder(board, service, pool, chosen):
        return None
    return tuple(each.instance for each in chosen)


def rung_is_on_ladder(board: Board, service: Service, pool: PoolName, gone: list[Placement]) -> bool:
    """Whether the rung on which it would then begin is one that the service may use, others' leaving or not."""
    if Rung.SHARED in service.ladder and Rung.BORROWED in service.ladder:
        return True
    chosen = {each.instance for each in gone}
    others = (board.placements[id] for id in sorted(board.leaving - chosen))
    leaving = [each for each in others if each.pool == pool and not board.owns(each)]
    return all(guest_rung_without(board, service, pool, left) in service.ladder for left in (gone, gone + leaving))


def _is_fair(draft: Draft, service: Service, way: _Way, shares: Shares) -> bool:
    """Whether, all together, no team would lose more to the taker than fairness allows."""
    after = shares.with_more(service.team, service.resources, service.band)
    losses: dict[TeamName, list[Resources]] = {}
    for victim in (draft.board.placements[id] for id in way.victims):
        team = draft.board.team_of(victim)
        if team is not None and not _is_lower(draft, victim, service):
            losses.setdefault(team, []).append(victim.resources)
    return all(after <= shares.with_less(team, total(lost), service.band) for team, lost in losses.items())
