"""Messages of protocol buffers as fields with numbers: as much of the encoding as a build's conversation needs.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and the value of each field, in order. Raises ValueError for what is no such message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == LENGTH:
            length, position = _varint(message, position)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"field {number} is of the unknown kind {kind}")
        if position + length > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[position : position + length]
        position += length


def values_of(message: bytes, wanted: int) -> Iterator[bytes]:
    """What the fields of this number hold, where that is text, bytes or a message."""
    for number, value in fields_of(message):
        if number == wanted and isinstance(value, bytes):
            yield value


def text_of(message: bytes, wanted: int) -> str:
    """The last text under this number; empty where there is none."""
    return "".join([value.decode(errors="replace") for value in values_of(message, wanted)][-1:])


def field_of(number: int, content: bytes) -> bytes:
    """One field that holds text, bytes or a message."""
    return _as_varint(number << 3 | LENGTH) + _as_varint(len(content)) + content


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 70:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
    raise ValueError("a number is cut off")


def _as_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
