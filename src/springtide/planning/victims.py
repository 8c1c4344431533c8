"""Which guests must leave a node so that its owner fits: by stated rules, and never more than needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction

from springtide.model.identifiers import InstanceId, NodeId, TeamName
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import Resources
from springtide.planning.board import Board

RECLAIM = "reclaim"


def is_noticed(placement: Placement) -> bool:
    """Whether an owner's notice runs for this instance."""
    running = placement.state is PlacementState.RUNNING
    return running and placement.eviction is not None and placement.eviction.rule == RECLAIM


def guests_by_rule(
    board: Board, node: NodeId, taken: Collection[InstanceId], shares: Mapping[TeamName, Fraction]
) -> list[Placement]:
    """The guests of a node in the order in which they must leave.

    Those with notice first, then borrowed before shared, most over fair share, youngest, id.
    """

    def rule(guest: Placement) -> tuple[bool, int, Fraction, int, InstanceId]:
        team = board.team_of(guest)
        share = shares.get(team, Fraction(0)) if team is not None else Fraction(0)
        return (not is_noticed(guest), -board.rung(guest).order, -share, -guest.ordinal, guest.instance)

    return sorted(
        (
            each
            for each in board.on_node(node)
            if each.instance not in board.leaving and each.instance not in taken and not board.owns(each)
        ),
        key=rule,
    )


def choose_victims(guests: list[Placement], amount: Resources, room: Resources) -> tuple[InstanceId, ...] | None:
    """Who of these must leave so that the amount fits in the room; ``None`` where all aren't enough.

    Each resource is judged apart: a guest that frees nothing of what lacks is left alone, and one
    whose leaving turns out not to be needed stays.
    """
    chosen: list[Placement] = []
    for guest in guests:
        lacking = amount.lacking_in(room)
        if any(guest.resources[kind] > 0 for kind in lacking):
            chosen.append(guest)
            room = room + guest.resources
    if amount.lacking_in(room):
        return None
    for guest in reversed(list(chosen)):
        if amount.fits_in(room - guest.resources):
            chosen.remove(guest)
            room = room - guest.resources
    return tuple(guest.instance for guest in chosen)
