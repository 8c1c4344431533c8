"""Files written for it, through Springtide and through Docker Compose: the normal forms are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from springtide.formats.compose_files import COMPOSE_DIALECT, Reading
from springtide.formats.compose_paths import PathBase
from springtide.formats.compose_project import read_project
from springtide.formats.compose_project_shape import PROJECT
from springtide.formats.compose_shapes import Listing, Record, Shape, Table
from springtide.formats.entries import Entry
from springtide.formats.yaml_text import read_yaml
from springtide.model.errors import ComposeFileError
from tests.formats.compose_oracle import ENVIRONMENT, ask_compose

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(CORPUS.iterdir())
SPECIFICATION = frozenset((CORPUS.parent / "specification_keys.txt").read_text().split())
"""Every key of the specification's JSON schema as of Docker Compose 2.40, by the place where it stands."""

DIFFERENCES = {
    "merge_ports_types": "Compose publishes a port twice that one file writes as a number and another as text.",
    "volumes_unclean_target": "Compose refuses two mounts at one place written in two ways; here the later one counts.",
}
"""Where the normal forms differ, and why that is meant."""


STRICTER = {
    "a command that is cut": (
        "services:\n  web:\n    image: x\n    command: echo a; echo b\n",
        4,
        "Docker Compose drops what follows the sign, without a word.",
    ),
    "a number with a leading nought": (
        "services:\n  web:\n    image: x\n    environment: {A: 0755}\n",
        4,
        "Docker Compose reads 493, other readers of YAML 755.",
    ),
    "a name with capitals": (
        "name: Shop\nservices:\n  web: {image: x}\n",
        1,
        "Docker Compose calls the project by another name than its file.",
    ),
    "two documents": (
        "services:\n  web: {image: x}\n---\nservices:\n  web: {user: y}\n",
        3,
        "Docker Compose merges them, which other readers of YAML don't.",
    ),
    "an included folder that isn't there": (
        "include:\n  - {path: compose.yaml.other, project_directory: ./nowhere}\nservices:\n  web: {image: x}\n",
        2,
        "Docker Compose takes the folder above instead.",
    ),
}
"""Files that Docker Compose takes and Springtide refuses: the line, and why."""


def files_of(case: Path) -> tuple[list[Path], list[str]]:
    """The files of a case in their order, and the profiles that are switched on."""
    if case.is_file():
        return [case], []
    profiles = case / "profiles"
    files = [case / "compose.yaml", *sorted(case.glob("over*.yaml"))]
    return files, profiles.read_text().split() if profiles.exists() else []


def both(case: Path) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What Docker Compose and Springtide make of the files of a case."""
    files, profiles = files_of(case)
    options = [word for profile in profiles for word in ("--profile", profile)]
    theirs = ask_compose(files, *options)
    return theirs, read_project(files, environment=ENVIRONMENT, profiles=profiles).normal_form()


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_normal_form_is_docker_composes(case: Path) -> None:
    theirs, ours = both(case)
    if case.stem in DIFFERENCES:
        assert theirs != ours, f"{case.stem} doesn't differ any more: take it off the list"
    else:
        assert theirs == ours


@pytest.mark.parametrize(("text", "line", "why"), STRICTER.values(), ids=STRICTER.keys())
def test_springtide_is_stricter_about(tmp_path: Path, text: str, line: int, why: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    (tmp_path / "compose.yaml.other").write_text("services:\n  other: {image: x}\n")
    assert ask_compose([file]) is not None, f"Docker Compose refuses it too: take it off the list ({why})"
    with pytest.raises(ComposeFileError) as caught:
        read_project([file], environment=ENVIRONMENT)
    assert caught.value.line == line


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) >= 150
    assert set(DIFFERENCES) <= {case.stem for case in CASES}
    assert len(DIFFERENCES) <= 5


def keys_of(shape: Shape, path: str = "") -> set[str]:
    """Every key of the specification, by the place where it stands: ``services.*.build.args``."""
    if isinstance(shape, Record):
        return {
            key
            for name, inner in shape.fields.items()
            for key in ({f"{path}{name}"} | keys_of(inner, f"{path}{name}."))
        }
    if isinstance(shape, Table | Listing):
        return keys_of(shape.item, f"{path}*.")
    return set()


def used_keys(entry: Entry, path: str = "") -> set[str]:
    """The places that a file uses, with ``*`` for every name and every item as well."""
    if entry.is_mapping:
        used = set()
        for name, child in entry.mapping().items():
            used |= {f"{path}{name}"} | used_keys(child, f"{path}{name}.") | used_keys(child, f"{path}*.")
        return used
    return {key for item in entry.sequence() for key in used_keys(item, f"{path}*.")} if entry.is_sequence else set()


def test_every_key_of_the_specification_has_a_shape() -> None:
    made_up = {"services.*.ulimits.*.single", "services.*.build.ulimits.*.single"}
    names_of_old = {key for key in SPECIFICATION if key.endswith(".external.name")}
    assert keys_of(PROJECT) - made_up == SPECIFICATION - names_of_old


def test_every_key_of_the_specification_stands_in_the_corpus() -> None:
    used: set[str] = set()
    for case in CASES:
        reading = Reading(PathBase(CORPUS, None), ENVIRONMENT)
        for file in [case] if case.is_file() else case.rglob("*.yaml"):
            written = read_yaml(file, ComposeFileError, COMPOSE_DIALECT)
            used |= used_keys(written) | used_keys(reading.document(file))
    assert SPECIFICATION - used == set()
