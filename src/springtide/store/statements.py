"""What the SQL store says to its database: each function runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from springtide.model.errors import StoreError
from springtide.model.record import Change, Commit, Entry, Kind
from springtide.store.base import Retention
from springtide.store.codec import decode, decode_changes, encode_changes
from springtide.store.schema import COMMITS, ENTRIES, RECORD_HEAD

_COMMITS_PER_QUERY = 500
_IDS_PER_QUERY = 5_000

_HEAD = select(RECORD_HEAD.c.fence, RECORD_HEAD.c.version, RECORD_HEAD.c.set_versions)
_VERSION = select(RECORD_HEAD.c.version)
_ENTRIES = select(ENTRIES.c.kind, ENTRIES.c.id, ENTRIES.c.version, ENTRIES.c.value)
_LOGGED = select(COMMITS.c.version, COMMITS.c.changes).order_by(COMMITS.c.version).limit(_COMMITS_PER_QUERY)
_TAKE_OUT = delete(ENTRIES).where(ENTRIES.c.kind == bindparam("of"), ENTRIES.c.id == bindparam("named"))


@dataclass(frozen=True, slots=True)
class Head:
    """Where the record stands: the newest fence, its version, and each set's."""

    fence: int
    version: int
    sets: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A change with its value as text: encoding is done before the database is held."""

    change: Change
    text: str


def read_head(connection: Connection, *, for_update: bool = False) -> Head:
    """The head; ``for_update`` keeps other writers out where the database locks by rows."""
    row = connection.execute(_HEAD.with_for_update() if for_update else _HEAD).one()
    return Head(row.fence, row.version, {Kind(kind): version for kind, version in json.loads(row.set_versions).items()})


def read_version(connection: Connection) -> int:
    """The record's version."""
    version: int = connection.execute(_VERSION).scalar_one()
    return version


def write_fence(connection: Connection, number: int) -> None:
    """Make this the newest fence."""
    connection.execute(update(RECORD_HEAD).values(fence=number))


def read_entries(connection: Connection) -> Sequence[Entry]:
    """Every entry but the events, in order of writing."""
    rows = connection.execute(_ENTRIES.where(ENTRIES.c.kind != Kind.EVENT).order_by(ENTRIES.c.sequence))
    return tuple(map(_entry, rows))


def read_newest(connection: Connection, kind: Kind, count: int | None) -> Sequence[Entry]:
    """The newest ``count`` entries of a set (``None``: all), in order of writing."""
    newest_first = _ENTRIES.where(ENTRIES.c.kind == kind).order_by(ENTRIES.c.sequence.desc()).limit(count)
    return tuple(map(_entry, reversed(connection.execute(newest_first).all())))


def entry_versions(connection: Connection, keys: Iterable[tuple[Kind, str]]) -> Mapping[tuple[Kind, str], int]:
    """Present versions of these entries, without those that aren't there."""
    ids: dict[Kind, list[str]] = {}
    for kind, id in keys:
        ids.setdefault(kind, []).append(id)
    versions: dict[tuple[Kind, str], int] = {}
    for kind, wanted in ids.items():
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            some = wanted[start : start + _IDS_PER_QUERY]
            query = select(ENTRIES.c.id, ENTRIES.c.version).where(ENTRIES.c.kind == kind, ENTRIES.c.id.in_(some))
            versions.update({(kind, row.id): row.version for row in connection.execute(query)})
    return versions


def write_commit(connection: Connection, head: Head, encoded: Sequence[Encoded]) -> Commit:
    """Apply the changes on top of ``head``, log them, and move the head."""
    version = head.version + 1
    last = {(each.change.kind, each.change.id): each for each in encoded}
    connection.execute(_TAKE_OUT, [{"of": kind, "named": id} for kind, id in last])
    puts = [_row(each, version) for each in last.values() if each.change.value is not None]
    if puts:
        connection.execute(insert(ENTRIES), puts)
    changes = encode_changes((each.change, each.text) for each in encoded)
    connection.execute(insert(COMMITS), {"version": version, "changes": changes})
    sets = {**head.sets, **dict.fromkeys((kind for kind, _ in last), version)}
    connection.execute(update(RECORD_HEAD).values(version=version, set_versions=json.dumps(sets)))
    return Commit(version, tuple(each.change for each in encoded))


def commits_after(connection: Connection, since: int) -> Sequence[Commit]:
    """The next logged commits after a version, in order: all of them, or the first 500."""
    rows = connection.execute(_LOGGED.where(COMMITS.c.version > since))
    return [_commit(row.version, row.changes) for row in rows]


def oldest_kept(connection: Connection, version: int) -> int:
    """The oldest version after which every commit is in the log; the record is at ``version``."""
    first: int | None = connection.execute(select(func.min(COMMITS.c.version))).scalar()
    return version if first is None else first - 1


def forget_history(connection: Connection, version: int, retention: Retention) -> None:
    """Delete the commits and events that are older than what is kept."""
    connection.execute(delete(COMMITS).where(COMMITS.c.version <= version - retention.commits))
    events = select(ENTRIES.c.sequence).where(ENTRIES.c.kind == Kind.EVENT).order_by(ENTRIES.c.sequence.desc())
    oldest = events.limit(1).offset(retention.events - 1).scalar_subquery()
    connection.execute(delete(ENTRIES).where(ENTRIES.c.kind == Kind.EVENT, ENTRIES.c.sequence < oldest))


def _row(encoded: Encoded, version: int) -> dict[str, Any]:
    return {"kind": encoded.change.kind, "id": encoded.change.id, "version": version, "value": encoded.text}


def _entry(row: Any) -> Entry:
    try:
        return Entry(Kind(row.kind), row.id, decode(Kind(row.kind), row.value), row.version)
    except ValueError as error:
        raise _unreadable(f"The entry {row.kind}/{row.id}", error) from error


def _commit(version: int, changes: str) -> Commit:
    try:
        return Commit(version, decode_changes(changes))
    except ValueError as error:
        raise _unreadable(f"Commit {version}", error) from error


def _unreadable(what: str, error: ValueError) -> StoreError:
    return StoreError(
        f"{what} of the record can't be understood: {error}.",
        remedy="It was damaged or written by another version of Springtide: start that one, or restore a backup.",
    )
