"""What a deployment that fails shows: the cause, the last probe or exit, the last log lines, the next step."""

from __future__ import annotations

from typing import Any

from springtide.cli.client import Client
from springtide.cli.group import CommandError, ExitCode
from springtide.cli.last_words import last_words
from springtide.cli.why import why_lines


def timeout_failure(client: Client, service: str, waited: str) -> CommandError:
    """The service didn't get its minimum ready in time; it goes on trying."""
    app, _, name = service.partition("/")
    why = client.get("why", app, name)
    return CommandError(
        f"{service} isn't ready after {waited}: {why['sentence']}",
        remedy=f"It goes on trying. See: springtide why {service}; wait longer with --timeout.",
        code="timeout",
        evidence=(*why_lines(why)[1:], *_last_words(client, why)),
        exit_code=ExitCode.TIMED_OUT,
    )


def crash_failure(client: Client, service: str, why: dict[str, Any]) -> CommandError:
    """Instances of the service end again and again."""
    crashes = why["crashes"]
    return CommandError(
        f"{service} doesn't stay up: {crashes['count']} instances in a row ended, the last with {crashes['detail']}.",
        remedy=f"Correct it and deploy again, or remove it: springtide down {service.partition('/')[0]}",
        code="crashes",
        evidence=_last_words(client, why),
    )


def run_failure(client: Client, service: str, run: dict[str, Any]) -> CommandError:
    """A service that runs to its end has failed for good, and nobody who waits for it can start."""
    failure = run["last_failure"]
    times = f" after {run['failures']} failures in a row" if run["failures"] > 1 else ""
    return CommandError(
        f"{service} has failed for good{times}: {failure['sentence']}.",
        remedy="Correct it and deploy again, which tries it again.",
        code="failed",
        evidence=last_words(client, failure["instance"]),
    )


def _last_words(client: Client, why: dict[str, Any]) -> tuple[str, ...]:
    """The last log lines of the instance that isn't ready."""
    for instance in [*why["not_ready"], *why["leaving"]]:
        own = next((each for each in instance["containers"] if f"{each}: " in instance["detail"]), "")
        if words := last_words(client, instance["id"], own):
            return words
    return ()
