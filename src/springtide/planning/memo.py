"""What a plan worked out for a service that is at rest, for the next plan, as long as it still holds.

A memo changes no decision: it is used only where everything it rests on is the very same object as
when it was made, and then says what would be worked out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from springtide.model.identifiers import PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.routing import RoutedService
from springtide.model.workloads import Service
from springtide.planning.board import Board
from springtide.planning.ground import Ground
from springtide.planning.rungs import PoolRungs


@dataclass(frozen=True, slots=True)
class Holding:
    """How many instances of a service stand on a pool under a rung."""

    pool: PoolName
    rung: Rung
    count: int


@dataclass(frozen=True, slots=True)
class Memo:
    """A service at rest: its holdings, its leases and where its traffic goes.

    It rests on the service, on the ``stamp`` of its placements and their observations, and on the
    rungs of the pools that it stands in.
    """

    service: Service
    stamp: int
    rungs: tuple[tuple[PoolName, PoolRungs], ...]
    holdings: tuple[Holding, ...]
    lease_keys: tuple[str, ...]
    routed: RoutedService | None
    is_current: bool = False
    """Whether all are of its revision, and stand where its constraints allow."""

    dearest: int = 0
    """The order of the dearest rung that it stands on."""

    @property
    def is_home(self) -> bool:
        """Whether all stand on the cheapest rung there is."""
        return self.dearest == Rung.OWN.order


def is_at_rest(board: Board, ground: Ground, id: ServiceId) -> bool:
    """Whether this plan has left the service alone, and everything of it runs, answers and stays."""
    is_whole = board.groups.get(id) is ground.groups.get(id)
    return is_whole and not board.departing.get(id) and not board.unready.get(id)


def holds_still(memo: Memo, board: Board, ground: Ground, id: ServiceId) -> bool:
    """Whether everything that the memo rests on is as it was."""
    if memo.service is not board.services[id] or memo.stamp != ground.stamps.get(id, 0):
        return False
    return is_at_rest(board, ground, id) and all(board.rungs(pool) is rungs for pool, rungs in memo.rungs)


def is_known_current(memo: Memo | None, board: Board, ground: Ground, id: ServiceId) -> bool:
    """Whether nothing of the service was outdated, and its rules, its placements and their nodes are as they were."""
    if memo is None or not memo.is_current or memo.service is not board.services[id]:
        return False
    return memo.stamp == ground.stamps.get(id, 0) and board.groups.get(id) is ground.groups.get(id)


def rungs_under(board: Board, id: ServiceId) -> tuple[tuple[PoolName, PoolRungs], ...]:
    """The rungs of all pools that a service stands in."""
    pools: Mapping[PoolName, None] = {pool: None for pool, _ in board.groups.get(id, ())}
    return tuple((pool, board.rungs(pool)) for pool in pools)
