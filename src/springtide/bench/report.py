"""What a bench writes: one JSON file a bench, and a table for people."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one subject over several rounds."""

    subject: str
    metric: str
    unit: str
    median: float
    min: float
    max: float
    runs: int


@dataclass(slots=True)
class Bench:
    """Collects measured values by subject and metric, in the order in which they first came."""

    name: str
    _values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def add(self, subject: str, metric: str, unit: str, value: float) -> None:
        """Take note of one measurement."""
        self._values.setdefault((subject, metric, unit), []).append(value)

    def rows(self) -> tuple[Row, ...]:
        """The figures so far."""
        return tuple(
            Row(subject, metric, unit, median(values), min(values), max(values), len(values))
            for (subject, metric, unit), values in self._values.items()
        )

    def median_of(self, subject: str, metric: str) -> float:
        """The median of one figure. Raises KeyError where nothing was measured."""
        for row in self.rows():
            if (row.subject, row.metric) == (subject, metric):
                return row.median
        raise KeyError((subject, metric))

    def write(self, folder: Path) -> Path:
        """Write ``NAME.json`` into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.name}.json"
        rows = [asdict(row) for row in self.rows()]
        file.write_text(json.dumps({"name": self.name, "machine": describe_machine(), "rows": rows}, indent=2) + "\n")
        return file


def describe_machine() -> str:
    """The machine in a line: cores, memory, kernel, Python."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.release()}, Python {platform.python_version()}"


def show(rows: Sequence[Row]) -> str:
    """The rows as a plain table."""
    cells = [("subject", "metric", "unit", "median", "min", "max", "runs")]
    cells += [
        (r.subject, r.metric, r.unit, f"{r.median:.3g}", f"{r.min:.3g}", f"{r.max:.3g}", str(r.runs)) for r in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
