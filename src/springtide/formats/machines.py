"""What instances may run on, owned or on offer: what each has, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from springtide.model.fleet import Fleet
from springtide.model.resources import Resources
from springtide.model.workloads import Constraint


@dataclass(frozen=True, slots=True)
class Machine:
    """A node's or an offer's amounts, and its attributes: its labels and its ``site``."""

    resources: Resources
    attributes: Mapping[str, str]

    def meets(self, constraint: Constraint) -> bool:
        """Whether it may be used; one that doesn't say has no value, so it meets every ``!=``."""
        return (self.attributes.get(constraint.key) == constraint.value) is constraint.is_equal


def machines_of(fleet: Fleet) -> Iterator[Machine]:
    """All nodes and all offers of the fleet."""
    sites = {pool.name: {"site": pool.site} for pool in fleet.pools}
    for node in fleet.nodes:
        yield Machine(node.allocatable, {**dict(node.labels), **sites.get(node.pool, {})})
    for cloud in fleet.clouds:
        for offer in cloud.offers:
            yield Machine(offer.resources, {**dict(offer.labels), "site": cloud.site})


def labels_of(fleet: Fleet) -> frozenset[str]:
    """The names of all labels that any node or offer has."""
    labelled = [node.labels for node in fleet.nodes]
    labelled += [offer.labels for cloud in fleet.clouds for offer in cloud.offers]
    return frozenset(name for labels in labelled for name, _ in labels)
