"""Fewer: what to let go on falling demand, by avoidable cost, and which old revisions to replace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import REVISION
from springtide.planning.money import next_charge

_NEVER = datetime.max.replace(tzinfo=UTC)


def shrink(draft: Draft) -> None:
    """Let go what is above the wanted counts, the dearest first; set what each service still wants.

    Who is let go drains in this very plan where the ready ones are enough without it; while those that
    stay are still starting, it serves on.
    """
    for id in sorted(draft.board.groups.keys() - draft.index.record.services.keys()):
        _drain_removed_service(draft, id)
    for id in sorted(draft.index.record.services):
        _replace_old_revisions(draft, id)
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
    """The dearest first: old revisions, then cloud, borrowed, shared, own.

    Within the cloud the soonest next charge first, then the dearest machine, then the one with the
    least on it, so that machines empty; otherwise what isn't ready, then the youngest.
    """
    rungs = {each.instance: draft.rung(each) for each in placements}
    machines = {rental.node: rental for rental in draft.rentals.values()}

    def key(placement: Placement) -> tuple[bool, int, datetime, int, int, str, bool, int]:
        rung, machine = rungs[placement.instance], machines.get(placement.node)
        in_cloud = rung is Rung.CLOUD
        return (
            placement.revision == draft.service(placement.service).revision,
            -rung.order,
            next_charge(machine) if machine else _NEVER,
            -machine.price_micros_per_hour if machine else 0,
            len(draft.board.by_node[placement.node]) if in_cloud else 0,
            placement.node if in_cloud else "",
            draft.is_ready(placement.instance),
            -placement.ordinal,
        )

    return sorted(placements, key=key)


def _replace_old_revisions(draft: Draft, id: ServiceId) -> None:
    """Ask a few instances of older revisions at a time to leave once they are replaced.

    What they hold isn't counted as leaving: their replacements would wait for it, and they for those.
    """
    revision, count = draft.service(id).revision, draft.demands[id].count
    if all(key[1] == revision for key in draft.board.groups.get(id, ())) and not draft.board.departing.get(id):
        return
    running = [each for each in draft.of_service(id) if each.state is PlacementState.RUNNING]
    leaving = [each for each in running if each.eviction is not None and each.eviction.rule == REVISION]
    for placement in [each for each in leaving if each.revision == revision]:
        draft.update(replace(placement, eviction=None))
        sentence = f"{placement.instance} stays after all: revision {revision} is wanted again."
        draft.say(id, "taken-back", sentence, instance=placement.instance)
    old = [each for each in running if each.revision != revision and is_staying(each)]
    at_once = max(1, count // 4)
    for placement in old[: max(0, at_once - sum(1 for each in leaving if each.revision != revision))]:
        if id in draft.blocked:
            return
        draft.update(replace(placement, eviction=Eviction(REVISION, draft.now)))
        sentence = f"{placement.instance} makes way for revision {revision}."
        draft.say(id, "new-revision", sentence, instance=placement.instance, revision=revision)
