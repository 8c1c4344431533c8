"""``plan``: what would happen, to what runs or to a fleet and apps from files, as it is or with changes supposed."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from springtide.cli.group import ExitCode
from springtide.cli.names import choose_service
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.state import service_ids
from springtide.cli.tables import money, print_json, print_table
from springtide.model.errors import InputError

if TYPE_CHECKING:
    from springtide.model.record import Record
    from springtide.planning.outlook import Outlook

_DEMAND = re.compile(r"(.+?)=(\d+(?:\.\d+)?)(rps)?")


def add_commands(app: typer.Typer) -> None:
    app.command("plan")(plan)


def plan(
    what_if: Annotated[
        list[str] | None,
        typer.Option("--what-if", "-w", help="A change to suppose: web=x4, node-feed-2, …; once for each, in order."),
    ] = None,
    apps: Annotated[list[Path] | None, typer.Option("--apps", "-f", help="A Compose file; once for each app.")] = None,
    fleet: Annotated[Path | None, typer.Option("--fleet", help="The fleet file; without one, what runs.")] = None,
    demand: Annotated[
        list[str] | None, typer.Option("--demand", help="web=12 instances, or feed/web=300rps; once for each service.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="How long the running fleet's answer may take.")] = "60s",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would happen to what runs, or to a fleet and apps from files, and why; nothing is changed.

    With --what-if: twice, without and with the changes, and the difference.
    """
    if fleet is None:
        if apps or demand:
            raise typer.BadParameter("Files need --fleet. Of what runs, suppose demand: --what-if web=300rps.")
        _compare_running(home, what_if or [], timeout, as_json=as_json)
        return
    if not apps:
        raise typer.BadParameter("A fleet file needs apps: -f compose.yaml.")
    now = datetime.now(UTC)
    record, rates = _with_demand(_record_of(fleet, apps, now), demand or [])
    if what_if:
        _compare_files(record, rates, now, what_if, as_json=as_json)
    else:
        _foresee(record, rates, now, as_json=as_json)


def _compare_running(home: Path | None, texts: Sequence[str], timeout: str, *, as_json: bool) -> None:
    """Ask the control plane, which plays its own present forward."""
    from springtide.cli.comparison import show_comparison
    from springtide.cli.suppositions import read_supposition
    from springtide.formats.durations import parse_seconds

    try:
        seconds = parse_seconds(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    client = client_of(home)
    services = service_ids(client.get("services")) if texts else set()
    changes = [read_supposition(text, services) for text in texts]
    if sys.stderr.isatty():
        typer.echo("Playing what runs forward …", err=True)
    said = client.send("POST", "plan", "what-if", body={"changes": changes, "limit_seconds": seconds})
    show_comparison(said, as_json=as_json)


def _compare_files(
    record: Record, rates: dict[Any, float], now: datetime, texts: Sequence[str], *, as_json: bool
) -> None:
    from pydantic import TypeAdapter

    from springtide.api.requests_plan import WhatIfRequest
    from springtide.api.views_plan import comparison_wire
    from springtide.cli.comparison import show_comparison
    from springtide.cli.suppositions import read_supposition
    from springtide.planning.outlook import simulate_what_if_of_files

    services = [str(id) for id in record.services]
    asked = {"changes": [read_supposition(text, services) for text in texts]}
    suppositions = [each.supposition() for each in TypeAdapter(WhatIfRequest).validate_python(asked).changes]
    comparison = simulate_what_if_of_files(record, rates, now, suppositions)
    show_comparison(comparison_wire(comparison).model_dump(mode="json"), as_json=as_json)


def _foresee(record: Record, rates: dict[Any, float], now: datetime, *, as_json: bool) -> None:
    """One outlook from files; exit code 4 where it didn't come to rest."""
    from springtide.planning.outlook import simulate_outlook

    outlook = simulate_outlook(record, rates, now)
    if as_json:
        print_json(_json_of(outlook, now))
    else:
        _show(outlook, now)
    if outlook.stopped is not None:
        raise typer.Exit(ExitCode.TIMED_OUT)


def _record_of(fleet_file: Path, app_files: Sequence[Path], now: datetime) -> Record:
    """What the record would hold once all apps were deployed; images are named as the files name them."""
    from springtide.formats.app_specs import with_images
    from springtide.formats.compose import load_app
    from springtide.formats.fleet import load_fleet
    from springtide.formats.platforms import on_platform
    from springtide.model.record import FLEET_ID, Change, Commit, Kind, Record

    # As a control plane would on this machine; containers are Linux's.
    fleet = on_platform(load_fleet(fleet_file), "linux", platform.machine())
    changes = [Change(Kind.FLEET, FLEET_ID, fleet)]
    for file in app_files:
        spec = load_app([file], environment=os.environ, project=None, fleet=fleet)
        deployed = with_images(spec, {each.name: each.image for each in spec.images}, now)
        changes.append(Change(Kind.APP, deployed.app.name, deployed.app))
        changes += [Change(Kind.REVISION, each.id, each) for each in deployed.revisions]
        changes += [Change(Kind.SERVICE, each.id, each) for each in deployed.services]
    return Record().after(Commit(1, tuple(changes)))


def _with_demand(record: Record, wishes: Sequence[str]) -> tuple[Record, dict[Any, float]]:
    """The record with fixed counts put in, and the rates of those services that are to be scaled by load."""
    from dataclasses import replace

    from springtide.model.record import Change, Commit, Kind

    rates: dict[Any, float] = {}
    for wish in wishes:
        match = _DEMAND.fullmatch(wish)
        if match is None:
            raise InputError(f"{wish!r} is no demand.", file="--demand", remedy="Write web=12 or feed/web=300rps.")
        id = choose_service(match[1], [str(each) for each in record.services])
        service = next(each for each in record.services.values() if each.id == id)
        if match[3]:
            if service.scale.requests_per_second is None:
                raise InputError(
                    f"{id} isn't scaled by requests.",
                    file="--demand",
                    remedy="Give a count of instances, or set x-springtide.scale.requests_per_second.",
                )
            rates[service.id] = float(match[2])
        else:
            count = int(float(match[2]))
            fixed = replace(service, scale=replace(service.scale, minimum=count, maximum=count))
            record = record.after(Commit(record.version + 1, (Change(Kind.SERVICE, id, fixed),)))
    return record, rates


def _json_of(outlook: Outlook, now: datetime) -> dict[str, Any]:
    return {
        "at_rest": outlook.is_at_rest,
        "seconds": round(outlook.seconds, 1),
        "stopped": None
        if outlook.stopped is None
        else {"code": outlook.stopped.code, "sentence": outlook.stopped.sentence},
        "nodes_peak": outlook.nodes_peak,
        "rent_micros_per_hour": _rent_per_hour(outlook),
        "currency": outlook.record.fleet.currency,
        "services": [
            {
                "id": each.service,
                "wanted": each.wanted,
                "placed": sum(holding.count for holding in each.holdings),
                "missing": each.missing,
                "demand": {"code": each.demand.code, "sentence": each.demand.sentence},
                "holdings": [
                    {"pool": holding.pool, "rung": holding.rung.value, "count": holding.count}
                    for holding in each.holdings
                ],
                "refusals": [
                    {"code": reason.code, "sentence": reason.sentence, "figures": dict(reason.figures)}
                    for reason in each.refusals
                ],
            }
            for each in outlook.explanations.values()
        ],
        "placements": [
            {"instance": each.instance, "service": each.service, "node": each.node, "pool": each.pool}
            for _, each in sorted(outlook.record.placements.items())
        ],
        "rentals": [
            {"node": each.node, "cloud": each.cloud, "shape": each.shape, "team": each.team}
            for _, each in sorted(outlook.record.rentals.items())
        ],
        "events": [
            {
                "second": round((event.at - now).total_seconds(), 1),
                "subject": event.subject,
                "code": event.reason.code,
                "sentence": event.reason.sentence,
                "figures": dict(event.reason.figures),
            }
            for event in outlook.events
        ],
    }


def _rent_per_hour(outlook: Outlook) -> int:
    return sum(each.price_micros_per_hour for each in outlook.record.rentals.values())


def _show(outlook: Outlook, now: datetime) -> None:
    rows = [
        (
            each.service,
            str(each.wanted),
            str(sum(holding.count for holding in each.holdings)),
            ", ".join(f"{holding.count} {holding.rung} on {holding.pool}" for holding in each.holdings),
        )
        for each in outlook.explanations.values()
    ]
    print_table(("SERVICE", ">WANTED", ">PLACED", "WHERE"), rows, nothing="The apps have no services.")
    typer.echo("")
    for event in outlook.events:
        typer.echo(f"{(event.at - now).total_seconds():6.1f} s  {event.subject}: {event.reason.sentence}")
    for each in outlook.explanations.values():
        for reason in each.refusals if each.missing else ():
            typer.echo(f"{each.service}, {each.missing} missing: {reason.sentence}")
    currency = outlook.record.fleet.currency
    rent = money(_rent_per_hour(outlook), currency)
    rest = "not at rest" if outlook.stopped else f"at rest after {outlook.seconds:.1f} s"
    typer.echo(f"\n{len(outlook.record.rentals)} machines rented, {rent} an hour; {rest}.")
    if outlook.stopped is not None:
        typer.echo(outlook.stopped.sentence)
