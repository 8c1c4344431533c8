"""Where the variables of a Compose project come from: the environment, ``.env``, ``env_file`` and ``label_file``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from springtide.formats.compose_values import scalar_text
from springtide.formats.dotenv import parse_dotenv, parse_raw_env
from springtide.formats.entries import Entry
from springtide.formats.yaml_text import read_text
from springtide.model.errors import ComposeFileError

_NO_DOTENV = "COMPOSE_DISABLE_ENV_FILE"


def project_variables(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment over the ``.env`` of the project's folder. Raises ComposeFileError with the line."""
    file = directory / ".env"
    if environment.get(_NO_DOTENV, "").lower() in ("1", "t", "true") or not file.is_file():
        return dict(environment)
    return {**parse_dotenv(read_text(file, ComposeFileError), str(file), environment), **environment}


def with_environment_files(service: Entry, variables: Mapping[str, str]) -> Entry:
    """The service with the variables of its ``env_file`` under those that it names itself.

    A variable that is only named has its value from outside, if there is one.
    """
    section, files = service.get("environment"), service.get("env_file")
    own = {name: _resolved(name, child, variables) for name, child in (section.mapping() if section else {}).items()}
    found: dict[str, Entry] = {name: child for name, child in own.items() if not child.is_null}
    for file in files.sequence() if files else ():
        found |= _file_variables(file, found, variables)
    together = {**found, **own}
    place = section or files
    if place is None:
        return service
    return service.with_value({**service.mapping(), "environment": place.with_value(together)})


def with_label_files(service: Entry) -> Entry:
    """The service with the labels of its ``label_file`` under its own."""
    files, section = service.get("label_file"), service.get("labels")
    if files is None:
        return service
    found: dict[str, Entry] = {}
    for file in files.sequence():
        path = Path(file.text())
        _check_exists(path, file, "label_file")
        known = {name: scalar_text(entry) for name, entry in found.items()}
        read = parse_dotenv(read_text(path, ComposeFileError), str(path), known)
        found |= {name: file.with_value(value) for name, value in read.items()}
    together = {**found, **(section.mapping() if section else {})}
    return service.with_value({**service.mapping(), "labels": (section or files).with_value(together)})


def _resolved(name: str, child: Entry, variables: Mapping[str, str]) -> Entry:
    return child.with_value(variables[name]) if child.is_null and name in variables else child


def _file_variables(file: Entry, found: Mapping[str, Entry], variables: Mapping[str, str]) -> Mapping[str, Entry]:
    place, form, required = file.mapping()["path"], file.get("format"), file.get("required")
    path = Path(place.text())
    if not path.is_file() and required is not None and required.value is False:
        return {}
    _check_exists(path, place, "env_file")
    known = {**{name: scalar_text(entry) for name, entry in found.items()}, **variables}
    if form is not None and form.text() not in ("raw", ".env", ""):
        raise form.error(f"The format {form.text()!r} isn't known.", "Write `raw`, or leave it out.")
    parse = parse_raw_env if form is not None and form.text() == "raw" else parse_dotenv
    read = parse(read_text(path, ComposeFileError), str(path), known)
    return {name: place.with_value(value) for name, value in read.items()}


def _check_exists(path: Path, place: Entry, key: str) -> None:
    if not path.is_file():
        raise place.error(f"There is no file {path}.", f"Check the path of `{key}`.")
