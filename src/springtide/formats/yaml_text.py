"""YAML 1.2 text into entries that know their lines.

ruamel.yaml composes the nodes; the values are made here, because its constructors either lose
the lines or keep types of their own. Whatever is wrong with the text becomes the source's error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver

from springtide.formats.entries import Entry, Mark, Scalar, Source, shortened
from springtide.model.errors import InputError

MAX_ENTRIES = 100_000
"""Aliases of aliases can blow a small file up without bound; no honest file comes near this."""

_OCTAL_OF_OLD = re.compile(r"[+-]?0[0-7]{1,20}")
_TAG = "tag:yaml.org,2002:"
_TOO_DEEP = "The file is nested too deeply."


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a kind of file may hold beyond plain YAML 1.2.

    ``has_marks`` allows the tags ``!reset`` and ``!override``. Under ``octal_keys`` a number with
    a leading nought is octal, as in ``mode: 0440``; anywhere else it is refused.
    """

    has_marks: bool = False
    octal_keys: frozenset[str] = frozenset()


PLAIN = Dialect()


def read_yaml(path: Path, error: type[InputError], dialect: Dialect = PLAIN) -> Entry:
    """Read and parse a file. Raises ``error`` where it can't be read or is no YAML."""
    return parse_yaml(read_text(path, error), Source(str(path), error), dialect)


def read_text(path: Path, error: type[InputError]) -> str:
    """The text of a file, without a byte order mark. Raises ``error`` where it can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error("There is no such file.", file=str(path), remedy="Check the path.") from None
    except UnicodeDecodeError as failure:
        sentence = f"Byte {failure.start} isn't valid UTF-8."
        raise error(sentence, file=str(path), remedy="Save the file as UTF-8.") from None
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        raise error(f"The file can't be read: {reason}.", file=str(path)) from None


def parse_yaml(text: str, source: Source, dialect: Dialect = PLAIN) -> Entry:
    """Parse one YAML document; an empty one is a null entry on line 1.

    Raises the source's error for malformed text, duplicate keys, keys that aren't text, unknown
    tags, endless aliases and several documents.
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        return Entry(None, 1, "", source) if node is None else _Builder(source, dialect).build(node)
    except MarkedYAMLError as failure:
        raise _malformed(failure, source) from None
    except YAMLError as failure:
        sentence = f"This isn't valid YAML: {shortened(str(failure).splitlines()[0])}."
        raise source.error(sentence, file=source.file, remedy="Remove the character.") from None
    except RecursionError:
        raise source.error(_TOO_DEEP, file=source.file, remedy="Flatten it.") from None
    except (ValueError, AttributeError, TypeError, LookupError) as failure:
        # Odd directives and tags make ruamel.yaml fail in ways that aren't YAML errors.
        sentence = f"This isn't valid YAML: {shortened(str(failure))}."
        raise source.error(sentence, file=source.file, remedy="Check its directives and tags.") from None


def _malformed(failure: MarkedYAMLError, source: Source) -> InputError:
    problem = (failure.problem or failure.context or "malformed").strip()
    # What is never closed is found at the end of the file; people look for where it was opened.
    is_open = failure.context_mark is not None and ("stream end" in problem or "end of stream" in problem)
    mark = failure.context_mark if is_open else failure.problem_mark or failure.context_mark
    line = mark.line + 1 if mark is not None else 0
    if r"'\t'" in problem:
        sentence, remedy = "A tab stands where only spaces may stand.", "Indent with spaces."
    elif failure.problem == "but found another document":
        sentence, remedy = "A second document starts here.", "Keep one document a file."
    else:
        context = f" ({failure.context})" if failure.context else ""
        sentence, remedy = f"This isn't valid YAML: {problem}{context}.", "Check indentation, quotes and brackets."
    return source.error(sentence, file=source.file, line=line, remedy=remedy)


class _Builder:
    """Turns the nodes of one document into entries, counting them."""

    def __init__(self, source: Source, dialect: Dialect) -> None:
        self._source = source
        self._dialect = dialect
        self._count = 0
        self._open: set[int] = set()

    def build(self, node: Node, key: str = "", line: int | None = None) -> Entry:
        place = Entry(None, line or node.start_mark.line + 1, key, self._source)
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise place.error(f"The file has more than {MAX_ENTRIES} values, aliases counted in.", "Use fewer aliases.")
        if self._dialect.has_marks and str(node.tag) in (Mark.RESET, Mark.OVERRIDE):
            return self._marked(node, place)
        if isinstance(node, ScalarNode):
            return place.with_value(_scalar(node, place, self._dialect))
        if id(node) in self._open:
            raise place.error("This alias contains itself.", "Write the value out.")
        self._open.add(id(node))
        try:
            return place.with_value(self._collection(node, place))
        finally:
            self._open.remove(id(node))

    def _marked(self, node: Node, place: Entry) -> Entry:
        mark = Mark(str(node.tag))
        if mark == Mark.RESET:
            return replace(place, mark=mark)
        built = self.build(_untagged(node), place.key, place.line)
        return replace(built, mark=mark)

    def _collection(self, node: Node, place: Entry) -> dict[str, Entry] | list[Entry]:
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, place)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            items = [
                self.build(child, f"{place.key}[{index}]", child.start_mark.line + 1)
                for index, child in enumerate(node.value)
            ]
            return [item for item in items if item.mark != Mark.RESET]
        raise _unknown_tag(node, place)

    def _mapping(self, node: MappingNode, place: Entry) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_TAG}merge":
                for each in self._merged(value_node, place, line):
                    merged = {**each, **merged}
                continue
            name = _key_text(key_node, place, line)
            key = f"{place.key}.{name}" if place.key else name
            if name in own:
                sentence = f"The key {name!r} stands here a second time; the first is on line {own[name].line}."
                raise Entry(None, line, key, self._source).error(sentence, "Keep one of the two.")
            own[name] = self.build(value_node, key, line)
        return {**merged, **own}

    def _merged(self, node: Node, place: Entry, line: int) -> Iterator[dict[str, Entry]]:
        children = node.value if isinstance(node, SequenceNode) else [node]
        for child in children:
            entry = self.build(child, place.key)
            if not entry.is_mapping:
                wrong = Entry(None, line, f"{place.key}.<<".lstrip("."), self._source)
                raise wrong.error("Only mappings can be merged.", "Let `<<` name an anchor of a mapping.")
            yield dict(entry.mapping())


def _key_text(node: Node, place: Entry, line: int) -> str:
    if isinstance(node, ScalarNode) and node.tag == f"{_TAG}str":
        return str(node.value)
    shown = repr(node.value) if isinstance(node, ScalarNode) else "a list or mapping"
    wrong = Entry(None, line, place.key, place.source)
    raise wrong.error(f"A key must be text, not {shortened(shown)}.", "Put it in quotes.")


def _untagged(node: Node) -> Node:
    """The node as it would be without its tag."""
    if isinstance(node, ScalarNode):
        tag = VersionedResolver().resolve(ScalarNode, node.value, (node.style is None, True))
        return ScalarNode(tag, node.value, node.start_mark, node.end_mark, style=node.style)
    kind = "map" if isinstance(node, MappingNode) else "seq"
    return type(node)(f"{_TAG}{kind}", node.value, node.start_mark, node.end_mark)


def _scalar(node: ScalarNode, place: Entry, dialect: Dialect) -> Scalar:
    text = str(node.value)
    kind = str(node.tag).removeprefix(_TAG)
    if kind in ("str", "timestamp", "value", "merge"):
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on", "y")
    if kind == "int" and _OCTAL_OF_OLD.fullmatch(text):
        if place.key.rpartition(".")[2] in dialect.octal_keys:
            return int(text, 8)
        sentence = f"{text} is {int(text)} to some readers of YAML and {int(text, 8)} to others."
        raise place.error(sentence, "Put it in quotes, or write it without the leading nought.")
    try:
        if kind == "int":
            return _whole(text.replace("_", ""))
        if kind == "float":
            return _decimal(text.replace("_", "").lower())
    except ValueError:
        raise place.error(f"{shortened(repr(text))} isn't a number.", "Put it in quotes if it is text.") from None
    raise _unknown_tag(node, place)


def _whole(text: str) -> int:
    if len(text) > 64:
        raise ValueError("too long")
    unsigned = text.lstrip("+-").lower()
    sign = -1 if text.startswith("-") else 1
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2)):
        if unsigned.startswith(prefix):
            return sign * int(unsigned.removeprefix(prefix), base)
    return sign * int(unsigned)


def _decimal(text: str) -> float:
    if text.endswith(".nan"):
        return math.nan
    if text.endswith(".inf"):
        return -math.inf if text.startswith("-") else math.inf
    return float(text)


def _unknown_tag(node: Node, place: Entry) -> InputError:
    shown = str(node.tag).replace(_TAG, "!!")
    return place.error(f"The tag {shown} isn't supported.", "Write the plain value without a tag.")
