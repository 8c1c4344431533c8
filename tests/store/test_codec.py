"""What is read back from JSON equals what was written, for every set of the record."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from springtide.model.events import Event, Reason
from springtide.model.mounts import FileMount
from springtide.model.record import VALUE_TYPES, Change, Kind
from springtide.model.workloads import Healthcheck, HttpProbe, Revision, TcpProbe
from springtide.store.codec import decode, decode_changes, encode, encode_changes
from tests.builders import a_revision

# The first use builds an adapter, and a whole fleet is large: neither says anything about the codec.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    bool: st.booleans(),
    type(None): st.none(),
    float: st.floats(allow_nan=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    # JSON has no lone surrogates, and neither has anything that people write.
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
}


def values(kind: Kind) -> st.SearchStrategy[Any]:
    return of_type(VALUE_TYPES[kind])


@cache
def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that the record uses. Not ``from_type``: its leaves can be set for all tests only."""
    if hint in LEAVES:
        return LEAVES[hint]
    if isinstance(hint, NewType):
        return of_type(hint.__supertype__)
    if get_origin(hint) in (Union, UnionType):
        return st.one_of(*map(of_type, get_args(hint)))
    if get_origin(hint) is tuple:
        return tuples(get_args(hint))
    if hint is FileMount:
        return st.builds(FileMount.of, st.just("key"), st.just("/key"), st.binary(max_size=8), is_secret=st.booleans())
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    types = get_type_hints(hint)
    return st.builds(hint, **{field.name: of_type(types[field.name]) for field in fields(hint)})


def tuples(items: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if items[-1] is Ellipsis:
        return st.lists(of_type(items[0]), max_size=3).map(tuple)
    return st.tuples(*map(of_type, items))


@pytest.mark.parametrize("kind", Kind)
@RELAXED
@given(data=st.data())
def test_a_value_is_read_as_it_was_written(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    read = decode(kind, encode(kind, value))
    assert read == value
    assert encode(kind, read) == encode(kind, value)
    assert type(read) is type(value)


@RELAXED
@given(st.lists(st.sampled_from(Kind).flatmap(lambda kind: st.builds(Change, st.just(kind), st.text(), values(kind)))))
def test_changes_are_read_as_they_were_written(changes: list[Change]) -> None:
    text = encode_changes((change, encode(change.kind, change.value)) for change in changes)
    assert decode_changes(text) == tuple(changes)


def test_a_deletion_is_read_as_a_deletion() -> None:
    change = Change(Kind.LEASE, "a", None)
    assert decode_changes(encode_changes([(change, encode(change.kind, None))])) == (change,)


def test_a_moment_of_another_offset_stays_the_same_moment() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    read = decode(Kind.EVENT, encode(Kind.EVENT, Event(at, "a", Reason("b", "c"))))
    assert read.at == datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("probe", [HttpProbe(80, "/"), TcpProbe(80), None])
def test_a_probe_is_read_as_the_probe_it_was(probe: HttpProbe | TcpProbe | None) -> None:
    revision: Revision = a_revision("feed/web")
    template = type(revision.template)(image="i", healthcheck=Healthcheck(probe))
    written = type(revision)(revision.id, revision.service, template, revision.created_at)
    assert decode(Kind.REVISION, encode(Kind.REVISION, written)) == written


@pytest.mark.parametrize("figure", [1, 1.0, "1", math.inf, -math.inf, 2**70, 0.1])
def test_a_figure_keeps_its_type(figure: float | str) -> None:
    written = Event(datetime(2026, 1, 1, tzinfo=UTC), "a", Reason("b", "c", (("x", figure),)))
    read = decode(Kind.EVENT, encode(Kind.EVENT, written)).reason.figure("x")
    assert (read, type(read)) == (figure, type(figure))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"count": 1}'])
def test_what_is_not_a_value_of_the_set_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=": "):
        decode(Kind.LEASE, text)
