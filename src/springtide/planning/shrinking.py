"""Fewer: what to let go on falling demand, by avoidable cost, and which old revisions to replace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.planning.board import rungs_of
from springtide.planning.draft import Draft, is_staying
from springtide.planning.money import next_charge

_NEVER = datetime.max.replace(tzinfo=UTC)


def shrink(draft: Draft) -> None:
    """Let go what is above the wanted counts, the dearest first; set what each service still wants.

    Who is let go drains in this very plan where the ready ones are enough without it; while those that
    stay are still starting, it serves on.
    """
    for placement in list(draft.board.placements.values()):
        if placement.service not in draft.index.record.services and placement.state is PlacementState.RUNNING:
            draft.drain(placement)
            sentence = f"{placement.instance} leaves {placement.node}: {placement.service} is no longer wanted."
            draft.say(placement.service, "service-removed", sentence, instance=placement.instance)
    for id in sorted(draft.index.record.services):
        _replace_old_revisions(draft, id)
        staying = draft.staying(id)
        surplus = len(staying) - draft.demands[id].count
        for placement in by_avoidable_cost(draft, staying)[: max(0, surplus)]:
            rung = draft.rung(placement)
            draft.evict(placement, Eviction("shrink", draft.now))
            sentence = f"{placement.instance} leaves {placement.node} ({rung}): {draft.demands[id].reason.sentence}"
            draft.say(id, "shrink", sentence, instance=placement.instance, rung=rung.value)
        draft.wanted[id] = draft.demands[id].count - len(draft.staying(id))


def by_avoidable_cost(draft: Draft, placements: list[Placement]) -> list[Placement]:
    """The dearest first: old revisions, then cloud, borrowed, shared, own.

    Within the cloud the soonest next charge first, then the dearest machine, then the one with the
    least on it, so that machines empty; otherwise what isn't ready, then the youngest.
    """
    rungs = {
        id: rung for pool in {each.pool for each in placements} for id, rung in rungs_of(draft.board, pool).items()
    }
    machines = {rental.node: rental for rental in draft.rentals.values()}

    def key(placement: Placement) -> tuple[bool, int, datetime, int, int, str, bool, int]:
        rung, machine = rungs[placement.instance], machines.get(placement.node)
        in_cloud = rung is Rung.CLOUD
        return (
            placement.revision == draft.service(placement.service).revision,
            -rung.order,
            next_charge(machine) if machine else _NEVER,
            -machine.price_micros_per_hour if machine else 0,
            len(draft.board.ids_by_node[placement.node]) if in_cloud else 0,
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
    running = [each for each in draft.of_service(id) if each.state is PlacementState.RUNNING]
    leaving = [each for each in running if each.eviction is not None and each.eviction.rule == "revision"]
    for placement in [each for each in leaving if each.revision == revision]:
        draft.update(replace(placement, eviction=None))
        sentence = f"{placement.instance} stays after all: revision {revision} is wanted again."
        draft.say(id, "taken-back", sentence, instance=placement.instance)
    old = [each for each in running if each.revision != revision and is_staying(each)]
    at_once = max(1, count // 4)
    for placement in old[: max(0, at_once - sum(1 for each in leaving if each.revision != revision))]:
        if id in draft.blocked:
            return
        draft.update(replace(placement, eviction=Eviction("revision", draft.now)))
        sentence = f"{placement.instance} makes way for revision {revision}."
        draft.say(id, "new-revision", sentence, instance=placement.instance, revision=revision)
