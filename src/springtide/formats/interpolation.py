"""Variables in Compose files, with every operator of the Compose Specification.

``$NAME``, ``${NAME}``; ``${NAME:-default}`` and ``-``; ``${NAME:?message}`` and ``?``;
``${NAME:+replacement}`` and ``+``; nested to any sensible depth; ``$$`` for a dollar sign. With a
colon an empty value counts as unset. Source: compose-spec, 12-interpolation.md; where that is
silent, compose-go's behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from springtide.formats.entries import Entry, shortened

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATORS = (":-", "-", ":?", "?", ":+", "+")
_MAX_DEPTH = 32


class Interpolation:
    """Replaces variables, and remembers which were unset and had no default.

    ``unset`` maps each such name to the first entry that uses it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.unset: dict[str, Entry] = {}

    def apply(self, entry: Entry) -> Entry:
        """The entry with the variables of every text in it replaced; keys are left alone.

        Raises the entry's error for a malformed expression and for an unset required variable.
        """
        if entry.is_mapping:
            return entry.with_value({name: self.apply(child) for name, child in entry.mapping().items()})
        if entry.is_sequence:
            return entry.with_value([self.apply(child) for child in entry.sequence()])
        if not isinstance(entry.value, str) or "$" not in entry.value:
            return entry
        unset: set[str] = set()
        try:
            text = interpolate(entry.value, self._environment, unset)
        except ValueError as failure:
            raise entry.error(str(failure), "Write `$$` for a plain dollar sign, or set the variable.") from None
        for name in sorted(unset):
            self.unset.setdefault(name, entry)
        return entry.with_value(text)


def interpolate(text: str, environment: Mapping[str, str], unset: set[str], depth: int = 0) -> str:
    """The text with its variables replaced; names without value or default are added to ``unset``.

    Raises ValueError with a sentence.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"Variables are nested more than {_MAX_DEPTH} deep.")
    parts, position = [], 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        rest = dollar + 1
        if text.startswith("$", rest):
            parts.append("$")
            position = rest + 1
        elif text.startswith("{", rest):
            end = _closing_brace(text, rest)
            parts.append(_substitute(text[rest + 1 : end], environment, unset, depth))
            position = end + 1
        elif name := _NAME.match(text, rest):
            parts.append(_value(name[0], environment, unset))
            position = name.end()
        else:
            parts.append("$")
            position = rest
    return "".join(parts) + text[position:]


def _closing_brace(text: str, opening: int) -> int:
    depth = 0
    for position in range(opening, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    # Compose takes a default with a brace too many, such as `${A:-{}`, to end at the first closing one.
    if (first := text.find("}", opening)) >= 0:
        return first
    raise ValueError(f"The brace of {shortened(repr(text[opening - 1 :]))} is never closed.")


def _substitute(expression: str, environment: Mapping[str, str], unset: set[str], depth: int) -> str:
    match = _NAME.match(expression)
    name = match[0] if match else ""
    rest = expression[len(name) :]
    operator = next((each for each in _OPERATORS if rest.startswith(each)), "")
    if not name or (rest and not operator):
        raise ValueError(f"{shortened(repr('${' + expression + '}'))} isn't a variable in braces.")
    if not operator:
        return _value(name, environment, unset)
    value = environment.get(name)
    is_given = bool(value) if operator.startswith(":") else value is not None
    operand = rest[len(operator) :]
    if operator.endswith("+"):
        return interpolate(operand, environment, unset, depth + 1) if is_given else ""
    if is_given and value is not None:
        return value
    if operator.endswith("-"):
        return interpolate(operand, environment, unset, depth + 1)
    message = interpolate(operand, environment, unset, depth + 1)
    state = "empty" if name in environment else "not set"
    raise ValueError(f"The variable {name} is required and {state}{f': {message}' if message else ''}.")


def _value(name: str, environment: Mapping[str, str], unset: set[str]) -> str:
    if name not in environment:
        unset.add(name)
    return environment.get(name, "")
