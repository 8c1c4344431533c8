"""Why instances are asked to leave: the rules that evictions carry, as far as more than one step reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from springtide.model.placements import Placement, PlacementState

RECLAIM = "reclaim"
"""Its owner wants the room, or a limit was lowered below use."""
GIVES_WAY = "gives-way"
"""A higher band wants the room."""
FAIR_SHARE = "fair-share"
"""A team with a lower share wants the room."""
REVISION = "revision"
"""A newer revision takes its place."""
RESTART = "restart"
"""Somebody asked for new instances of the same revision."""
MISPLACED = "misplaced"
"""Its node doesn't meet its service's constraints, or no longer."""
HOME = "home"
"""A cheaper rung has room."""
ASIDE = "aside"
"""One that fits nowhere else fits in its place, and it elsewhere in the pool."""
CONSOLIDATE = "consolidate"
"""Other rented machines have room for all of its machine, which is given back once it is empty."""
NAMELESS = "nameless"
"""It stood by, so that no name leads to it; one that has a name takes its place."""

MOVES = (HOME, ASIDE, CONSOLIDATE, NAMELESS)
"""Nobody needs them at once: a bounded number at a time."""
NOTICES = (RECLAIM, GIVES_WAY, FAIR_SHARE)
"""For somebody's sake: withdrawn where nobody needs the room any more."""
OUTDATED = (REVISION, RESTART, MISPLACED)
"""Nothing ails them: others are to take their place."""
LEAVES_IF = (*NOTICES, *OUTDATED)
"""Evictions that free nothing by themselves: a notice may be withdrawn, and who is outdated leaves only once
its replacement has found room elsewhere."""

IN_WORDS: Mapping[str, str] = {
    RECLAIM: "its owner reclaims the capacity",
    GIVES_WAY: "it gives way to a higher band",
    FAIR_SHARE: "its team uses more than its fair share",
    HOME: "it moves to a cheaper place",
    ASIDE: "it moves elsewhere in its pool so that a larger one fits",
    CONSOLIDATE: "its machine is emptied, so that it can be given back",
    NAMELESS: "one that is found by name replaces it",
    REVISION: "another revision replaces it",
    RESTART: "its service is restarted",
    MISPLACED: "its service may not stand on its node",
    "shrink": "fewer are wanted",
    "unhealthy": "its probes fail",
    "node-leaves": "its node leaves",
    "node-shrunk": "its node has become too small",
    "unpaid": "its node's next billing period can't be paid",
    "stopped": "it ended",
}
"""Every rule, as people read it; the last is no rule, and what is said of those that leave without any."""


def moves_under_way(departing: Iterable[Placement]) -> int:
    """How many of these are moving and serve until their replacement is ready."""
    moving = (each for each in departing if each.eviction is not None and each.eviction.rule in MOVES)
    return sum(1 for each in moving if each.state is PlacementState.RUNNING)
