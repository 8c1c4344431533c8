"""Who must leave so that somebody fits: by stated rules, and never more than needed.

Who has notice already goes first, so that a notice that runs isn't given to somebody else. Then who
leaves its service above its minimum availability; the lower band; whose team is most over its fair
share; who is cheapest to move (not ready yet, then the smallest); the youngest; by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from springtide.model.identifiers import InstanceId
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning.draft import Draft
from springtide.planning.evictions import NOTICES

CRITERIA = ("noticed", "minimum-availability", "band", "fair-share", "cheapest", "cheapest", "youngest", "id")


def is_noticed(placement: Placement) -> bool:
    """Whether a notice for somebody's sake runs for this instance."""
    running = placement.state is PlacementState.RUNNING
    return running and placement.eviction is not None and placement.eviction.rule in NOTICES


def notice_of(draft: Draft, guest: Placement, rule: str, beneficiary: Service | None, chosen_by: str) -> Eviction:
    """Notice and grace from now on; best-effort leaves without notice."""
    terms, service = draft.index.record.fleet.reclaim, draft.index.record.services.get(guest.service)
    is_best_effort = service is not None and service.band is Band.BEST_EFFORT
    drain_by = draft.now if is_best_effort else draft.after(terms.notice_seconds)
    gone_by = drain_by + timedelta(seconds=terms.grace_seconds)
    return Eviction(rule, draft.now, drain_by, gone_by, beneficiary.id if beneficiary is not None else None, chosen_by)


Key = tuple[bool, bool, int, Fraction, bool, int, float, InstanceId]
"""The criteria in their order; who has the lower key leaves first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could leave, with what decides whether it goes before others."""

    placement: Placement
    key: Key


def by_rule(draft: Draft, placements: Iterable[Placement]) -> list[Candidate]:
    """These in the order in which they must leave."""
    first = [Candidate(each, _key(draft, each)) for each in placements]
    first.sort(key=lambda each: each.key)
    left: dict[str, int] = {}
    counted: list[Candidate] = []
    for each in first:
        id = each.placement.service
        spare = left.setdefault(id, _spare(draft, each.placement))
        left[id] = spare - 1
        counted.append(Candidate(each.placement, (each.key[0], spare <= 0, *each.key[2:])))
    counted.sort(key=lambda each: each.key)
    return counted


def _key(draft: Draft, guest: Placement) -> Key:
    """As if its service had none to spare."""
    service, team = draft.index.record.services.get(guest.service), draft.board.team_of(guest)
    band = service.band if service is not None else Band.BEST_EFFORT
    share = draft.shares().of(team, band) if team is not None else Fraction(0)
    return (
        not is_noticed(guest),
        True,
        -band.order,
        -share,
        draft.is_ready(guest.instance),
        _size_permille(draft, guest),
        -guest.placed_at.timestamp(),
        guest.instance,
    )


def _spare(draft: Draft, guest: Placement) -> int:
    """How many of its service may leave before fewer stay than should be available at least."""
    service = draft.index.record.services.get(guest.service)
    return draft.staying_count(guest.service) - (service.scale.minimum_available if service is not None else 0)


def _size_permille(draft: Draft, guest: Placement) -> int:
    """The largest part of its node that it holds."""
    table = draft.board.table
    row = table.row_of.get(guest.node)
    whole = table.nodes[row].allocatable if row is not None else NOTHING
    key = whole, guest.resources
    if key not in draft.sizes:
        parts = (amount * 1000 // max(1, whole[kind]) for kind, amount in guest.resources.amounts)
        draft.sizes[key] = max(parts, default=0)
    return draft.sizes[key]


def _holds(placement: Placement) -> Resources:
    return placement.resources


def choose_victims(
    in_order: Iterable[Placement],
    amount: Resources,
    room: Resources,
    frees: Callable[[Placement], Resources] = _holds,
) -> tuple[InstanceId, ...] | None:
    """Who of these must leave so that the amount fits in the room; ``None`` where all aren't enough.

    ``frees`` says what the room gains by whom: where nothing else is said what it holds. Each resource is judged
    apart: a guest that frees nothing of what lacks is left alone, and one whose leaving turns out not to be needed
    stays.
    """
    chosen: list[tuple[Placement, Resources]] = []
    for guest in in_order:
        lacking, freed = amount.lacking_in(room), frees(guest)
        if any(freed[kind] > 0 for kind in lacking):
            chosen.append((guest, freed))
            room = room + freed
    if amount.lacking_in(room):
        return None
    for guest, freed in reversed(list(chosen)):
        if amount.fits_in(room - freed):
            chosen.remove((guest, freed))
            room = room - freed
    return tuple(guest.instance for guest, _ in chosen)


def chosen_by(candidates: list[Candidate], victim: InstanceId, victims: Iterable[InstanceId]) -> str:
    """What set a victim apart from the next who stays: the first criterion in which they differ."""
    chosen = set(victims)
    mine = next(each.key for each in candidates if each.placement.instance == victim)
    rest = [each.key for each in candidates if each.placement.instance not in chosen]
    after = min((key for key in rest if key > mine), default=None)
    if after is None:
        return "needed"
    return next(name for name, one, other in zip(CRITERIA, mine, after, strict=True) if one != other)
