"""``links``: further names under which services are found."""

from __future__ import annotations

from collections.abc import Mapping

from springtide.formats.compose_pods import Pods
from springtide.formats.compose_reading import items_of
from springtide.formats.entries import Entry


def read_links(services: Mapping[str, Entry], pods: Pods) -> Mapping[str, tuple[str, ...]]:
    """For each first service of a pod the names that others' links give it.

    They are found by all on its networks. Raises the file's error where two services share no network, and for
    a name that is another's.
    """
    names: dict[str, dict[str, None]] = {}
    owners = {name: pods.first_of(name) for name in services}
    for name, service in services.items():
        for entry in items_of(service.get("links")):
            other, _, alias = entry.text().partition(":")
            target = pods.first_of(other)
            if not _networks(services[pods.first_of(name)]) & _networks(services[target]):
                raise entry.error(f"{name!r} and {other!r} share no network.", "Put both into one of `networks`.")
            if alias and owners.setdefault(alias, target) != target:
                raise entry.error(f"The name {alias!r} is that of {owners[alias]!r}.", "Choose another name.")
            if alias and alias != target:
                names.setdefault(target, {})[alias] = None
    return {name: tuple(sorted(aliases)) for name, aliases in names.items()}


def _networks(service: Entry) -> frozenset[str]:
    section = service.get("networks")
    return frozenset(section.mapping()) if section is not None else frozenset()
