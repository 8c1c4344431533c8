"""Plain values of the normal form, with what stands for a missing one."""

from __future__ import annotations

from springtide.formats.compose_values import scalar_text
from springtide.formats.entries import Entry

RESERVED_LABELS = "springtide."
"""Labels under this prefix are Springtide's own; a file may not set them."""


def items_of(section: Entry | None) -> tuple[Entry, ...]:
    """The items of a list; none where it is missing."""
    return tuple(section.sequence()) if section is not None else ()


def text_of(entry: Entry | None) -> str:
    """The text; an empty one where it is missing."""
    return "" if entry is None else entry.text()


def texts_of(section: Entry | None) -> tuple[str, ...]:
    """The texts of a list; none where it is missing."""
    return tuple(item.text() for item in items_of(section))


def whole_of(entry: Entry | None) -> int:
    """The whole number; 0 where it is missing."""
    return 0 if entry is None else entry.whole_number()


def truth_of(entry: Entry | None) -> bool:
    """The truth; false where it is missing."""
    return entry is not None and entry.truth()


def pairs_of(section: Entry | None) -> tuple[tuple[str, str], ...]:
    """Names with their texts, sorted, so that their order in the file makes no new revision."""
    named = section.mapping() if section is not None else {}
    return tuple(sorted((name, scalar_text(entry)) for name, entry in named.items()))


def variables_of(section: Entry | None) -> tuple[tuple[str, str], ...]:
    """The variables that have a value, sorted, so that their order in the file makes no new revision."""
    variables = {}
    for name, entry in section.mapping().items() if section else ():
        if not name or "=" in name or "\0" in name:
            raise entry.error(f"{name!r} can't be a variable's name.", "Write NAME=value.")
        if not entry.is_null:
            variables[name] = scalar_text(entry)
    return tuple(sorted(variables.items()))


def labels_of(section: Entry | None) -> tuple[tuple[str, str], ...]:
    """The labels, sorted. Raises the file's error for those that are Springtide's own."""
    labels = section.mapping() if section else {}
    for name, entry in labels.items():
        if not name or name.startswith(RESERVED_LABELS):
            raise entry.error(f"The label {name!r} is Springtide's own or empty.", "Choose another name.")
    return tuple(sorted((name, scalar_text(entry)) for name, entry in labels.items()))


def hosts_of(section: Entry | None) -> tuple[tuple[str, str], ...]:
    """Pairs of host and address, sorted."""
    named = section.mapping() if section is not None else {}
    return tuple(sorted((host, address.text()) for host, listed in named.items() for address in listed.sequence()))
