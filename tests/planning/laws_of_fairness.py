"""Law 7: who may take from whom, and that at rest nobody has anything left to take."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations

import numpy as np

from springtide.model.identifiers import TeamName
from springtide.model.placements import Placement
from springtide.model.resources import total
from springtide.model.workloads import Service
from springtide.planning.admission import lacking_without
from springtide.planning.displacing import rung_is_on_ladder
from springtide.planning.fairness import Shares
from springtide.planning.siting import Siting
from tests.planning.laws import is_blocked
from tests.planning.moments import Moment, is_staying


def law_7_whoever_gives_way_may_be_asked_to(moment: Moment) -> None:
    """Fairness takes from another team's guests of the same band whose hold is over; bands only from lower ones.

    Never from an owner at home, unless its own team's higher band needs the place.
    """
    hold = moment.fleet.reclaim.hold_seconds
    for code in ("fair-share", "gives-way"):
        for event in moment.events(code):
            victim = moment.after.placements[str(event["instance"])]  # type: ignore[index]
            giver, taker = moment.after.services[victim.service], moment.after.services[str(event["owner"])]  # type: ignore[index]
            at_home = moment.is_owner(victim, moment.fleet.pool(victim.pool))
            assert not at_home or giver.team == taker.team, f"law 7: {victim.instance} had to leave home"
            if code == "gives-way":
                assert giver.band.order > taker.band.order, f"law 7: {victim.instance} gave way to {taker.id}"
                continue
            assert giver.band is taker.band, f"law 7: {taker.id} took {victim.instance} of another band"
            assert giver.team != taker.team, f"law 7: {taker.id} took {victim.instance} of its own team"
            age = (moment.now - victim.placed_at).total_seconds()
            assert age >= hold, f"law 7: {victim.instance} was taken after {age} s of {hold} s"


def law_7_nobody_can_gain_from_a_team_above_it(moment: Moment) -> None:
    """At rest no team can gain an instance except from one whose share would end below the gainer's.

    Looked at once nothing changes and every hold is over: each missing instance on each node that is lent to it,
    were any set of one other team's guests of its band to leave that node. Shares are those in its band.
    """
    board = moment.board_after
    shares = Shares.on(board)
    for service in moment.services():
        explanation = moment.plan.explanations[service.id]
        if explanation.missing <= 0 or explanation.waiting or is_blocked(explanation.refusals):
            continue
        after = shares.with_more(service.team, service.resources, service.band)
        for node, pool in ((node.id, node.pool) for node in moment.fleet.nodes):
            if board.pools[pool].is_owned_by(service.team) or not board.quotas.tree.lends_to(pool, service.team):
                continue
            if not len(Siting(board).open_rows(service, np.array([board.table.row_of[node]]))):
                continue
            for team, gone in _losses(moment, service, node):
                fits = service.resources.fits_in(moment.free(node) + total(each.resources for each in gone))
                if not fits or lacking_without(board, service, pool, gone):
                    continue
                left = shares.with_less(team, total(each.resources for each in gone), service.band)
                is_allowed = rung_is_on_ladder(board, service, pool, gone)
                assert not is_allowed or after > left or after >= shares.of(team, service.band), (
                    f"law 7: {service.id} could take {[each.instance for each in gone]} on {node}: "
                    f"{service.team} would have {after}, {team} {left}"
                )


def _losses(moment: Moment, taker: Service, node: str) -> Iterable[tuple[TeamName, list[Placement]]]:
    """Every set of at most three guests of one other team, of the taker's band, who stand on a node."""
    by_team: dict[TeamName, list[Placement]] = {}
    for each in moment.placed():
        giver = moment.after.services.get(each.service)
        if each.node != node or giver is None or not is_staying(each) or giver.id in taker.placement.near:
            continue
        is_home = moment.is_owner(each, moment.fleet.pool(each.pool))
        if giver.team != taker.team and giver.band is taker.band and not is_home:
            by_team.setdefault(giver.team, []).append(each)
    for team, guests in sorted(by_team.items()):
        for gone in chain.from_iterable(combinations(guests, count) for count in (1, 2, 3)):
            yield team, list(gone)
