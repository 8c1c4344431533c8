"""Several Compose files into one, the later over the earlier, as the specification merges them."""

from __future__ import annotations

from springtide.formats.entries import Entry

_REPLACED = ("command", "entrypoint", "test")
_BY_NAME = ("environment", "labels", "args", "networks", "depends_on")


def merge(base: Entry, override: Entry) -> Entry:
    """The base with the override on top. Every entry keeps the place that it came from.

    Mappings merge key by key, lists are joined without repetition, and what a list of names
    stands for (environment, labels, networks, dependencies) merges by name. Commands and tests
    are replaced.
    """
    name = override.key.rpartition(".")[2]
    if override.is_null:
        return base
    if name in _BY_NAME and (base.is_sequence or override.is_sequence):
        base, override = by_name(base), by_name(override)
    if name == "build" and base.is_mapping != override.is_mapping:
        base, override = _build_mapping(base), _build_mapping(override)
    if base.is_mapping and override.is_mapping:
        merged = dict(base.mapping())
        for key, child in override.mapping().items():
            merged[key] = merge(merged[key], child) if key in merged else child
        return override.with_value(merged)
    if base.is_sequence and override.is_sequence and name not in _REPLACED:
        present = [entry.plain() for entry in base.sequence()]
        added = [entry for entry in override.sequence() if entry.plain() not in present]
        return override.with_value([*base.sequence(), *added])
    return override


def by_name(entry: Entry) -> Entry:
    """A list of ``NAME``, ``NAME=value`` texts as the mapping that it stands for; a mapping as it is."""
    if not entry.is_sequence:
        return entry
    named: dict[str, Entry] = {}
    for item in entry.sequence():
        name, separator, value = item.text().partition("=")
        named[name] = item.with_value(value if separator else None)
    return entry.with_value(named)


def _build_mapping(build: Entry) -> Entry:
    return build if build.is_mapping else build.with_value({"context": build})
