"""The fleet as JSON and back: amounts and ceilings as objects by kind; what is read back equals what was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from springtide.model.fleet import Fleet
from springtide.model.resources import Ceiling, Resources


def fleet_json(value: Any) -> Any:
    """The fleet, or a part of it, as plain JSON. A ceiling of nought stays: nothing of that kind."""
    if isinstance(value, Resources | Ceiling):
        return dict(value.amounts)
    if isinstance(value, tuple):
        return [fleet_json(each) for each in value]
    if is_dataclass(value):
        return {each.name: fleet_json(getattr(value, each.name)) for each in fields(value)}
    return value


def fleet_of(told: Mapping[str, Any]) -> Fleet:
    """The fleet that :func:`fleet_json` told.

    What an older control plane doesn't tell has its default; what a newer one tells beyond that is left out.
    """
    fleet: Fleet = _read(Fleet, told)
    return fleet


def _read(kind: Any, told: Any) -> Any:
    """A value of this type, as annotations of the model name it."""
    if kind is Resources or kind is Ceiling:
        return kind.of(told)
    if isinstance(kind, type) and is_dataclass(kind):
        types = _types_of(kind)
        return kind(**{name: _read(types[name], value) for name, value in told.items() if name in types})
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return _read_tuple(arguments, told)
    if NoneType in arguments:
        (other,) = (each for each in arguments if each is not NoneType)
        return None if told is None else _read(other, told)
    return told


def _read_tuple(kinds: tuple[Any, ...], told: list[Any]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], each) for each in told)
    return tuple(_read(kind, each) for kind, each in zip(kinds, told, strict=True))


@cache
def _types_of(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
