"""What a deployment prints before it changes anything: service by service, networks, volumes, places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from springtide.cli.tables import money

SIGNS = {"create": "+", "change": "~", "remove": "-"}
REPLACEMENTS = {
    "one-by-one": "its instances are replaced a few at a time, each once its successor is ready",
    "old-goes-first": "its instance stops before the new one starts: its address or port can't be had twice",
}
IMAGES = {"build": "would be built", "pull": "would be pulled"}


def change_lines(changes: dict[str, Any]) -> list[str]:
    """The plan in words; one sentence where there is nothing to change."""
    services = changes["services"]
    lines = [line for each in services if _is_worth_telling(each) for line in _service(each)]
    unchanged = [each["id"] for each in services if not _is_worth_telling(each)]
    if changes["is_nothing"]:
        return [f"{changes['app']}: nothing to change.", *_weakenings(services)]
    lines += [f"  {_listed(unchanged)}: unchanged"] if unchanged else []
    lines += [*_names("network", changes["networks"]), *_names("volume", changes["volumes"])]
    return [f"{changes['app']}:", *lines, *_elsewhere(changes), *_weakenings(services)]


def without_room(changes: dict[str, Any]) -> set[str]:
    """The services of which it is foreseen that they won't fit."""
    if changes["stopped"] is not None:
        return set()
    return {each["id"] for each in changes["services"] if each["outlook"] and each["outlook"]["missing"]}


def _is_worth_telling(service: dict[str, Any]) -> bool:
    return service["verdict"] != "unchanged" or bool(service["images"])


def _service(service: dict[str, Any]) -> Iterator[str]:
    sign, verdict = SIGNS.get(service["verdict"], " "), service["verdict"]
    if verdict == "unchanged":
        verdict = "unchanged, unless its image does"
    yield f"{sign} {service['id']}: {verdict}{_places(service)}"
    for container, way in service["images"].items():
        whose = "image" if container == service["id"].partition("/")[2] else f"image of {container}"
        yield f"    {whose}: {IMAGES[way]}"
    for each in service["differences"]:
        yield f"    {each['field']}: {each['words']}"
    if service["replacement"] in REPLACEMENTS:
        yield f"    {REPLACEMENTS[service['replacement']]}"
    outlook = service["outlook"]
    if outlook and outlook["missing"]:
        yield f"    {outlook['missing']} of {outlook['wanted']} would not fit:"
        yield from (f"      {each['sentence']}" for each in outlook["refusals"])


def _places(service: dict[str, Any]) -> str:
    """``, 2 own on feed, 1 shared on office``; nothing where nothing moves."""
    if not service["outlook"] or not service["outlook"]["holdings"]:
        return ""
    holdings = service["outlook"]["holdings"]
    return "; " + ", ".join(f"{each['count']} {each['rung']} on {each['pool']}" for each in holdings)


def _names(kind: str, names: dict[str, list[str]]) -> Iterator[str]:
    stays = " (it stays, with what it holds)" if kind == "volume" else ""
    yield from (f"+ {kind} {name}" for name in names["made"])
    yield from (f"~ {kind} {name}: defined otherwise" for name in names["changed"])
    yield from (f"- {kind} {name}: no longer used{stays}" for name in names["dropped"])


def _elsewhere(changes: dict[str, Any]) -> Iterator[str]:
    for each in changes["departures"]:
        yield f"  {each['instance']} of {each['service']} would have to leave {each['node']} for {each['beneficiary']}"
    if changes["machines_more"]:
        rent = money(changes["rent_micros_per_hour_more"], changes["currency"])
        yield f"  machines rented more: {changes['machines_more']}, for {rent} an hour"


def _weakenings(services: list[dict[str, Any]]) -> Iterator[str]:
    for each in services:
        if each["weakenings"]:
            yield f"! {each['id']} opens more than an ordinary container has: {', '.join(each['weakenings'])}"


def _listed(ids: list[str]) -> str:
    return ", ".join(ids)
