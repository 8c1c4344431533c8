"""Which Compose files are meant where none is named: as Docker Compose finds them.

Source: Docker Compose's documentation, "COMPOSE_FILE" and "compose up --file".
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = tuple(name.replace("compose.", "compose.override.") for name in NAMES)


def default_files(folder: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Those that COMPOSE_FILE names, else the first of the usual names, with its override beside it.

    The folder is looked through first, then those above it. Empty where there is none.
    """
    named = environment.get("COMPOSE_FILE", "")
    if named:
        separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        return tuple(folder / part for part in named.split(separator) if part)
    for each in (folder, *folder.parents):
        if found := _first(each, NAMES):
            return found + _first(each, OVERRIDES)
    return ()


def _first(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(path for name in names if (path := folder / name).is_file())[:1]
