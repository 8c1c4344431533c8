"""What may stand under ``build``, ``deploy``, ``develop`` and the resources of a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from springtide.formats.compose_shapes import OMITTED, Listing, Record, Shape, Table, Value
from springtide.formats.compose_short_forms import (
    bare_address,
    every_gpu,
    file_mounted_at,
    hosts,
    named,
    ulimit,
)
from springtide.formats.compose_values import (
    BYTES,
    COMMAND,
    CPUS,
    DECIMAL,
    DEVICE_COUNT,
    DURATION,
    EVERY_TEXT,
    FILE_MODE,
    LABELS,
    SAID_DURATION,
    SAID_WHOLE,
    TEXT,
    TEXT_OR_TEXTS,
    TEXTS,
    TRUTH,
    UNIQUE_TEXTS,
    VARIABLES,
    WHOLE,
    by_equals,
    one_of,
)
from springtide.formats.entries import Entry, Scalar


def _text_of_truth(entry: Entry) -> Scalar:
    return str(entry.value).lower() if isinstance(entry.value, bool) else entry.text()


class _Hosts(Table):
    """Hosts with their addresses; printed as a sorted list. Addresses of several files are joined."""

    def printed(self, entry: Entry | None) -> Any:
        named_hosts = entry.mapping() if entry is not None else {}
        pairs = [f"{host}={ip.value}" for host, ips in named_hosts.items() for ip in ips.sequence()]
        return sorted(pairs) or OMITTED


def _same(entry: Entry) -> object:
    return entry.value


HOSTS: Shape = _Hosts(Listing(Value(bare_address), _same, single=True), hosts)


class _Ulimit(Record):
    """One number, or a soft and a hard one."""

    def printed(self, entry: Entry | None) -> Any:
        single = entry.get("single") if entry is not None else None
        return single.value if single is not None else super().printed(entry)


ULIMITS = Table(_Ulimit({"single": WHOLE, "soft": WHOLE, "hard": WHOLE}, ulimit, replaces=True))

FILE_OF_A_SERVICE = Record(
    {"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": FILE_MODE}, named("source")
)
SECRETS_OF_A_SERVICE = Listing(FILE_OF_A_SERVICE, file_mounted_at("/run/secrets"))
CONFIGS_OF_A_SERVICE = Listing(FILE_OF_A_SERVICE, file_mounted_at(""))


def _ssh_keys(entry: Entry) -> Mapping[str, Entry]:
    keys = by_equals(entry)
    for id, path in keys.items():
        if path.is_null and id != "default":
            raise path.error(f"The key {id!r} has no path.", "Write ID=PATH, or `default`.")
    return keys


class _SshKeys(Table):
    """Keys for a build; printed as a list of their names, with paths where they have some."""

    def printed(self, entry: Entry | None) -> Any:
        keys = entry.mapping() if entry is not None else {}
        return [id if path.is_null else f"{id}: {path.value}" for id, path in keys.items()] or OMITTED


BUILD = Record(
    {
        "context": TEXT,
        "dockerfile": TEXT,
        "dockerfile_inline": TEXT,
        "entitlements": TEXTS,
        "args": VARIABLES,
        "ssh": _SshKeys(TEXT, _ssh_keys),
        "labels": LABELS,
        "cache_from": TEXT_OR_TEXTS,
        "cache_to": TEXT_OR_TEXTS,
        "no_cache": TRUTH,
        "additional_contexts": Table(EVERY_TEXT, by_equals),
        "network": TEXT,
        "provenance": Value(_text_of_truth),
        "sbom": Value(_text_of_truth),
        "pull": TRUTH,
        "target": TEXT,
        "shm_size": BYTES,
        "extra_hosts": HOSTS,
        "isolation": TEXT,
        "privileged": TRUTH,
        "secrets": Listing(FILE_OF_A_SERVICE),
        "tags": UNIQUE_TEXTS,
        "ulimits": ULIMITS,
        "platforms": TEXT_OR_TEXTS,
    },
    named("context"),
)

_UPDATE = Record(
    {
        "parallelism": SAID_WHOLE,
        "delay": DURATION,
        "failure_action": TEXT,
        "monitor": DURATION,
        "max_failure_ratio": DECIMAL,
        "order": one_of("start-first", "stop-first"),
    }
)

DEVICE_REQUEST = Record(
    {"capabilities": TEXTS, "driver": TEXT, "count": DEVICE_COUNT, "device_ids": TEXTS, "options": LABELS}
)
GPUS = Listing(DEVICE_REQUEST, several=every_gpu, single=True)

_LIMITS = Record({"cpus": CPUS, "memory": BYTES, "pids": WHOLE})
_GENERIC = Record({"discrete_resource_spec": Record({"kind": EVERY_TEXT, "value": SAID_WHOLE})})
_RESERVATIONS = Record(
    {
        "cpus": CPUS,
        "memory": BYTES,
        "devices": Listing(DEVICE_REQUEST),
        "generic_resources": Listing(_GENERIC),
    }
)

DEPLOY = Record(
    {
        "mode": TEXT,
        "endpoint_mode": TEXT,
        "replicas": SAID_WHOLE,
        "labels": LABELS,
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
        "resources": Record({"limits": _LIMITS, "reservations": _RESERVATIONS}, is_always_there=True),
        "restart_policy": Record(
            {"condition": TEXT, "delay": SAID_DURATION, "max_attempts": SAID_WHOLE, "window": SAID_DURATION}
        ),
        "placement": Record(
            {
                "constraints": TEXTS,
                "preferences": Listing(Record({"spread": TEXT})),
                "max_replicas_per_node": WHOLE,
            },
            is_always_there=True,
        ),
    }
)

_HOOK_FIELDS: Mapping[str, Shape] = {
    "command": COMMAND,
    "user": TEXT,
    "privileged": TRUTH,
    "working_dir": TEXT,
    "environment": VARIABLES,
}
HOOKS = Listing(Record(_HOOK_FIELDS, required=("command",)))

DEVELOP = Record(
    {
        "watch": Listing(
            Record(
                {
                    "path": EVERY_TEXT,
                    "action": one_of("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
                    "target": TEXT,
                    "exec": Record(_HOOK_FIELDS, is_always_there=True),
                    "include": TEXT_OR_TEXTS,
                    "ignore": TEXT_OR_TEXTS,
                    "initial_sync": TRUTH,
                },
                required=("path", "action"),
            )
        )
    }
)
