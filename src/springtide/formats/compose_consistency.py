"""What can't be so in a Compose project: names that lead nowhere, settings that exclude one another."""

from __future__ import annotations

from collections.abc import Mapping

from springtide.formats.entries import Entry, did_you_mean


def check_consistency(root: Entry) -> None:
    """Raise the file's error for the first contradiction. ``root`` is a project with its defaults in it."""
    sections = {name: _mapping(root.get(name)) for name in ("services", "networks", "volumes", "configs", "secrets")}
    for service in sections["services"].values():
        if service.is_mapping:
            _check_service(service, sections)
    for name, secret in sections["secrets"].items():
        _check_source(name, secret, ("file", "environment"))
    for name, config in sections["configs"].items():
        _check_source(name, config, ("file", "environment", "content"))


def _check_service(service: Entry, sections: Mapping[str, Mapping[str, Entry]]) -> None:
    mode, networks = service.get("network_mode"), service.get("networks")
    if mode is not None and networks is not None and networks.mapping():
        sentence = f"A service with a `network_mode` (line {mode.line}) is on no further networks."
        raise networks.error(sentence, "Leave one of the two out.")
    mounted = _items(service, "volumes")
    for mount in mounted:
        source = mount.get("source")
        if mount.mapping()["type"].value == "volume" and source is not None:
            _check_declared(source, "volume", sections["volumes"])
    for kind in ("config", "secret"):
        for item in _items(service, f"{kind}s"):
            source = item.get("source")
            if source is not None:
                _check_declared(source, kind, sections[f"{kind}s"])
    _check_places(service, mounted)


def _check_declared(source: Entry, kind: str, declared: Mapping[str, Entry]) -> None:
    if source.text() not in declared:
        remedy = did_you_mean(source.text(), declared) or f"Add it under the top-level `{kind}s`."
        raise source.error(f"There is no {kind} {source.text()!r} under the top-level `{kind}s`.", remedy)


def _check_places(service: Entry, mounted: tuple[Entry, ...]) -> None:
    places: dict[str, Entry] = {}
    for item in (*_items(service, "tmpfs"), *mounted):
        target = item.get("target") if item.is_mapping else item
        if target is None:
            continue
        place = target.text().partition(":")[0] if not item.is_mapping else target.text()
        if place in places:
            raise item.error(f"Something is mounted at {place} already, on line {places[place].line}.", "Keep one.")
        places[place] = item


def _check_source(name: str, resource: Entry, keys: tuple[str, ...]) -> None:
    given = [key for key in keys if resource.get(key) is not None]
    choice = ", ".join(f"`{key}`" for key in keys)
    if len(given) > 1:
        raise resource.mapping()[given[1]].error(f"{name!r} can have only one of {choice}.", "Keep one.")
    external = resource.get("external")
    if not given and (external is None or not external.value):
        raise resource.error(f"Nothing says what {name!r} holds.", f"Add one of {choice}.")


def _mapping(section: Entry | None) -> Mapping[str, Entry]:
    return section.mapping() if section is not None else {}


def _items(service: Entry, key: str) -> tuple[Entry, ...]:
    section = service.get(key)
    return tuple(section.sequence()) if section is not None else ()
