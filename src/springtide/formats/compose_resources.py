"""What one instance counts for, what the kernel lets it have, and whether that fits anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from springtide.formats.compose_keys import DEPLOY_LIMITS, DEPLOY_RESERVATIONS, DEPLOY_RESOURCES, check_keys
from springtide.formats.entries import Entry
from springtide.formats.quantities import format_cpus, parse_bytes, parse_cpus
from springtide.model.fleet import Fleet
from springtide.model.leases import Rung
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources, describe, total
from springtide.model.workloads import Limits, Service


def read_resources(deploy: Entry | None, defaults: Resources) -> tuple[Resources, Limits]:
    """The declared amounts and the hard limits of one instance.

    Processors count as reserved, which may be less than the limit. Memory is never overcommitted,
    so it counts with the limit where there is one, and without one the reservation is the limit.
    What isn't reserved counts with the fleet's defaults, but never above a limit of its own.
    """
    section = deploy.get("resources") if deploy else None
    if section is not None:
        check_keys(section, DEPLOY_RESOURCES)
    limits = section.get("limits") if section else None
    reservations = section.get("reservations") if section else None
    for part, table in ((limits, DEPLOY_LIMITS), (reservations, DEPLOY_RESERVATIONS)):
        if part is not None:
            check_keys(part, table)
    cpu_limit = _amount(limits, "cpus")
    cpu = _amount(reservations, "cpus") or (min(defaults[CPU_MILLIS], cpu_limit) if cpu_limit else defaults[CPU_MILLIS])
    memory = _amount(limits, "memory") or _amount(reservations, "memory") or defaults[MEMORY_BYTES]
    pids = _amount(limits, "pids") or defaults[PIDS]
    _check_order(reservations, limits)
    declared = Resources.of({CPU_MILLIS: cpu, MEMORY_BYTES: memory, PIDS: pids})
    return declared, Limits(memory_bytes=memory, pids=pids, cpu_millis=cpu_limit)


def check_fits_some_node(service: Service, entry: Entry, fleet: Fleet) -> None:
    """Raise the file's error where no node of the fleet, owned or on offer, can hold one instance."""
    shapes = [node.allocatable for node in fleet.nodes]
    shapes += [offer.resources for cloud in fleet.clouds for offer in cloud.offers]
    if any(service.resources.fits_in(shape) for shape in shapes):
        return
    deploy = entry.get("deploy")
    place = (deploy.get("resources") if deploy else None) or entry
    if not shapes:
        raise place.error("The fleet has no nodes at all.", "Add a pool with slices to the fleet file.")
    lacking = [kind for kind, amount in service.resources.amounts if all(amount > shape[kind] for shape in shapes)]
    if lacking:
        kind = lacking[0]
        largest = Resources.of({kind: max(shape[kind] for shape in shapes)})
        wanted = describe(Resources.of({kind: service.resources[kind]}))
        sentence = (
            f"One instance of {service.name!r} wants {wanted}; the largest node of any pool has {describe(largest)}."
        )
    else:
        sentence = (
            f"One instance of {service.name!r} wants {describe(service.resources)}; no node of any pool has all of that"
            " at once."
        )
    raise place.error(sentence, "Lower it under `deploy.resources`, or give the fleet larger nodes.")


def small_share_notices(service: Service, fleet: Fleet) -> Iterator[str]:
    """A sentence for each team pool whose contributed part can't hold one whole instance."""
    if Rung.SHARED not in service.ladder:
        return
    for pool in fleet.pools:
        if pool.team is None or pool.contribution_percent == 0:
            continue
        owned = total(node.allocatable for node in fleet.nodes if node.pool == pool.name)
        contributed = owned.percent(pool.contribution_percent)
        for kind in service.resources.lacking_in(contributed)[:1]:
            yield (
                f"The shared part of pool {pool.name!r} ({pool.contribution_percent}% of"
                f" {describe(Resources.of({kind: owned[kind]}))}: {_described(kind, contributed[kind])}) holds no whole"
                f" instance of {service.id}, which counts for"
                f" {describe(Resources.of({kind: service.resources[kind]}))}."
            )


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


def _described(kind: str, amount: int) -> str:
    return describe(Resources.of({kind: amount})) if amount else "nothing"
