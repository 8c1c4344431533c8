"""What putting an app would change: service by service, networks and volumes; and where its instances would go."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from springtide.api.deployments import record_changes, services_of
from springtide.api.differences import Difference, service_differences, template_differences
from springtide.formats.app_specs import DeployedApp, revision_id, with_other_images
from springtide.model.hardening import weakenings
from springtide.model.identifiers import ServiceId
from springtide.model.record import Record
from springtide.model.workloads import Service, Template
from springtide.planning.index import Index
from springtide.planning.one_shots import has_failed
from springtide.planning.outlook import Outlook, simulate_changes

OUTLOOK_SECONDS = 2.0
"""A deployment doesn't wait longer to be told where it would go."""


class Verdict(StrEnum):
    """What becomes of one service."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    REMOVE = "remove"


class Replacement(StrEnum):
    """How a service's instances get a new revision."""

    NONE = "none"
    ONE_BY_ONE = "one-by-one"
    OLD_GOES_FIRST = "old-goes-first"


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """One service; ``images`` says which of its containers' images aren't known yet, and how they would be had."""

    id: ServiceId
    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    replacement: Replacement = Replacement.NONE
    weakenings: tuple[str, ...] = ()
    images: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NamesChange:
    """Networks or volumes by their names in the app; external ones are nobody's to make or to remove."""

    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.made or self.changed or self.dropped)


@dataclass(frozen=True, slots=True)
class AppChanges:
    """What a deployment would do. ``outlook`` is ``None`` where nothing moves."""

    services: tuple[ServiceChange, ...]
    networks: NamesChange
    volumes: NamesChange
    outlook: Outlook | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether all is as wanted already, as far as images are known."""
        untouched = all(each.verdict is Verdict.UNCHANGED and not each.images for each in self.services)
        return untouched and not self.networks and not self.volumes


def changes_of(record: Record, deployed: DeployedApp, unknown: Mapping[str, str]) -> AppChanges:
    """Compare an app with the record. ``unknown`` says of containers how their images would be had: build, pull."""
    templates = {each.id: each.template for each in deployed.revisions}
    services = [_change(record, each, templates[each.revision], unknown) for each in deployed.services]
    kept = {each.id for each in deployed.services}
    gone = [ServiceChange(id, Verdict.REMOVE) for id in services_of(record, deployed.app.name) if id not in kept]
    before, after = record.apps.get(deployed.app.name), deployed.app
    known = before if before is not None and before.services else None
    networks = _names(
        {name: _named(known.network_definitions, name) for name in known.networks} if known else {},
        {name: _named(after.network_definitions, name) for name in after.networks},
    )
    volumes = _names({each.name: each for each in known.volumes} if known else {}, {e.name: e for e in after.volumes})
    return AppChanges((*services, *gone), networks, volumes)


def as_present(record: Record, deployed: DeployedApp, unknown: Mapping[str, str]) -> DeployedApp:
    """The app with the images that it has now where new ones aren't known yet."""
    if not unknown:
        return deployed
    templates = {each.id: each.template for each in deployed.revisions}
    services, revisions = [], []
    for each in deployed.services:
        template = templates[each.revision]
        revision = next(revision for revision in deployed.revisions if revision.id == each.revision)
        present = _present_template(record, each.id)
        if present is not None:
            template = _with_present_images(each, template, present, unknown)
        id = revision_id(each.id, template)
        services.append(replace(each, revision=id))
        revisions.append(replace(revision, id=id, template=template))
    return DeployedApp(deployed.app, tuple(services), tuple(revisions))


def foresee(index: Index, now: datetime, deployed: DeployedApp) -> Outlook:
    """Play the running fleet forward with the app in it, for a moment of our time."""
    deadline = time.monotonic() + OUTLOOK_SECONDS
    changes = record_changes(index.record, deployed).changes
    return simulate_changes(index, now, changes, lambda: time.monotonic() < deadline)


def _change(record: Record, service: Service, template: Template, unknown: Mapping[str, str]) -> ServiceChange:
    names = [service.name, *(each.name for each in template.companions)]
    images = tuple((name, unknown[name]) for name in names if name in unknown)
    opened = weakenings(template)
    before, present = record.services.get(service.id), _present_template(record, service.id)
    if before is None or present is None:
        return ServiceChange(service.id, Verdict.CREATE, weakenings=opened, images=images)
    other = template_differences(present, _with_present_images(service, template, present, unknown))
    tried = (Difference("run", "it has failed for good, and is tried again"),) if has_failed(record, before) else ()
    differences = (*other, *service_differences(before, service), *tried)
    stand_alone = present.stands_alone and template.stands_alone
    replacement = Replacement.OLD_GOES_FIRST if stand_alone else Replacement.ONE_BY_ONE
    return ServiceChange(
        id=service.id,
        verdict=Verdict.CHANGE if differences else Verdict.UNCHANGED,
        differences=differences,
        replacement=replacement if other else Replacement.NONE,
        weakenings=opened,
        images=images,
    )


def _present_template(record: Record, id: ServiceId) -> Template | None:
    service = record.services.get(id)
    revision = record.revisions.get(service.revision) if service is not None else None
    return revision.template if revision is not None else None


def _with_present_images(
    service: Service, template: Template, present: Template, unknown: Mapping[str, str]
) -> Template:
    known = {service.name: present.image, **{each.name: each.template.image for each in present.companions}}
    return with_other_images(service.name, template, {name: known[name] for name in unknown if name in known})


def _named(definitions: tuple[object, ...], name: str) -> object:
    return next((each for each in definitions if getattr(each, "name", None) == name), None)


def _names(before: Mapping[str, object], after: Mapping[str, object]) -> NamesChange:
    made = (name for name in after if name not in before and not _is_external(after[name]))
    dropped = (name for name in before if name not in after and not _is_external(before[name]))
    changed = (name for name in after if name in before and before[name] != after[name])
    return NamesChange(tuple(sorted(made)), tuple(sorted(changed)), tuple(sorted(dropped)))


def _is_external(definition: object) -> bool:
    return bool(getattr(definition, "external_name", ""))
