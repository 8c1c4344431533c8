"""Pools of a fleet file: of a team, of the company, or rented."""

from __future__ import annotations

from springtide.formats.entries import Entry, did_you_mean
from springtide.formats.fleet_amounts import describe_amount, read_amounts
from springtide.formats.fleet_clouds import read_price
from springtide.formats.fleet_contributions import Contribution, read_contribution
from springtide.formats.fleet_nodes import owned_by
from springtide.formats.fleet_sites import site_of
from springtide.formats.fleet_teams import Tree
from springtide.model.fleet import Cloud, Pool, Site
from springtide.model.identifiers import CloudName, PoolName, TeamName
from springtide.model.resources import Resources


class PoolReader:
    """Reads the pools against the sites, teams and clouds that they may name."""

    def __init__(
        self, root: Entry, sites: tuple[Site, ...], tree: Tree, clouds: tuple[Cloud, ...], kinds: frozenset[str]
    ) -> None:
        self._root = root
        self._sites = sites
        self._tree = tree
        self._clouds = clouds
        self._kinds = kinds

    def read(self) -> tuple[Pool, ...]:
        """The pools. Raises the file's error for unknown names and for keys that contradict one another."""
        pools = []
        for name, entry in self._root.mapping()["pools"].mapping().items():
            if entry.get("cloud") is not None:
                pools.append(self._elastic(PoolName(name), entry))
            elif entry.get("slices") is None:
                raise entry.error(
                    f"The pool {name!r} has no way to get nodes.",
                    "Give it `slices:` of this machine, or `cloud:` and `max_nodes:` to rent.",
                )
            elif entry.get("team") is not None:
                pools.append(self._team_pool(PoolName(name), entry))
            else:
                pools.append(self._company_pool(PoolName(name), entry))
        return tuple(pools)

    def _elastic(self, name: PoolName, entry: Entry) -> Pool:
        named = entry.mapping()["cloud"]
        _refuse_with(entry, named, "slices", "A rented pool has no slices of its own", "Make two pools of it.")
        _refuse_with(entry, named, "team", "A rented pool belongs to no team", "Leave `team` out.")
        for key in ("contribution", "lending_limit"):
            _refuse_with(entry, named, key, "A rented pool has nothing to lend", f"Leave `{key}` out.")
        _refuse_with(entry, named, "cohort", "A rented pool serves whoever pays", "Leave `cohort` out.")
        cloud = self._cloud(named)
        site = entry.get("site")
        if site is not None and site.text() != cloud.site:
            declared = self._root.mapping()["clouds"].mapping()[cloud.name]
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

    def _team_pool(self, name: PoolName, entry: Entry) -> Pool:
        team, slices = self._team(entry.mapping()["team"]), entry.mapping()["slices"]
        _refuse_with(entry, slices, "max_nodes", "A pool of slices rents nothing", "Use `slices: {count: …}`.")
        _refuse_with(
            entry,
            entry.mapping()["team"],
            "cohort",
            "A team's pool is in its team's cohort",
            "Name it on the team or its department.",
        )
        contribution = read_contribution(entry, self._kinds).over(self._tree.contributions[team])
        return Pool(
            name,
            site_of(entry, self._sites, self._root, cloud=False).name,
            team,
            contribution_percent=contribution.percent,
            lending_limit=_lending_limit(entry, slices, contribution),
            price_micros_per_cpu_hour=_price(entry),
            contribution_by_kind=contribution.percent_by_kind,
        )

    def _company_pool(self, name: PoolName, entry: Entry) -> Pool:
        slices = entry.mapping()["slices"]
        _refuse_with(entry, slices, "max_nodes", "A pool of slices rents nothing", "Use `slices: {count: …}`.")
        for key in ("contribution", "lending_limit"):
            if (given := entry.get(key)) is not None:
                raise given.error(
                    f"The pool {name!r} (line {entry.line}) has no team, so everything in it is shared already.",
                    f"Leave `{key}` out, or add `team:`.",
                )
        return Pool(
            name,
            site_of(entry, self._sites, self._root, cloud=False).name,
            contribution_percent=100,
            price_micros_per_cpu_hour=_price(entry),
            cohort=self._cohort(entry.get("cohort")),
        )

    def _cloud(self, named: Entry) -> Cloud:
        for cloud in self._clouds:
            if cloud.name == named.text():
                return cloud
        section = self._root.get("clouds")
        place = f" under `clouds` (line {section.line})" if section else ", since the file has no `clouds`"
        remedy = did_you_mean(named.text(), [cloud.name for cloud in self._clouds]) or "Add `clouds:`."
        raise named.error(f"There is no cloud {named.text()!r}{place}.", remedy)

    def _team(self, named: Entry) -> TeamName:
        teams = [team.name for team in self._tree.teams]
        if named.text() not in teams:
            place = f"under `teams` (line {self._root.mapping()['teams'].line})"
            raise named.error(f"There is no team {named.text()!r} {place}.", did_you_mean(named.text(), teams))
        return TeamName(named.text())

    def _cohort(self, named: Entry | None) -> str | None:
        if named is None:
            return None
        if named.text() not in self._tree.cohorts:
            sentence = f"No department and no team is in a cohort {named.text()!r}, so nobody could use this pool."
            raise named.error(sentence, did_you_mean(named.text(), self._tree.cohorts) or "Leave `cohort` out.")
        return named.text()


def _lending_limit(entry: Entry, slices: Entry, contribution: Contribution) -> Resources | None:
    """The limit with every kind of the pool in it, ``None`` where all may be lent.

    ``Resources`` reads a missing kind as nought, which would forbid lending it. A kind that the
    file doesn't name is unlimited, so it stands here with all that the pool has of it.
    """
    given = entry.get("lending_limit")
    if given is None:
        return None
    owned = owned_by(entry)
    own_part = owned - contribution.part_of(owned)
    limits = dict(owned.amounts)
    for kind, amount, named in read_amounts(given):
        if amount > own_part[kind]:
            share = contribution.of(kind)
            total = describe_amount(kind, owned[kind]) if owned[kind] else "nothing of it"
            raise named.error(
                f"The limit of {describe_amount(kind, amount)} is more than the pool can lend: it owns {total}"
                f" (line {slices.line}) and contributes {share.percent}% ({share.place}), which leaves"
                f" {describe_amount(kind, own_part[kind])}.",
                "Lower the limit or leave it out.",
            )
        limits[kind] = amount
    return Resources.of(limits)


def _price(entry: Entry) -> int:
    given = entry.get("price")
    return 0 if given is None else read_price(given)


def _refuse_with(entry: Entry, cause: Entry, key: str, sentence: str, remedy: str) -> None:
    contrary = entry.get(key)
    if contrary is not None:
        raise contrary.error(f"{sentence}, and line {cause.line} says `{cause.key.rpartition('.')[2]}`.", remedy)
