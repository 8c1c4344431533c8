"""What may stand in a Compose file: every key of the Compose Specification, with the form of its value.

Source: the JSON schema of the Compose Specification as of Docker Compose 2.40.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from springtide.formats.compose_service_shape import SERVICE
from springtide.formats.compose_shapes import OMITTED, Listing, Record, Shape, Table, Value
from springtide.formats.compose_short_forms import named
from springtide.formats.compose_values import (
    LABELS,
    OPTIONS,
    SAID_TRUTH,
    TEXT,
    TEXT_OR_NUMBER,
    TEXT_OR_TEXTS,
    TEXTS,
    TRUTH,
    WHOLE,
)
from springtide.formats.entries import Entry


def _external(entry: Entry) -> bool:
    """Whether something is made by others; the old form names it here."""
    return True if entry.is_mapping else bool(TRUTH.read(entry))


class _External(Value):
    """``external``: true, or the old mapping with the name, which stays until names are given."""

    def long(self, entry: Entry) -> Entry:
        return entry if entry.is_null or entry.is_mapping else entry.with_value(self.read(entry))

    def printed(self, entry: Entry | None) -> Any:
        return OMITTED if entry is None or not entry.value else True


EXTERNAL = _External(_external)


def _subnet_pools(shape: Listing, base: Entry, over: Entry) -> Entry:
    """Pools of the same subnet are one; the later file's settings stand above."""
    pools = {_subnet(pool): pool for pool in base.sequence()}
    for pool in over.sequence():
        subnet = _subnet(pool)
        pools[subnet] = shape.item.merged(pools[subnet], pool) if subnet in pools else pool
    return over.with_value(list(pools.values()))


def _subnet(pool: Entry) -> object:
    subnet = pool.get("subnet")
    return None if subnet is None else subnet.value


class _Pools(Listing):
    """The address pools of a network."""

    def merged(self, base: Entry, over: Entry) -> Entry:
        if over.is_null or base.is_null:
            return base if over.is_null else over
        return _subnet_pools(self, base, over)


_IPAM = Record(
    {
        "driver": TEXT,
        "config": _Pools(Record({"subnet": TEXT, "gateway": TEXT, "ip_range": TEXT, "aux_addresses": OPTIONS})),
        "options": OPTIONS,
    },
    is_always_there=True,
    hidden=frozenset({"options"}),
)


class _Resource(Record):
    """A network, volume, config or secret. The old ``external: {name: …}`` becomes a name of its own."""

    def long(self, entry: Entry) -> Entry:
        resource = super().long(entry)
        external = resource.get("external")
        if external is None or not external.is_mapping:
            return resource
        fields = {**resource.mapping(), "external": external.with_value(True)}
        name, own = external.get("name"), resource.get("name")
        if name is not None and own is not None and name.value != own.value:
            raise name.error(f"The names {own.described} and {name.described} differ.", "Use `name` only.")
        if name is not None:
            fields["name"] = name
        return resource.with_value(fields)


NETWORK = _Resource(
    {
        "name": TEXT,
        "driver": TEXT,
        "driver_opts": OPTIONS,
        "ipam": _IPAM,
        "external": EXTERNAL,
        "internal": TRUTH,
        "attachable": TRUTH,
        "labels": LABELS,
        "enable_ipv4": SAID_TRUTH,
        "enable_ipv6": SAID_TRUTH,
    }
)
VOLUME = _Resource({"name": TEXT, "driver": TEXT, "driver_opts": OPTIONS, "external": EXTERNAL, "labels": LABELS})
_FILE_FIELDS: Mapping[str, Shape] = {
    "name": TEXT,
    "file": TEXT,
    "environment": TEXT,
    "external": EXTERNAL,
    "labels": LABELS,
    "driver": TEXT,
    "driver_opts": OPTIONS,
    "template_driver": TEXT,
}
SECRET = _Resource(_FILE_FIELDS)
CONFIG = _Resource(
    {
        "content": TEXT,
        **{key: shape for key, shape in _FILE_FIELDS.items() if not key.startswith("driver")},
    }
)
MODEL = Record({"name": TEXT, "model": TEXT, "context_size": WHOLE, "runtime_flags": TEXTS}, required=("model",))
_INCLUDED = Record({"path": TEXT_OR_TEXTS, "project_directory": TEXT, "env_file": TEXT_OR_TEXTS}, named("path"))

PROJECT = Record(
    {
        "name": TEXT,
        "version": TEXT_OR_NUMBER,
        "include": Listing(_INCLUDED),
        "services": Table(SERVICE),
        "networks": Table(NETWORK),
        "volumes": Table(VOLUME),
        "secrets": Table(SECRET),
        "configs": Table(CONFIG),
        "models": Table(MODEL),
    },
    hidden=frozenset({"version", "include", "models"}),
    prints_extensions=True,
)
