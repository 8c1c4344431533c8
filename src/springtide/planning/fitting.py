"""Which node: where the service's rules allow, best fit, so that large gaps stay whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from springtide.model.identifiers import PoolName
from springtide.model.workloads import Service
from springtide.planning.board import Board, NodeRoom
from springtide.planning.layout import IntArray
from springtide.planning.siting import Siting
from springtide.planning.space import Space


def best_room(board: Board, pools: Iterable[PoolName], service: Service, *, booting: bool = False) -> NodeRoom | None:
    """The node of these pools that one more instance fits on; ``booting``: of those that aren't ready yet."""
    rows = board.table.rows_in(pools)
    if booting:
        rows = rows[~board.table.space.is_ready[rows]]
    row = best_row(board.table.space, Siting(board), service, rows, is_now=not booting)
    return NodeRoom(board, row) if row is not None else None


def best_row(
    space: Space, siting: Siting, service: Service, rows: IntArray, *, is_now: bool, ranks: IntArray | None = None
) -> int | None:
    """Of the rows that the service's rules allow and that one more instance fits on, now or later, the best.

    First the emptiest domain, where a spread is asked for; else the lowest of the ranks that are given;
    then the node that is left with the least and with the least stranded (:meth:`Space.best`); then the
    lowest node id.
    """
    ask = siting.board.table.ask(service.resources)
    if not service.placement and not siting.board.apart_of(service.id) and siting.board.crossings is None:
        return space.best(rows, ask, is_now=is_now, ranks=ranks)
    spread = siting.ranks(service)
    allowed = siting.open_rows(service, rows, is_now=is_now)
    return space.best(allowed, ask, is_now=is_now, ranks=ranks if spread is None else spread)


def may_begin(space: Space, siting: Siting, service: Service, row: int) -> bool:
    """Whether one more instance fits on a node at once, as room, lines and those apart from it allow."""
    if not space.fits_now(row, siting.board.table.ask(service.resources)):
        return False
    return bool(len(siting.open_rows(service, np.array([row]))))
