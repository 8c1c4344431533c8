"""Amounts as people write them, read exactly: bytes, cpus, rates, money.

Every parser takes what YAML made of the text (a string or a number) and raises ValueError with
a sentence that says what was wanted.
"""

from __future__ import annotations

import re
from decimal import Decimal

from springtide.model.fleet import MICROS

Written = str | int | float

_BYTES = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([kmgtp]?)(i?b)?", re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?)(?:bps|bit/s|b/s)", re.IGNORECASE)
_PER_HOUR = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?) ?/ ?(h|hour)")
_PERCENT_PER_HOUR = re.compile(r"([0-9]{1,6}) ?%?(?: ?/ ?(?:h|hour))?")
_PERCENT = re.compile(r"([0-9]{1,6}) ?%?")

_BINARY_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DECIMAL_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_bytes(value: Written) -> int:
    """Bytes of ``32M``, ``64MiB``, ``1.5g`` or a plain count.

    Units are powers of 1024 with or without the ``i``, as Compose reads them. Fractions of a
    byte are cut off.
    """
    match = _BYTES.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{_shown(value)} isn't an amount of memory such as 64M, 1.5GiB or a number of bytes.")
    return int(Decimal(match[1]) * 1024 ** _BINARY_POWER[match[2].lower()])


def parse_cpus(value: Written) -> int:
    """Thousandths of a processor of ``0.05`` or ``"2"``."""
    millis = _decimal(value, "a number of processors such as 0.5 or 2") * 1000
    if millis != millis.to_integral_value():
        raise ValueError(f"{_shown(value)} is finer than a thousandth of a processor.")
    return int(millis)


def parse_rate(value: Written) -> int:
    """Bits per second of ``2Mbps``, ``500 kbit/s`` or a plain number; units are powers of 1000."""
    text = str(value)
    if _DECIMAL.fullmatch(text):
        return int(Decimal(text))
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(value)} isn't a rate such as 2Mbps or 500kbps.")
    return int(Decimal(match[1]) * 1000 ** _DECIMAL_POWER[match[2].lower()])


def parse_price(value: Written) -> int:
    """Millionths of the currency per hour of ``0.36/h`` or a plain number, which is per hour."""
    match = _PER_HOUR.fullmatch(str(value))
    return _micros(match[1] if match else value, "a price per hour such as 0.36/h")


def parse_money(value: Written) -> int:
    """Millionths of the currency of ``2.50``."""
    return _micros(value, "an amount of money such as 2.50")


def parse_percent(value: Written) -> int:
    """A whole number of percent of ``25%`` or ``25``."""
    match = _PERCENT.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{_shown(value)} isn't a whole percentage such as 25%.")
    return int(match[1])


def parse_percent_per_hour(value: Written) -> int:
    """A whole number of percent of ``5%/h``, ``5%`` or ``5``."""
    match = _PERCENT_PER_HOUR.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{_shown(value)} isn't a whole percentage per hour such as 5%/h.")
    return int(match[1])


def format_bytes(count: int) -> str:
    """The shortest text that :func:`parse_bytes` reads back exactly: ``64M``, ``1536K``, ``1000``."""
    power = max((p for p in range(6) if count and count % 1024**p == 0), default=0)
    return f"{count // 1024**power}{' KMGTP'[power].strip()}"


def format_cpus(millis: int) -> str:
    """The text that :func:`parse_cpus` reads back exactly: ``0.05``."""
    return _trimmed(Decimal(millis) / 1000)


def format_rate(bits_per_second: int) -> str:
    """The shortest text that :func:`parse_rate` reads back exactly: ``10Gbps``, ``1500kbps``."""
    power = max((p for p in range(5) if bits_per_second and bits_per_second % 1000**p == 0), default=0)
    return f"{bits_per_second // 1000**power}{' kMGT'[power].strip()}bps"


def format_money(micros: int) -> str:
    """The text that :func:`parse_money` reads back exactly: ``0.36``."""
    return _trimmed(Decimal(micros) / MICROS)


def _micros(value: Written, wanted: str) -> int:
    micros = _decimal(value, wanted) * MICROS
    if micros != micros.to_integral_value():
        raise ValueError(f"{_shown(value)} is finer than a millionth of the currency.")
    return int(micros)


def _decimal(value: Written, wanted: str) -> Decimal:
    text = f"{value:.12f}".rstrip("0").rstrip(".") if isinstance(value, float) and 0 < value < 1e-4 else str(value)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{_shown(value)} isn't {wanted}.")
    return Decimal(text)


def _trimmed(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shown(value: Written) -> str:
    return repr(value) if len(str(value)) <= 40 else f"{str(value)[:40]!r}…"
