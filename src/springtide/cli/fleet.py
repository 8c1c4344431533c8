"""``pool list``, ``lease list`` and ``ledger``: who has what, and who owes whom."""

from __future__ import annotations

from typing import Any

import typer

from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.state import print_pools
from springtide.cli.tables import clock, money, now, print_json, print_table, span


def add_commands(app: typer.Typer) -> None:
    for name, command, about in (
        ("pool", pools, "Pools and their nodes."),
        ("lease", leases, "Leases: who holds what, on which terms."),
    ):
        group = typer.Typer(help=about, no_args_is_help=True)
        group.callback()(_group)
        group.command("list")(command)
        app.add_typer(group, name=name)
    app.command()(ledger)


def _group() -> None:
    """A group of one command needs a callback to stay a group."""


def pools(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Each pool with its nodes and what is in use of them."""
    seen = client_of(home).get("pools")
    if as_json:
        print_json(seen)
        return
    print_pools(seen)


def leases(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Who holds how many instances on which pool, under which rung, until when."""
    client = client_of(home)
    seen = client.get("leases")
    if as_json:
        print_json(seen)
        return
    currency = client.get("fleet")["currency"]
    columns = ("SERVICE", "POOL", "RUNG", ">COUNT", "SINCE", "UNTIL", "RECLAIMABLE", ">PRICE AN HOUR")
    print_table(columns, [_lease_row(each, currency) for each in seen], nothing="Nobody holds a lease.")


def _lease_row(lease: dict[str, Any], currency: str) -> list[str]:
    until = clock(lease["until"]) if lease["until"] else "-"
    words = [lease["service"], lease["pool"], lease["rung"], str(lease["count"]), clock(lease["since"]), until]
    return [*words, "yes" if lease["reclaimable"] else "no", money(lease["price_micros_per_hour"], currency)]


def ledger(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Who lent what to whom at what price, and what was rented."""
    seen = client_of(home).get("ledger")
    if as_json:
        print_json(seen)
        return
    columns = ("KIND", "DEBTOR", "CREDITOR", "POOL", "FOR", "SINCE", ">INSTANCE TIME", ">AMOUNT")
    rows = [_ledger_row(each, seen["currency"]) for each in seen["entries"]]
    print_table(columns, rows, nothing="The ledger has no closed entries yet.")
    rent, lend = (money(seen[key], seen["currency"]) for key in ("rent_micros", "lend_micros"))
    typer.echo(f"\nRent so far {rent}; lent among teams {lend}. (As of {now().astimezone():%H:%M:%S}.)")


def _ledger_row(entry: dict[str, Any], currency: str) -> list[str]:
    words = [entry["kind"], entry["debtor"] or "-", entry["creditor"], entry["pool"], entry["subject"]]
    return [*words, clock(entry["since"]), span(entry["instance_seconds"]), money(entry["amount_micros"], currency)]
