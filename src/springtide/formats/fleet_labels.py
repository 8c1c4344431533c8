"""Labels of nodes and of the machines on offer: ``{labels: {rack: r1}, zone: a, os: linux, arch: amd64}``."""

from __future__ import annotations

from springtide.formats.entries import Entry
from springtide.formats.platforms import canonical_platform

LABEL_KEYS = ("zone", "os", "arch", "isolation")
"""Labels that have a key of their own beside ``labels``."""

NO_LABELS = ("site", "node")
"""Names that mean something else wherever a label may be named: a pool's site, each node by itself."""


def read_labels(entry: Entry) -> tuple[tuple[str, str], ...]:
    """The labels, sorted by name. Raises the file's error for a name that means something else."""
    section = entry.get("labels")
    labels = {}
    for name, named in section.mapping().items() if section else ():
        if name in NO_LABELS:
            raise named.error(f"{name!r} can't be a label: every node has one already.", "Choose another name.")
        if name in LABEL_KEYS and (own := entry.get(name)) is not None:
            raise named.error(f"The label {name!r} stands on line {own.line} already.", "Keep one of the two.")
        labels[name] = _value(name, named)
    for name in LABEL_KEYS:
        if (own := entry.get(name)) is not None:
            labels[name] = _value(name, own)
    return tuple(sorted(labels.items()))


def _value(name: str, entry: Entry) -> str:
    text = entry.text_or_number()
    return canonical_platform(text) if name in ("os", "arch") else text
