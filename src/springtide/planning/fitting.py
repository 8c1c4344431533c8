"""Which node: best fit, so that large gaps stay whole."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.model.identifiers import PoolName
from springtide.model.workloads import Service
from springtide.planning.board import Board, NodeRoom


def best_room(board: Board, pools: Iterable[PoolName], service: Service, *, booting: bool = False) -> NodeRoom | None:
    """The node of these pools that one more instance fits in and that is left with the least; ``booting``: of those
    that aren't ready yet, once what leaves has left.

    What is left is summed in permille of the node over the kinds asked for; ties go to the lowest node id.
    """
    rows, ask = board.rows_in(pools), board.ask(service.resources)
    booting_rows = rows[~board.space.is_ready[rows]]
    row = board.space.best_later(booting_rows, ask) if booting else board.space.best_now(rows, ask)
    return NodeRoom(board, row) if row is not None else None
