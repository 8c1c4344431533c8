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


def canonical_duration(value: str | int | float) -> str:
    """A duration the way that Go prints it: ``1h30m0s``, ``1.5s``, ``500ms``, ``0s``.

    Raises ValueError with a sentence. Source: Go's time.Duration.String.
    """
    nanos = int(_seconds(str(value)) * 10**9)
    if nanos < 10**9:
        unit, size = ("ms", 10**6) if nanos >= 10**6 else ("µs", 1000) if nanos >= 1000 else ("ns", 1)
        return f"{_decimal(nanos, size)}{unit}" if nanos else "0s"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes_left = divmod(minutes, 60)
    ahead = f"{hours}h{minutes_left}m" if hours else f"{minutes}m" if minutes else ""
    return f"{ahead}{_decimal(rest, 10**9)}s"


def _decimal(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    digits = f"{rest:0{len(str(size)) - 1}}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def parse_duration(value: str | int | float) -> float:
    """Seconds of a duration with units, of which several may follow one another.

    Units: ns, us, ms, s, m, h, d, w. Raises ValueError with a sentence; a plain number is
    refused, because the Compose Specification knows none.
    """
    return float(_seconds(str(value)))


def _seconds(text: str) -> Fraction:
    if text == "0":
        return Fraction(0)
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} isn't {_WANTED}.")
    return sum((Fraction(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text)), Fraction(0))


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
