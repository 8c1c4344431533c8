"""Compose files as one project in its normal form: every short form long, everything implied said.

The normal form is what ``docker compose config`` shows; whoever reads an app reads it from there and
meets long forms only. Every entry still knows the file and line that it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide.formats.compose_consistency import check_consistency
from springtide.formats.compose_defaults import with_defaults
from springtide.formats.compose_files import COMPOSE_DIALECT, Reading
from springtide.formats.compose_paths import PathBase, changed
from springtide.formats.compose_project_shape import PROJECT
from springtide.formats.compose_variables import project_variables, with_environment_files, with_label_files
from springtide.formats.entries import Entry
from springtide.formats.interpolation import Interpolation
from springtide.formats.yaml_text import read_yaml
from springtide.model.errors import ComposeFileError, RefusedError

_APP_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NAME_REMEDY = "Use small letters, digits, dashes and underscores, at most 63, with a letter or digit first."


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project in its normal form, whose active services are those of its profiles.

    ``variables`` are those that the files see; ``notices`` are sentences worth showing that stop nothing.
    """

    name: str
    root: Entry
    variables: Mapping[str, str]
    notices: tuple[str, ...] = ()

    def normal_form(self) -> dict[str, Any]:
        """The project as JSON, equal to what ``docker compose config --format json`` prints."""
        printed: dict[str, Any] = PROJECT.printed(self.root)
        return {**printed, "name": self.name}


def read_project(
    paths: Sequence[Path],
    *,
    environment: Mapping[str, str],
    project: str | None = None,
    profiles: Sequence[str] = (),
) -> Project:
    """The project that Compose files describe, the later files over the earlier.

    ``environment`` and, below it, a ``.env`` file next to the first file give the variables;
    relative paths start at the first file's folder. ``project`` names it; else
    COMPOSE_PROJECT_NAME, the files' ``name`` or the folder do. ``profiles`` are those to switch on;
    else COMPOSE_PROFILES names them. Raises ComposeFileError with file, line, key and remedy;
    RefusedError where no file is named.
    """
    if not paths:
        raise RefusedError(
            "There is no Compose file here.", remedy="Name one with -f, or go to the folder that holds it."
        )
    folder = paths[0].absolute().parent
    variables = project_variables(folder, environment)
    parsed = {path: read_yaml(path, ComposeFileError, COMPOSE_DIALECT) for path in paths}
    name = _project_name([parsed[path] for path in paths], folder, project, variables)
    variables["COMPOSE_PROJECT_NAME"] = name
    reading = Reading(PathBase(folder, variables.get("HOME")), variables, parsed=parsed)
    root = reading.files(paths)
    if root.get("services") is None:
        raise (root.mapping().get("services") or root).error(
            "The file has no services.", "Add at least one under `services:`."
        )
    active = profiles or tuple(each.strip() for each in variables.get("COMPOSE_PROFILES", "").split(","))
    root = _with_active_services(with_defaults(root, name, variables), active)
    check_consistency(root)
    root = changed(root, ["services", "*"], lambda service: _with_files(service, variables))
    used, idle = _without_unused(root)
    return Project(name, used, variables, (*_unset_notices(reading.unset), *idle, *_version_notice(root)))


def _unset_notices(unset: Mapping[str, Entry]) -> Iterator[str]:
    for variable, entry in unset.items():
        yield f"{entry.source.file}:{entry.line}: the variable {variable} isn't set and reads as empty."


def _version_notice(root: Entry) -> Iterator[str]:
    if (version := root.get("version")) is not None:
        yield f"{version.source.file}:{version.line}: `version` is obsolete and means nothing; leave it out."


def _project_name(documents: Sequence[Entry], folder: Path, project: str | None, variables: Mapping[str, str]) -> str:
    chosen = project or variables.get("COMPOSE_PROJECT_NAME")
    if chosen:
        if not _APP_NAME.fullmatch(chosen):
            raise RefusedError(f"{chosen!r} can't name an app.", remedy=_NAME_REMEDY)
        return chosen
    named = [entry for document in documents if (entry := document.get("name"))]
    if named:
        entry = Interpolation(variables).apply(named[-1])
        if not _APP_NAME.fullmatch(entry.text()):
            raise entry.error(f"{entry.described} can't name an app.", _NAME_REMEDY)
        return entry.text()
    directory = re.sub(r"[^a-z0-9_-]", "", folder.name.lower()).lstrip("_-")[:63]
    if not directory:
        raise documents[0].error(f"The directory {folder} can't name the app.", "Add a top-level `name:`.")
    return directory


def _with_active_services(root: Entry, profiles: Sequence[str]) -> Entry:
    services = root.mapping()["services"]
    active = {name: service for name, service in services.mapping().items() if _is_active(service, profiles)}
    for name, service in active.items():
        needs = service.get("depends_on")
        for other, need in needs.mapping().items() if needs is not None else ():
            is_required = need.mapping()["required"].value
            if other in services.mapping() and other not in active and is_required:
                wanted = services.mapping()[other].mapping()["profiles"].plain()
                sentence = f"{name!r} needs {other!r}, whose profiles ({', '.join(wanted)}) aren't switched on."
                raise need.error(sentence, f"Add `--profile {wanted[0]}`, or write `required: false`.")
    return root.with_value({**root.mapping(), "services": services.with_value(active)})


def _is_active(service: Entry, profiles: Sequence[str]) -> bool:
    section = service.get("profiles")
    own = [profile.text() for profile in section.sequence()] if section is not None else []
    return not own or "*" in profiles or any(profile in own for profile in profiles)


def _with_files(service: Entry, variables: Mapping[str, str]) -> Entry:
    return with_label_files(with_environment_files(service, variables)) if service.is_mapping else service


def _without_unused(root: Entry) -> tuple[Entry, tuple[str, ...]]:
    """The project without the networks, volumes, configs, secrets and models that no active service uses.

    With it come sentences that name what is left out.
    """
    services = root.mapping()["services"].mapping().values()
    used = {
        "networks": {name for service in services for name in _names(service.get("networks"))},
        "models": {name for service in services for name in _names(service.get("models"))},
        "volumes": {
            source.text()
            for service in services
            for mounted in _items(service.get("volumes"))
            if mounted.mapping()["type"].value == "volume" and (source := mounted.get("source")) is not None
        },
        "configs": {name for service in services for name in _sources(service.get("configs"))},
        "secrets": {
            name
            for service in services
            for section in (service.get("secrets"), (service.get("build") or service).get("secrets"))
            for name in _sources(section)
        },
    }
    children, idle = dict(root.mapping()), []
    for section, names in used.items():
        found = children.get(section)
        if found is None:
            continue
        children[section] = found.with_value({k: v for k, v in found.mapping().items() if k in names})
        unused = [entry for name, entry in found.mapping().items() if name not in names]
        idle += [
            f"{each.source.file}:{each.line}: no active service uses {each.key}, so it isn't made." for each in unused
        ]
    return root.with_value(children), tuple(idle)


def _names(section: Entry | None) -> Sequence[str]:
    return tuple(section.mapping()) if section is not None else ()


def _items(section: Entry | None) -> Sequence[Entry]:
    return section.sequence() if section is not None else ()


def _sources(section: Entry | None) -> Sequence[str]:
    return [source.text() for item in _items(section) if (source := item.get("source")) is not None]
