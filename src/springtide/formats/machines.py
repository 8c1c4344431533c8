"""What instances may run on, owned or on offer: what each has, and what may be asked of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from springtide.formats.fleet_amounts import kinds_of
from springtide.model.fleet import Fleet
from springtide.model.identifiers import PoolName
from springtide.model.resources import Resources, total


@dataclass(frozen=True, slots=True)
class Machine:
    """A node's or an offer's amounts, and its attributes: its labels and its ``site``."""

    resources: Resources
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Machines:
    """A fleet's machines, gathered once for all services of a file; of those that are alike, one.

    ``labels`` are the names of all labels, ``kinds`` all kinds of resources; ``owned`` is what the
    nodes of each pool have together.
    """

    sorts: tuple[Machine, ...]
    labels: frozenset[str]
    kinds: frozenset[str]
    owned: Mapping[PoolName, Resources]

    @classmethod
    def of(cls, fleet: Fleet) -> Machines:
        """All nodes and all offers of the fleet."""
        nodes = Counter((node.pool, node.allocatable, node.labels) for node in fleet.nodes)
        sites = {pool.name: (("site", str(pool.site)),) for pool in fleet.pools}
        sorts = [(shape, labels, sites.get(pool, ())) for pool, shape, labels in nodes]
        for cloud in fleet.clouds:
            sorts += [(offer.resources, offer.labels, (("site", str(cloud.site)),)) for offer in cloud.offers]
        owned: dict[PoolName, list[Resources]] = defaultdict(list)
        for (pool, shape, _), count in nodes.items():
            owned[pool].append(shape.times(count))
        return cls(
            tuple(Machine(shape, dict((*labels, *site))) for shape, labels, site in dict.fromkeys(sorts)),
            labels=frozenset(name for _, labels, _ in sorts for name, _ in labels),
            kinds=kinds_of(fleet.nodes, fleet.clouds),
            owned={pool: total(shapes) for pool, shapes in owned.items()},
        )
