"""Events as they come, none missing: a reader that was away goes on where it stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from springtide.api.wire import EventWire
from springtide.model.errors import InputError, StaleReadError
from springtide.model.events import Event
from springtide.model.record import Entry, Kind
from springtide.store.base import Store


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that a reader has seen: its commit, and its id among that commit's events."""

    version: int
    event: str = ""

    def __str__(self) -> str:
        return f"{self.version}/{self.event}"


@dataclass(frozen=True, slots=True)
class Lost:
    """Events after ``since`` are no longer kept; those that are kept follow."""

    since: int

    @property
    def sentence(self) -> str:
        return f"Events after version {self.since} may be missing: the record keeps no more of them."


def parse_position(text: str) -> Position:
    """The position that an event's id names. Raises InputError."""
    version, slash, event = text.partition("/")
    if not slash or not version.isascii() or not version.isdigit() or len(version) > 18:
        raise InputError(f"{text!r} is no position in the events.", file="Last-Event-ID", remedy="Leave it out.")
    return Position(int(version), event)


def event_wire(entry: Entry) -> EventWire:
    event: Event = entry.value
    return EventWire(
        id=entry.id,
        version=entry.version,
        at=event.at,
        subject=event.subject,
        code=event.reason.code,
        sentence=event.reason.sentence,
        figures=dict(event.reason.figures),
    )


def position_of(wire: EventWire) -> Position:
    return Position(wire.version, wire.id)


async def last_events(store: Store, last: int) -> list[EventWire]:
    """The last so many events, oldest first."""
    return [event_wire(entry) for entry in await store.list(Kind.EVENT, last=last)]


async def follow_last(store: Store, last: int) -> AsyncIterator[EventWire | Lost]:
    """The last so many events, then each later one."""
    version = await store.commit([])  # the present version, read without the record
    for wire in await last_events(store, last):
        if wire.version <= version:
            yield wire
    async for news in follow_after(store, Position(version)):
        yield news


async def follow_after(store: Store, position: Position) -> AsyncIterator[EventWire | Lost]:
    """Every event after this position, then each later one; where some are gone, says so first."""
    while True:
        try:
            async for wire in _watched(store, position):
                position = position_of(wire)
                yield wire
            return  # the store was closed
        except StaleReadError:
            version = await store.commit([])
            kept = await store.list(Kind.EVENT)
            after = position if position.version <= version else Position(0)  # another record: all is news
        yield Lost(position.version)
        for wire in _later(kept, after, version):
            yield wire
        position = Position(version)


def _later(kept: Iterable[Entry], after: Position, until: int) -> list[EventWire]:
    """The kept events that follow the position, in order of writing."""
    wires = [event_wire(entry) for entry in kept if after.version <= entry.version <= until]
    own = [wire for wire in wires if wire.version == after.version]
    ids = [wire.id for wire in own]
    unseen = own[ids.index(after.event) + 1 :] if after.event in ids else own if after.event else []
    return [*unseen, *(wire for wire in wires if wire.version > after.version)]


async def _watched(store: Store, after: Position) -> AsyncIterator[EventWire]:
    """Events after the position; the rest of its own commit first, if it was left in the middle."""
    since = after.version - 1 if after.event else after.version
    async for commit in store.watch(max(0, since)):
        entries = [
            Entry(change.kind, change.id, change.value, commit.version)
            for change in commit.changes
            if change.kind is Kind.EVENT and change.value is not None
        ]
        for wire in _later(entries, after, commit.version):
            yield wire
