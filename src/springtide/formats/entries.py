"""Values of a YAML file that know where they stand, so that every complaint can name file, line and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from springtide.model.errors import InputError

Scalar = str | int | float | bool | None
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Source:
    """A file as people call it, and the kind of error that its mistakes are."""

    file: str
    error: type[InputError]


class Mark(StrEnum):
    """What an entry does to the one that it is merged over: by itself, or by a YAML tag of Compose."""

    MERGE = ""
    RESET = "!reset"
    OVERRIDE = "!override"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with the line (from 1) of its key or list dash, and its dotted key.

    The readers below (:meth:`mapping`, :meth:`text`, …) raise the source's error where the value
    is of another type.
    """

    value: Scalar | Mapping[str, Entry] | Sequence[Entry]
    line: int
    key: str
    source: Source
    mark: Mark = Mark.MERGE

    def error(self, sentence: str, remedy: str = "") -> InputError:
        """The error that names this place; the caller raises it."""
        return self.source.error(sentence, file=self.source.file, line=self.line, key=self.key, remedy=remedy)

    def with_value(self, value: Scalar | Mapping[str, Entry] | Sequence[Entry]) -> Entry:
        return replace(self, value=value)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, Mapping)

    @property
    def is_sequence(self) -> bool:
        return isinstance(self.value, Sequence) and not isinstance(self.value, str)

    @property
    def is_null(self) -> bool:
        return self.value is None

    def get(self, name: str) -> Entry | None:
        """The entry under this key of a mapping; ``None`` where it is missing, null, or this is no mapping."""
        found = self.value.get(name) if isinstance(self.value, Mapping) else None
        return None if found is None or found.is_null else found

    def mapping(self) -> Mapping[str, Entry]:
        """The entries by key; a null counts as an empty mapping."""
        if self.value is None:
            return {}
        if isinstance(self.value, Mapping):
            return self.value
        raise self._unlike("a mapping (`key: value` lines)")

    def sequence(self) -> Sequence[Entry]:
        """The entries of a list; a null counts as an empty list."""
        if self.value is None:
            return ()
        if isinstance(self.value, Sequence) and not isinstance(self.value, str):
            return self.value
        raise self._unlike("a list")

    def text(self) -> str:
        """A string."""
        if isinstance(self.value, str):
            return self.value
        raise self._unlike("text", "Put it in quotes." if self._is_scalar else "")

    def text_or_number(self) -> str:
        """A string, or a whole or decimal number as it would be written."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return str(self.value)
        raise self._unlike("text or a number")

    def whole_number(self) -> int:
        """An integer, also one given as text, which is how interpolated values arrive."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return self.value
        if isinstance(self.value, str) and _looks_like_a_whole_number(self.value):
            return int(self.value)
        raise self._unlike("a whole number")

    def truth(self) -> bool:
        """A boolean, also one given as text."""
        if isinstance(self.value, bool):
            return self.value
        if isinstance(self.value, str) and self.value.lower() in ("true", "false"):
            return self.value.lower() == "true"
        raise self._unlike("true or false")

    def parsed(self, parse: Callable[[str | int | float], Read]) -> Read:
        """What ``parse`` makes of a text or number; its ValueError becomes this entry's error."""
        if not isinstance(self.value, str | int | float) or isinstance(self.value, bool):
            raise self._unlike("text or a number")
        try:
            return parse(self.value)
        except ValueError as failure:
            raise self.error(str(failure)) from None

    def plain(self) -> Any:
        """The same value without places: what a schema checks."""
        if isinstance(self.value, Mapping):
            return {name: entry.plain() for name, entry in self.value.items()}
        if self.is_sequence:
            return [entry.plain() for entry in self.sequence()]
        return self.value

    @property
    def described(self) -> str:
        """The value in a few words for an error: ``'80a'``, ``3``, ``a list``."""
        if self.is_mapping:
            return "a mapping"
        if self.is_sequence:
            return "a list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return shortened(repr(self.value))

    @property
    def _is_scalar(self) -> bool:
        return not self.is_mapping and not self.is_sequence

    def _unlike(self, wanted: str, remedy: str = "") -> InputError:
        return self.error(f"This must be {wanted}, not {self.described}.", remedy)


def _looks_like_a_whole_number(text: str) -> bool:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def shortened(text: str, length: int = 80) -> str:
    """The text, cut with an ellipsis where it is longer than ``length``."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy: the nearest known name if one is near, else all of them."""
    choices = sorted(known)
    return near_name(name, choices) or (f"Known here: {', '.join(choices)}." if choices else "")


def near_name(name: str, known: Iterable[str]) -> str:
    """A remedy: the nearest known name, nothing where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else ""
