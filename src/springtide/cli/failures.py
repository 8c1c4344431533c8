"""What a deployment that fails shows: the cause, the last probe or exit, the last log lines, the next step."""

from __future__ import annotations

from typing import Any

from springtide.cli.client import ApiError, Client
from springtide.cli.group import CommandError, ExitCode
from springtide.cli.why import why_lines

LOG_LINES = 8


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


def _last_words(client: Client, why: dict[str, Any]) -> tuple[str, ...]:
    """The last log lines of the instance that isn't ready."""
    for instance in [*why["not_ready"], *why["leaving"]]:
        try:
            own = next((each for each in instance["containers"] if f"{each}: " in instance["detail"]), "")
            lines = client.text("instances", instance["id"], "logs", tail=LOG_LINES, container=own).splitlines()
        except ApiError as error:
            return (f"The log of {instance['id']} can't be read: {error.sentence}",)
        if lines:
            return (f"The last lines that {instance['id']} wrote:", *(f"  {line}" for line in lines))
    return ()
