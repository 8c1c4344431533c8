"""What a what-if prints: the verdict, each service before and after, who must leave, money and rest."""

from __future__ import annotations

from typing import Any

import typer

from springtide.cli.group import ExitCode
from springtide.cli.tables import money, print_json, print_table
from springtide.planning.evictions import IN_WORDS

MOST_DEPARTURES = 20


def show_comparison(said: dict[str, Any], *, as_json: bool) -> None:
    """Print it; exit code 4 where a side didn't come to rest, so that the answer is inconclusive."""
    if as_json:
        print_json(said)
    else:
        _show(said)
    if not (said["before"]["at_rest"] and said["after"]["at_rest"]):
        raise typer.Exit(ExitCode.TIMED_OUT)


def _show(said: dict[str, Any]) -> None:
    supposed = "; ".join(said["supposed"]) or "nothing is changed"
    typer.echo(f"What if {supposed}?\n{_verdict(said)}\n")
    columns = ("SERVICE", ">WANTED", ">READY", ">MISSING", "WHERE", "WHERE THEN", ">SHORT FOR")
    print_table(columns, [_row(each) for each in said["services"]], nothing="The fleet has no services.")
    for line in (*_missing(said), *_departures(said)):
        typer.echo(line)
    typer.echo("")
    print_table(("", ">AS IT IS", ">THEN"), _sides(said), nothing="")


def _verdict(said: dict[str, Any]) -> str:
    for side, name in (("before", "As it is"), ("after", "With the change")):
        if said[side]["stopped"]:
            return f"Nobody can say. {name}: {said[side]['stopped']['sentence']}"
    when = "while the spike lasts" if said["is_at_height"] else "once it is at rest"
    if said["holds"]:
        return f"It holds: every service has what it wants {when}."
    have = "has less than it wants" if len(said["short"]) == 1 else "have less than they want"
    return f"It doesn't hold: {', '.join(said['short'])} {have} {when}."


def _row(service: dict[str, Any]) -> list[str]:
    before, after = service["before"], service["after"]
    counts = [_then(before, after, key) for key in ("wanted", "ready", "missing")]
    short = f"{after['short_seconds']:.0f} s" if after else "-"
    return [service["id"], *counts, _where(before), _where(after), short]


def _then(before: dict[str, Any] | None, after: dict[str, Any] | None, key: str) -> str:
    first, second = (str(side[key]) if side else "-" for side in (before, after))
    return first if first == second else f"{first} → {second}"


def _where(side: dict[str, Any] | None) -> str:
    return ", ".join(f"{count} {rung}" for rung, count in side["rungs"].items() if count) or "-" if side else "-"


def _missing(said: dict[str, Any]) -> list[str]:
    lines = []
    for service in said["services"]:
        after = service["after"]
        if after and (after["missing"] or after["waiting"]):
            lines.append(f"\n{service['id']}, {after['missing']} missing: {after['demand']['sentence']}")
            lines += [f"  {refusal['sentence']}" for refusal in after["refusals"]]
    return lines


def _departures(said: dict[str, Any]) -> list[str]:
    """Those that leave because of what is supposed; they would stay otherwise, or go by another rule."""
    otherwise = {(each["instance"], each["rule"]) for each in said["before"]["departures"]}
    leaving = [each for each in said["after"]["departures"] if (each["instance"], each["rule"]) not in otherwise]
    lines = [f"\n{len(leaving)} instances would have to leave:"] if leaving else []
    for each in leaving[:MOST_DEPARTURES]:
        whom = f" (for {each['beneficiary']})" if each["beneficiary"] else ""
        rule = IN_WORDS.get(each["rule"], each["rule"])
        lines.append(f"  {each['seconds']:6.1f} s  {each['instance']} leaves {each['node']}: {rule}{whom}")
    if len(leaving) > MOST_DEPARTURES:
        lines.append(f"  and {len(leaving) - MOST_DEPARTURES} more; --json has them all")
    return lines


def _sides(said: dict[str, Any]) -> list[list[str]]:
    sides, currency = (said["before"], said["after"]), said["currency"]
    now = "while the spike lasts" if said["is_at_height"] else "at rest"
    rows = [
        [f"nodes rented {now}", *(str(side["rented_nodes"]) for side in sides)],
        [f"rent an hour {now}", *(money(side["rent_micros_per_hour"], currency) for side in sides)],
        ["nodes rented at the peak", *(str(side["nodes_peak"]) for side in sides)],
        ["rent an hour at the peak", *(money(side["rent_peak_micros_per_hour"], currency) for side in sides)],
    ]
    if said["is_at_height"]:
        rows.append(["rent an hour in the end", *(money(s["rent_micros_per_hour_at_end"], currency) for s in sides)])
    return [*rows, ["at rest after", *(_rest(side) for side in sides)]]


def _rest(side: dict[str, Any]) -> str:
    return f"{side['rest_seconds']:.1f} s" if side["at_rest"] else "not at rest"
