"""Which files are meant where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.compose_default_files import default_files

CASES: dict[str, tuple[list[str], dict[str, str], list[str]]] = {
    "the usual name": (["compose.yaml", "other.yaml"], {}, ["compose.yaml"]),
    "the newer name before the older": (["docker-compose.yml", "compose.yml"], {}, ["compose.yml"]),
    "the override beside it": (
        ["docker-compose.yml", "docker-compose.override.yml"],
        {},
        ["docker-compose.yml", "docker-compose.override.yml"],
    ),
    "what COMPOSE_FILE names": (["compose.yaml"], {"COMPOSE_FILE": "a.yaml:b/c.yaml"}, ["a.yaml", "b/c.yaml"]),
    "parted as is said": ([], {"COMPOSE_FILE": "a;b", "COMPOSE_PATH_SEPARATOR": ";"}, ["a", "b"]),
}


@pytest.mark.parametrize(("present", "environment", "expected"), CASES.values(), ids=CASES.keys())
def test_without_a_named_file_this_is_read(
    present: list[str], environment: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    for name in present:
        (tmp_path / name).touch()
    assert default_files(tmp_path, environment) == tuple(tmp_path / name for name in expected)


def test_folders_above_are_looked_through_too(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    assert default_files(below, {}) == (tmp_path / "compose.yaml",)
