"""The forms that values of a Compose file take: how each is written short and long, merged, and printed.

A shape knows three things of a value. ``long`` turns a short form into its long form and checks its
type. ``merged`` puts the value of a later file over that of an earlier one, both in long form.
``printed`` gives it as JSON, the way Docker Compose prints its normal form: what is empty is left
out, unless being empty says something.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from springtide.formats.entries import Entry, Mark, Scalar, did_you_mean

EXTENSION_PREFIX = "x-"


class Omitted:
    """Nothing is printed for this value, not even a null."""


OMITTED = Omitted()


class Shape(Protocol):
    """What a value looks like. Entries handed to ``merged`` and ``printed`` are in long form."""

    def long(self, entry: Entry) -> Entry:
        """The value in long form. Raises the entry's error where it is of another type."""

    def merged(self, base: Entry, over: Entry) -> Entry:
        """The later value over the earlier one; it stands where the later one stands."""

    def printed(self, entry: Entry | None) -> Any:
        """The value as JSON, :data:`OMITTED` where it isn't printed. ``None`` is a key that is missing."""


def merged(shape: Shape, base: Entry, over: Entry) -> Entry:
    """The later value over the earlier one, minding ``!reset`` and ``!override``.

    What is reset stays in the tree as such, since it also takes away what still earlier files say;
    :func:`settled` takes it out in the end.
    """
    if over.mark != Mark.MERGE or base.mark == Mark.RESET:
        return over
    return shape.merged(base, over)


def settled(entry: Entry) -> Entry:
    """The entry without what is reset."""
    if entry.is_mapping:
        children = entry.mapping().items()
        return entry.with_value({name: settled(child) for name, child in children if child.mark != Mark.RESET})
    if entry.is_sequence:
        return entry.with_value([settled(child) for child in entry.sequence()])
    return entry


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar. ``read`` checks it and makes it canonical, ``show`` prints it.

    With ``keeps_empty`` an empty text, a nought and a false are printed too.
    """

    read: Callable[[Entry], Scalar]
    show: Callable[[Any], Any] = lambda value: value
    keeps_empty: bool = False

    def long(self, entry: Entry) -> Entry:
        return entry if entry.is_null else entry.with_value(self.read(entry))

    def merged(self, base: Entry, over: Entry) -> Entry:
        return base if over.is_null else over

    def printed(self, entry: Entry | None) -> Any:
        if entry is None or entry.is_null or (not entry.value and not self.keeps_empty):
            return OMITTED
        return self.show(entry.value)


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that is passed on as it is: an extension."""

    def long(self, entry: Entry) -> Entry:
        return entry

    def merged(self, base: Entry, over: Entry) -> Entry:
        if over.is_null:
            return base
        if base.is_mapping and over.is_mapping:
            return _merged_mappings(base, over, lambda _: self)
        if base.is_sequence and over.is_sequence:
            return over.with_value([*base.sequence(), *over.sequence()])
        return over

    def printed(self, entry: Entry | None) -> Any:
        return OMITTED if entry is None else entry.plain()


ANYTHING = Anything()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. Of items with the same ``identity`` the last stands, in the place of the first.

    ``single`` lets one value stand for a list of one; ``several`` makes any number of items of one,
    such as the ports of a range.
    """

    item: Shape
    identity: Callable[[Entry], Hashable] | None = None
    single: bool = False
    several: Callable[[Entry], Sequence[Entry]] | None = None

    def long(self, entry: Entry) -> Entry:
        if entry.is_null:
            return entry
        given = (entry,) if self.single and not entry.is_sequence and not entry.is_mapping else entry.sequence()
        for each in given:
            if each.is_null:
                raise each.error("This item is empty.", "Write something, or leave it out.")
        several = self.several or (lambda item: (item,))
        return entry.with_value(self._unique([self.item.long(each) for item in given for each in several(item)]))

    def merged(self, base: Entry, over: Entry) -> Entry:
        if over.is_null or base.is_null:
            return base if over.is_null else over
        return over.with_value(self._unique([*base.sequence(), *over.sequence()]))

    def printed(self, entry: Entry | None) -> Any:
        items = entry.sequence() if entry is not None else ()
        # An empty text is an item like any other.
        printed = ((item, self.item.printed(item)) for item in items)
        return [item.value if shown is OMITTED else shown for item, shown in printed] or OMITTED

    def _unique(self, items: Sequence[Entry]) -> list[Entry]:
        if self.identity is None:
            return list(items)
        return list({self.identity(item): item for item in items}.values())


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are names that people choose.

    ``short`` gives the mapping that a list stands for. With ``null_says`` a null of a later file
    replaces a value: it means the value from outside, or none.
    """

    item: Shape
    short: Callable[[Entry], Mapping[str, Entry]] | None = None
    null_says: bool = False

    def long(self, entry: Entry) -> Entry:
        if entry.is_null:
            return entry
        named = self.short(entry) if self.short is not None and not entry.is_mapping else entry.mapping()
        return entry.with_value({name: _long_unless_marked(self.item, child) for name, child in named.items()})

    def merged(self, base: Entry, over: Entry) -> Entry:
        if over.is_null:
            return base
        return _merged_mappings(base, over, lambda _: _Replaced(self.item) if self.null_says else self.item)

    def printed(self, entry: Entry | None) -> Any:
        named = entry.mapping() if entry is not None else {}
        return {name: _or_none(self.item.printed(child)) for name, child in named.items()} or OMITTED


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping whose keys the specification gives, and extensions (``x-…``).

    ``short`` gives the mapping that another value stands for. With ``is_always_there`` the mapping
    is printed even where the file says nothing; ``hidden`` keys are read, but not printed.
    """

    fields: Mapping[str, Shape]
    short: Callable[[Entry], Mapping[str, Entry]] | None = None
    is_always_there: bool = False
    required: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    merge: Callable[[Record, Entry, Entry], Entry] | None = None
    replaces: bool = False
    prints_extensions: bool = field(default=False, kw_only=True)

    def long(self, entry: Entry) -> Entry:
        if entry.is_null:
            return entry
        given = self.short(entry) if self.short is not None and not entry.is_mapping else entry.mapping()
        children = {name: _long_unless_marked(self._shape(name, child), child) for name, child in given.items()}
        for name in self.required:
            if name not in children or (children[name].is_null and children[name].mark == Mark.MERGE):
                raise entry.error(f"`{name}` is missing here.", f"Add `{name}:`.")
        return entry.with_value(children)

    def merged(self, base: Entry, over: Entry) -> Entry:
        if over.is_null or self.replaces:
            return base if over.is_null else over
        if self.merge is not None:
            return self.merge(self, base, over)
        return self.merged_fields(base, over)

    def merged_fields(self, base: Entry, over: Entry) -> Entry:
        """The two merged key by key."""
        return _merged_mappings(base, over, lambda name: self.fields.get(name, ANYTHING))

    def printed(self, entry: Entry | None) -> Any:
        if (entry is None or entry.is_null) and not self.is_always_there:
            return OMITTED
        found = entry.mapping() if entry is not None else {}
        printed = {name: shape.printed(found.get(name)) for name, shape in self.fields.items()}
        if self.prints_extensions:
            extensions = {name for name in found if name.startswith(EXTENSION_PREFIX)}
            printed |= {name: ANYTHING.printed(found[name]) for name in extensions}
        return {name: value for name, value in printed.items() if value is not OMITTED and name not in self.hidden}

    def _shape(self, name: str, child: Entry) -> Shape:
        if name in self.fields:
            return self.fields[name]
        if name.startswith(EXTENSION_PREFIX):
            return ANYTHING
        raise child.error(f"The key {name!r} isn't known here.", did_you_mean(name, self.fields))


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A shape whose later value always replaces the earlier one."""

    shape: Shape

    def long(self, entry: Entry) -> Entry:
        return self.shape.long(entry)

    def merged(self, base: Entry, over: Entry) -> Entry:
        return over

    def printed(self, entry: Entry | None) -> Any:
        return self.shape.printed(entry)


def replaced(shape: Shape) -> Shape:
    """The same shape, of which the later value always replaces the earlier one, be it null."""
    return _Replaced(shape)


def _long_unless_marked(shape: Shape, child: Entry) -> Entry:
    return child if child.mark == Mark.RESET else shape.long(child)


def _merged_mappings(base: Entry, over: Entry, shape_of: Callable[[str], Shape]) -> Entry:
    children = dict(base.mapping())
    for name, child in over.mapping().items():
        children[name] = merged(shape_of(name), children[name], child) if name in children else child
    return over.with_value(children)


def _or_none(printed: Any) -> Any:
    return None if printed is OMITTED else printed
