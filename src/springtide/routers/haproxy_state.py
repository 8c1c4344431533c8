"""What the router must know again after a restart of the control plane, as one small file.

HAProxy itself is the truth about servers; the file holds what HAProxy can't say: the table as last
told, and the totals of worker processes that have ended.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from springtide.model.errors import RouterError
from springtide.model.identifiers import ServiceId
from springtide.routers.base import RouteTable
from springtide.routers.haproxy_counting import Counts


@dataclass(frozen=True, slots=True)
class SavedState:
    """``ended`` counts are valid as long as every one of ``workers`` is still alive or counted in them."""

    generation: str
    table: RouteTable = ()
    workers: tuple[int, ...] = ()
    ended: tuple[tuple[ServiceId, Counts], ...] = ()


_ADAPTER: TypeAdapter[SavedState] = TypeAdapter(SavedState)


def read_state(path: Path) -> SavedState | None:
    """The state as last written; ``None`` where there is none, or none that this version can read."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_state(path: Path, state: SavedState) -> None:
    """Replace the file in one step, so that a reader sees the old or the new one, whole.

    Raises RouterError where the disk doesn't take it.
    """
    fresh = path.with_suffix(".new")
    try:
        fresh.write_bytes(_ADAPTER.dump_json(state))
        os.replace(fresh, path)
    except OSError as error:
        raise RouterError(f"The router's state can't be written: {error}.", remedy="Make room.") from error
