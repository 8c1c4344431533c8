"""Reasons and events: every grant, refusal, move and victim says why, in a sentence with figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

Figure = int | float | str


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code for programs, a sentence for people, and the figures that both rest on."""

    code: str
    sentence: str
    figures: tuple[tuple[str, Figure], ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure of this name. Raises KeyError where there is none."""
        for key, value in self.figures:
            if key == name:
                return value
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was decided or seen, kept for people. ``subject`` is a service, node or pool."""

    at: datetime
    subject: str
    reason: Reason
