"""The scalars of Compose files: what is taken for each, and how Docker Compose prints it."""

from __future__ import annotations

import math
import re
import shlex
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from springtide.formats.compose_shapes import OMITTED, Listing, Shape, Table, Value, replaced
from springtide.formats.durations import canonical_duration
from springtide.formats.entries import Entry, Scalar
from springtide.formats.quantities import parse_bytes, parse_cpus

_TRUTHS = {"true": True, "y": True, "yes": True, "on": True, "false": False, "n": False, "no": False, "off": False}
_OCTAL = re.compile(r"[0-7]{1,12}")
_CUTS = re.compile(r"[;&|<>]")


def scalar_text(entry: Entry) -> str:
    """A scalar as Compose passes it on: ``true``, ``1.5``, ``1e+06``; nothing becomes an empty text."""
    value = entry.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _go_float(value)
    return entry.text_or_number()


def _go_float(value: float) -> str:
    """A float as Go prints it, which is how Compose passes it on: ``1.5``, ``1e+06``, ``1e-05``.

    Source: Go's strconv.FormatFloat with format 'g' and the shortest precision.
    """
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    shortest = Decimal(repr(value)).normalize()
    if not value or -4 <= shortest.adjusted() < 6:
        return f"{shortest:f}"
    mantissa, _, exponent = f"{shortest:e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"


def _truth(entry: Entry) -> bool:
    if isinstance(entry.value, str) and entry.value.lower() in _TRUTHS:
        return _TRUTHS[entry.value.lower()]
    return entry.truth()


def _whole(entry: Entry) -> int:
    if isinstance(entry.value, float) and entry.value.is_integer():
        return int(entry.value)
    return entry.whole_number()


def _decimal(entry: Entry) -> float:
    if isinstance(entry.value, int | float) and not isinstance(entry.value, bool):
        return entry.value
    try:
        number = float(entry.text_or_number())
    except ValueError:
        raise entry.error(f"{entry.described} isn't a number.", "Write one such as 0.5.") from None
    if not math.isfinite(number):
        raise entry.error(f"{entry.described} isn't a finite number.", "Write one such as 0.5.")
    return number


def _single_precision(value: float) -> float:
    """The shortest decimal number that is the same 32-bit float, as Go prints one."""
    narrow = struct.unpack("f", struct.pack("f", value))[0]
    for digits in range(1, 10):
        shortest = float(f"{narrow:.{digits}g}")
        if struct.unpack("f", struct.pack("f", shortest))[0] == narrow:
            return shortest
    return float(narrow)


def _cpus(entry: Entry) -> Scalar:
    entry.parsed(parse_cpus)
    return entry.text_or_number()


def _bytes(entry: Entry) -> int:
    return -1 if entry.value in (-1, "-1") else entry.parsed(parse_bytes)


def _mode(entry: Entry) -> int:
    if isinstance(entry.value, str):
        if not _OCTAL.fullmatch(entry.value):
            raise entry.error(f"{entry.described} isn't a file mode.", 'Write one such as "0440".')
        return int(entry.value, 8)
    return entry.whole_number()


def _device_count(entry: Entry) -> int:
    return -1 if isinstance(entry.value, str) and entry.value.lower() == "all" else entry.whole_number()


def _choice(*choices: str) -> Callable[[Entry], str]:
    def read(entry: Entry) -> str:
        if entry.text() not in choices:
            raise entry.error(f"{entry.described} isn't known here.", f"Known here: {', '.join(choices)}.")
        return entry.text()

    return read


def _parsed_duration(entry: Entry) -> str:
    return entry.parsed(canonical_duration)


TEXT = Value(Entry.text)
EVERY_TEXT = Value(Entry.text, keeps_empty=True)
TEXT_OR_NUMBER = Value(scalar_text)
EVERY_SCALAR = Value(scalar_text, keeps_empty=True)
TRUTH = Value(_truth)
SAID_TRUTH = Value(_truth, keeps_empty=True)
WHOLE = Value(_whole)
SAID_WHOLE = Value(_whole, keeps_empty=True)
DECIMAL = Value(_decimal, lambda value: _single_precision(float(value)))
CPUS = Value(_cpus, lambda value: _single_precision(float(value)) if float(value) else OMITTED)
BYTES = Value(_bytes, str)
EVERY_BYTES = Value(_bytes, str, keeps_empty=True)
DURATION = Value(_parsed_duration, lambda text: OMITTED if text == "0s" else text)
SAID_DURATION = Value(_parsed_duration)
FILE_MODE = Value(_mode, lambda mode: f"0{mode:o}", keeps_empty=True)
MODE_NUMBER = Value(_mode)
DEVICE_COUNT = Value(_device_count)

TEXTS = Listing(TEXT)


def one_of(*choices: str) -> Shape:
    """One of these texts."""
    return Value(_choice(*choices))


def before_equals(entry: Entry) -> str:
    """What tells items of a list apart: the text before an equals sign."""
    return scalar_text(entry).partition("=")[0]


def same_text(entry: Entry) -> str:
    """The item itself."""
    return scalar_text(entry)


UNIQUE_TEXTS = Listing(TEXT, before_equals)
UNIQUE_TEXT_OR_TEXTS = Listing(TEXT, before_equals, single=True)


class _WithoutEmpty(Listing):
    """A list whose empty items are dropped: a variable without a value adds nothing."""

    def long(self, entry: Entry) -> Entry:
        listed = super().long(entry)
        return listed if listed.is_null else listed.with_value([item for item in listed.sequence() if item.value])


DNS = _WithoutEmpty(TEXT, before_equals, single=True)
TEXT_OR_TEXTS = Listing(TEXT, single=True)
NUMBERS_OR_TEXTS = Listing(EVERY_SCALAR, same_text)


def by_equals(entry: Entry) -> Mapping[str, Entry]:
    """What a list of ``NAME`` and ``NAME=value`` stands for; a bare name has no value."""
    named: dict[str, Entry] = {}
    for item in entry.sequence():
        name, separator, value = item.text().partition("=")
        if name and name[-1].isspace():
            raise item.error(f"A space follows the name {name.rstrip()!r}.", "Write NAME=value without spaces.")
        named[name] = item.with_value(value if separator else None)
    return named


def by_name(entry: Entry) -> Mapping[str, Entry]:
    """What a list of names stands for: each with nothing said of it."""
    return {item.text(): item.with_value(None) for item in entry.sequence()}


class _EmptyForNull(Value):
    """A text of which a null means the empty one."""

    def printed(self, entry: Entry | None) -> Any:
        return "" if entry is None or entry.is_null else self.show(entry.value)


NULL_OR_TEXT = EVERY_SCALAR
VARIABLES = Table(NULL_OR_TEXT, by_equals, null_says=True)
"""Names with values; a null is the value from outside."""
LABELS = Table(_EmptyForNull(scalar_text, keeps_empty=True), by_equals, null_says=True)
"""Names with texts; a null is an empty one."""
OPTIONS = Table(_EmptyForNull(scalar_text, keeps_empty=True))
"""Options for somebody else: as labels, but never a list."""


class _Words(Value):
    """A command: a list of words, or a text that is split into them. An empty one is printed, a missing one is null."""

    def long(self, entry: Entry) -> Entry:
        if entry.is_null:
            return entry
        if entry.is_sequence:
            return entry.with_value([item.with_value(item.text_or_number()) for item in entry.sequence()])
        return entry.with_value([entry.with_value(word) for word in _split(entry)])

    def printed(self, entry: Entry | None) -> Any:
        return None if entry is None or entry.is_null else [word.value for word in entry.sequence()]


def _split(entry: Entry) -> list[str]:
    text = entry.text()
    try:
        words = shlex.split(text)
        bare = shlex.shlex(text, posix=False, punctuation_chars=";&|<>")
        bare.whitespace_split, bare.commenters = True, ""
        cut = next((token for token in bare if _CUTS.fullmatch(token[0])), None)
    except ValueError as failure:
        sentence = f"The command can't be split into words: {str(failure).lower()}."
        raise entry.error(sentence, "Close the quote, or write a list.") from None
    if cut is not None:
        sentence = f"No shell reads this command, so {cut!r} does nothing here, and Compose drops what follows it."
        raise entry.error(sentence, "Write `sh -c '…'` around it, or put the sign into quotes.")
    return words


COMMAND = replaced(_Words(Entry.text))


class _Test(Value):
    """The test of a health check: a list that starts with its kind, or a text for the shell."""

    def long(self, entry: Entry) -> Entry:
        if entry.is_null:
            return entry
        if entry.is_sequence:
            return entry.with_value([item.with_value(item.text()) for item in entry.sequence()])
        return entry.with_value([entry.with_value("CMD-SHELL"), entry.with_value(entry.text())])

    def printed(self, entry: Entry | None) -> Any:
        return [word.value for word in entry.sequence()] or OMITTED if entry is not None else OMITTED


TEST = replaced(_Test(Entry.text))
