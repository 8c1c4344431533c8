"""Plain values of the normal form, with what stands for a missing one."""

from __future__ import annotations

from springtide.formats.compose_values import scalar_text
from springtide.formats.entries import Entry


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
