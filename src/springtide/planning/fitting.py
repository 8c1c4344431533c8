"""Which node: best fit, so that large gaps stay whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from springtide.model.resources import Resources
from springtide.planning.board import NodeRoom


def best_fit(
    rooms: Iterable[NodeRoom], amount: Resources, fits: Callable[[NodeRoom, Resources], bool]
) -> NodeRoom | None:
    """The room that the amount fits in and that is left with the least; ties go to the lowest node id."""
    fitting = [room for room in rooms if fits(room, amount)]
    return min(fitting, key=lambda room: (permille_left(room, amount), room.node.id), default=None)


def permille_left(room: NodeRoom, amount: Resources) -> int:
    """What would be left of the asked kinds, in permille of the node, summed over kinds."""
    left = room.free + room.leaving - room.promised - amount
    return sum(left[kind] * 1000 // max(1, room.node.allocatable[kind]) for kind in amount.kinds)


def fits_now(room: NodeRoom, amount: Resources) -> bool:
    return room.fits_now(amount)


def fits_later(room: NodeRoom, amount: Resources) -> bool:
    return room.fits_later(amount)
