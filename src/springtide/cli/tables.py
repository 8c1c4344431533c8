"""What commands print: tables for people, JSON for programs, plain lines for progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

WIDE = 10_000
"""Columns of a table that isn't looked at on a terminal: nothing is cut off in a pipe."""
MICROS = 1_000_000


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str) -> None:
    """Print rows under headings; a heading that begins with ``>`` is aligned right. ``nothing`` where none are."""
    kept = [[str(cell) for cell in row] for row in rows]
    if not kept:
        typer.echo(nothing)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    for row in kept:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)


def amount(kind: str, value: int) -> str:
    """``200m``, ``256 MiB``, ``512``."""
    if kind == "cpu_millis":
        return f"{value}m"
    if kind == "memory_bytes":
        return f"{value / 2**20:.0f} MiB"
    return str(value)


def amounts(many: dict[str, int]) -> str:
    """``200m cpu, 256 MiB memory``; ``nothing`` where there is none."""
    return ", ".join(f"{amount(kind, value)} {kind_name(kind)}" for kind, value in many.items()) or "nothing"


def kind_name(kind: str) -> str:
    """``cpu``, ``memory``, ``gpu``."""
    return {"cpu_millis": "cpu", "memory_bytes": "memory"}.get(kind, kind)


def percent(part: float) -> str:
    return f"{part * 100:.0f}%"


def use_of(used: dict[str, int], allocatable: dict[str, int], kind: str) -> str:
    """``150m of 200m``."""
    return f"{amount(kind, used.get(kind, 0))} of {amount(kind, allocatable.get(kind, 0))}"


def money(micros: int, currency: str) -> str:
    return f"{micros / MICROS:.4f} {currency}"


def age(since: str | None, now: datetime) -> str:
    """How long ago a moment was: ``12s``, ``3m``, ``2h``, ``5d``."""
    if since is None:
        return "-"
    return span((now - datetime.fromisoformat(since)).total_seconds())


def span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def clock(moment: str) -> str:
    """The local time of day of a moment."""
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")


def now() -> datetime:
    return datetime.now(UTC)
