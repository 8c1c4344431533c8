"""Networks of an app, and which of them its services are on."""

from __future__ import annotations

from collections.abc import Mapping

from springtide.formats.compose_defaults import DEFAULT_NETWORK
from springtide.formats.compose_keys import NETWORK, SERVICE_NETWORK, check_keys
from springtide.formats.entries import Entry, did_you_mean


def read_networks(root: Entry, project: str) -> Mapping[str, Entry]:
    """The declared networks by name. Raises the file's error for any option of theirs."""
    section = root.get("networks")
    declared = section.mapping() if section else {}
    for name, entry in declared.items():
        own = {key: child for key, child in entry.mapping().items() if child.value != f"{project}_{name}"}
        check_keys(entry.with_value(own), NETWORK)
    return declared


def read_service_networks(service: Entry, declared: Mapping[str, Entry]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a service's networks, and its further names on them.

    Raises the file's error for a network that isn't declared, and where a service is to have
    different names on different networks.
    """
    section = service.get("networks")
    aliases: dict[str, tuple[str, ...]] = {}
    for name, entry in section.mapping().items() if section else ():
        if name not in declared:
            remedy = did_you_mean(name, [DEFAULT_NETWORK, *declared])
            raise entry.error(f"There is no network {name!r} under the top-level `networks`.", remedy)
        given = check_keys(entry, SERVICE_NETWORK).get("aliases")
        aliases[name] = tuple(alias.text() for alias in given.sequence()) if given else ()
    if len({frozenset(each) for each in aliases.values()}) > 1 and section is not None:
        raise section.error(
            "The aliases differ from network to network.", "Give the service the same aliases on each of its networks."
        )
    return tuple(aliases), next(iter(aliases.values()), ())
