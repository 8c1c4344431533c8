"""What one instance counts for, and what the kernel lets it have."""

from __future__ import annotations

from springtide.formats.compose_keys import DEPLOY_LIMITS, DEPLOY_RESERVATIONS, DEPLOY_RESOURCES, check_keys
from springtide.formats.entries import Entry
from springtide.formats.fleet_amounts import KEY_OF_KIND, check_kind
from springtide.formats.quantities import format_cpus, parse_bytes, parse_cpus
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources
from springtide.model.workloads import Limits

_OLD_NAMES = {
    ("limits", "cpus"): "cpus",
    ("limits", "memory"): "mem_limit",
    ("limits", "pids"): "pids_limit",
    ("reservations", "memory"): "mem_reservation",
}
"""What of ``deploy.resources`` has a name of its own in a service, from before there was ``deploy``."""


def read_resources(service: Entry, defaults: Resources) -> tuple[Resources, Limits]:
    """The declared amounts and the hard limits of one instance.

    Processors count as reserved, which may be less than the limit. Memory is never overcommitted,
    so it counts with the limit where there is one, and without one the reservation is the limit.
    What isn't reserved counts with the fleet's defaults, but never above a limit of its own.
    """
    deploy = service.get("deploy")
    section = deploy.get("resources") if deploy else None
    if section is not None:
        check_keys(section, DEPLOY_RESOURCES)
    limits = _with_old_names(service, section, "limits")
    reservations = _with_old_names(service, section, "reservations")
    for part, table in ((limits, DEPLOY_LIMITS), (reservations, DEPLOY_RESERVATIONS)):
        check_keys(part, table)
    cpu_limit = _amount(limits, "cpus")
    cpu = _amount(reservations, "cpus") or (min(defaults[CPU_MILLIS], cpu_limit) if cpu_limit else defaults[CPU_MILLIS])
    memory = _amount(limits, "memory") or _amount(reservations, "memory") or defaults[MEMORY_BYTES]
    pids = _amount(limits, "pids") or defaults[PIDS]
    _check_order(reservations, limits)
    declared = Resources.of({**dict(defaults.amounts), CPU_MILLIS: cpu, MEMORY_BYTES: memory, PIDS: pids})
    return declared, Limits(memory_bytes=memory, pids=pids, cpu_millis=cpu_limit)


def _with_old_names(service: Entry, section: Entry | None, part: str) -> Entry:
    """The limits or reservations, with those that the service itself names. Raises where the two differ."""
    entry = (section.get(part) if section else None) or service.with_value({})
    amounts = dict(entry.mapping())
    for (of, key), name in _OLD_NAMES.items():
        old = service.get(name) if of == part else None
        if old is None:
            continue
        new = entry.get(key)
        if new is not None and _shown(new) != _shown(old):
            sentence = f"{old.described} and `deploy.resources.{part}.{key}` ({new.described}, line {new.line}) differ."
            raise old.error(sentence, f"Leave `{name}` out.")
        amounts[key] = old
    return entry.with_value(amounts)


def _shown(entry: Entry) -> float:
    return float(entry.text_or_number())


def read_further(section: Entry | None, declared: Resources, kinds: frozenset[str]) -> Resources:
    """The declared amounts with those of ``x-springtide.resources`` in them, such as ``{gpu: 1}``.

    ``kinds`` are those of all nodes.
    Raises the file's error for a kind that no node has.
    """
    amounts = dict(declared.amounts)
    for kind, entry in section.mapping().items() if section else ():
        if kind in (*KEY_OF_KIND, *KEY_OF_KIND.values()):
            raise entry.error(f"{kind!r} has a place of its own.", "Write it under `deploy.resources`.")
        check_kind(kind, entry, kinds)
        amounts[kind] = entry.whole_number()
        if amounts[kind] < 0:
            raise entry.error(f"{entry.described} is no amount to run with.", "Write 0 or more.")
    return Resources.of(amounts)


def _amount(section: Entry | None, key: str) -> int:
    entry = section.get(key) if section else None
    if entry is None:
        return 0
    amount = entry.parsed({"cpus": parse_cpus, "memory": parse_bytes}.get(key, _whole))
    if amount <= 0:
        raise entry.error(f"{entry.described} is no amount to run with.", "Write more than 0, or leave it out.")
    return amount


def _whole(value: str | int | float) -> int:
    if not str(value).isdecimal() or len(str(value)) > 18:
        raise ValueError(f"{str(value)[:40]!r} isn't a whole number.")
    return int(value)


def _check_order(reservations: Entry | None, limits: Entry | None) -> None:
    for key in ("cpus", "memory"):
        reserved, limit = _amount(reservations, key), _amount(limits, key)
        if reserved and limit and reserved > limit and reservations is not None and limits is not None:
            line = limits.mapping()[key].line
            shown = [format_cpus(x) if key == "cpus" else f"{x / 2**20:.4g} MiB" for x in (reserved, limit)]
            raise reservations.mapping()[key].error(
                f"{shown[0]} is reserved, but the limit (line {line}) is {shown[1]}.", "Reserve at most the limit."
            )
