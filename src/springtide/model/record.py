"""The record: everything durable, as one immutable snapshot with the versions it was read at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from springtide.model.events import Event
from springtide.model.fleet import EMPTY_FLEET, Fleet
from springtide.model.identifiers import AppName, InstanceId, RevisionId, ServiceId
from springtide.model.leases import Lease, LedgerEntry
from springtide.model.mappings import thawed
from springtide.model.placements import Placement, Rental
from springtide.model.runs import Run
from springtide.model.workloads import App, RestartPolicy, Revision, Service


class Kind(StrEnum):
    """The sets of the record. A set's version is the version of its last change."""

    FLEET = "fleet"
    APP = "app"
    SERVICE = "service"
    REVISION = "revision"
    ORDINAL = "ordinal"
    """Per service: the next instance's number, so that an id is never used twice."""
    PLACEMENT = "placement"
    STANDBY = "standby"
    """Instances that stand by: placements that serve nobody until they are resumed."""
    LEASE = "lease"
    RENTAL = "rental"
    LEDGER = "ledger"
    EVENT = "event"
    RUN = "run"
    """Per one-shot service: how far its present revision has come."""


VALUE_TYPES: Mapping[Kind, type] = MappingProxyType(
    {
        Kind.FLEET: Fleet,
        Kind.APP: App,
        Kind.SERVICE: Service,
        Kind.REVISION: Revision,
        Kind.ORDINAL: int,
        Kind.PLACEMENT: Placement,
        Kind.STANDBY: Placement,
        Kind.LEASE: Lease,
        Kind.RENTAL: Rental,
        Kind.LEDGER: LedgerEntry,
        Kind.EVENT: Event,
        Kind.RUN: Run,
    }
)

FLEET_ID = "fleet"
"""The one id in the set ``fleet``."""


@dataclass(frozen=True, slots=True)
class Change:
    """Put ``value`` under (kind, id), or delete what is there where ``value`` is ``None``."""

    kind: Kind
    id: str
    value: Any | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A value in the store with the version of the commit that wrote it."""

    kind: Kind
    id: str
    value: Any
    version: int


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as watchers see it. Versions rise by one, with no gap."""

    version: int
    changes: tuple[Change, ...]


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Record:
    """A consistent snapshot. ``set_versions`` holds the version of each set's last change.

    Events are history: they are read through the store, not held here. The ledger is held, since
    budgets are sums over it.
    """

    version: int = 0
    set_versions: Mapping[Kind, int] = field(default_factory=_none)
    fleet: Fleet = EMPTY_FLEET
    apps: Mapping[AppName, App] = field(default_factory=_none)
    services: Mapping[ServiceId, Service] = field(default_factory=_none)
    revisions: Mapping[RevisionId, Revision] = field(default_factory=_none)
    ordinals: Mapping[ServiceId, int] = field(default_factory=_none)
    placements: Mapping[InstanceId, Placement] = field(default_factory=_none)
    standby: Mapping[InstanceId, Placement] = field(default_factory=_none)
    leases: Mapping[str, Lease] = field(default_factory=_none)
    rentals: Mapping[str, Rental] = field(default_factory=_none)
    ledger: Mapping[str, LedgerEntry] = field(default_factory=_none)
    runs: Mapping[ServiceId, Run] = field(default_factory=_none)

    def one_shot_policy(self, id: RevisionId) -> RestartPolicy | None:
        """How a revision that runs to its end is repaired; ``None`` for any other, and for one that isn't known."""
        revision = self.revisions.get(id)
        return revision.template.restart if revision is not None and revision.template.restart.is_one_shot else None

    def after(self, commit: Commit) -> Record:
        """The record as it stands after this commit."""
        return _changed(self, commit.changes, commit.version)


_FIELD_OF_KIND: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.APP: "apps",
        Kind.SERVICE: "services",
        Kind.REVISION: "revisions",
        Kind.ORDINAL: "ordinals",
        Kind.PLACEMENT: "placements",
        Kind.STANDBY: "standby",
        Kind.LEASE: "leases",
        Kind.RENTAL: "rentals",
        Kind.LEDGER: "ledger",
        Kind.RUN: "runs",
    }
)


def record_of(entries: Iterable[Entry], version: int, set_versions: Mapping[Kind, int]) -> Record:
    """Build the record from everything that a store holds."""
    changes = tuple(Change(entry.kind, entry.id, entry.value) for entry in entries)
    built = _changed(Record(), changes, version)
    return replace(built, version=version, set_versions=MappingProxyType(dict(set_versions)))


def _changed(record: Record, changes: Iterable[Change], version: int) -> Record:
    sets: dict[str, dict[Any, Any]] = {}
    versions = dict(record.set_versions)
    fleet = record.fleet
    for change in changes:
        versions[change.kind] = version
        if change.kind is Kind.FLEET:
            fleet = change.value if change.value is not None else EMPTY_FLEET
        elif change.kind in _FIELD_OF_KIND:
            name = _FIELD_OF_KIND[change.kind]
            if name not in sets:  # one copy a set, however many changes
                sets[name] = thawed(getattr(record, name))
            items = sets[name]
            if change.value is None:
                items.pop(change.id, None)
            else:
                items[change.id] = change.value
    fresh: dict[str, Any] = {name: MappingProxyType(items) for name, items in sets.items()}
    return replace(record, version=version, set_versions=MappingProxyType(versions), fleet=fleet, **fresh)
