"""Whether a fleet of slices fits on the machine that it is cut from."""

from __future__ import annotations

from collections.abc import Sequence

from springtide.model.errors import RefusedError
from springtide.model.fleet import Fleet, Offer, Pool
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, Resources, total


def check_fleet_fits(fleet: Fleet, machine: Resources) -> None:
    """Raise RefusedError where the slices, with all that may be rented, are more than the machine.

    Processors count up to the machine's times the fleet's overcommit; memory is never overcommitted.
    """
    own = total(node.allocatable for node in fleet.nodes)
    rented = total(_most_rented(pool, fleet) for pool in fleet.pools)
    _check_cpu(own[CPU_MILLIS], rented[CPU_MILLIS], machine[CPU_MILLIS], fleet.cpu_overcommit)
    _check_memory(own[MEMORY_BYTES], rented[MEMORY_BYTES], machine[MEMORY_BYTES])


def _check_cpu(own: int, rented: int, machine: int, overcommit: float) -> None:
    room = int(machine * overcommit)
    if own + rented > room:
        raise RefusedError(
            f"The fleet's slices want {own + rented}m cpu ({own}m own, up to {rented}m rented); this machine has"
            f" {machine}m, times cpu_overcommit {overcommit:g} makes {room}m.",
            remedy="Cut smaller or fewer slices, or raise cpu_overcommit.",
            code="fleet-too-large",
        )


def _check_memory(own: int, rented: int, machine: int) -> None:
    if own + rented > machine:
        raise RefusedError(
            f"The fleet's slices want {_mebibytes(own + rented)} of memory ({_mebibytes(own)} own, up to"
            f" {_mebibytes(rented)} rented); this machine has {_mebibytes(machine)}, and memory is never"
            " overcommitted.",
            remedy="Cut smaller or fewer slices, or lower max_nodes.",
            code="fleet-too-large",
        )


def _most_rented(pool: Pool, fleet: Fleet) -> Resources:
    """The most that an elastic pool can take of this machine, each kind apart."""
    offers = [
        offer for cloud in fleet.clouds if cloud.name == pool.cloud and cloud.kind == "slices" for offer in cloud.offers
    ]
    return Resources.of({kind: _largest(offers, kind, pool.max_nodes) for kind in (CPU_MILLIS, MEMORY_BYTES)})


def _largest(offers: Sequence[Offer], kind: str, max_nodes: int) -> int:
    amount, left = 0, max_nodes
    for offer in sorted(offers, key=lambda offer: offer.resources[kind], reverse=True):
        taken = left if offer.stock is None else min(left, offer.stock)
        amount += taken * offer.resources[kind]
        left -= taken
    return amount


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.4g} MiB"
