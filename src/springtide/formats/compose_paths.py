"""Paths of a Compose file made absolute, from the folder that they are meant from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from springtide.formats.entries import Entry

_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")

Change = Callable[[Entry], Entry]


@dataclass(frozen=True, slots=True)
class PathBase:
    """The folder that relative paths start at, and the home that ``~`` stands for (``None``: unknown)."""

    directory: Path
    home: str | None

    def of(self, text: str) -> Path:
        """The path absolute and without ``.`` and ``..``."""
        return Path(self.absolute(text))

    def absolute(self, text: str) -> str:
        """The same as text; an empty one stays empty, and an absolute one as it is written."""
        if text.startswith("~") and self.home is not None:
            text = os.path.normpath(f"{self.home}/{text[1:]}")
        if not text or os.path.isabs(text) or _OF_WINDOWS.match(text):
            return text
        return os.path.normpath(os.path.join(self.directory, text))

    def context(self, text: str) -> str:
        """A build context: a folder, unless it names another service or something remote."""
        is_elsewhere = "://" in text or text.startswith(("service:", *_REMOTE))
        return text if is_elsewhere else self.absolute(text)


def with_absolute_paths(root: Entry, base: PathBase) -> Entry:
    """The file, in long form, with every path in it absolute."""

    def absolute(entry: Entry) -> Entry:
        return _with_text(entry, base.absolute)

    def context(entry: Entry) -> Entry:
        return _with_text(entry, base.context)

    def watched(entry: Entry) -> Entry:
        return _with_text(entry, lambda text: os.path.realpath(base.absolute(text)) if text else text)

    def mounted(entry: Entry) -> Entry:
        kind = entry.get("type")
        return changed(entry, ["source"], absolute) if kind is not None and kind.value == "bind" else entry

    def stored(entry: Entry) -> Entry:
        driver, options = entry.get("driver"), entry.get("driver_opts")
        mode = options.get("o") if options is not None else None
        is_folder = driver is not None and driver.value == "local" and mode is not None and mode.value == "bind"
        return changed(entry, ["driver_opts", "device"], absolute) if is_folder else entry

    changes: Mapping[str, Change] = {
        "services.*.build.context": context,
        "services.*.build.additional_contexts.*": context,
        "services.*.build.ssh.*": absolute,
        "services.*.env_file.*.path": absolute,
        "services.*.label_file.*": absolute,
        "services.*.extends.file": absolute,
        "services.*.develop.watch.*.path": watched,
        "services.*.volumes.*": mounted,
        "configs.*.file": absolute,
        "secrets.*.file": absolute,
        "volumes.*": stored,
    }
    for path, change in changes.items():
        root = changed(root, path.split("."), change)
    return root


def changed(entry: Entry, path: Sequence[str], change: Change) -> Entry:
    """The entry with what stands under the path changed; ``*`` is every key or item. What is missing stays so."""
    if not path:
        return change(entry)
    step, rest = path[0], path[1:]
    if entry.is_mapping:
        children = entry.mapping()
        names = [name for name in children if step in ("*", name)]
        if not names:
            return entry
        return entry.with_value({**children, **{name: changed(children[name], rest, change) for name in names}})
    if entry.is_sequence and step == "*":
        return entry.with_value([changed(item, rest, change) for item in entry.sequence()])
    return entry


def _with_text(entry: Entry, make: Callable[[str], str]) -> Entry:
    return entry.with_value(make(entry.value)) if isinstance(entry.value, str) else entry
