"""Law 1 where teams, departments, cohorts and placement rules set the bounds. Sums are made here anew."""

from __future__ import annotations

from springtide.model.fleet import Department, Team
from springtide.model.identifiers import NodeId, TeamName
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import total
from springtide.model.workloads import Band
from tests.planning.laws import is_blocked
from tests.planning.moments import Moment


def law_1_nobody_comes_beyond_a_limit(moment: Moment) -> None:
    """A guest that counts is only added where its team and departments keep to what they may borrow.

    What counts is all that its teams hold on pools of others, the contributed part too.
    """
    for guest in moment.added():
        service = moment.after.services[guest.service]
        pool = moment.fleet.pool(guest.pool)
        if pool.is_elastic or pool.team == service.team or service.band is Band.BEST_EFFORT:
            continue
        for member, teams in _members_above(moment, service.team):
            used = total(each.resources for each in _firm_guests(moment, teams))
            for kind, most in member.borrowing_limit.amounts:
                over = used[kind] - most
                assert over <= 0 or not guest.resources[kind] or pool.team in teams, (
                    f"law 1: {guest.instance} came, though {member.name} then borrows {used[kind]} {kind} of {most}"
                )


def _members_above(moment: Moment, team: TeamName) -> list[tuple[Team | Department, frozenset[TeamName]]]:
    """The team and its departments, each with all teams below."""
    teams = {each.name: each for each in moment.fleet.teams}
    departments = {each.name: each for each in moment.fleet.departments}
    if team not in teams:
        return []

    def chain(name: TeamName) -> list[str]:
        found, above = [], teams[name].department
        while above in departments and above not in found:
            found.append(above)
            above = departments[above].parent
        return found

    below = {name: frozenset(each for each in teams if name in chain(each)) for name in departments}
    return [(teams[team], frozenset({team})), *((departments[name], below[name]) for name in chain(team))]


def _firm_guests(moment: Moment, teams: frozenset[TeamName]) -> list[Placement]:
    found = []
    for each in moment.placed():
        service, pool = moment.after.services.get(each.service), moment.fleet.pool(each.pool)
        is_guest = service is not None and service.team in teams and not pool.is_elastic and pool.team not in teams
        if is_guest and service is not None and service.band is not Band.BEST_EFFORT:
            found.append(each)
    return found


def cohorts_are_kept(moment: Moment) -> None:
    """Nobody is added to a team's pool of another cohort."""
    cohorts = {team.name: team.cohort for team in moment.fleet.teams}
    tops = {each.name: each.cohort for each in moment.fleet.departments if each.parent is None}
    for team in moment.fleet.teams:
        above = [member.name for member, _ in _members_above(moment, team.name)[1:]]
        if above:
            cohorts[team.name] = tops.get(above[-1], "")
    for guest in moment.added():
        taker, pool = moment.after.services[guest.service].team, moment.fleet.pool(guest.pool)
        if pool.team is not None and pool.team != taker and not pool.is_elastic:
            assert cohorts.get(taker, "") == cohorts.get(pool.team, ""), f"{guest.instance} came to another cohort"


def placement_rules_are_kept(moment: Moment) -> None:
    """Whoever is added stands where its constraints and its count a node allow, and apart from whom it asks."""
    attributes = _attributes(moment)
    for each in moment.added():
        rules = moment.after.services[each.service].placement
        for constraint in rules.constraints:
            is_same = attributes[each.node].get(constraint.key) == constraint.value
            assert is_same is constraint.is_equal, f"{each.instance} on {each.node} breaks {constraint}"
        here = [other for other in moment.placed() if other.node == each.node]
        count = sum(1 for other in here if other.service == each.service)
        assert not rules.max_per_node or count <= rules.max_per_node, f"{count} of {each.service} on {each.node}"
        if rules.domain == "node":
            crowded = [other.instance for other in here if other.service in rules.apart]
            assert not crowded, f"{each.instance} stands beside {crowded}"


def misplaced_ones_only_wait_for_room(moment: Moment) -> None:
    """At rest, who stands where a constraint forbids is there only because its service lacks room elsewhere."""
    attributes = _attributes(moment)
    for each in moment.placed():
        service = moment.after.services.get(each.service)
        if service is None or each.state is not PlacementState.RUNNING or each.node not in attributes:
            continue
        broken = [
            str(constraint)
            for constraint in service.placement.constraints
            if (attributes[each.node].get(constraint.key) == constraint.value) is not constraint.is_equal
        ]
        explanation = moment.plan.explanations[each.service]
        is_lacking = explanation.missing > 0 or explanation.waiting > 0 or is_blocked(explanation.refusals)
        assert not broken or is_lacking, f"{each.instance} stays on {each.node}, which isn't {broken}"


def _attributes(moment: Moment) -> dict[NodeId, dict[str, str]]:
    sites = {pool.name: pool.site for pool in moment.fleet.pools}
    own = {node.id: {**dict(node.labels), "site": sites[node.pool]} for node in moment.fleet.nodes}
    rented = {r.node: {**dict(r.labels), "site": sites[r.pool]} for r in moment.after.rentals.values()}
    return {**rented, **own}
