"""Who is next: the team with the lowest dominant share, then band, then the least served service.

Source: Ghodsi et al., Dominant Resource Fairness, NSDI 2011; shares count only what a team uses
beyond its own quota, over what its cohort shares and lends.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from springtide.model.identifiers import InstanceId, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band
from springtide.planning import quota
from springtide.planning.board import Board, rungs_of
from springtide.planning.draft import Draft

BAND_ORDER = {Band.PRODUCTION: 0, Band.BATCH: 1, Band.BEST_EFFORT: 2}


def shareable_capacity(board: Board) -> Resources:
    """Everything that the fleet's pools share or may lend."""
    capacity = NOTHING
    for pool in board.fleet.pools:
        if not pool.is_elastic:
            healthy = board.healthy.get(pool.name, NOTHING)
            capacity = capacity + quota.contributed_part(pool, healthy) + quota.lending_limit(pool, healthy)
    return capacity


def use_beyond_own(board: Board) -> dict[TeamName, Resources]:
    """What each team uses on the rungs shared and borrowed, leaving instances left out."""
    use: dict[TeamName, Resources] = {}
    rungs = all_rungs(board)
    for id, placement in board.placements.items():
        team = board.teams[id]
        if team is not None and id not in board.leaving and rungs[id] in (Rung.SHARED, Rung.BORROWED):
            use[team] = use.get(team, NOTHING) + placement.resources
    return use


def dominant_share(use: Resources, capacity: Resources, weight: int) -> Fraction:
    """The largest, over resources, of use over capacity, divided by the team's weight."""
    shares = [Fraction(amount, capacity[kind]) for kind, amount in use.amounts if capacity[kind] > 0]
    return max(shares, default=Fraction(0)) / weight


def dominant_shares(board: Board) -> dict[TeamName, Fraction]:
    """The weighted dominant share of every team that uses anything beyond its own."""
    capacity = shareable_capacity(board)
    return {
        team: dominant_share(use, capacity, board.fleet.weight(team)) for team, use in use_beyond_own(board).items()
    }


def all_rungs(board: Board) -> dict[InstanceId, Rung]:
    """The rung of every placement."""
    return {id: rung for pool in board.fleet.pools for id, rung in rungs_of(board, pool.name).items()}


def service_order(draft: Draft, id: ServiceId, served: int) -> tuple[int, Fraction, ServiceId]:
    """Within a team: band first, then the lowest served fraction of the wanted count."""
    wanted = max(1, draft.demands[id].count)
    return BAND_ORDER[draft.service(id).band], Fraction(served, wanted), id


def neediest_first(draft: Draft, wants: Mapping[ServiceId, int]) -> list[ServiceId]:
    """One entry for each wanted instance of one team, in the order in which they are served."""
    served = {id: draft.demands[id].count - want for id, want in wants.items()}
    left = dict(wants)
    order: list[ServiceId] = []
    while left:
        id = min(left, key=lambda each: service_order(draft, each, served[each]))
        order.append(id)
        served[id] += 1
        left[id] -= 1
        if left[id] == 0:
            del left[id]
    return order
