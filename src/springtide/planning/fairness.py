"""Who is next: the team with the lowest dominant share, then band, then the least served service.

Source: Ghodsi et al., Dominant Resource Fairness, NSDI 2011; shares count only what a team uses
beyond its own quota, over what its cohort shares and lends.
"""

from __future__ import annotations

from fractions import Fraction

from springtide.model.identifiers import TeamName
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.planning import quota
from springtide.planning.board import Board, all_rungs


def shareable_capacity(board: Board) -> Resources:
    """Everything that the fleet's pools share or may lend."""
    capacity = NOTHING
    for pool in board.fleet.pools:
        if not pool.is_elastic:
            healthy, own = board.healthy.get(pool.name, NOTHING), board.own_part(pool.name)
            capacity = capacity + (healthy - own) + quota.lending_limit(pool, own)
    return capacity


def use_beyond_own(board: Board) -> dict[TeamName, Resources]:
    """What each team uses on the rungs shared and borrowed, leaving instances left out."""
    use: dict[TeamName, Resources] = {}
    rungs = all_rungs(board)
    for id, placement in board.placements.items():
        team = board.team_of(placement)
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
