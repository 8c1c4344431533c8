"""Suppositions as people write them, ``node-feed-2`` or ``web=x4 for 10m``, made into what the API takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from springtide.cli.names import choose_service
from springtide.formats.durations import parse_seconds
from springtide.formats.quantities import parse_bytes, parse_cpus, parse_money, parse_percent
from springtide.model.errors import InputError
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS

OPTION = "--what-if"
DEFAULT_PIDS = 4096
"""What a fleet file gives a node that doesn't say."""
_FORMS = """node-feed-2, node+feed=2, team+ads,nodes=3,cpus=2,memory=4G, pool.feed.contribution=25%,
pool.feed.lending.cpus=0.5, pool.burst.max_nodes=10, team.feed.borrowing.memory=2G, budget.hour=5, web=12, web=2..8,
web=x4, 'web=300rps for 10m', cloud-rented"""
_KINDS: Mapping[str, tuple[str, Callable[[str], int]]] = {
    "cpus": (CPU_MILLIS, parse_cpus),
    "memory": (MEMORY_BYTES, parse_bytes),
    "pids": (PIDS, int),
}
_WHOLE = re.compile(r"\d{1,9}")


def read_supposition(text: str, services: Collection[str]) -> dict[str, Any]:
    """One supposition as ``POST plan/what-if`` takes it; a service may be named in short.

    Raises InputError for what can't be read, UnknownNameError and RefusedError for services.
    """
    for form, build in _BUILDERS:
        match = form.fullmatch(text.strip())
        if match is not None:
            try:
                return build(match, services)
            except ValueError as error:
                raise InputError(f"{text!r}: {error}", file=OPTION, remedy=f"Write, say: {_forms()}.") from error
    raise InputError(f"{text!r} is nothing that can be supposed.", file=OPTION, remedy=f"Write, say: {_forms()}.")


def _forms() -> str:
    return " ".join(_FORMS.split())


def _team_more(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    words = _words(match["words"])
    fields: dict[str, Any] = {"kind": "team-more", "team": match["name"], "nodes": _whole(words.pop("nodes", "1"))}
    if "contribution" in words:
        fields["contribution_percent"] = parse_percent(words.pop("contribution"))
    if "weight" in words:
        fields["weight"] = _whole(words.pop("weight"))
    if not words:
        raise ValueError("the team's nodes need amounts, such as cpus=2,memory=4G.")
    return {**fields, "shape": _shape(words)}


def _nodes_more(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    words = _words(match["words"])
    shape = _shape(words) if words else None
    return {"kind": "nodes-more", "pool": match["name"], "count": _whole(match["count"]), "shape": shape}


def _node_less(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    return {"kind": "node-less", "node": match["name"]}


def _cloud_out(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    return {"kind": "cloud-out", "cloud": match["name"]}


def _contribution(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    return {"kind": "pool-limit", "pool": match["name"], "contribution_percent": parse_percent(match["value"])}


def _max_nodes(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    return {"kind": "pool-limit", "pool": match["name"], "max_nodes": _whole(match["value"])}


def _pool_lending(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    return {"kind": "pool-limit", "pool": match["name"], "lending": _amounts({match["resource"]: match["value"]})}


def _team_limit(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    return {
        "kind": "team-limit",
        "team": match["name"],
        "limit": match["limit"],
        "amounts": _amounts({match["resource"]: match["value"]}),
        "is_department": match["holder"] == "department",
    }


def _budget(match: re.Match[str], _: Collection[str]) -> dict[str, Any]:
    limit = None if match["value"] == "none" else parse_money(match["value"])
    return {"kind": "budget", "period": match["period"], "limit_micros": limit}


def _bound(match: re.Match[str], services: Collection[str]) -> dict[str, Any]:
    service = choose_service(match["name"], services)
    return {"kind": "service-limit", "service": service, match["bound"]: _whole(match["value"])}


def _bounds(match: re.Match[str], services: Collection[str]) -> dict[str, Any]:
    low, high = _whole(match["low"]), _whole(match["high"] or match["low"])
    service = choose_service(match["name"], services)
    return {"kind": "service-limit", "service": service, "minimum": low, "maximum": high}


def _spike(match: re.Match[str], services: Collection[str]) -> dict[str, Any]:
    seconds = parse_seconds(match["length"]) if match["length"] else None
    service = choose_service(match["name"], services)
    load = {"times": float(match["times"])} if match["times"] else {"requests_per_second": float(match["rate"])}
    return {"kind": "spike", "service": service, **load, "seconds": seconds}


def _words(text: str) -> dict[str, str]:
    """``cpus=2,memory=4G`` as a mapping; commas and spaces divide."""
    words = {}
    for word in re.split(r"[,\s]+", text.strip(" ,")) if text.strip(" ,") else ():
        key, equals, value = word.partition("=")
        if not equals or not value or key in words:
            raise ValueError(f"{word!r} isn't one more KEY=VALUE.")
        words[key] = value
    return words


def _shape(words: Mapping[str, str]) -> dict[str, int]:
    return {PIDS: DEFAULT_PIDS, **_amounts(words)}


def _amounts(words: Mapping[str, str]) -> dict[str, int]:
    """Amounts by kind; a kind that isn't built in is a whole number of an extended resource."""
    amounts = {}
    for key, value in words.items():
        kind, parse = _KINDS.get(key, (key, _whole))
        amounts[kind] = parse(value)
    return amounts


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} isn't a whole number.")
    return int(text)


_NAME = r"(?P<name>[^\s=,]+)"
_SERVICE = r"(?P<name>[^\s=,.]+)"
_BUILDERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Collection[str]], dict[str, Any]]], ...] = tuple(
    (re.compile(form), build)
    for form, build in (
        (rf"team\+{_NAME}(?P<words>[,\s].*|)", _team_more),
        (rf"node\+{_NAME}=(?P<count>[^,\s]+)(?P<words>[,\s].*|)", _nodes_more),
        (rf"node-{_NAME}", _node_less),
        (rf"cloud-{_NAME}", _cloud_out),
        (rf"pool\.{_NAME}\.contribution=(?P<value>\S+)", _contribution),
        (rf"pool\.{_NAME}\.max_nodes=(?P<value>\S+)", _max_nodes),
        (rf"pool\.{_NAME}\.lending\.(?P<resource>[^\s=.]+)=(?P<value>\S+)", _pool_lending),
        (
            rf"(?P<holder>team|department)\.{_NAME}\.(?P<limit>nominal|lending|borrowing)"
            r"\.(?P<resource>[^\s=.]+)=(?P<value>\S+)",
            _team_limit,
        ),
        (r"budget\.(?P<period>hour|day|month)=(?P<value>\S+)", _budget),
        (rf"{_SERVICE}\.(?P<bound>minimum|maximum)=(?P<value>\S+)", _bound),
        (rf"{_SERVICE}=(?P<low>\d+)(\.\.(?P<high>\d+))?", _bounds),
        (
            rf"{_SERVICE}=(x(?P<times>\d+(\.\d+)?)|(?P<rate>\d+(\.\d+)?)rps)(\s+for\s+(?P<length>\S+))?",
            _spike,
        ),
    )
)
"""The first that fits counts. Names of services hold no ``+``, so those of the first forms can't be meant."""
