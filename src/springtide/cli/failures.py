"""What a deployment that fails shows: the cause, the last probe or exit, the last log lines, the next step."""

from __future__ import annotations

from typing import Any

from springtide.cli.client import ApiError, Client
from springtide.cli.group import CommandError, ExitCode
from springtide.cli.last_words import LOG_LINES, last_words, quoted
from springtide.cli.why import why_lines


def timeout_failure(client: Client, service: str, waited: str) -> CommandError:
    """The service didn't get its minimum ready in time; it goes on trying."""
    why = _why(client, service)
    return CommandError(
        f"{service} isn't ready after {waited}: {why['sentence']}",
        remedy=f"It goes on trying. See: springtide why {service}; wait longer with --timeout.",
        code="timeout",
        evidence=(*why_lines(why)[1:], *_last_words(client, why)),
        exit_code=ExitCode.TIMED_OUT,
    )


def crash_failure(client: Client, service: str) -> CommandError:
    """Instances of the service end, or never get ready, again and again."""
    why = _why(client, service)
    crashes = why["crashes"] or {"count": "several", "detail": "it has recovered meanwhile"}
    return CommandError(
        f"{service} doesn't stay up: {crashes['count']} instances in a row failed, the last so: {crashes['detail']}",
        remedy=f"Correct it and deploy again, or remove it: springtide down {service.partition('/')[0]}",
        code="crashes",
        evidence=(*_what_serves(why), *_last_words(client, why)),
    )


def no_room_failure(client: Client, service: str) -> CommandError:
    """The service fits nowhere, as was foretold."""
    why = _why(client, service)
    return CommandError(
        f"{service} has no place for {why['missing']} of the {why['wanted']} instances that it wants.",
        remedy="It is placed once there is room. Ask for less, or see: springtide plan --what-if",
        code="no-room",
        evidence=(*_what_serves(why), *(each["sentence"] for each in why["refusals"])),
    )


def run_failure(client: Client, service: str, run: dict[str, Any]) -> CommandError:
    """A service that runs to its end has failed for good, and nobody who waits for it can start."""
    failure, why = run["last_failure"], _why(client, service)
    times = f" after {run['failures']} failures in a row" if run["failures"] > 1 else ""
    return CommandError(
        f"{service} has failed for good{times}: {failure['sentence']}.",
        remedy="Correct it and deploy again: that tries it again.",
        code="failed",
        evidence=(*_what_serves(why), *last_words(client, failure["instance"])),
    )


def _why(client: Client, service: str) -> dict[str, Any]:
    app, _, name = service.partition("/")
    why: dict[str, Any] = client.get("why", app, name)
    return why


def _what_serves(why: dict[str, Any]) -> tuple[str, ...]:
    serving = why["rollout"]["serving_outdated"]
    if not serving:
        return ()
    return (f"{serving} {'instance' if serving == 1 else 'instances'} of what ran before serve on.",)


def _last_words(client: Client, why: dict[str, Any]) -> tuple[str, ...]:
    """The last log lines of the instance that isn't ready, else of the last one that failed."""
    revision = why["rollout"]["revision"]
    for instance in [*why["not_ready"], *why["leaving"]]:
        if instance["revision"] != revision:
            continue
        try:
            lines = client.text("instances", instance["id"], "logs", tail=LOG_LINES).splitlines()
        except ApiError as error:
            if why["last_words"] is None:
                return (f"The log of {instance['id']} can't be read: {error.sentence}",)
            break
        if lines:
            return quoted(instance["id"], lines)
    words = why["last_words"]
    return quoted(words["instance"], words["lines"][-LOG_LINES:]) if words is not None else ()
