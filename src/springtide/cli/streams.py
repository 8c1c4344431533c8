"""``logs`` and ``events``: what instances write, and what was decided."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any

import typer

from springtide.cli.choosing import choose_containers
from springtide.cli.client import ApiError, Client, NoControlPlaneError
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.tables import clock, print_json
from springtide.model.errors import SpringtideError

Source = tuple[str, str]
"""An instance and one of its containers."""

FollowOption = Annotated[bool, typer.Option("-f", "--follow", help="Go on as more comes; end with Ctrl-C.")]


def add_commands(app: typer.Typer) -> None:
    app.command()(logs)
    app.command()(events)


def logs(
    name: Annotated[str, typer.Argument(metavar="SERVICE|INSTANCE", help="web, feed/web, or feed-web-3.")],
    tail: Annotated[int, typer.Option("--tail", min=0, help="So many of the last lines of each.")] = 100,
    follow: FollowOption = False,
    container: Annotated[str, typer.Option("--container", help="Only this one, where the instance is a pod.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What an instance wrote, or all instances of a service; of a pod, what each of its containers wrote."""
    client = client_of(home)
    chosen = choose_containers(client, name, container)
    if not chosen:
        typer.echo("No instance of it runs.", err=True)
    labels = _labels(chosen)
    lines = _followed(client, chosen, tail) if follow else _written(client, chosen, tail)
    for source, line in lines:
        if as_json:
            instance, own = source
            typer.echo(json.dumps({"instance": instance, "container": own, "line": line}, ensure_ascii=False))
        else:
            typer.echo(f"{labels[source]} | {line}" if len(chosen) > 1 else line)


def _labels(sources: Sequence[Source]) -> dict[Source, str]:
    """Who writes: the instance, and of a pod which container."""
    counts = Counter(instance for instance, _ in sources)
    return {each: each[0] if counts[each[0]] == 1 else f"{each[0]}/{each[1]}" for each in sources}


def _written(client: Client, sources: Sequence[Source], tail: int) -> Iterator[tuple[Source, str]]:
    for source in sources:
        instance, container = source
        try:
            text = client.text("instances", instance, "logs", tail=tail, container=container)
        except ApiError as error:
            if len(sources) == 1:
                raise
            typer.echo(f"{instance}: {error.sentence}", err=True)  # one that left meanwhile hides no other
            continue
        for line in text.splitlines():
            yield source, line


def _followed(client: Client, sources: Sequence[Source], tail: int) -> Iterator[tuple[Source, str]]:
    """Lines of all containers as they come, until each has ended; a failure of one stream is raised."""
    arrived: SimpleQueue[tuple[Source, str | SpringtideError | None]] = SimpleQueue()

    def read(source: Source) -> None:
        instance, container = source
        try:
            for message in client.follow("instances", instance, "logs", "stream", tail=tail, container=container):
                if message.event == "line":
                    arrived.put((source, message.data))
            arrived.put((source, None))
        except (ApiError, NoControlPlaneError) as error:
            arrived.put((source, error))

    for source in sources:
        Thread(target=read, args=(source,), daemon=True).start()
    left = len(sources)
    while left:
        source, line = arrived.get()
        if isinstance(line, SpringtideError):
            raise line
        if line is None:
            left -= 1
        else:
            yield source, line


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
