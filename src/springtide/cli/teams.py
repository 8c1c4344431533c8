"""``team list`` and ``team show``: whose share is how large, and which limits hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from springtide.cli.names import choose_team
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.tables import amount, amounts, kind_name, percent, print_json, print_table
from springtide.cli.why import share_words

COLUMNS = ("TEAM", "DEPARTMENT", ">WEIGHT", ">SHARE", ">FAIR", "OF", ">OWN CPU", "LENT", "POOLS", "SERVICES")
LIMIT_COLUMNS = ("OF", "LIMIT", "KIND", ">USED", ">MOST")


def add_commands(app: typer.Typer) -> None:
    group = typer.Typer(help="Teams: quotas, shares and limits.", no_args_is_help=True)
    group.command("list")(teams)
    group.command("show")(team)
    app.add_typer(group, name="team")


def teams(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Each team: its share of what teams lend one another, its own, its pools and services."""
    seen = client_of(home).get("status")
    shares = {each["team"]: each for each in seen["shares"]["teams"]}
    if as_json:
        print_json([{**each, "share": shares[each["name"]]} for each in seen["teams"]])
        return
    rows = [_row(each, shares[each["name"]], seen) for each in seen["teams"]]
    print_table(COLUMNS, rows, nothing="The fleet names no teams.")


def team(
    name: Annotated[str, typer.Argument(help="The team.")], home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """One team: what it owns, uses, lends and borrows, and every limit that it stands under."""
    seen = client_of(home).get("shares")
    shares = {each["team"]: each for each in seen["teams"]}
    share = shares[choose_team(name, shares)]
    above = _departments_above(share, seen)
    if as_json:
        print_json({**share, "departments": above})
        return
    for line in _lines(share):
        typer.echo(line)
    rows = [_limit_row(f"team {name}", each) for each in share["limits"]]
    rows += [_limit_row(f"department {each['department']}", limit) for each in above for limit in each["limits"]]
    typer.echo()
    print_table(LIMIT_COLUMNS, rows, nothing="No limit but those of pools.")


def _row(team: dict[str, Any], share: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    own = ", ".join(pool["name"] for pool in seen["pools"] if pool["team"] == team["name"])
    services = ", ".join(each["id"] for each in seen["services"] if each["team"] == team["name"])
    of = kind_name(share["dominant"]) if share["dominant"] else "-"
    cpu = [amount("cpu_millis", share[key].get("cpu_millis", 0)) for key in ("own_used", "own")]
    shares = [percent(share["part"]), percent(share["fair_part"]), of, " of ".join(cpu)]
    lent = amounts(share["lent"]) if share["lent"] else "-"
    return [team["name"], team["department"] or "-", str(team["weight"]), *shares, lent, own or "-", services or "-"]


def _lines(share: dict[str, Any]) -> Iterator[str]:
    yield f"{share_words(share)}."
    yield f"  owns:     {amounts(share['own'])}"
    yield f"  uses own: {amounts(share['own_used'])}"
    yield f"  beyond:   {amounts(share['beyond_own'])}"
    yield f"  lends:    {amounts(share['lent'])}"


def _limit_row(whose: str, limit: dict[str, Any]) -> list[str]:
    name = limit["limit"].removesuffix("_limit")
    return [whose, name, kind_name(limit["kind"]), *(amount(limit["kind"], limit[key]) for key in ("used", "most"))]


def _departments_above(share: dict[str, Any], seen: dict[str, Any]) -> list[dict[str, Any]]:
    """The team's department, the one above it, and so on."""
    departments = {each["department"]: each for each in seen["departments"]}
    found: list[dict[str, Any]] = []
    name = share["department"]
    while name in departments:
        found.append(departments.pop(name))  # each once, however the parents run
        name = found[-1]["parent"]
    return found
