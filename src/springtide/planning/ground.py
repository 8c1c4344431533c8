"""The ground that every plan starts from: all placements laid out, kept up to date change by change.

It is worked out from the record and the observations alone, so it can always be built anew; keeping
it only saves the time. Nothing in it is ever changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from operator import is_not
from types import MappingProxyType
from typing import Any

import numpy as np

from springtide.model.fleet import Fleet
from springtide.model.identifiers import InstanceId, NodeId, PoolName, RevisionId, ServiceId
from springtide.model.mappings import thawed
from springtide.model.observations import ContainerState, EngineInstance, ProbedInstance, Readiness
from springtide.model.placements import Placement, PlacementState
from springtide.model.record import Record
from springtide.model.resources import NOTHING, Resources
from springtide.planning.layout import EMPTY_LAYOUT, IntArray, Layout, ask_vector, lay_out


@dataclass(frozen=True, slots=True)
class Group:
    """Placements of one revision of a service in one pool, and what they hold together."""

    ids: frozenset[InstanceId] = frozenset()
    amount: Resources = NOTHING


GroupKey = tuple[PoolName, RevisionId]
Groups = Mapping[ServiceId, Mapping[GroupKey, Group]]


MANY_SUSPECTS = 1000
"""Of more ids than these it pays to look first at which were taken out."""


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ground:
    """Placements by service, pool and node; what each node of the fleet has in use; what isn't at rest.

    ``unsettled`` are the placements that don't simply run and answer: evicted, draining, not seen
    running, not ready; and the instances that nobody has placed. ``stamps`` numbers each service's
    last change, so that what was worked out from it can be used again while nothing has changed.
    Those that stand by hold room on their nodes and are nowhere else.
    """

    layout: Layout = EMPTY_LAYOUT
    placements: Mapping[InstanceId, Placement] = field(default_factory=_none)
    standby: Mapping[InstanceId, Placement] = field(default_factory=_none)
    instances: Mapping[InstanceId, EngineInstance] = field(default_factory=_none)
    readiness: Mapping[InstanceId, ProbedInstance] = field(default_factory=_none)
    used: IntArray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    groups: Groups = field(default_factory=_none)
    by_node: Mapping[NodeId, frozenset[InstanceId]] = field(default_factory=_none)
    unsettled: frozenset[InstanceId] = frozenset()
    resumed: frozenset[InstanceId] = frozenset()
    """Placements that stood by before they served."""
    stamps: Mapping[ServiceId, int] = field(default_factory=_none)
    pool_stamps: Mapping[PoolName, int] = field(default_factory=_none)
    """The same of pools: of their nodes, and of what is placed there."""
    stamp: int = 0


EMPTY_GROUND = Ground()


def advance_ground(
    ground: Ground,
    record: Record,
    instances: Mapping[InstanceId, EngineInstance],
    readiness: Mapping[InstanceId, ProbedInstance],
) -> Ground:
    """The ground under this record's fleet and placements, and these observations."""
    fleet, placements, standby = record.fleet, record.placements, record.standby
    placed, waiting = _changed_ids(ground.placements, placements), _changed_ids(ground.standby, standby)
    observed = _changed_ids(ground.instances, instances) | _changed_ids(ground.readiness, readiness)
    seen = placed.union(waiting, observed)
    is_same_fleet = fleet is ground.layout.fleet
    if not seen and is_same_fleet:
        return replace(ground, placements=placements, standby=standby, instances=instances, readiness=readiness)
    before, after, fleet_before = ground.placements, placements, ground.layout.fleet
    stamp = ground.stamp + 1
    removed = [before[id] for id in placed if id in before]
    added = [after[id] for id in placed if id in after]
    rising = [ground.standby[id] for id in waiting if id in ground.standby]
    resting = [standby[id] for id in waiting if id in standby]
    kinds = {kind for each in (*added, *resting) for kind, _ in each.resources.amounts}
    ground = _with_layout(ground, fleet, kinds)
    used = _used_after(ground, (*removed, *rising), (*added, *resting))
    stamps = thawed(ground.stamps)
    for id in seen:
        for source in (before, after):
            if (placement := source.get(id)) is not None:
                stamps[placement.service] = stamp
    changed_pools = set() if is_same_fleet else _changed_pools(fleet_before, fleet)
    for service in _services_on(ground, changed_pools) if changed_pools else ():
        stamps[service] = stamp
    changed_pools.update(each.pool for each in (*removed, *added, *rising, *resting))
    settled = {id for id in seen if id in standby or _is_settled(id, placements, instances, readiness)}
    return Ground(
        layout=ground.layout,
        placements=placements,
        standby=standby,
        instances=instances,
        readiness=readiness,
        used=used,
        groups=_groups_after(ground.groups, removed, added),
        by_node=_nodes_after(ground.by_node, removed, added),
        resumed=(ground.resumed - placed) | {each.instance for each in added if each.was_standby},
        unsettled=(ground.unsettled - seen) | (seen - settled - _forgotten(seen, placements, instances)),
        stamps=MappingProxyType(stamps),
        pool_stamps=MappingProxyType({**ground.pool_stamps, **dict.fromkeys(changed_pools, stamp)}),
        stamp=stamp,
    )


def _changed_ids(before: Mapping[InstanceId, Any], after: Mapping[InstanceId, Any]) -> set[InstanceId]:
    """Whose value isn't the very same object any more; maps share what hasn't changed.

    A map made from another keeps its order, so that walking both side by side finds what differs; where
    something was taken out of the middle, they run side by side again without it.
    """
    if before is after:
        return set()
    if not before:
        return set(after)
    suspects = _differing(before, after)
    if len(suspects) > MANY_SUSPECTS:
        gone = before.keys() - after.keys()
        suspects = gone | _differing({id: value for id, value in before.items() if id not in gone}, after)
    return {id for id in suspects if before.get(id) is not after.get(id)}


def _differing(before: Mapping[InstanceId, Any], after: Mapping[InstanceId, Any]) -> set[InstanceId]:
    """The ids at those places where two maps don't have the very same value."""
    differs = list(map(is_not, before.values(), after.values()))
    shortest = len(differs)
    suspects = {*compress(before, differs), *compress(after, differs)}
    suspects.update(islice(before, shortest, None), islice(after, shortest, None))
    return suspects


def _changed_pools(before: Fleet, after: Fleet) -> set[PoolName]:
    """The pools of which a node has changed; all of them where anything else of the fleet has."""
    if replace(before, nodes=()) != replace(after, nodes=()):
        return {pool.name for pool in (*before.pools, *after.pools)}
    nodes = {node.id: node for node in before.nodes}
    replaced = [(nodes.pop(node.id, None), node) for node in after.nodes]
    changed = {each.pool for pair in replaced if pair[0] is not pair[1] for each in pair if each is not None}
    return changed | {node.pool for node in nodes.values()}


def _services_on(ground: Ground, pools: set[PoolName]) -> set[ServiceId]:
    """The services that stand in any of these pools."""
    return {service for service, mine in ground.groups.items() if any(key[0] in pools for key in mine)}


def _is_settled(
    id: InstanceId,
    placements: Mapping[InstanceId, Placement],
    instances: Mapping[InstanceId, EngineInstance],
    readiness: Mapping[InstanceId, ProbedInstance],
) -> bool:
    """Whether it is placed, wanted, runs and answers."""
    placement, instance, probed = placements.get(id), instances.get(id), readiness.get(id)
    if placement is None or instance is None or probed is None:
        return False
    is_wanted = placement.eviction is None and placement.state is PlacementState.RUNNING
    runs = instance.state is ContainerState.RUNNING and probed.readiness is Readiness.READY
    return is_wanted and runs


def _forgotten(
    ids: set[InstanceId], placements: Mapping[InstanceId, Placement], instances: Mapping[InstanceId, EngineInstance]
) -> set[InstanceId]:
    """What is neither placed nor seen any more."""
    return {id for id in ids if id not in placements and id not in instances}


def _with_layout(ground: Ground, fleet: Fleet, kinds: set[str]) -> Ground:
    """The ground with rows for the fleet's nodes, and with columns for kinds that nothing had before."""
    layout = ground.layout
    if fleet is layout.fleet and kinds.issubset(layout.kinds):
        return ground
    fresh = lay_out(fleet, kinds.union(layout.kinds))
    used = np.zeros((len(fresh.nodes), len(fresh.kinds)), dtype=np.int64)
    unknown = set(fresh.row_of)
    if fresh.kinds == layout.kinds:
        unknown -= layout.row_of.keys()
        kept = [(row, layout.row_of[node.id]) for row, node in enumerate(fresh.nodes) if node.id in layout.row_of]
        if kept:
            rows = np.array(kept, dtype=np.int64)
            used[rows[:, 0]] = ground.used[rows[:, 1]]
    here = [ground.placements[id] for node in unknown for id in ground.by_node.get(node, ())]
    here += [each for each in ground.standby.values() if each.node in unknown]
    for placement in here:
        used[fresh.row_of[placement.node]] += ask_vector(placement.resources, fresh.column_of)
    return replace(ground, layout=fresh, used=used)


def _used_after(ground: Ground, removed: Iterable[Placement], added: Iterable[Placement]) -> IntArray:
    """What the fleet's nodes have in use; rented nodes aren't rows here."""
    used = ground.used.copy()
    row_of, column_of = ground.layout.row_of, ground.layout.column_of
    for placements, sign in ((removed, -1), (added, 1)):
        vectors: dict[Resources, int] = {}
        table: list[list[int]] = []
        rows: list[int] = []
        which: list[int] = []
        for placement in placements:
            row = row_of.get(placement.node)
            if row is None:
                continue
            number = vectors.setdefault(placement.resources, len(table))
            if number == len(table):
                table.append(ask_vector(placement.resources, column_of))
            rows.append(row)
            which.append(number)
        if rows:
            np.add.at(used, np.array(rows), sign * np.array(table, dtype=np.int64)[which])
    return used


def _groups_after(groups: Groups, removed: Iterable[Placement], added: Iterable[Placement]) -> Groups:
    gone: dict[tuple[ServiceId, GroupKey], list[Placement]] = {}
    come: dict[tuple[ServiceId, GroupKey], list[Placement]] = {}
    for placements, found in ((removed, gone), (added, come)):
        for each in placements:
            found.setdefault((each.service, (each.pool, each.revision)), []).append(each)
    after: dict[ServiceId, Mapping[GroupKey, Group]] = thawed(groups)
    for service, key in {**gone, **come}:
        mine = dict(after.get(service, {}))
        group = regrouped(mine.get(key, Group()), gone.get((service, key), ()), come.get((service, key), ()))
        mine[key] = group
        if not group.ids:
            del mine[key]
        after[service] = mine
        if not mine:
            del after[service]
    return MappingProxyType(after)


def regrouped(group: Group, removed: Iterable[Placement], added: Iterable[Placement]) -> Group:
    """The group without some and with others."""
    ids = group.ids.difference([each.instance for each in removed]).union([each.instance for each in added])
    sums = dict(group.amount.amounts)
    for placements, sign in ((removed, -1), (added, 1)):
        for placement in placements:
            for kind, value in placement.resources.amounts:
                sums[kind] = sums.get(kind, 0) + sign * value
    return Group(ids, Resources.of(sums))


def _nodes_after(
    by_node: Mapping[NodeId, frozenset[InstanceId]], removed: Iterable[Placement], added: Iterable[Placement]
) -> Mapping[NodeId, frozenset[InstanceId]]:
    after: dict[NodeId, frozenset[InstanceId]] = thawed(by_node)
    gone: dict[NodeId, list[InstanceId]] = {}
    come: dict[NodeId, list[InstanceId]] = {}
    for placements, found in ((removed, gone), (added, come)):
        for each in placements:
            found.setdefault(each.node, []).append(each.instance)
    for node in {**gone, **come}:
        here = after.get(node, frozenset()).difference(gone.get(node, ())).union(come.get(node, ()))
        after[node] = here
        if not here:
            del after[node]
    return MappingProxyType(after)
