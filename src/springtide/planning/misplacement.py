"""Which instances stand where their service's constraints forbid: its rules, or the labels of nodes, have changed.

Rules that speak of other instances (so many a node, near, apart, spread) are asked when one is placed and not again.
"""

from __future__ import annotations

from springtide.model.placements import Placement
from springtide.model.workloads import Constraint
from springtide.planning.board import Board


def broken_constraint(board: Board, placement: Placement) -> Constraint | None:
    """The first constraint of the instance's service that its node doesn't meet, if any."""
    service, row = board.services.get(placement.service), board.table.row_of.get(placement.node)
    if service is None or row is None:
        return None
    constraints = service.placement.constraints
    return next((each for each in constraints if not board.table.rows_where(each)[row]), None)
