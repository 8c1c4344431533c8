"""Services and teams as people write them: ``web`` where that is clear, ``feed/web`` always."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from springtide.model.errors import RefusedError, UnknownNameError


def choose_service(text: str, known: Collection[str]) -> str:
    """The id that is meant. Raises UnknownNameError with what comes near, RefusedError where several fit."""
    if text in known:
        return text
    fitting = sorted(each for each in known if each.rpartition("/")[2] == text)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise RefusedError(f"{text!r} may be {_either(fitting)}.", remedy="Write it in full.", code="ambiguous")
    near = difflib.get_close_matches(text, [*known, *(each.rpartition("/")[2] for each in known)], n=3, cutoff=0.5)
    raise UnknownNameError(f"There is no service {text!r}.", remedy=_remedy(near, sorted(known)))


def choose_team(text: str, known: Collection[str]) -> str:
    """The team that is meant. Raises UnknownNameError with what comes near."""
    if text in known:
        return text
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5)
    remedy = _remedy(near, sorted(known)) if known else "The fleet file names no teams."
    raise UnknownNameError(f"There is no team {text!r}.", remedy=remedy)


def _remedy(near: list[str], known: list[str]) -> str:
    if near:
        return f"Did you mean {_either(near)}?"
    return f"There is {', '.join(known[:10])}." if known else "Nothing is deployed yet: springtide deploy -f FILE"


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
