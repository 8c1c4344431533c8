"""Operating systems and architectures under one name each, however a file calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from springtide.model.fleet import Cloud, Fleet

_ARCHITECTURES: Mapping[str, str] = MappingProxyType({"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"})


def canonical_platform(name: str) -> str:
    """The name that images use: ``x86_64`` is ``amd64``, ``Linux`` is ``linux``; an unknown name stays as it is."""
    small = name.lower()
    return _ARCHITECTURES.get(small, small)


def on_platform(fleet: Fleet, operating_system: str, architecture: str) -> Fleet:
    """The fleet with ``os`` and ``arch`` on every slice of one machine, owned or rented, that doesn't say otherwise."""
    known = {"os": canonical_platform(operating_system), "arch": canonical_platform(architecture)}
    return replace(
        fleet,
        nodes=tuple(replace(node, labels=_labels(known, node.labels)) for node in fleet.nodes),
        clouds=tuple(_cut_from_machine(cloud, known) if cloud.kind == "slices" else cloud for cloud in fleet.clouds),
    )


def _cut_from_machine(cloud: Cloud, known: Mapping[str, str]) -> Cloud:
    offers = (replace(offer, labels=_labels(known, offer.labels)) for offer in cloud.offers)
    return replace(cloud, offers=tuple(offers))


def _labels(known: Mapping[str, str], own: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """A slice's own labels count before the machine's; what isn't known isn't said."""
    found = {name: value for name, value in known.items() if value}
    return tuple(sorted({**found, **dict(own)}.items()))
