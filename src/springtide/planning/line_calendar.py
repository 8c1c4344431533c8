"""How wide a line is at a moment: its calendar, read one step back in cron whatever lies behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from springtide.model.fleet import Link, LinkWindow

_SECOND = timedelta(seconds=1)


def bandwidth_of(link: Link, now: datetime) -> int:
    """Bits a second in either direction: of the first window that holds, else the link's own.

    A window that can't be read (its cron or its time zone) never holds.
    """
    return next((window.bits_per_second for window in link.windows if _holds(window, now)), link.bits_per_second)


def _holds(window: LinkWindow, now: datetime) -> bool:
    """All stretches of a window are as long, so that only the one that began last can hold: one step back in cron."""
    try:
        began = _last_start(window, now.replace(microsecond=0))
    except (CronSimError, ZoneInfoNotFoundError, ValueError, OverflowError):
        return False
    return began is not None and (now - began).total_seconds() < window.duration_seconds


def _last_start(window: LinkWindow, now: datetime) -> datetime | None:
    """The latest moment at or before ``now`` (whole seconds) that cron names, ``None`` where there is none.

    Between two of the hours that a clock turned back shows twice, cron takes an hour of day for the first:
    there the search begins where the clock would stand had it not been turned, and steps over what is yet to come.
    """
    here = now.astimezone(ZoneInfo(window.timezone))
    if window.timezone == "UTC":
        here = now.astimezone(UTC)
    repeated = here.replace(fold=0).utcoffset() if here.fold else None
    turned_back = repeated - (here.utcoffset() or timedelta()) if repeated is not None else timedelta()
    for found in CronSim(window.cron, _plus(here, turned_back + _SECOND), reverse=True):
        moment = found.astimezone(UTC)
        if moment <= now:
            return moment
    return None


def _plus(moment: datetime, passed: timedelta) -> datetime:
    """So much later by the stopwatch, not by the clock on the wall."""
    return (moment.astimezone(UTC) + passed).astimezone(moment.tzinfo)
