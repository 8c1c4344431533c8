"""``x-springtide``: what the Compose Specification has no words for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from springtide.formats.compose_keys import EXTENSION, KeyTable, check_keys
from springtide.formats.entries import Entry, did_you_mean
from springtide.formats.fleet_amounts import bounded
from springtide.formats.quantities import format_rate, parse_rate
from springtide.formats.springtide_standby import read_standby
from springtide.model.errors import InputError
from springtide.model.fleet import Fleet
from springtide.model.identifiers import TeamName
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.workloads import Band, ScalePolicy

APP_EXTENSION = KeyTable(frozenset({"team"}))
SERVICE_EXTENSION = KeyTable(
    frozenset({"team", "route", "ladder", "scale", "band", "line_load", "placement", "resources"}),
)
ROUTE = KeyTable(frozenset({"host", "port", "max_requests", "queue"}))
SCALE = KeyTable(
    frozenset({"min", "max", "available", "requests_per_second", "cpu_percent", "standby"}),
)

OWN_PLACEMENT = KeyTable(
    frozenset({"site", "isolation", "near", "apart", "domain"}),
    dict.fromkeys(("constraints", "preferences", "max_replicas_per_node"), "Write it under `deploy.placement`."),
)

_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
MAX_INSTANCES = 1_000_000


@dataclass(frozen=True, slots=True)
class ServiceExtension:
    """A service's ``x-springtide``.

    ``route`` is read where the service's ports are. ``resources`` is left unread: it adds to what ``deploy``
    reserves.
    """

    scale: ScalePolicy
    ladder: tuple[Rung, ...]
    band: Band
    line_load_bits_per_second: int
    resources: Entry | None
    notices: tuple[str, ...] = ()


def read_extension(service: Entry, replicas: Entry | None) -> ServiceExtension:
    """The service's extension with its defaults. ``replicas`` is ``deploy.replicas``."""
    section = service.get(EXTENSION)
    if section is not None:
        check_keys(section, SERVICE_EXTENSION)
    get = section.get if section else _nothing
    scale, notices = _scale(get("scale"), replicas, service.key.rpartition(".")[2])
    line_load = get("line_load")
    return ServiceExtension(
        scale=scale,
        ladder=_ladder(get("ladder")),
        band=_band(get("band")),
        line_load_bits_per_second=0 if line_load is None else _line_load(line_load),
        resources=get("resources"),
        notices=notices,
    )


def read_team(root: Entry, services: Mapping[str, Entry], fleet: Fleet) -> TeamName:
    """The one team of an app: as its file says, or the fleet's only one.

    It may stand at the top level or in any service. Raises the file's error for an unknown team,
    for two teams in one app, and where none is named and the fleet has several.
    """
    top = root.get(EXTENSION)
    if top is not None:
        check_keys(top, APP_EXTENSION)
    sections = [top, *(service.get(EXTENSION) for service in services.values())]
    named = [team for section in sections if section and (team := section.get("team"))]
    known = [team.name for team in fleet.teams]
    for entry in named:
        if entry.text() not in known:
            remedy = did_you_mean(entry.text(), known) or "Add it to the fleet file."
            raise entry.error(f"The fleet has no team {entry.text()!r}.", remedy)
        if entry.text() != named[0].text():
            first = f"{named[0].text()!r} (line {named[0].line})"
            raise entry.error(
                f"An app has one team, but here are {first} and {entry.text()!r}.", "Make two apps of it."
            )
    if named:
        return TeamName(named[0].text())
    if len(known) == 1:
        return known[0]
    raise _no_team(root, services, known)


def _no_team(root: Entry, services: Mapping[str, Entry], known: list[TeamName]) -> InputError:
    place = next(iter(services.values()), root)
    listed = ", ".join(known) or "none"
    return place.error(
        f"Nothing says whose app this is, and the fleet has {len(known)} teams ({listed}).",
        f"Add `{EXTENSION}: {{team: {known[0] if known else '…'}}}`.",
    )


def _scale(section: Entry | None, replicas: Entry | None, name: str) -> tuple[ScalePolicy, tuple[str, ...]]:
    fixed = 1 if replicas is None else _count(replicas, least=0)
    if section is None:
        return ScalePolicy(fixed, fixed), ()
    check_keys(section, SCALE)
    low, high = section.get("min"), section.get("max")
    minimum = fixed if low is None else _count(low, least=1)
    maximum = max(minimum, fixed) if high is None else _count(high, least=1)
    if minimum > maximum:
        lower, upper = low or replicas or section, high or section
        raise lower.error(
            f"At least {minimum} instances (line {lower.line}) are more than at most {maximum} (line {upper.line}).",
            "Lower the one or raise the other.",
        )
    rate, cpu = section.get("requests_per_second"), section.get("cpu_percent")
    policy = ScalePolicy(
        minimum,
        maximum,
        requests_per_second=None if rate is None else _positive(rate),
        cpu_percent=None if cpu is None else _positive(cpu),
        available=_available(section.get("available"), maximum, high or replicas or section),
        standby=read_standby(section.get("standby"), maximum, high or replicas or section),
    )
    notices = []
    if replicas is not None and not minimum <= fixed <= maximum:
        notices.append(f"{name}: {EXTENSION}.scale ({minimum} to {maximum}) stands above deploy.replicas ({fixed}).")
    if minimum < maximum and rate is None and cpu is None:
        notices.append(
            f"{name}: scale allows {minimum} to {maximum} instances but names no target; without requests_per_second or"
            f" cpu_percent it stays at {minimum}."
        )
    return policy, tuple(notices)


def _available(entry: Entry | None, maximum: int, high: Entry) -> int | None:
    if entry is None:
        return None
    count = entry.whole_number()
    if not 0 <= count <= maximum:
        raise entry.error(
            f"{count} instances can't serve at any time: there are 0 to {maximum} (line {high.line}).",
            f"Write at most {maximum}.",
        )
    return count


def _line_load(entry: Entry) -> int:
    return bounded(entry, entry.parsed(parse_rate), format_rate)


def _ladder(section: Entry | None) -> tuple[Rung, ...]:
    if section is None:
        return FULL_LADDER
    rungs: dict[str, Entry] = {}
    choices = [str(rung) for rung in Rung]
    for entry in section.sequence():
        name = entry.text()
        if name not in choices:
            raise entry.error(f"There is no rung {name!r}.", did_you_mean(name, choices))
        if name in rungs:
            raise entry.error(f"The rung {name!r} stands on line {rungs[name].line} already.", "Name each rung once.")
        rungs[name] = entry
    if not rungs:
        raise section.error("Without a rung the service could run nowhere.", f"Choose from {', '.join(choices)}.")
    return tuple(Rung(name) for name in rungs)


def _band(entry: Entry | None) -> Band:
    if entry is None:
        return Band.PRODUCTION
    choices = [str(band) for band in Band]
    if entry.text() not in choices:
        raise entry.error(f"There is no band {entry.text()!r}.", did_you_mean(entry.text(), choices))
    return Band(entry.text())


def _count(entry: Entry, least: int) -> int:
    count = entry.whole_number()
    if not least <= count <= MAX_INSTANCES:
        raise entry.error(f"{count} instances are outside {least} to {MAX_INSTANCES}.", f"Write at least {least}.")
    return count


def _positive(entry: Entry) -> float:
    amount = entry.parsed(_amount)
    if amount <= 0:
        raise entry.error(f"A target of {entry.described} can never be met.", "Write more than 0.")
    return amount


def _amount(value: str | int | float) -> float:
    if not _AMOUNT.fullmatch(str(value)):
        raise ValueError(f"{str(value)[:40]!r} isn't a number such as 50 or 12.5.")
    return float(value)


def _nothing(_: str) -> Entry | None:
    return None
