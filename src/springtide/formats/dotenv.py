"""The ``.env`` file next to a Compose file, as the Compose Specification describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from springtide.formats.interpolation import interpolate
from springtide.model.errors import ComposeFileError

_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "$": "$$"}
_COMMENT = re.compile(r"(?:^|[ \t])#.*")


def parse_dotenv(text: str, file: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a ``.env`` text.

    Values may use variables of ``environment`` (which win) and of earlier lines; a bare name has
    its value from there, or is left out. Raises ComposeFileError with the line.
    """
    return _Reader(text.replace("\r\n", "\n"), file, environment).read()


def parse_raw_env(text: str, file: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a text whose lines are taken as they are: ``NAME=value``, without quotes or variables.

    A bare name has its value from ``environment``, or is left out. Raises ComposeFileError with the line.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        stripped = line.lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, separator, value = stripped.partition("=")
        if not name or any(character.isspace() for character in name):
            sentence = f"{name[:40]!r} can't be a variable's name."
            raise ComposeFileError(sentence, file=file, line=number, remedy="Write NAME=value.")
        if separator:
            variables[name] = value
        elif name in environment:
            variables[name] = environment[name]
    return variables


class _Reader:
    def __init__(self, text: str, file: str, environment: Mapping[str, str]) -> None:
        self._text = text
        self._file = file
        self._environment = environment
        self._position = 0

    def read(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        while self._position < len(self._text):
            start = self._position
            line = self._rest_of_line()
            if not line.strip() or line.lstrip().startswith("#"):
                self._skip_line()
                continue
            self._position += len(line) - len(line.lstrip())
            name, is_bare = self._name(start)
            known = {**variables, **self._environment}
            if not is_bare:
                variables[name] = self._value(known, start)
            elif name in known:
                variables[name] = known[name]
            self._skip_line()
        return variables

    def _name(self, start: int) -> tuple[str, bool]:
        """The name up to its separator, and whether it is bare: then it stands for what is set already."""
        match = _NAME.match(self._text, self._position)
        if match is None:
            raise self._error(start, "This line doesn't start with a variable's name.", "Write NAME=value.")
        self._position = match.end()
        separator = self._text[self._position : self._position + 1]
        if separator in ("=", ":"):
            self._position += 1
            return match[1], False
        if separator in ("\n", ""):
            return match[1], True
        raise self._error(start, f"{separator!r} can't stand in a variable's name.", "Write NAME=value.")

    def _value(self, variables: Mapping[str, str], start: int) -> str:
        line = self._rest_of_line()
        self._position += len(line) - len(line.lstrip(" \t"))
        quote = self._text[self._position : self._position + 1]
        try:
            if quote == "'":
                return self._quoted("'", start).replace("\\'", "'")
            if quote == '"':
                text = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), self._quoted('"', start))
                return interpolate(text, variables, set())
            return interpolate(_COMMENT.sub("", self._rest_of_line()).strip(), variables, set())
        except ValueError as failure:
            raise self._error(start, str(failure), "Use single quotes for plain text.") from None

    def _quoted(self, quote: str, start: int) -> str:
        match = re.compile(rf"{quote}((?:\\.|[^{quote}\\])*){quote}", re.DOTALL).match(self._text, self._position)
        if match is None:
            raise self._error(start, "A quote is never closed.", f"Close it with {quote}.")
        self._position = match.end()
        rest = self._rest_of_line().strip()
        if rest and not rest.startswith("#"):
            raise self._error(start, f"{rest[:40]!r} follows a closing quote.", "Put the quotes around all of it.")
        return match[1]

    def _rest_of_line(self) -> str:
        end = self._text.find("\n", self._position)
        return self._text[self._position : end if end >= 0 else len(self._text)]

    def _skip_line(self) -> None:
        self._position += len(self._rest_of_line()) + 1

    def _error(self, start: int, sentence: str, remedy: str) -> ComposeFileError:
        line = self._text.count("\n", 0, start) + 1
        return ComposeFileError(sentence, file=self._file, line=line, remedy=remedy)
