"""Pools of a fleet file: of a team, of the company, or rented, and the slices that are their nodes."""

from __future__ import annotations

from springtide.formats.entries import Entry, did_you_mean
from springtide.formats.fleet_amounts import DEFAULT_SLICE_PIDS, read_amounts, read_slice
from springtide.formats.fleet_sites import site_of
from springtide.formats.quantities import parse_percent, parse_price
from springtide.model.fleet import Cloud, Node, Pool, Site, Team
from springtide.model.identifiers import CloudName, NodeId, PoolName, TeamName
from springtide.model.resources import NOTHING, Resources, describe

__all__ = ["DEFAULT_SLICE_PIDS", "read_nodes", "read_pools"]

_DEFAULT_CONTRIBUTION_PERCENT = 10


def read_pools(
    root: Entry, sites: tuple[Site, ...], teams: tuple[Team, ...], clouds: tuple[Cloud, ...]
) -> tuple[Pool, ...]:
    """The pools. Raises the file's error for unknown names and for keys that contradict one another."""
    pools = []
    for name, entry in root.mapping()["pools"].mapping().items():
        if entry.get("cloud") is not None:
            pools.append(_read_elastic(PoolName(name), entry, clouds, root))
        elif entry.get("slices") is not None:
            pools.append(_read_own(PoolName(name), entry, sites, teams, root))
        else:
            raise entry.error(
                f"The pool {name!r} has no way to get nodes.",
                "Give it `slices:` of this machine, or `cloud:` and `max_nodes:` to rent.",
            )
    return tuple(pools)


def read_nodes(root: Entry) -> tuple[Node, ...]:
    """The slices of every pool, named ``<pool>-<number>``.

    No two pools can give the same name: the number holds no dash, so the last dash divides it.
    """
    nodes = []
    for name, entry in root.mapping()["pools"].mapping().items():
        slices = entry.get("slices")
        if slices is None:
            continue
        count = slices.get("count")
        numbers = range(1, 1 + (1 if count is None else count.whole_number()))
        resources = read_slice(slices)
        nodes += [Node(NodeId(f"{name}-{number}"), PoolName(name), resources) for number in numbers]
    return tuple(nodes)


def _read_elastic(name: PoolName, entry: Entry, clouds: tuple[Cloud, ...], root: Entry) -> Pool:
    named = entry.mapping()["cloud"]
    _refuse_with(entry, named, "slices", "A rented pool has no slices of its own", "Make two pools of it.")
    _refuse_with(entry, named, "team", "A rented pool belongs to no team", "Leave `team` out.")
    for key in ("contribution", "lending_limit"):
        _refuse_with(entry, named, key, "A rented pool has nothing to lend", f"Leave `{key}` out.")
    cloud = next((cloud for cloud in clouds if cloud.name == named.text()), None)
    if cloud is None:
        section = root.get("clouds")
        place = f" under `clouds` (line {section.line})" if section else ", since the file has no `clouds`"
        remedy = did_you_mean(named.text(), [cloud.name for cloud in clouds]) or "Add `clouds:`."
        raise named.error(f"There is no cloud {named.text()!r}{place}.", remedy)
    site = entry.get("site")
    if site is not None and site.text() != cloud.site:
        declared = root.mapping()["clouds"].mapping()[cloud.name]
        raise site.error(
            f"The pool {name!r} stands at {site.text()!r}, but its cloud {cloud.name!r} (line {declared.line})"
            f" stands at {cloud.site!r}.",
            "Leave `site` out: a rented pool stands where its cloud does.",
        )
    max_nodes = entry.get("max_nodes")
    if max_nodes is None:
        raise entry.error(f"The rented pool {name!r} doesn't say how much it may rent.", "Add `max_nodes:`.")
    return Pool(
        name,
        cloud.site,
        contribution_percent=0,
        cloud=CloudName(cloud.name),
        max_nodes=max_nodes.whole_number(),
        price_micros_per_cpu_hour=_price(entry),
    )


def _read_own(name: PoolName, entry: Entry, sites: tuple[Site, ...], teams: tuple[Team, ...], root: Entry) -> Pool:
    slices = entry.mapping()["slices"]
    _refuse_with(entry, slices, "max_nodes", "A pool of slices rents nothing", "Use `slices: {count: …}`.")
    team = _team(entry, teams, root)
    if team is None:
        for key in ("contribution", "lending_limit"):
            if (given := entry.get(key)) is not None:
                raise given.error(
                    f"The pool {name!r} (line {entry.line}) has no team, so everything in it is shared already.",
                    f"Leave `{key}` out, or add `team:`.",
                )
    contribution = _contribution(entry) if team else 100
    return Pool(
        name,
        site_of(entry, sites, root, cloud=False).name,
        team,
        contribution_percent=contribution,
        lending_limit=_lending_limit(entry, slices, contribution),
        price_micros_per_cpu_hour=_price(entry),
    )


def _team(entry: Entry, teams: tuple[Team, ...], root: Entry) -> TeamName | None:
    named = entry.get("team")
    if named is None:
        return None
    if named.text() not in {team.name for team in teams}:
        remedy = did_you_mean(named.text(), [team.name for team in teams])
        raise named.error(
            f"There is no team {named.text()!r} under `teams` (line {root.mapping()['teams'].line}).", remedy
        )
    return TeamName(named.text())


def _contribution(entry: Entry) -> int:
    given = entry.get("contribution")
    if given is None:
        return _DEFAULT_CONTRIBUTION_PERCENT
    percent = given.parsed(parse_percent)
    if percent > 100:
        raise given.error(f"A pool can't contribute {percent}% of itself.", "Write at most 100%.")
    return percent


def _lending_limit(entry: Entry, slices: Entry, contribution_percent: int) -> Resources | None:
    """The limit with every kind of the pool in it, ``None`` where all may be lent.

    ``Resources`` reads a missing kind as nought, which would forbid lending it. A kind that the
    file doesn't name is unlimited, so it stands here with all that the pool has of it.
    """
    given = entry.get("lending_limit")
    if given is None:
        return None
    owned = _total(slices)
    own_part = owned - owned.percent(contribution_percent)
    limits = dict(owned.amounts)
    for kind, amount, named in read_amounts(given):
        if amount > own_part[kind]:
            most = describe(Resources.of({kind: own_part[kind]})) if own_part[kind] else f"0 of {kind}"
            total = describe(Resources.of({kind: owned[kind]})) if owned[kind] else "nothing of it"
            raise named.error(
                f"The limit of {describe(Resources.of({kind: amount}))} is more than the pool can lend: it owns {total}"
                f" (line {slices.line}) and contributes {contribution_percent}%{_place(entry.get('contribution'))},"
                f" which leaves {most}.",
                "Lower the limit or leave it out.",
            )
        limits[kind] = amount
    return Resources.of(limits)


def _total(slices: Entry) -> Resources:
    count = slices.get("count")
    return (NOTHING + read_slice(slices)).times(1 if count is None else count.whole_number())


def _place(entry: Entry | None) -> str:
    return " (the default)" if entry is None else f" (line {entry.line})"


def _price(entry: Entry) -> int:
    given = entry.get("price")
    return 0 if given is None else given.parsed(parse_price)


def _refuse_with(entry: Entry, cause: Entry, key: str, sentence: str, remedy: str) -> None:
    contrary = entry.get(key)
    if contrary is not None:
        raise contrary.error(f"{sentence}, and line {cause.line} says `{cause.key.rpartition('.')[2]}`.", remedy)
