"""The open-loop traffic generator: requests leave on time, whatever became of those before them."""

from springtide.load.generator import LoadRun, run_load
from springtide.load.plan import LoadPlan, RatePhase, parse_duration, parse_rate, parse_url
from springtide.load.report import LoadProgress, LoadReport, Outcome, PhaseOutcome

__all__ = [
    "LoadPlan",
    "LoadProgress",
    "LoadReport",
    "LoadRun",
    "Outcome",
    "PhaseOutcome",
    "RatePhase",
    "parse_duration",
    "parse_rate",
    "parse_url",
    "run_load",
]
