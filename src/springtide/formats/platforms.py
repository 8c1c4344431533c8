"""Operating systems and architectures under one name each, however a file calls them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ARCHITECTURES: Mapping[str, str] = MappingProxyType({"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"})


def canonical_platform(name: str) -> str:
    """The name that images use: ``x86_64`` is ``amd64``, ``Linux`` is ``linux``; an unknown name stays as it is."""
    small = name.lower()
    return _ARCHITECTURES.get(small, small)
