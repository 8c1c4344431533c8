"""Departments and teams of a fleet file: a tree, with quotas and limits at each level of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from springtide.formats.entries import Entry, did_you_mean
from springtide.formats.fleet_amounts import Amounts, ceiling, describe_amount, read_limits
from springtide.formats.fleet_contributions import UNSAID, Contribution, read_contribution
from springtide.model.fleet import Department, Team
from springtide.model.identifiers import TeamName

_NOTHING_NAMED: Mapping[str, Entry] = {}


@dataclass(frozen=True, slots=True)
class Tree:
    """Departments and teams, and what their pools take over from them.

    ``contributions`` is what each team's pools share where they don't say it themselves.
    ``cohorts`` are all that a department or team names.
    """

    departments: tuple[Department, ...]
    teams: tuple[Team, ...]
    contributions: Mapping[TeamName, Contribution]
    cohorts: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Level:
    """A department or team as the file has it."""

    entry: Entry
    parent: str | None
    nominal: Amounts
    lending_limit: Amounts
    borrowing_limit: Amounts
    contribution: Contribution

    @property
    def cohort(self) -> str:
        named = self.entry.get("cohort")
        return "" if named is None else named.text()


def read_tree(root: Entry, kinds: frozenset[str]) -> Tree:
    """The tree of teams. ``kinds`` are those that any node has.

    Raises the file's error for unknown names and kinds, for circles, and for quotas and cohorts that
    contradict one another.
    """
    section = root.get("departments")
    departments = section.mapping() if section else _NOTHING_NAMED
    teams = root.mapping()["teams"].mapping()
    for name, entry in departments.items():
        _check_named(entry.get("parent"), departments, section, name)
    for entry in teams.values():
        _check_named(entry.get("department"), departments, section)
    _refuse_circles(departments)
    branches = {name: _read_level(entry, "parent", kinds) for name, entry in departments.items()}
    leaves = {name: _read_level(entry, "department", kinds) for name, entry in teams.items()}
    _check_cohorts(branches, leaves)
    _check_nominals(branches, leaves)
    return Tree(
        tuple(_department(name, level) for name, level in branches.items()),
        tuple(_team(name, level) for name, level in leaves.items()),
        {TeamName(name): _inherited(level, branches) for name, level in leaves.items()},
        frozenset(level.cohort for level in (*branches.values(), *leaves.values()) if level.cohort),
    )


def _department(name: str, level: _Level) -> Department:
    return Department(
        name,
        parent=level.parent,
        nominal=ceiling(level.nominal),
        lending_limit=ceiling(level.lending_limit),
        borrowing_limit=ceiling(level.borrowing_limit),
        cohort=level.cohort,
    )


def _team(name: str, level: _Level) -> Team:
    weight = level.entry.get("weight")
    return Team(
        TeamName(name),
        weight=1 if weight is None else weight.whole_number(),
        department=level.parent,
        nominal=ceiling(level.nominal),
        lending_limit=ceiling(level.lending_limit),
        borrowing_limit=ceiling(level.borrowing_limit),
        cohort=level.cohort,
    )


def _read_level(entry: Entry, parent_key: str, kinds: frozenset[str]) -> _Level:
    parent = entry.get(parent_key)
    nominal = read_limits(entry.get("nominal"), kinds)
    lending = read_limits(entry.get("lending_limit"), kinds)
    for kind, (limit, named) in lending.items():
        if kind in nominal and limit > nominal[kind][0]:
            quota, place = nominal[kind]
            raise named.error(
                f"The lending limit of {describe_amount(kind, limit)} is above the nominal quota of"
                f" {describe_amount(kind, quota)} (line {place.line}): more than that is never lent.",
                "Lower the limit, or raise the quota.",
            )
    return _Level(
        entry,
        None if parent is None else parent.text(),
        nominal,
        lending,
        read_limits(entry.get("borrowing_limit"), kinds),
        read_contribution(entry, kinds),
    )


def _check_named(
    named: Entry | None, departments: Mapping[str, Entry], section: Entry | None, oneself: str = ""
) -> None:
    if named is None or named.text() in departments:
        return
    place = f" under `departments` (line {section.line})" if section else ", since the file has no `departments`"
    remedy = did_you_mean(named.text(), [name for name in departments if name != oneself])
    raise named.error(
        f"There is no department {named.text()!r}{place}.", remedy or f"Add `departments: {{{named.text()}: }}`."
    )


def _refuse_circles(departments: Mapping[str, Entry]) -> None:
    """Raise at the first department of a circle, naming each step of it with its line."""
    sound: set[str] = set()
    for start in departments:
        path: list[str] = []
        steps: set[str] = set()
        name = start
        while name not in sound:
            if name in steps:
                _refuse_circle(path[path.index(name) :], departments)
            path.append(name)
            steps.add(name)
            parent = departments[name].get("parent")
            if parent is None:
                break
            name = parent.text()
        sound |= steps


def _refuse_circle(circle: list[str], departments: Mapping[str, Entry]) -> None:
    parents = {name: departments[name].mapping()["parent"] for name in circle}
    steps = ", ".join(f"{name} is in {parent.text()} (line {parent.line})" for name, parent in parents.items())
    first = parents[circle[0]]
    raise first.error(f"Departments make a tree, and this is a circle: {steps}.", "Take one of these parents out.")


def _check_cohorts(branches: Mapping[str, _Level], leaves: Mapping[str, _Level]) -> None:
    for sort, levels, key in (("department", branches, "parent"), ("team", leaves, "department")):
        for name, level in levels.items():
            if level.cohort and level.parent is not None:
                parent = level.entry.mapping()[key]
                raise level.entry.mapping()["cohort"].error(
                    f"The {sort} {name!r} is in the department {level.parent!r} (line {parent.line}), and is in the"
                    f" cohort of whatever stands at the top of that.",
                    f"Name the cohort on the department {_top(level.parent, branches)!r}, or leave it out.",
                )


def _check_nominals(branches: Mapping[str, _Level], leaves: Mapping[str, _Level]) -> None:
    """Raise where the quotas within a department add up to more than its own.

    What names no quota of a kind counts with what stands within it.
    """
    claims: dict[str, dict[str, list[tuple[str, int, int]]]] = defaultdict(lambda: defaultdict(list))
    for name, level in leaves.items():
        if level.parent is not None:
            for kind, (amount, named) in level.nominal.items():
                claims[level.parent][kind].append((f"team {name!r}", amount, named.line))
    for name in sorted(branches, key=lambda name: (-_depth(name, branches), name)):
        level, within = branches[name], claims[name]
        for kind, claimed in within.items():
            if kind in level.nominal:
                _refuse_above(name, kind, level.nominal[kind], claimed)
        if level.parent is not None:
            for kind, (amount, named) in level.nominal.items():
                claims[level.parent][kind].append((f"department {name!r}", amount, named.line))
            for kind, claimed in within.items():
                if kind not in level.nominal:
                    claims[level.parent][kind] += claimed


def _refuse_above(name: str, kind: str, nominal: tuple[int, Entry], claimed: list[tuple[str, int, int]]) -> None:
    quota, entry = nominal
    wanted = sum(amount for _, amount, _ in claimed)
    if wanted > quota:
        each = ", ".join(f"{who} {describe_amount(kind, amount)} (line {line})" for who, amount, line in claimed)
        raise entry.error(
            f"The nominal quota of the department {name!r} is {describe_amount(kind, quota)}, but those within it add"
            f" up to {describe_amount(kind, wanted)}: {each}.",
            "Raise this one, or lower theirs.",
        )


def _ancestors(name: str | None, branches: Mapping[str, _Level]) -> list[str]:
    """The department and those that it is in, the nearest first."""
    chain = []
    while name is not None:
        chain.append(name)
        name = branches[name].parent
    return chain


def _depth(name: str, branches: Mapping[str, _Level]) -> int:
    return len(_ancestors(name, branches))


def _top(name: str, branches: Mapping[str, _Level]) -> str:
    return _ancestors(name, branches)[-1]


def _inherited(team: _Level, branches: Mapping[str, _Level]) -> Contribution:
    result = team.contribution.over(UNSAID)
    for name in _ancestors(team.parent, branches):
        result = result.over(branches[name].contribution)
    return result
