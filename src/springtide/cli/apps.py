"""``deploy``, ``redeploy``, ``restart`` and ``scale``: what people want to run."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from springtide.cli.awaiting import Standing, wait_until_ready
from springtide.cli.changes import change_lines, without_room
from springtide.cli.client import Client
from springtide.cli.deploying import Deployment
from springtide.cli.names import choose_service
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.state import service_ids
from springtide.cli.tables import print_json
from springtide.model.errors import InputError

_BOUNDS = re.compile(r"(.+)=(\d+)(?:\.\.(\d+))?")
AppArgument = Annotated[str, typer.Argument(help="The app's name.")]
ServicesArgument = Annotated[list[str] | None, typer.Argument(help="Only these of its services.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every service is ready.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


def add_commands(app: typer.Typer) -> None:
    for command in (deploy, redeploy, restart, scale):
        app.command()(command)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command that changes an app: where it tells, how long it waits, and since when it runs."""

    client: Client
    as_json: bool
    wait: bool
    timeout_seconds: float
    begun: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def tell(self, line: str) -> None:
        typer.echo(line, err=self.as_json)

    def await_ready(self, app: str, services: list[str], changes: dict[str, Any]) -> list[Standing]:
        """Nothing where nobody waits."""
        if not self.wait:
            return []
        seconds, hopeless = self.timeout_seconds, without_room(changes)
        return wait_until_ready(
            self.client, app, services, timeout_seconds=seconds, tell=self.tell, without_room=hopeless
        )

    def end(self, app: str, answer: dict[str, Any], standings: list[Standing], urls: dict[str, list[str]]) -> None:
        """Say how it ended: the document, or a sentence and the URLs."""
        if self.as_json:
            print_json({**answer, "ready": [_ready(each) for each in standings], "seconds": round(self.seconds, 3)})
            return
        typer.echo(f"{app} is {'ready' if self.wait else 'deployed'} ({self.seconds:.1f} s).")
        for url in (url for many in urls.values() for url in many):
            typer.echo(f"  {url}/")


def _ready(standing: Standing) -> dict[str, Any]:
    completed = {"completed": standing.completed} if standing.run is not None else {}
    return {"id": standing.service, **{key: asdict(standing)[key] for key in ("ready", "minimum")}, **completed}


def deploy(
    files: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", help="A Compose file; later ones go over earlier ones. Else compose.yaml here."),
    ] = None,
    project: Annotated[str | None, typer.Option("-p", "--project-name", help="The app's name.")] = None,
    env_file: Annotated[Path | None, typer.Option("--env-file", help="Variables for the files.")] = None,
    profiles: Annotated[list[str] | None, typer.Option("--profile", help="A profile to switch on.")] = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 120.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy an app from Compose files: say what changes, change only that, wait until it is ready."""
    run = Run(client_of(home), as_json, wait, timeout, time.monotonic())
    deployment = Deployment(run.client, run.tell)
    spec = deployment.read(files or (), env_file, project, profiles or ())
    if dry_run:
        _show_changes(deployment.changes(*deployment.pin_what_is_there(spec)), as_json=as_json)
        return
    deployed = deployment.pin(spec)
    changes = deployment.changes(deployed, {})
    for line in change_lines(changes):
        run.tell(line)
    answer = {"app": spec.name, "services": list(deployed.app.services), "removed": [], "urls": changes["urls"]}
    if not changes["is_nothing"]:
        answer |= deployment.put(deployed)
    standings = run.await_ready(spec.name, answer["services"], changes)
    run.end(spec.name, {**answer, "changes": changes, "notices": list(spec.notices)}, standings, changes["urls"])


def redeploy(
    app: AppArgument,
    services: ServicesArgument = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 120.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy an app as it was last deployed, with its images looked up anew; what has the same image stays."""
    run = Run(client_of(home), as_json, wait, timeout, time.monotonic())
    body = {"services": services or [], "dry_run": dry_run}
    answer = run.client.send("POST", "apps", app, "redeploy", body=body)
    changes = answer["changes"]
    if dry_run:
        _show_changes(changes, as_json=as_json)
        return
    for line in (*(f"note: {notice}" for notice in answer["notices"]), *change_lines(changes)):
        run.tell(line)
    deployed = answer["deployed"]
    standings = run.await_ready(app, deployed["services"], changes)
    run.end(app, {**deployed, "changes": changes, "notices": answer["notices"]}, standings, deployed["urls"])


def restart(
    app: AppArgument,
    services: ServicesArgument = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = 120.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the instances of an app, or of some of its services, by new ones of the same revision.

    A few at a time, each once its successor is ready. What has a port of the machine or an address of its
    own stops first, and is away for as long as a start takes.
    """
    run = Run(client_of(home), as_json, wait, timeout, time.monotonic())
    answer = run.client.send("POST", "apps", app, "restart", body={"services": services or []})
    standings = (
        wait_until_ready(run.client, app, answer["services"], timeout_seconds=timeout, tell=run.tell) if wait else []
    )
    if as_json:
        print_json({**answer, "ready": [_ready(each) for each in standings], "seconds": round(run.seconds, 3)})
        return
    names = ", ".join(answer["services"]) or app
    typer.echo(f"{names}: {'restarted' if wait else 'restarting'} ({run.seconds:.1f} s).")


def _show_changes(changes: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(changes)
        return
    for line in change_lines(changes):
        typer.echo(line)


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
