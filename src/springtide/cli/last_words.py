"""The last lines that an instance wrote, as evidence of what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from springtide.cli.client import ApiError, Client

LOG_LINES = 8


def last_words(client: Client, instance: str) -> tuple[str, ...]:
    """The lines under a heading; nothing where it wrote nothing; a sentence where its log can't be read."""
    try:
        lines = client.text("instances", instance, "logs", tail=LOG_LINES).splitlines()
    except ApiError as error:
        return (f"The log of {instance} can't be read: {error.sentence}",)
    return quoted(instance, lines) if lines else ()


def quoted(instance: str, lines: Sequence[str]) -> tuple[str, ...]:
    """What an instance wrote, under a heading."""
    return (f"The last lines that {instance} wrote:", *(f"  {line}" for line in lines))
