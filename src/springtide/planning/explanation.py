"""Why: for each service its count, what it holds on which rung, and what stands in the way of one more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from springtide.model.events import Figure, Reason
from springtide.model.fleet import Pool
from springtide.model.identifiers import PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Placement
from springtide.model.resources import NOTHING, Resources, describe
from springtide.model.workloads import Band, Service
from springtide.planning.admission import rung_for
from springtide.planning.board import Board, NodeRoom, rungs_by_group
from springtide.planning.draft import Draft
from springtide.planning.fitting import best_room
from springtide.planning.guest_uses import Breach
from springtide.planning.memo import Holding
from springtide.planning.news import Told
from springtide.planning.quota_tree import LimitName
from springtide.planning.siting import LINE, Siting, tally_refusals
from springtide.planning.standby import StandbyStanding, standby_standing

MOST_POOLS_NAMED = 4
"""More pools than these refuse in one sentence, with how many do for which reason."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What ``why`` shows of one service. ``missing`` is wanted and has no place; ``waiting`` has one promised."""

    service: ServiceId
    wanted: int
    ready: int
    missing: int
    waiting: int
    demand: Reason
    holdings: tuple[Holding, ...]
    refusals: tuple[Reason, ...]
    standby: StandbyStanding | None = None


def explain(draft: Draft) -> dict[ServiceId, Explanation]:
    """The explanation of every service as the plan leaves it."""
    return {id: _explain(draft, draft.service(id)) for id in sorted(draft.index.record.services)}


def tell_growth(draft: Draft) -> None:
    """Say where each service's new instances were placed, and why it wanted them."""
    fresh_by_service: dict[ServiceId, list[Placement]] = {}
    for instance in draft.board.touched:
        placement = draft.board.placements.get(instance)
        if placement is not None and instance not in draft.index.record.placements:
            fresh_by_service.setdefault(placement.service, []).append(placement)
    for id in sorted(fresh_by_service):
        fresh = sorted(fresh_by_service[id], key=lambda each: each.ordinal)
        _tell_fresh(draft, id, "resume", "resumed from standby", [each for each in fresh if each.was_standby])
        _tell_fresh(draft, id, "grow", "new", [each for each in fresh if not each.was_standby])


def _tell_fresh(draft: Draft, id: ServiceId, code: str, what: str, fresh: list[Placement]) -> None:
    if not fresh:
        return
    places = Counter(f"{each.node} ({draft.rung(each)})" for each in fresh)
    where = ", ".join(f"{count} on {place}" for place, count in places.items())
    sentence = f"{len(fresh)} {what}: {where}. {draft.demands[id].reason.sentence}"
    draft.say(id, code, sentence, count=len(fresh), wanted=draft.demands[id].count)


def _explain(draft: Draft, service: Service) -> Explanation:
    memo = draft.memo(service.id)
    if memo is not None and memo.is_home and has_all(draft, service.id) and not _overloads(draft, service.id):
        demand = draft.demands[service.id]
        ready = draft.ready_count(service.id)
        standby = standby_standing(draft, service)
        return Explanation(service.id, demand.count, ready, 0, 0, demand.reason, memo.holdings, (), standby)
    missing = max(0, draft.wanted.get(service.id, 0))
    holdings = memo.holdings if memo is not None else holdings_of(draft, service.id)
    return Explanation(
        service=service.id,
        wanted=draft.demands[service.id].count,
        ready=draft.ready_count(service.id),
        missing=missing,
        waiting=draft.waiting.get(service.id, 0),
        demand=draft.demands[service.id].reason,
        holdings=holdings,
        refusals=_refusals(draft, service, missing, holdings),
        standby=standby_standing(draft, service),
    )


def has_all(draft: Draft, id: ServiceId) -> bool:
    """Whether the service lacks nothing, waits for nothing and may grow."""
    return draft.wanted[id] <= 0 and not draft.waiting.get(id) and id not in draft.blocked


def holdings_of(draft: Draft, id: ServiceId) -> tuple[Holding, ...]:
    """What a service holds, cheapest rung first."""
    counts: dict[tuple[int, PoolName], int] = {}
    for pool, rung, ids in rungs_by_group(draft.board, id):
        key = rung.order, pool
        counts[key] = counts.get(key, 0) + len(ids)
    return tuple(Holding(pool, tuple(Rung)[order], count) for (order, pool), count in sorted(counts.items()))


def _refusals(draft: Draft, service: Service, missing: int, holdings: tuple[Holding, ...]) -> tuple[Reason, ...]:
    """What the missing ones wait for, and why rungs have no place for one more instance.

    Of a service that has what it wants only the rungs below its dearest one matter: why it isn't there.
    """
    reasons = [draft.blocked[service.id]] if service.id in draft.blocked else []
    if missing and (predecessor := draft.predecessor(service.id)) is not None:
        reasons.append(_waits_for_predecessor(draft, predecessor))
    reasons += _overloads(draft, service.id)
    waiting = draft.waiting.get(service.id, 0)
    if waiting:
        reasons.append(_waiting(draft, service))
    dearest = max((holding.rung.order for holding in holdings), default=0)
    for rung in Rung:
        if missing or waiting or rung.order < dearest:
            reasons += _rung_refusals(draft, service, rung, missing)
    return tuple(reasons)


def _overloads(draft: Draft, id: ServiceId) -> tuple[Reason, ...]:
    """Lines that are narrower now than what is reserved of them, where the service crosses them."""
    crossings = draft.board.crossings
    return crossings.overloads_of(id) if crossings is not None else ()


def _waits_for_predecessor(draft: Draft, predecessor: Placement) -> Reason:
    why = "only one instance at a time can have its fixed address or its port of the machine"
    if draft.restart_policy(draft.service(predecessor.service)) is not None:
        why = "of what runs to its end there are never more at a time than are to complete"
    sentence = f"It waits until {predecessor.instance} has gone: {why}."
    return Reason("waits-for-predecessor", sentence, (("instance", predecessor.instance),))


def _waiting(draft: Draft, service: Service) -> Reason:
    count = draft.waiting[service.id]
    rooms = draft.board.rooms
    booting = sorted(rental.node for rental in draft.rentals.values() if _is_booting(rooms.get(rental.node)))
    what = f"rented nodes to boot ({', '.join(booting)})" if booting else "guests to leave its team's machines"
    sentence = f"{count} of {draft.demands[service.id].count} wait for {what}."
    return Reason("waits-for-room", sentence, (("booting", len(booting)), ("waiting", count)))


def _is_booting(room: NodeRoom | None) -> bool:
    return room is not None and room.accepts and not room.is_ready


def _rung_refusals(draft: Draft, service: Service, rung: Rung, missing: int) -> list[Reason]:
    """Why no pool has room for one more instance under this rung; nothing where one has."""
    if rung not in service.ladder:
        figures = (("rung", rung.value),)
        return [Reason("not-on-ladder", f"{rung}: not on the service's ladder.", figures)] if missing else []
    if rung is Rung.CLOUD:
        refusal = draft.cloud_refusals.get(service.id)
        return [Reason(refusal.code, f"cloud: {refusal.sentence}", refusal.figures)] if refusal else []
    told = _told(draft, service, rung)
    return list(told.reasons) if told is not None else []


def _told(draft: Draft, service: Service, rung: Rung) -> Told | None:
    """What each pool says; ``None`` where one has room. Pools that are as they were aren't asked again."""
    before = draft.news.told_before(service, rung)
    again = draft.news.pools_to_ask(service) if before is not None else None
    if before is None or again is None:
        told = _ask_pools(draft, service, rung, {})
    elif again.isdisjoint(before.by_pool):
        told = before
    else:
        told = _ask_pools(draft, service, rung, {p: r for p, r in before.by_pool.items() if p not in again})
    if told is not None:
        draft.news.told[service.id, rung] = told
    return told


def _ask_pools(draft: Draft, service: Service, rung: Rung, known: Mapping[PoolName, Reason]) -> Told | None:
    """Ask those pools of which it isn't known why they refuse; ``None`` where one has room."""
    found: dict[PoolName, Reason] = {}
    for pool in _pools_of(draft, service, rung):
        refusal = known.get(pool.name) or _pool_refusal(draft, service, pool, rung)
        if refusal is None:
            return None
        found[pool.name] = refusal
    reasons = list(found.values())
    return Told(service, found, tuple(reasons if len(found) <= MOST_POOLS_NAMED else [summarised(rung, reasons)]))


def _pools_of(draft: Draft, service: Service, rung: Rung) -> list[Pool]:
    """The pools that may carry the service under this rung."""
    board = draft.board
    if rung is Rung.OWN:
        return [pool for pool in board.fleet.pools if pool.is_owned_by(service.team)]
    pools = [pool for pool in board.fleet.pools if not pool.is_elastic]
    if rung is Rung.BORROWED:
        return [pool for pool in pools if pool.team is not None and not pool.is_owned_by(service.team)]
    return pools


def _pool_refusal(draft: Draft, service: Service, pool: Pool, rung: Rung) -> Reason | None:
    """What of a pool's quota, or of its nodes, is too little for one more instance."""
    board = draft.board
    if not pool.is_owned_by(service.team):
        if not board.quotas.tree.lends_to(pool.name, service.team):
            sentence = f"{rung}: pool {pool.name} belongs to another cohort, which lends nothing to {service.team}."
            return Reason("other-cohort", sentence, (("pool", pool.name), ("rung", rung.value)))
        if (breach := board.quotas.headroom_refusal(service, pool.name)) is not None:
            return _limit_refusal(breach, pool, rung)
    if board.crossings is not None and (line := board.crossings.refusal_of(service, pool.name)) is not None:
        sentence = f"{rung}: pool {pool.name}: {line.sentence}"
        return Reason(line.code, sentence, (*line.figures, ("pool", pool.name), ("rung", rung.value)))
    for used, limit in _uses_and_limits(board, service, pool, rung):
        lacking = service.resources.lacking_in(limit - used)
        if lacking:
            return _quota_refusal(service, pool, rung, lacking[0], used, limit)
    if rung_for(board, service, pool.name) is None:
        cheaper = Rung.OWN if pool.is_owned_by(service.team) else Rung.SHARED
        sentence = f"{rung}: one more instance in pool {pool.name} would count as {cheaper}, which isn't on the ladder."
        return Reason("cheaper-rung-first", sentence, (("pool", pool.name), ("rung", rung.value)))
    if best_room(board, [pool.name], service) is not None:
        return None
    return _node_refusal(board, service, pool, rung)


def _limit_refusal(breach: Breach, pool: Pool, rung: Rung) -> Reason:
    kind, verb = breach.kind, "lends" if breach.name is LimitName.LENDING else "borrows"
    most = dict(breach.limit.amounts)[kind]
    sentence = (
        f"{rung}: {breach.member.level} {breach.member.name} {verb} {_amount(kind, breach.used[kind])} of at most "
        f"{_amount(kind, most)}; one more in pool {pool.name} would add {_amount(kind, breach.asked[kind])}."
    )
    figures = (
        ("asked", breach.asked[kind]),
        ("kind", kind),
        ("limit", most),
        ("member", breach.member.name),
        ("pool", pool.name),
        ("rung", rung.value),
        ("used", breach.used[kind]),
    )
    return Reason(breach.name.value.replace("_", "-"), sentence, figures)


def _quota_refusal(service: Service, pool: Pool, rung: Rung, kind: str, used: Resources, limit: Resources) -> Reason:
    # Beyond its limit a rung holds nothing: what is above stands on the next one.
    have = f"{_amount(kind, min(used[kind], limit[kind]))} of {_amount(kind, limit[kind])}"
    needs = _amount(kind, service.resources[kind])
    sentence = f"{rung}: pool {pool.name} has {have} in use, and an instance needs {needs}."
    figures = (
        ("kind", kind),
        ("limit", limit[kind]),
        ("needs", service.resources[kind]),
        ("pool", pool.name),
        ("rung", rung.value),
        ("used", used[kind]),
    )
    return Reason(f"{rung}-full", sentence, figures)


def _node_refusal(board: Board, service: Service, pool: Pool, rung: Rung) -> Reason:
    """How many of a pool's nodes fail which filter."""
    rows = board.table.rows_in([pool.name])
    tally = tally_refusals(Siting(board), service, rows)
    told = ", ".join(f"{count} {_failing(name)}" for name, count in tally)
    nodes = f"none of the {len(rows)} nodes" if len(rows) > 1 else "the one node" if len(rows) else "no node"
    verb = "doesn't take" if len(rows) == 1 else "takes"
    sentence = f"{rung}: {nodes} of pool {pool.name} {verb} {describe(service.resources)}: {told or 'it has none'}."
    figures: tuple[tuple[str, Figure], ...] = (("nodes", len(rows)), ("pool", pool.name), ("rung", rung.value))
    return Reason("no-node-fits", sentence, (*figures, *((f"fails:{name}", count) for name, count in tally)))


_STATES = {"closed": "about to leave the fleet", "booting": "still booting", LINE: "behind a line that is full"}


def _failing(name: str) -> str:
    if name in _STATES:
        return _STATES[name]
    if any(sign in name for sign in ("==", "!=", "at most", "near ", "apart ")):
        return f"not {name}"
    return f"short of {name.partition('_')[0]}"


def summarised(rung: Rung, refusals: list[Reason]) -> Reason:
    """Many pools' refusals as one: how many pools for which reason, and how many nodes fail which filter."""
    codes = Counter(each.code for each in refusals)
    fails: Counter[str] = Counter()
    for each in refusals:
        fails.update({name: int(count) for name, count in each.figures if name.startswith("fails:")})
    nodes = sum(int(each.figure("nodes")) for each in refusals if each.code == "no-node-fits")
    pools = ", ".join(f"{_SUMMARIES.get(code, code)}: {count}" for code, count in sorted(codes.items()))
    told = ", ".join(f"{_failing(name.partition(':')[2])}: {count}" for name, count in sorted(fails.items()))
    of_nodes = f". Of their {nodes} nodes, {told}" if nodes else ""
    first = refusals[0].sentence.removeprefix(f"{rung}: ")
    sentence = f"{rung}: none of {len(refusals)} pools takes one more ({pools}){of_nodes}. For one, {first}"
    figures: dict[str, Figure] = {"pools": len(refusals), "nodes": nodes, "rung": rung.value, **fails}
    figures |= {f"pools:{code}": count for code, count in codes.items()}
    return Reason("no-pool-fits", sentence, tuple(sorted(figures.items())))


_SUMMARIES = {
    "own-full": "own part in use",
    "shared-full": "shared part in use",
    "borrowed-full": "all that is lent in use",
    "no-node-fits": "no node fits",
    "other-cohort": "of another cohort",
    "lending-limit": "lending limit reached",
    "borrowing-limit": "borrowing limit reached",
    "line-full": "behind a line that is full",
    "no-line": "where no line leads",
    "cheaper-rung-first": "would count as a rung that isn't on the ladder",
}


def _uses_and_limits(board: Board, service: Service, pool: Pool, rung: Rung) -> list[tuple[Resources, Resources]]:
    """What counts against the rung in a pool, and up to where; guests are judged as a band and all together."""
    quotas = board.quotas
    if pool.is_owned_by(service.team):
        limit = quotas.own_part(pool.name) if rung is Rung.OWN else quotas.healthy.get(pool.name, NOTHING)
        return [(quotas.owner_claim(pool.name), limit)]
    everybody, idle = quotas.guest_claim(pool.name), quotas.idle(pool.name)
    shared = quotas.guest_quota(pool.name, may_borrow=False)
    if service.band is Band.BEST_EFFORT:
        return [(everybody, shared if rung is Rung.SHARED else idle)]
    limit = shared if rung is Rung.SHARED else quotas.guest_quota(pool.name, may_borrow=True)
    return [(quotas.firm_claim(pool.name), limit), (everybody, idle)]


def _amount(kind: str, amount: int) -> str:
    return describe(Resources.of({kind: amount})) if amount else f"0 {kind.partition('_')[0]}"
