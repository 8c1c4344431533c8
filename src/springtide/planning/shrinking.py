"""Fewer: what to let go on falling demand, by avoidable cost."""

from __future__ import annotations

from datetime import UTC, datetime

from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.planning.draft import Draft
from springtide.planning.money import next_charge
from springtide.planning.replacement import is_outdated, replace_outdated

_NEVER = datetime.max.replace(tzinfo=UTC)


def shrink(draft: Draft) -> None:
    """Let go what is above the wanted counts, the dearest first; set what each service still wants.

    Who is let go drains in this very plan where the ready ones are enough without it; while those that
    stay are still starting, it serves on.
    """
    for id in sorted(draft.board.groups.keys() - draft.index.record.services.keys()):
        _drain_removed_service(draft, id)
    for id in sorted(draft.index.record.services):
        replace_outdated(draft, id)
        surplus = draft.staying_count(id) - draft.demands[id].count
        leaving = by_avoidable_cost(draft, draft.staying(id))[:surplus] if surplus > 0 else []
        for placement in leaving:
            rung = draft.rung(placement)
            draft.evict(placement, Eviction("shrink", draft.now))
            sentence = f"{placement.instance} leaves {placement.node} ({rung}): {draft.demands[id].reason.sentence}"
            draft.say(id, "shrink", sentence, instance=placement.instance, rung=rung.value)
        draft.wanted[id] = draft.demands[id].count - draft.staying_count(id)


def _drain_removed_service(draft: Draft, id: ServiceId) -> None:
    for placement in draft.of_service(id):
        if placement.state is PlacementState.RUNNING:
            draft.drain(placement)
            sentence = f"{placement.instance} leaves {placement.node}: {id} is no longer wanted."
            draft.say(id, "service-removed", sentence, instance=placement.instance)


def by_avoidable_cost(draft: Draft, placements: list[Placement]) -> list[Placement]:
    """The dearest first: what is outdated, then cloud, borrowed, shared, own.

    Within the cloud the soonest next charge first, then the dearest machine, then the one with the
    least on it, so that machines empty; otherwise what isn't ready, then the youngest.
    """
    rungs = {each.instance: draft.rung(each) for each in placements}
    machines = {rental.node: rental for rental in draft.rentals.values()}

    def key(placement: Placement) -> tuple[bool, int, datetime, int, int, str, bool, int]:
        rung, machine = rungs[placement.instance], machines.get(placement.node)
        in_cloud = rung is Rung.CLOUD
        return (
            not is_outdated(draft, placement),
            -rung.order,
            next_charge(machine) if machine else _NEVER,
            -machine.price_micros_per_hour if machine else 0,
            len(draft.board.by_node[placement.node]) if in_cloud else 0,
            placement.node if in_cloud else "",
            draft.is_ready(placement.instance),
            -placement.ordinal,
        )

    return sorted(placements, key=key)
