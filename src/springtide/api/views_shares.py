"""Quotas and shares as they are now: each team's part in what is lent, and every limit with its use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from springtide.api.standing import Standing
from springtide.api.wire_base import amounts
from springtide.api.wire_shares import CohortWire, DepartmentShareWire, LimitWire, SharesWire, TeamShareWire
from springtide.model.fleet import Department, Team
from springtide.model.identifiers import TeamName
from springtide.model.resources import NOTHING, Resources, total
from springtide.planning.board import Board
from springtide.planning.fairness import Shares
from springtide.planning.quota_tree import Level, LimitName, Member


def shares_wire(standing: Standing) -> SharesWire:
    """Every team, department and cohort of the fleet."""
    board = standing.board
    shares, fleet = Shares.on(board), board.fleet
    return SharesWire(
        cohorts=_cohorts(shares, fleet.teams),
        teams=[team_share_wire(board, shares, team) for team in fleet.teams],
        departments=[_department_wire(board, each) for each in fleet.departments],
    )


def share_of(standing: Standing, team: TeamName) -> TeamShareWire | None:
    """One team's share; ``None`` where the fleet doesn't know it."""
    board = standing.board
    found = next((each for each in board.fleet.teams if each.name == team), None)
    return team_share_wire(board, Shares.on(board), found) if found is not None else None


def team_share_wire(board: Board, shares: Shares, team: Team) -> TeamShareWire:
    cohort = shares.cohorts[team.name]
    capacity, use = shares.capacity.get(cohort, NOTHING), shares.use.get(team.name, NOTHING)
    dominant, part = _dominant(use, capacity)
    weights = sum(weight for name, weight in shares.weights.items() if shares.cohorts[name] == cohort)
    pools, quotas = board.pools_of(team.name), board.quotas
    return TeamShareWire(
        team=team.name,
        department=team.department,
        cohort=cohort,
        weight=shares.weights[team.name],
        share=float(shares.of(team.name)),
        part=float(part),
        fair_part=float(Fraction(shares.weights[team.name], weights)),
        dominant=dominant,
        beyond_own=amounts(use),
        own=amounts(total(quotas.own_part(pool) for pool in pools)),
        own_used=amounts(total(quotas.owner_use.get(each, NOTHING).at_most(quotas.own_part(each)) for each in pools)),
        lent=amounts(total(quotas.guest_use.get(pool, NOTHING) for pool in pools)),
        limits=_limits(board, Member(Level.TEAM, team.name)),
    )


def _dominant(use: Resources, capacity: Resources) -> tuple[str | None, Fraction]:
    """The kind of which the largest part is used, and that part; the first by name of several."""
    parts = {kind: Fraction(amount, capacity[kind]) for kind, amount in use.amounts if capacity[kind] > 0 < amount}
    kind = max(parts, key=lambda each: parts[each], default=None)
    return kind, parts[kind] if kind is not None else Fraction(0)


def _cohorts(shares: Shares, teams: Iterable[Team]) -> list[CohortWire]:
    members: dict[str, list[str]] = {}
    for team in teams:
        members.setdefault(shares.cohorts[team.name], []).append(team.name)
    return [
        CohortWire(cohort=name, teams=found, capacity=amounts(shares.capacity.get(name, NOTHING)))
        for name, found in members.items()
    ]


def _department_wire(board: Board, department: Department) -> DepartmentShareWire:
    member = Member(Level.DEPARTMENT, department.name)
    return DepartmentShareWire(
        department=department.name,
        parent=department.parent,
        cohort=_cohort_of(department, {each.name: each for each in reversed(board.fleet.departments)}),
        limits=_limits(board, member),
    )


def _cohort_of(department: Department, departments: Mapping[str, Department]) -> str:
    """That of its top department; a cycle of parents, which files may not have, is cut where it closes."""
    seen: set[str] = set()
    while department.parent is not None and department.parent in departments and department.name not in seen:
        seen.add(department.name)
        department = departments[department.parent]
    return department.cohort


def _limits(board: Board, member: Member) -> list[LimitWire]:
    """The member's ceilings in the order nominal, lending, borrowing, each kind apart."""
    return [
        LimitWire(limit=name.value, kind=limit.kind, used=_used(board, member, name)[limit.kind], most=limit.most)
        for name in LimitName
        for limit in board.quotas.tree.by_member.get((member, name), ())
    ]


def _used(board: Board, member: Member, name: LimitName) -> Resources:
    if name is not LimitName.NOMINAL:
        return board.quotas.used(member, name)
    pools = board.quotas.tree.by_member[member, name][0].pools
    return total(board.quotas.own_part(pool) for pool in pools)
