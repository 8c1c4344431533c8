"""What came of the load: counts, failures by kind and latencies, whole, by phase and by second."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts and latencies of some of the requests.

    ``ok`` are answers below 400; ``shed`` are answers 503; ``failed`` is everything else, by kind
    in ``failures``: ``timeout``, ``refused``, ``reset`` (closed or broken before the answer was
    whole), ``unreachable``, ``http-500`` and so on. Percentiles are milliseconds from the moment
    the request was due to the end of an ``ok`` answer; ``None`` where there was none.
    """

    total: int
    ok: int
    shed: int
    failed: int
    failures: tuple[tuple[str, int], ...]
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PhaseOutcome:
    """``begun_at`` is seconds after the start of the load."""

    name: str
    begun_at: float
    seconds: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Everything about one load. ``seconds`` holds one outcome a second, by when requests were due.

    ``max_lag_ms`` is by how much the generator sent its latest request late, ``late`` how many were
    later than the plan tolerates: where there are any, latencies say more about this machine than
    about the service.
    """

    url: str
    outcome: Outcome
    phases: tuple[PhaseOutcome, ...]
    seconds: tuple[Outcome, ...]
    max_lag_ms: float
    late: int
    connections_opened: int


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Where a running load stands: ``last`` covers the last whole second, ``so_far`` everything.

    ``so_far`` has no percentiles: sorting every latency each second would make the generator late.
    """

    elapsed_seconds: float
    phase: str
    rps: float
    in_flight: int
    so_far: Outcome
    last: Outcome
    max_lag_ms: float


@dataclass(slots=True)
class Tally:
    """Collects outcomes as they come."""

    total: int = 0
    ok: int = 0
    shed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latencies_ms: array[float] = field(default_factory=lambda: array("d"))

    def add(self, kind: str, latency_ms: float) -> None:
        """Book one finished request: ``ok``, ``shed``, or a kind of failure."""
        self.total += 1
        if kind == "ok":
            self.ok += 1
            self.latencies_ms.append(latency_ms)
        elif kind == "shed":
            self.shed += 1
        else:
            self.failures[kind] = self.failures.get(kind, 0) + 1


def summarise(tallies: Iterable[Tally]) -> Outcome:
    """One outcome for the requests of all tallies."""
    kept = tuple(tallies)
    ordered = sorted(chain.from_iterable(tally.latencies_ms for tally in kept))
    return replace(
        count(kept),
        p50_ms=_percentile(ordered, 50),
        p95_ms=_percentile(ordered, 95),
        p99_ms=_percentile(ordered, 99),
    )


def count(tallies: Iterable[Tally]) -> Outcome:
    """As ``summarise``, without percentiles."""
    total = ok = shed = 0
    failures: dict[str, int] = {}
    for tally in tallies:
        total += tally.total
        ok += tally.ok
        shed += tally.shed
        for kind, number in tally.failures.items():
            failures[kind] = failures.get(kind, 0) + number
    return Outcome(
        total=total,
        ok=ok,
        shed=shed,
        failed=sum(failures.values()),
        failures=tuple(sorted(failures.items())),
    )


def _percentile(ordered: list[float], percent: int) -> float | None:
    """The smallest value that at least this many percent of the values don't exceed (nearest rank)."""
    if not ordered:
        return None
    return round(ordered[-(-percent * len(ordered) // 100) - 1], 3)
