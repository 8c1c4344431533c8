"""Values of the record as JSON, one form a set; what is read back equals what was written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from springtide.model.record import VALUE_TYPES, Change, Kind

# JSON has no infinity, but a figure may be infinite, and pydantic would write null for it.
_CONFIG = ConfigDict(ser_json_inf_nan="constants")


@cache
def _adapter(kind: Kind) -> TypeAdapter[Any]:
    # Built at first use: all of them at once would cost every start 50 ms.
    optional: Any = VALUE_TYPES[kind] | None  # pydantic takes a config with a union only
    return TypeAdapter(optional, config=_CONFIG)


def encode(kind: Kind, value: Any) -> str:
    """The value of a set's entry as JSON; moments keep their offset, ``None`` is ``null``."""
    return _adapter(kind).dump_json(value).decode()


def decode(kind: Kind, text: str) -> Any:
    """The value that :func:`encode` wrote. Raises ValueError where the text isn't one of this set."""
    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the value"
        raise ValueError(f"{where}: {first['msg']}") from error


def encode_changes(changes: Iterable[tuple[Change, str]]) -> str:
    """Changes, each with its encoded value, as one text for the commit log."""
    return json.dumps([[change.kind, change.id, text] for change, text in changes], separators=(",", ":"))


def decode_changes(text: str) -> tuple[Change, ...]:
    """The changes that :func:`encode_changes` wrote. Raises ValueError where the text isn't such."""
    rows: list[tuple[str, str, str]] = json.loads(text)
    return tuple(Change(Kind(kind), id, decode(Kind(kind), value)) for kind, id, value in rows)
