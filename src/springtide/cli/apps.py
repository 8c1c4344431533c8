"""``deploy`` and ``scale``: what people want to run."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from springtide.cli.deploying import Deployment, Standing
from springtide.cli.names import choose_service
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.state import service_ids
from springtide.cli.tables import print_json
from springtide.model.errors import InputError

_BOUNDS = re.compile(r"(.+)=(\d+)(?:\.\.(\d+))?")


def add_commands(app: typer.Typer) -> None:
    app.command()(deploy)
    app.command()(scale)


def deploy(
    files: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", help="A Compose file; later ones go over earlier ones. Else compose.yaml here."),
    ] = None,
    project: Annotated[str | None, typer.Option("-p", "--project-name", help="The app's name.")] = None,
    env_file: Annotated[Path | None, typer.Option("--env-file", help="Variables for the files.")] = None,
    profiles: Annotated[list[str] | None, typer.Option("--profile", help="A profile to switch on.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every service is ready.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait.")] = 120.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy an app from Compose files, and wait until it is ready."""
    begun = time.monotonic()
    deployment = Deployment(client_of(home), lambda line: typer.echo(line, err=as_json))
    spec = deployment.read(files or (), env_file, project, profiles or ())
    deployed = deployment.pin(spec)
    answer = deployment.put(deployed)
    standings = deployment.wait(deployed, timeout) if wait else []
    if as_json:
        print_json(_summary(answer, standings, spec.notices, time.monotonic() - begun))
        return
    typer.echo(f"{spec.name} is {'ready' if wait else 'deployed'} ({time.monotonic() - begun:.1f} s).")
    for urls in answer["urls"].values():
        for url in urls:
            typer.echo(f"  {url}/")


def _summary(
    answer: dict[str, Any], standings: list[Standing], notices: tuple[str, ...], seconds: float
) -> dict[str, Any]:
    ready = [
        {"id": each.service, "ready": each.ready, "minimum": each.minimum}
        | ({} if each.run is None else {"completed": each.completed})
        for each in standings
    ]
    return {**answer, "ready": ready, "notices": list(notices), "seconds": round(seconds, 3)}


def scale(
    wishes: Annotated[list[str], typer.Argument(metavar="SERVICE=N...", help="web=5, feed/web=3, or web=2..8.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fix the count of services, or set the range in which load moves it."""
    bounds = [_read_bounds(wish) for wish in wishes]
    client = client_of(home)
    known = service_ids(client.get("services"))
    chosen = [(choose_service(service, known), body) for service, body in bounds]
    scaled = []
    for id, body in chosen:
        app, _, name = id.partition("/")
        scaled.append(client.send("POST", "apps", app, "services", name, "scale", body=body))
    if as_json:
        print_json(scaled)
        return
    for each in scaled:
        least, most = each["minimum"], each["maximum"]
        typer.echo(f"{each['service']}: {f'{least} instances' if least == most else f'{least} to {most} instances'}")


def _read_bounds(wish: str) -> tuple[str, dict[str, int]]:
    match = _BOUNDS.fullmatch(wish)
    if match is None:
        raise InputError(f"{wish!r} isn't a count.", file="scale", remedy="Write web=5, or web=2..8 for a range.")
    service, first, last = match.groups()
    if last is None:
        return service, {"count": int(first)}
    return service, {"minimum": int(first), "maximum": int(last)}
