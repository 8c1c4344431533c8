"""``up`` and ``down``: the control plane as a program on this machine."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from springtide.cli.ending import Progress, end_everything, remove_app
from springtide.cli.homes import Home, Ports, RunningPlane, home_at
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.starting import Start, end_plane
from springtide.cli.tables import print_json
from springtide.model.errors import RefusedError

FleetOption = Annotated[Path | None, typer.Option("--fleet", help="The fleet file. [the last one, else this machine]")]
ApiPort = Annotated[int, typer.Option("--port", min=1, max=65535, help="Where the API and the page listen.")]
IngressPort = Annotated[int, typer.Option("--ingress-port", min=1, max=65535, help="Where traffic comes in.")]


def add_commands(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)


def up(
    home: HomeOption = None,
    fleet: FleetOption = None,
    port: ApiPort = 7070,
    ingress_port: IngressPort = 8080,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and log to the terminal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the control plane in the background; what it runs outlives it."""
    place = home_at(home)
    running = place.running()
    if running is not None:
        _tell_running(place, running, fleet, as_json)
        return
    start = Start(place, Ports(port, ingress_port), fleet)
    if foreground:
        from springtide.cli.serving import serve_home

        start.check_ports()
        start.check_fleet()
        serve_home(place, start.ports, fleet)
        return
    begun = time.monotonic()
    running = start.run()
    seconds = time.monotonic() - begun
    if as_json:
        print_json({**asdict(running), "home": str(place.path), "started": True, "seconds": round(seconds, 3)})
        return
    typer.echo(f"Springtide runs at {running.url} (ready in {seconds:.1f} s).")
    typer.echo(f"Traffic comes in at port {running.ingress_port}; state is in {place.path}.")


def _tell_running(place: Home, running: RunningPlane, fleet: Path | None, as_json: bool) -> None:
    if fleet is not None:
        raise RefusedError(
            f"The control plane on {place.path} runs already (pid {running.pid}), with the fleet it started with.",
            remedy="To change the fleet: springtide down --keep, then springtide up --fleet FILE; nothing stops.",
        )
    if as_json:
        print_json({**asdict(running), "home": str(place.path), "started": False})
    else:
        typer.echo(f"Springtide runs already at {running.url} (pid {running.pid}).")


def down(
    app: Annotated[str | None, typer.Argument(help="Remove this app alone.")] = None,
    home: HomeOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="End the control plane alone; instances keep serving.")] = False,
    volumes: Annotated[
        bool, typer.Option("-v", "--volumes", help="Remove the apps' volumes too, with all that they hold.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait.")] = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Remove every app and end the control plane; with APP, remove just that app."""
    if app is not None and keep:
        raise RefusedError("--keep ends the control plane alone, so it can't go with an app.", remedy="Leave one out.")
    if app is not None:
        remove_app(client_of(home), app, timeout, _progress(as_json), volumes=volumes)
        _done(as_json, f"{app} is gone.", {"removed": [app]})
        return
    place = home_at(home)
    running = place.running()
    if keep or (running is None and not place.may_have_left_something):
        if running is not None:
            end_plane(place, running)
        words = "The control plane has ended; instances and router go on." if running else "No control plane runs"
        _done(as_json, words if running else f"{words} on {place.path}.", {"removed": [], "ended": running is not None})
        return
    removed = end_everything(place, timeout, _progress(as_json), volumes=volumes)
    _done(as_json, "Everything has stopped.", {"removed": removed, "ended": True})


def _progress(as_json: bool) -> Progress:
    return lambda line: typer.echo(line, err=as_json)


def _done(as_json: bool, sentence: str, value: dict[str, object]) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo(sentence)
