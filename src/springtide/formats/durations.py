"""Durations as people write them: ``30s``, ``1m30s``, ``500ms``; in the fleet file also plain seconds."""

from __future__ import annotations

import re
from fractions import Fraction

_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
    "w": Fraction(604800),
}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_LONGEST_TERM_SECONDS = 366 * 86400
_WANTED = "a duration such as 30s, 1m30s or 500ms"


def parse_duration(value: str | int | float) -> float:
    """Seconds of a duration with units, of which several may follow one another.

    Units: ns, us, ms, s, m, h, d, w. Raises ValueError with a sentence; a plain number is
    refused, because the Compose Specification knows none.
    """
    text = str(value)
    if text == "0":
        return 0.0
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} isn't {_WANTED}.")
    return float(sum(Fraction(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text)))


def parse_seconds(value: str | int | float) -> float:
    """Like :func:`parse_duration`, and a plain number is seconds. Raises ValueError with a sentence."""
    text = str(value)
    return float(text) if _PLAIN.fullmatch(text) else parse_duration(value)


def parse_term(value: str | int | float) -> float:
    """Like :func:`parse_seconds`, of at most 366 days: more is a slip, and the calendar ends somewhere."""
    seconds = parse_seconds(value)
    if seconds > _LONGEST_TERM_SECONDS:
        raise ValueError(f"{str(value)[:80]!r} is {seconds / 86400:.0f} days; at most 366 can be reckoned with.")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that :func:`parse_duration` reads back, to the microsecond: ``1m30s``, ``500ms``."""
    micros = round(seconds * 1_000_000)
    parts = []
    for unit, size in (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1)):
        amount, micros = divmod(micros, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
