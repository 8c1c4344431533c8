"""Why instances are asked to leave: the rules that evictions carry, as far as more than one step reads them."""

from __future__ import annotations

RECLAIM = "reclaim"
"""Its owner wants the room, or a limit was lowered below use."""
GIVES_WAY = "gives-way"
"""A higher band wants the room."""
FAIR_SHARE = "fair-share"
"""A team with a lower share wants the room."""
REVISION = "revision"
"""A newer revision takes its place."""
HOME = "home"
"""A cheaper rung has room."""

NOTICES = (RECLAIM, GIVES_WAY, FAIR_SHARE)
"""For somebody's sake: withdrawn where nobody needs the room any more."""
LEAVES_IF = (*NOTICES, REVISION)
"""Evictions that free nothing by themselves: a notice may be withdrawn, and an old revision leaves only once
its replacement has found room elsewhere."""
