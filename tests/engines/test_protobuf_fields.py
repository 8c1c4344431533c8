"""Fields of protocol buffers: what goes in comes out, and what is no message is said, never guessed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.engines.protobuf_fields import field_of, fields_of, text_of, values_of

NUMBERS = st.integers(1, 2**29 - 1)


@given(st.lists(st.tuples(NUMBERS, st.binary(max_size=300))))
def test_fields_come_out_as_they_went_in(fields: list[tuple[int, bytes]]) -> None:
    message = b"".join(field_of(number, content) for number, content in fields)
    assert list(fields_of(message)) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_a_value_error(message: bytes) -> None:
    with suppress(ValueError):
        assert all(number >= 0 for number, _ in fields_of(message))


# The first three stand as examples in the description of the encoding.
@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (bytes.fromhex("089601"), [(1, 150)]),
        (bytes.fromhex("120774657374696e67"), [(2, b"testing")]),
        (bytes.fromhex("1a03089601"), [(3, bytes.fromhex("089601"))]),
        (bytes.fromhex("0d01000000") + bytes.fromhex("110200000000000000"), [(1, b"\1\0\0\0"), (2, b"\2" + b"\0" * 7)]),
    ],
)
def test_the_examples_of_the_encoding_are_read(message: bytes, fields: list[tuple[int, int | bytes]]) -> None:
    assert list(fields_of(message)) == fields


@pytest.mark.parametrize("message", ["08", "0aff", "0a05aa", "0b", "08" + "ff" * 11])
def test_what_is_cut_off_or_of_no_kind_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match=r"cut off|unknown kind"):
        list(fields_of(bytes.fromhex(message)))


def test_the_last_text_of_a_number_counts() -> None:
    message = field_of(1, b"a") + field_of(2, b"b") + field_of(1, b"c")
    assert (text_of(message, 1), text_of(message, 9)) == ("c", "")
    assert list(values_of(message, 1)) == [b"a", b"c"]
