"""Compose files as one tree in long form: variables replaced, services extended, files included and merged.

The way of each file: read → replace variables → long forms → `extends` → `include` → over what the
files before it say. Source: the Compose Specification, 13-merge.md, 14-include.md and `extends` in
05-services.md; where they are silent, what Docker Compose does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from springtide.formats.compose_defaults import with_contexts
from springtide.formats.compose_paths import PathBase, changed, with_absolute_paths
from springtide.formats.compose_project_shape import PROJECT
from springtide.formats.compose_service_shape import SERVICE
from springtide.formats.compose_shapes import merged, settled
from springtide.formats.dotenv import parse_dotenv
from springtide.formats.entries import Entry, did_you_mean
from springtide.formats.interpolation import Interpolation
from springtide.formats.yaml_text import Dialect, read_text, read_yaml
from springtide.model.errors import ComposeFileError

COMPOSE_DIALECT = Dialect(has_marks=True, octal_keys=frozenset({"mode"}))
_IMPORTED = ("services", "volumes", "networks", "secrets", "configs", "models")


@dataclass(frozen=True, slots=True)
class Reading:
    """Where one set of files is read from: the folder of their paths and the variables they see.

    ``unset`` collects the variables that had no value, each with the first entry that uses it;
    ``including`` are the files that this set is included from.
    """

    base: PathBase
    variables: Mapping[str, str]
    unset: dict[str, Entry] = field(default_factory=dict)
    including: tuple[Path, ...] = ()
    parsed: Mapping[Path, Entry] = field(default_factory=dict)
    """Files that were parsed before: that is most of the time that a file takes."""

    def files(self, paths: Sequence[Path]) -> Entry:
        """The files merged, the later over the earlier, with their paths absolute."""
        root: Entry | None = None
        for path in paths:
            document = self._file(path, tuple(paths[:1]))
            root = document if root is None else merged(PROJECT, root, document)
        assert root is not None, "at least one file is read"
        return with_absolute_paths(with_contexts(_with_unique_items(settled(root))), self.base)

    def _file(self, path: Path, opened: tuple[Path, ...]) -> Entry:
        document = self.document(path)
        services = document.get("services")
        if services is not None:
            document = _with_child(document, "services", Extending(self, path, services.mapping()).all(services))
        return self._with_included(document, (*self.including, *opened, path))

    def document(self, path: Path) -> Entry:
        """One file in long form, with variables replaced and nothing else done."""
        interpolation = Interpolation(self.variables)
        parsed = self.parsed.get(path)
        document = interpolation.apply(parsed or read_yaml(path, ComposeFileError, COMPOSE_DIALECT))
        for name, entry in interpolation.unset.items():
            self.unset.setdefault(name, entry)
        return PROJECT.long(document)

    def _with_included(self, document: Entry, opened: tuple[Path, ...]) -> Entry:
        section = document.get("include")
        for included in section.sequence() if section is not None else ():
            document = _imported(document, self._included(included, opened), included)
        return document

    def _included(self, entry: Entry, opened: tuple[Path, ...]) -> Entry:
        paths = [self.base.of(path.text()) for path in _items(entry.get("path"))]
        if not paths:
            raise entry.error("Nothing says which file to include.", "Add `path:`.")
        if paths[0] in [each.absolute() for each in opened]:
            chain = ", ".join(str(each) for each in (*dict.fromkeys(opened), paths[0]))
            raise entry.error(f"These files include one another in a circle: {chain}.", "Take one `include` out.")
        directory = entry.get("project_directory")
        folder = paths[0].parent if directory is None else self.base.of(directory.text())
        if directory is not None and not folder.is_dir():
            raise directory.error(f"There is no folder {folder}.", "Check `project_directory`.")
        reading = Reading(
            PathBase(folder, self.base.home),
            {**self._variables_of(entry, folder), **self.variables},
            self.unset,
            opened,
        )
        return with_own_variables(reading.files(paths), reading.variables)

    def _variables_of(self, included: Entry, folder: Path) -> Mapping[str, str]:
        named = [(self.base.of(file.text()), file) for file in _items(included.get("env_file"))]
        if included.get("env_file") is None and (folder / ".env").is_file():
            named = [(folder / ".env", included)]
        variables: dict[str, str] = {}
        for file, entry in named:
            if not file.is_file():
                raise entry.error(f"There is no file {file}.", "Check the path of `env_file`.")
            variables |= parse_dotenv(read_text(file, ComposeFileError), str(file), {**variables, **self.variables})
        return variables


@dataclass(frozen=True, slots=True)
class Extending:
    """Puts services of one file over those that they extend, of the same file or of another."""

    reading: Reading
    path: Path
    services: Mapping[str, Entry]

    def all(self, section: Entry) -> Entry:
        """The file's services, each with what it extends."""
        return section.with_value({name: self.extended(name, ()) for name in self.services})

    def extended(self, name: str, seen: tuple[tuple[Path, str], ...]) -> Entry:
        """One service. ``seen`` are the services, with their files, that led here."""
        service = self.services[name]
        extends = service.get("extends")
        if extends is None:
            return service
        chain = (*seen, (self.path, name))
        wanted = extends.mapping()["service"]
        elsewhere = self._elsewhere(extends.get("file"))
        if wanted.text() not in elsewhere.services:
            raise wanted.error(
                f"{elsewhere.path} has no service {wanted.text()!r}.",
                did_you_mean(wanted.text(), elsewhere.services) or "Name one that it has.",
            )
        if (elsewhere.path, wanted.text()) in chain:
            circle = ", ".join(f"{each} of {file.name}" for file, each in chain)
            raise extends.error(f"These services extend one another in a circle: {circle}.", "Take one out.")
        base = settled(elsewhere.extended(wanted.text(), chain))
        own = service.with_value({key: child for key, child in service.mapping().items() if key != "extends"})
        return merged(SERVICE, base, own)

    def _elsewhere(self, file: Entry | None) -> Extending:
        if file is None:
            return self
        path = self.reading.base.of(file.text())
        if path == self.path.absolute():
            return self
        base = PathBase(path.parent, self.reading.base.home)
        reading = replace(self.reading, base=base)
        document = with_absolute_paths(reading.document(path), base)
        return Extending(reading, path, (document.get("services") or document.with_value({})).mapping())


def with_own_variables(root: Entry, variables: Mapping[str, str]) -> Entry:
    """Included services with those variables that are only named, as far as their own files give them."""

    def resolved(section: Entry) -> Entry:
        named = section.mapping()
        return section.with_value(
            {
                name: child.with_value(variables[name]) if child.is_null and name in variables else child
                for name, child in named.items()
            }
        )

    return changed(root, ["services", "*", "environment"], resolved)


def _imported(document: Entry, included: Entry, place: Entry) -> Entry:
    children = dict(document.mapping())
    for section in _IMPORTED:
        found = included.get(section)
        if found is None:
            continue
        own = children.get(section)
        named = dict(own.mapping()) if own is not None else {}
        for name, entry in found.mapping().items():
            if name in named and named[name].plain() != entry.plain():
                sentence = f"{section}.{name} of {entry.source.file} stands in {named[name].source.file} as well."
                raise named[name].error(
                    sentence, "Rename one, or change the included one in a second file of the same `include`."
                )
            named.setdefault(name, entry)
        children[section] = (own or found).with_value(named)
    return document.with_value(children)


def _with_unique_items(root: Entry) -> Entry:
    """Long forms once more: lists that only `extends` joined may hold the same item twice."""
    return PROJECT.long(root)


def _with_child(entry: Entry, name: str, child: Entry) -> Entry:
    return entry.with_value({**entry.mapping(), name: child})


def _items(section: Entry | None) -> Sequence[Entry]:
    return section.sequence() if section is not None else ()
