"""``logs`` and ``events``: what instances write, and what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any

import typer

from springtide.cli.choosing import choose_instances
from springtide.cli.client import ApiError, Client, NoControlPlaneError
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.tables import clock, print_json
from springtide.model.errors import SpringtideError

FollowOption = Annotated[bool, typer.Option("-f", "--follow", help="Go on as more comes; end with Ctrl-C.")]


def add_commands(app: typer.Typer) -> None:
    app.command()(logs)
    app.command()(events)


def logs(
    name: Annotated[str, typer.Argument(metavar="SERVICE|INSTANCE", help="web, feed/web, or feed-web-3.")],
    tail: Annotated[int, typer.Option("--tail", min=0, help="So many of the last lines of each.")] = 100,
    follow: FollowOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What an instance wrote, or all instances of a service."""
    client = client_of(home)
    chosen = choose_instances(client, name)
    if not chosen:
        typer.echo("No instance of it runs.", err=True)
    prefix = len(chosen) > 1
    lines = _followed(client, chosen, tail) if follow else _written(client, chosen, tail)
    for instance, line in lines:
        if as_json:
            typer.echo(json.dumps({"instance": instance, "line": line}, ensure_ascii=False))
        else:
            typer.echo(f"{instance} | {line}" if prefix else line)


def _written(client: Client, instances: list[str], tail: int) -> Iterator[tuple[str, str]]:
    for instance in instances:
        try:
            text = client.text("instances", instance, "logs", tail=tail)
        except ApiError as error:
            if len(instances) == 1:
                raise
            typer.echo(f"{instance}: {error.sentence}", err=True)  # one that left meanwhile hides no other
            continue
        for line in text.splitlines():
            yield instance, line


def _followed(client: Client, instances: list[str], tail: int) -> Iterator[tuple[str, str]]:
    """Lines of all instances as they come, until each has ended; a failure of one stream is raised."""
    arrived: SimpleQueue[tuple[str, str | SpringtideError | None]] = SimpleQueue()

    def read(instance: str) -> None:
        try:
            for message in client.follow("instances", instance, "logs", "stream", tail=tail):
                if message.event == "line":
                    arrived.put((instance, message.data))
            arrived.put((instance, None))
        except (ApiError, NoControlPlaneError) as error:
            arrived.put((instance, error))

    for instance in instances:
        Thread(target=read, args=(instance,), daemon=True).start()
    left = len(instances)
    while left:
        instance, line = arrived.get()
        if isinstance(line, SpringtideError):
            raise line
        if line is None:
            left -= 1
        else:
            yield instance, line


def events(
    last: Annotated[int, typer.Option("-n", "--last", min=0, max=5000, help="So many of the latest.")] = 20,
    follow: FollowOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was decided and seen, oldest first: every grant, refusal, move and victim in a sentence."""
    client = client_of(home)
    if not follow:
        seen = client.get("events", last=last)
        if as_json:
            print_json(seen)
            return
        for event in seen:
            typer.echo(event_line(event))
        if not seen:
            typer.echo("Nothing has happened yet.", err=True)
        return
    for message in client.follow("events", "stream", last=last):
        if message.event == "event":
            event = json.loads(message.data)
            typer.echo(json.dumps(event, ensure_ascii=False) if as_json else event_line(event))
        else:
            typer.echo(message.data, err=True)


def event_line(event: dict[str, Any]) -> str:
    return f"{clock(event['at'])}  {event['subject']}  {event['sentence']}"
