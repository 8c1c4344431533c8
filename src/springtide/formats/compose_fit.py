"""Whether an instance fits anywhere in the fleet: by what it asks of a node, and by what it counts for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from springtide.formats.compose_keys import EXTENSION
from springtide.formats.entries import Entry, near_name
from springtide.formats.fleet_amounts import KEY_OF_KIND, describe_amount
from springtide.formats.machines import Machines
from springtide.model.errors import InputError
from springtide.model.fleet import Fleet, Pool
from springtide.model.leases import Rung
from springtide.model.resources import CPU_MILLIS, NOTHING, describe
from springtide.model.workloads import Constraint, Service


def check_fits_some_node(
    service: Service, entry: Entry, places: Mapping[Constraint, Entry], machines: Machines
) -> None:
    """Raise the file's error where no node of the fleet, owned or on offer, can hold one instance.

    ``places`` are the service's constraints, and where they stand.
    """
    if not machines.sorts:
        raise _place(entry).error("The fleet has no nodes at all.", "Add a pool with slices to the fleet file.")
    meeting = [machine for machine in machines.sorts if all(each.is_met_by(machine.attributes) for each in places)]
    if not meeting:
        raise _nowhere(places, machines)
    shapes = [machine.resources for machine in meeting]
    if any(service.resources.fits_in(shape) for shape in shapes):
        return
    where = "node of any pool" if len(meeting) == len(machines.sorts) else "node that meets its placement"
    lacking = [kind for kind, amount in service.resources.amounts if all(amount > shape[kind] for shape in shapes)]
    if lacking:
        kind = lacking[0]
        largest = describe_amount(kind, max(shape[kind] for shape in shapes))
        wanted = describe_amount(kind, service.resources[kind])
        sentence = f"One instance of {service.name!r} wants {wanted}; the largest {where} has {largest}."
        raise _place(entry, kind).error(
            sentence, f"Lower it under `{_section(kind)}.resources`, or give the fleet larger nodes."
        )
    sentence = (
        f"One instance of {service.name!r} wants {describe(service.resources)}; no {where} has all of that at once."
    )
    raise _place(entry).error(sentence, "Lower it under `deploy.resources`, or give the fleet larger nodes.")


def small_share_notices(service: Service, fleet: Fleet, machines: Machines) -> Iterator[str]:
    """A sentence for each team pool whose contributed part can't hold one whole instance."""
    if Rung.SHARED not in service.ladder:
        return
    for pool in fleet.pools:
        if pool.team is None:
            continue
        owned = machines.owned.get(pool.name, NOTHING)
        contributed = pool.contributed_of(owned)
        if not contributed or any(owned[kind] == 0 for kind in service.resources.kinds):
            continue  # nobody expects an instance there
        for kind in service.resources.lacking_in(contributed)[:1]:
            shared = describe_amount(kind, contributed[kind]) if contributed[kind] else "nothing"
            yield (
                f"The shared part of pool {pool.name!r} ({_share(pool, kind)}% of {describe_amount(kind, owned[kind])}:"
                f" {shared}) holds no whole instance of {service.id}, which counts for"
                f" {describe_amount(kind, service.resources[kind])}."
            )


def _place(service: Entry, kind: str = CPU_MILLIS) -> Entry:
    """Where the file says how much of a kind one instance counts for, or the service where it says nothing."""
    section = service.get(_section(kind))
    return (section.get("resources") if section else None) or service


def _section(kind: str) -> str:
    return "deploy" if kind in KEY_OF_KIND else EXTENSION


def _share(pool: Pool, kind: str) -> int:
    return dict(pool.contribution_by_kind).get(kind, pool.contribution_percent)


def _nowhere(places: Mapping[Constraint, Entry], machines: Machines) -> InputError:
    """The first constraint that no node meets, or all of them where only together they can't be met."""
    for constraint, entry in places.items():
        if any(constraint.is_met_by(machine.attributes) for machine in machines.sorts):
            continue
        key, value = constraint.key, constraint.value
        if not constraint.is_equal:
            return entry.error(f"Every node of the fleet has the {key} {value!r}.", "Add nodes that have another.")
        values = sorted({machine.attributes[key] for machine in machines.sorts if key in machine.attributes})
        if values:
            sentence = f"No node of the fleet has the {key} {value!r}; there are {', '.join(values)}."
            return entry.error(sentence, near_name(value, values) or _remedy(key, value))
        sentence = f"No node of the fleet says its {key}, so none is known to have {value!r}."
        return entry.error(sentence, near_name(key, sorted(machines.labels)) or _remedy(key, value))
    every = ", ".join(map(str, places))
    first = next(iter(places.values()))
    return first.error(f"No node of the fleet meets all of this at once: {every}.", "Take one of them out.")


def _remedy(key: str, value: str) -> str:
    if key == "site":
        return "Add a pool with slices there to the fleet file."
    own = key if key in ("zone", "os", "arch", "isolation") else f"labels.{key}"
    return f"Add `{own}: {value}` to a pool's `slices` in the fleet file."
