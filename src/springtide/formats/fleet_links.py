"""Links of a fleet file: the lines between sites, and at which hours they are wider or narrower."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from springtide.formats.durations import parse_term
from springtide.formats.entries import Entry, did_you_mean, near_name
from springtide.formats.fleet_amounts import bounded
from springtide.formats.quantities import format_rate, parse_rate
from springtide.model.fleet import Link, LinkWindow, Site
from springtide.model.identifiers import SiteName

_ANY_MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
"""Only whether an expression ever comes is asked from here on."""
_ZONE_REMEDY = "Write a name of the time zone database, such as Asia/Shanghai or UTC."


def read_links(root: Entry, sites: tuple[Site, ...]) -> tuple[Link, ...]:
    """The lines between sites. Raises the file's error for unknown sites and for a second line between two."""
    section = root.get("links")
    links: dict[frozenset[SiteName], tuple[Entry, Link]] = {}
    for entry in section.sequence() if section else ():
        link = _read_link(entry, sites)
        ends = frozenset(link.sites)
        if ends in links:
            first = links[ends][0]
            sentence = f"The line between {' and '.join(link.sites)} stands on line {first.line} already."
            raise entry.error(sentence, "Keep one of the two; a `calendar` says when it is wider.")
        links[ends] = (entry, link)
    return tuple(link for _, link in links.values())


def _read_link(entry: Entry, sites: tuple[Site, ...]) -> Link:
    bandwidth = _some_bandwidth(entry.mapping()["bandwidth"], "A line that carries nothing is none.")
    calendar, latency, pulls = entry.get("calendar"), entry.get("latency"), entry.get("pulls")
    windows = [(each, _read_window(each)) for each in (calendar.sequence() if calendar else ())]
    link = Link(
        _ends(entry.mapping()["between"], sites),
        bits_per_second=bandwidth,
        latency_seconds=0.0 if latency is None else latency.parsed(parse_term),
        windows=tuple(window for _, window in windows),
        pull_bits_per_second=0 if pulls is None else _some_bandwidth(pulls, "Pulls at 0bps would never end."),
    )
    if pulls is not None:
        _check_pulls(pulls, link, windows, entry.mapping()["bandwidth"])
    return link


def _ends(between: Entry, sites: tuple[Site, ...]) -> tuple[SiteName, SiteName]:
    one, other = between.sequence()
    known = [site.name for site in sites]
    for end in (one, other):
        if end.text() not in known:
            raise end.error(f"There is no site {end.text()!r}.", did_you_mean(end.text(), known))
    if one.text() == other.text():
        raise between.error(f"A line joins two sites, and here {one.text()!r} stands twice.", "Name the other one.")
    return SiteName(one.text()), SiteName(other.text())


def _bandwidth(entry: Entry) -> int:
    return bounded(entry, entry.parsed(parse_rate), format_rate)


def _some_bandwidth(entry: Entry, sentence: str) -> int:
    rate = _bandwidth(entry)
    if rate == 0:
        raise entry.error(sentence, "Write more than 0, or leave it out.")
    return rate


def _check_pulls(pulls: Entry, link: Link, windows: list[tuple[Entry, LinkWindow]], bandwidth: Entry) -> None:
    rates = [(bandwidth, link.bits_per_second)]
    rates += [(entry.mapping()["bandwidth"], window.bits_per_second) for entry, window in windows]
    for entry, rate in rates:
        if 0 < rate < link.pull_bits_per_second:
            raise pulls.error(
                f"Image pulls may take {format_rate(link.pull_bits_per_second)}, but the line has"
                f" {format_rate(rate)} (line {entry.line}).",
                "Give pulls at most what the line has at any time.",
            )


def _read_window(entry: Entry) -> LinkWindow:
    lasting, zone = entry.mapping()["for"], entry.get("timezone")
    seconds = lasting.parsed(parse_term)
    if seconds <= 0:
        raise lasting.error("A window of 0s never holds.", "Write how long it lasts, such as 6h.")
    return LinkWindow(
        _cron(entry.mapping()["cron"]),
        duration_seconds=seconds,
        bits_per_second=_bandwidth(entry.mapping()["bandwidth"]),
        timezone="UTC" if zone is None else _timezone(zone),
    )


def _cron(entry: Entry) -> str:
    """The expression, where it has five fields and names at least one moment."""
    expression = entry.text()
    remedy = 'Write minute, hour, day, month and day of the week, such as "0 18 * * *".'
    if len(expression.split()) != 5:
        sentence = f"{entry.described} has {len(expression.split())} fields; a cron expression has five."
        raise entry.error(sentence, remedy)
    try:
        first = next(CronSim(expression, _ANY_MOMENT), None)
    except CronSimError as failure:
        sentence = f"{entry.described} isn't a cron expression: {str(failure).lower()}."
        raise entry.error(sentence, remedy) from None
    if first is None:
        raise entry.error(f"{entry.described} never comes.", remedy)
    return expression


def _timezone(entry: Entry) -> str:
    name = entry.text()
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        remedy = near_name(name, sorted(available_timezones())) or _ZONE_REMEDY
        raise entry.error(f"There is no time zone {entry.described}.", remedy) from None
    return name
