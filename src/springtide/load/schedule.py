"""When each request is due: fixed before the first is sent, so that no answer can delay it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, sqrt

from springtide.load.plan import LoadPlan, RatePhase

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class DueRequest:
    """``at`` is seconds after the start of the load; ``phase`` counts from 0."""

    at: float
    phase: int
    is_post: bool


def schedule(plan: LoadPlan) -> Iterator[DueRequest]:
    """Every request of the plan in order, evenly spaced at each moment's rate.

    Request n is due when the integral of the rate reaches n, so nothing bunches at the seams.
    """
    number = 0
    begun_at = 0.0
    sent_before = 0.0
    for index, phase in enumerate(plan.phases):
        while number < sent_before + phase.requests - _ROUNDING:
            at = begun_at + _moment(phase, max(0.0, number - sent_before))
            yield DueRequest(at, index, _is_post(number, plan.post_share))
            number += 1
        begun_at += phase.seconds
        sent_before += phase.requests


def _moment(phase: RatePhase, count: float) -> float:
    """Seconds into the phase at which its requests so far reach ``count``: from·t + slope·t²/2 = count."""
    slope = (phase.rps_to - phase.rps_from) / phase.seconds
    root = sqrt(max(0.0, phase.rps_from**2 + 2 * slope * count))
    return min(phase.seconds, 2 * count / (phase.rps_from + root)) if count else 0.0


def _is_post(number: int, share: float) -> bool:
    return floor((number + 1) * share + _ROUNDING) > floor(number * share + _ROUNDING)
