"""Leases and the ledger: who holds what under which rung now, and what was owed for what is past."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from springtide.model.identifiers import InstanceId, PoolName, ServiceId
from springtide.model.leases import Lease, LedgerEntry, Rung
from springtide.model.placements import Rental
from springtide.planning.board import rungs_by_group
from springtide.planning.draft import Draft
from springtide.planning.homecoming import price_per_hour


def plan_leases(draft: Draft) -> dict[str, Lease]:
    """The leases that the board amounts to; one whose count hasn't changed stays as it is."""
    groups: dict[tuple[ServiceId, PoolName, Rung], set[InstanceId]] = {}
    before = draft.index.record.leases
    leases: dict[str, Lease] = {}
    for id in draft.index.record.services:
        memo = draft.memo(id)
        if memo is not None and all(key in before for key in memo.lease_keys):
            leases.update((key, before[key]) for key in memo.lease_keys)
            continue
        for pool, rung, ids in rungs_by_group(draft.board, id):
            groups.setdefault((id, pool, rung), set()).update(ids)
    fresh = [_lease(draft, *group, ids) for group, ids in sorted(groups.items(), key=lambda item: item[0])]
    return leases | {lease.key: _continued(before.get(lease.key), lease) for lease in fresh}


def plan_ledger(draft: Draft, leases: dict[str, Lease]) -> dict[str, LedgerEntry]:
    """Entries for lending that changed or ended, and for machines that were returned."""
    entries = [
        _lending_entry(draft, lease)
        for key, lease in sorted(draft.index.record.leases.items())
        if leases.get(key) is not lease
        and (key not in leases or leases[key].count != lease.count)
        and _is_lent(draft, lease)
    ]
    entries += [
        _rent_entry(rental, draft.now)
        for token, rental in sorted(draft.index.record.rentals.items())
        if token not in draft.rentals and rental.since is not None
    ]
    return {entry.id: entry for entry in entries}


def _lease(draft: Draft, service_id: ServiceId, pool_name: PoolName, rung: Rung, ids: set[InstanceId]) -> Lease:
    service, pool = draft.service(service_id), draft.board.pools[pool_name]
    placements = draft.board.placements
    asked = [placements[id].eviction for id in ids & draft.board.departing.get(service_id, set())]
    deadlines = [each.gone_by for each in asked if each is not None and each.gone_by is not None]
    nodes = {placements[id].node for id in ids} if pool.is_elastic else {placements[next(iter(ids))].node}
    return Lease(
        service=service_id,
        pool=pool_name,
        rung=rung,
        count=len(ids),
        since=draft.now,
        counted_since=draft.now,
        reclaimable=pool.team is not None and not pool.is_owned_by(service.team),
        price_micros_per_hour=max(price_per_hour(draft, service, pool, node) for node in nodes),
        until=min(deadlines, default=None),
    )


def _continued(before: Lease | None, lease: Lease) -> Lease:
    if before is None:
        return lease
    counted_since = before.counted_since if before.count == lease.count else lease.counted_since
    return replace(lease, since=before.since, counted_since=counted_since)


def _is_lent(draft: Draft, lease: Lease) -> bool:
    """Rented machines have entries of their own; own capacity is owed to nobody."""
    service = draft.index.record.services.get(lease.service)
    pool = draft.board.pools.get(lease.pool)
    if pool is None or pool.is_elastic or lease.rung is Rung.OWN:
        return False
    return service is None or pool.team != service.team


def _lending_entry(draft: Draft, lease: Lease) -> LedgerEntry:
    service = draft.index.record.services.get(lease.service)
    pool = draft.board.pools[lease.pool]
    seconds = (draft.now - lease.counted_since).total_seconds()
    instance_seconds = round(lease.count * seconds)
    return LedgerEntry(
        id=f"{lease.key}@{lease.counted_since.isoformat()}",
        kind="lend",
        debtor=service.team if service else None,
        creditor=pool.team or pool.name,
        pool=lease.pool,
        since=lease.counted_since,
        until=draft.now,
        instance_seconds=instance_seconds,
        amount_micros=lease.price_micros_per_hour * instance_seconds // 3600,
        subject=lease.service,
    )


def _rent_entry(rental: Rental, now: datetime) -> LedgerEntry:
    since = rental.since or rental.requested_at
    return LedgerEntry(
        id=f"rent:{rental.token}",
        kind="rent",
        debtor=rental.team,
        creditor=rental.cloud,
        pool=rental.pool,
        since=since,
        until=now,
        instance_seconds=round((now - since).total_seconds()),
        amount_micros=rental.periods_committed * rental.price_micros_per_period,
        subject=rental.token,
        period_seconds=rental.billing_period_seconds,
        period_micros=rental.price_micros_per_period,
    )
