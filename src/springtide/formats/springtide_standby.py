"""``x-springtide.scale.standby``: how many stand by, on which rungs, for how long."""

from __future__ import annotations

from dataclasses import replace

from springtide.formats.compose_keys import KeyTable, check_keys
from springtide.formats.durations import parse_duration
from springtide.formats.entries import Entry
from springtide.model.leases import Rung
from springtide.model.workloads import NO_STANDBY, StandbyPolicy

STANDBY = KeyTable(
    frozenset({"count", "max_age", "own", "shared", "borrowed"}),
    {"cloud": "Leave it out: nobody stands by on machines that are paid by the hour."},
)
MOST_STANDBY = 100_000
RUNGS = (Rung.OWN, Rung.SHARED, Rung.BORROWED)
"""Where instances may stand by: never on rented machines."""


def read_standby(section: Entry | None, maximum: int, high: Entry) -> StandbyPolicy:
    """``4``; or ``{own: 2, shared: 2}``, with ``max_age``. ``high`` says at most how many the service may have.

    Raises the file's error for a rung that can't be, for an age of nothing, and where nobody could ever be resumed.
    """
    if section is None:
        return NO_STANDBY
    policy = _by_rung(section) if section.is_mapping else StandbyPolicy(_count(section))
    if policy.count >= maximum:
        raise section.error(
            f"{policy.count} can't stand by beside the one that serves: the service has at most {maximum} instances "
            f"(line {high.line}).",
            "Raise `max`, or let fewer stand by.",
        )
    return policy


def _by_rung(section: Entry) -> StandbyPolicy:
    entries = check_keys(section, STANDBY)
    limits = tuple((rung, _count(entries[rung])) for rung in RUNGS if rung in entries)
    if not limits and "count" not in entries:
        raise section.error("Nothing says how many are to stand by.", "Write `{count: 4}` or `{own: 2, shared: 2}`.")
    if limits and "count" in entries:
        raise entries["count"].error("The rungs say how many already.", "Leave `count` out, or the rungs.")
    count = _count(entries["count"]) if "count" in entries else sum(each for _, each in limits)
    age = entries.get("max_age")
    policy = StandbyPolicy(count, limits)
    return policy if age is None else replace(policy, max_age_seconds=_age(age))


def _count(entry: Entry) -> int:
    count = entry.whole_number()
    if not 0 <= count <= MOST_STANDBY:
        raise entry.error(f"{count} instances can't stand by.", f"Write 0 to {MOST_STANDBY}.")
    return count


def _age(entry: Entry) -> float:
    seconds = entry.parsed(parse_duration)
    if seconds <= 0:
        raise entry.error("Nobody could stand by for no time at all.", "Write a duration such as `12h`.")
    return seconds
