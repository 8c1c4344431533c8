"""The fleet file (``springtide.yaml``): what there is to run on, who owns it, on which terms.

The shape is checked against ``fleet.schema.json``, which also serves editors; what a schema can't
say (names that must exist, amounts that contradict one another) is checked while building.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from springtide.formats.durations import parse_term
from springtide.formats.entries import Entry, Source
from springtide.formats.fleet_amounts import DEFAULT_SLICE_PIDS, bounded, check_kind, kinds_of, read_amounts
from springtide.formats.fleet_clouds import read_clouds
from springtide.formats.fleet_links import read_links
from springtide.formats.fleet_nodes import read_nodes
from springtide.formats.fleet_pools import PoolReader
from springtide.formats.fleet_sites import read_sites
from springtide.formats.fleet_teams import read_tree
from springtide.formats.machine_fit import check_fleet_fits
from springtide.formats.quantities import format_money, parse_money
from springtide.formats.schema_check import check_against_schema
from springtide.formats.yaml_text import parse_yaml, read_text
from springtide.model.errors import FleetFileError
from springtide.model.fleet import Budget, Fleet, Node, Pool, ReclaimTerms, ScalingTerms, Site, Team
from springtide.model.identifiers import NodeId, PoolName, SiteName, TeamName
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources

__all__ = ["check_fleet_fits", "default_fleet", "fleet_schema", "load_fleet", "parse_fleet"]


def load_fleet(path: Path) -> Fleet:
    """The fleet that a file describes. Raises FleetFileError with line, key and remedy."""
    return parse_fleet(read_text(path, FleetFileError), str(path))


def parse_fleet(text: str, file: str) -> Fleet:
    """The fleet that a text describes; ``file`` names it in errors (FleetFileError)."""
    root = parse_yaml(text, Source(file, FleetFileError))
    check_against_schema(root, fleet_schema())
    sites = read_sites(root)
    clouds, nodes = read_clouds(root, sites), read_nodes(root)
    kinds = kinds_of(nodes, clouds)
    tree = read_tree(root, kinds)
    return Fleet(
        sites=sites,
        teams=tree.teams,
        pools=PoolReader(root, sites, tree, clouds, kinds).read(),
        nodes=nodes,
        clouds=clouds,
        budgets=_read_budgets(root),
        reclaim=_read_reclaim(root),
        scaling=_read_scaling(root),
        defaults=_read_defaults(root, kinds),
        cpu_overcommit=_read_overcommit(root),
        currency=_read_currency(root),
        links=read_links(root, sites),
        departments=tree.departments,
    )


@cache
def fleet_schema() -> dict[str, Any]:
    """The JSON Schema of the fleet file, as shipped with the package for editors."""
    text = files("springtide.formats").joinpath("fleet.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def default_fleet(machine: Resources) -> Fleet:
    """A fleet for a machine about which nobody has said anything.

    One site, one team, one pool of two slices, each a third of the machine: the last third stays
    with whatever else runs here. Nothing is contributed, since there is nobody to share with, and
    nothing is overcommitted, since nobody has asked for it.
    """
    slice_resources = Resources.of(
        {
            CPU_MILLIS: max(1, machine[CPU_MILLIS] // 3),
            MEMORY_BYTES: max(1, machine[MEMORY_BYTES] // 3),
            PIDS: DEFAULT_SLICE_PIDS,
        }
    )
    pool = PoolName("default")
    return Fleet(
        sites=(Site(SiteName("home")),),
        teams=(Team(TeamName("default")),),
        pools=(Pool(pool, SiteName("home"), TeamName("default"), contribution_percent=0),),
        nodes=tuple(Node(NodeId(f"{pool}-{number}"), pool, slice_resources) for number in (1, 2)),
        cpu_overcommit=1.0,
    )


def _read_budgets(root: Entry) -> tuple[Budget, ...]:
    section = root.get("budgets")
    budgets: dict[str, tuple[Entry, Budget]] = {}
    for entry in section.sequence() if section else ():
        period = entry.mapping()["period"].text()
        if period in budgets:
            first = budgets[period][0]
            sentence = f"The {period} has a budget already, on line {first.line}."
            raise entry.error(sentence, "Keep one of the two.")
        budgets[period] = (entry, Budget(period, _read_limit(entry.mapping()["limit"])))
    return tuple(budget for _, budget in budgets.values())


def _read_limit(entry: Entry) -> int:
    limit = _money(entry)
    if limit <= 0:
        sentence = f"With a budget of {entry.described} nothing could ever be rented."
        raise entry.error(sentence, "Write more than 0, or leave the rented pools out.")
    return limit


def _read_reclaim(root: Entry) -> ReclaimTerms:
    section, standard = root.get("reclaim"), ReclaimTerms()
    return ReclaimTerms(
        notice_seconds=_seconds(section, "notice", standard.notice_seconds),
        grace_seconds=_seconds(section, "grace", standard.grace_seconds),
        hold_seconds=_seconds(section, "hold", standard.hold_seconds),
    )


def _read_scaling(root: Entry) -> ScalingTerms:
    section, standard = root.get("scaling"), ScalingTerms()
    tolerance = section.get("tolerance") if section else None
    max_moves = section.get("max_moves") if section else None
    move_cost = section.get("move_cost") if section else None
    terms = ScalingTerms(
        up_seconds=_seconds(section, "up", standard.up_seconds),
        down_seconds=_seconds(section, "down", standard.down_seconds),
        home_seconds=_seconds(section, "home", standard.home_seconds),
        tolerance=standard.tolerance if tolerance is None else tolerance.parsed(float),
        period_seconds=_seconds(section, "period", standard.period_seconds),
        max_moves_at_once=standard.max_moves_at_once if max_moves is None else max_moves.whole_number(),
        move_cost_micros=standard.move_cost_micros if move_cost is None else _money(move_cost),
        proof_seconds=_seconds(section, "proof", standard.proof_seconds),
    )
    if section and terms.period_seconds <= 0:
        raise section.mapping()["period"].error("The period must be more than 0s.", "Write 500ms, say.")
    return terms


def _read_defaults(root: Entry, kinds: frozenset[str]) -> Resources:
    section = root.get("defaults")
    amounts = dict(Fleet().defaults.amounts)
    for kind, amount, entry in read_amounts(section) if section else ():
        check_kind(kind, entry, kinds)
        if amount <= 0:
            sentence = "An instance that counts for nothing could be placed without end; this must be more than 0."
            raise entry.error(sentence, "Write what a small instance needs.")
        amounts[kind] = amount
    return Resources.of(amounts)


def _read_overcommit(root: Entry) -> float:
    entry = root.get("cpu_overcommit")
    return Fleet().cpu_overcommit if entry is None else entry.parsed(float)


def _read_currency(root: Entry) -> str:
    entry = root.get("currency")
    return Fleet().currency if entry is None else entry.text()


def _money(entry: Entry) -> int:
    return bounded(entry, entry.parsed(parse_money), format_money)


def _seconds(section: Entry | None, key: str, otherwise: float) -> float:
    entry = section.get(key) if section else None
    return otherwise if entry is None else entry.parsed(parse_term)
