"""Law 1 for lines between sites: what is reserved is summed here anew, from the record and what has been seen."""

from __future__ import annotations

from collections.abc import Iterator

from springtide.model.fleet import Link
from springtide.model.identifiers import InstanceId, NodeId, RevisionId, SiteName
from springtide.model.placements import Placement, PlacementState
from springtide.model.workloads import Service
from springtide.planning.line_calendar import bandwidth_of
from springtide.planning.lines import Routes, home_site_of
from tests.planning.moments import Moment

Direction = tuple[Link, SiteName]
"""A link, and the site that traffic goes towards."""


def law_1_lines_carry_what_is_reserved(moment: Moment) -> None:
    """Never over-allocate a line: what a plan adds fits on all that it crosses, in both directions.

    Counted are all placements away from home until they are gone, both copies of a move, and the shaped
    pull of each image that no instance has been seen with on its node. A line that has become narrower
    carries on what it has: then nothing is added that would put anything on it.
    """
    reserved = reservations(moment)
    for placement in moment.added():
        for direction, bits in asked_by(moment, placement):
            width = bandwidth_of(direction[0], moment.now)
            assert not bits or reserved[direction] <= width, (
                f"law 1: {placement.instance} came over {direction[0].name} towards {direction[1]}, "
                f"which then has {reserved[direction]} of {width} reserved"
            )


def law_1_nothing_is_where_no_line_leads(moment: Moment) -> None:
    """Nobody is added at a site that no link leads to from home."""
    for placement in moment.added():
        home = home_of(moment, moment.after.services[placement.service])
        site = moment.fleet.pool(placement.pool).site
        is_reached = home is None or Routes.of(moment.fleet.links).path(home, site) is not None
        assert is_reached, f"law 1: {placement.instance} came to {site}, where nothing leads from {home}"


def home_of(moment: Moment, service: Service) -> SiteName | None:
    return home_site_of(moment.fleet, service.team)


def reservations(moment: Moment) -> dict[Direction, int]:
    """By link and direction, the bits a second that all placements take."""
    sums: dict[Direction, int] = {}
    pulled: set[tuple[NodeId, RevisionId]] = set()
    for placement in moment.placed():
        pull = is_pulling(moment, placement) and (placement.node, placement.revision) not in pulled
        if pull:
            pulled.add((placement.node, placement.revision))
        for direction, bits in crossed(moment, placement, pull):
            sums[direction] = sums.get(direction, 0) + bits
    return sums


def is_pulling(moment: Moment, placement: Placement) -> bool:
    """Whether nobody has been seen with the image on the placement's node yet."""
    alike = [e for e in moment.placed() if (e.node, e.revision) == (placement.node, placement.revision)]
    seen: set[InstanceId] = {each.instance for each in alike if each.instance in moment.index.instances}
    return not seen and placement.state is not PlacementState.STOPPING


def asked_by(moment: Moment, placement: Placement) -> Iterator[tuple[Direction, int]]:
    """What one placement asks for, with its pull where its image isn't there."""
    return crossed(moment, placement, is_pulling(moment, placement))


def crossed(moment: Moment, placement: Placement, pull: bool) -> Iterator[tuple[Direction, int]]:
    service = moment.after.services.get(placement.service)
    pool = next((each for each in moment.fleet.pools if each.name == placement.pool), None)
    home = home_of(moment, service) if service is not None else None
    if service is None or pool is None or home is None:
        return
    load = service.line_load_bits_per_second
    for step in Routes.of(moment.fleet.links).path(home, pool.site) or ():
        shaped = min(step.link.pull_bits_per_second, bandwidth_of(step.link, moment.now)) if pull else 0
        yield (step.link, step.towards), load + shaped
        yield (step.link, step.back.towards), load


def is_carried(moment: Moment, service: Service, site: SiteName) -> bool:
    """Whether one more instance of a service could cross to a site even if all that waits went the same way.

    An upper bound of what is promised: nobody tells where.
    """
    home = home_of(moment, service)
    path = Routes.of(moment.fleet.links).path(home, site) if home is not None else ()
    if path is None:
        return False
    reserved = reservations(moment)
    waiting = [(each, moment.plan.explanations[each.id].waiting) for each in moment.services()]
    for step in path:
        width = bandwidth_of(step.link, moment.now)
        pull = min(step.link.pull_bits_per_second, width)
        held = sum(count * (each.line_load_bits_per_second + pull) for each, count in waiting)
        load = service.line_load_bits_per_second
        for towards, asked in ((step.towards, load + pull), (step.back.towards, load)):
            if asked and reserved.get((step.link, towards), 0) + held + asked > width:
                return False
    return True
