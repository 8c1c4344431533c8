"""What a Compose file asks for, before its images are built or pulled; and the same with images pinned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import datetime
from typing import Any

from springtide.model.builds import BuildSpec, Pull
from springtide.model.identifiers import AppName, RevisionId, ServiceId, TeamName
from springtide.model.mounts import VolumeDefinition
from springtide.model.networks import NetworkDefinition
from springtide.model.workloads import App, Revision, Service, Template

REVISION_DIGITS = 10
"""Forty bits: among a thousand revisions of one service a clash has odds of one in two million."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The image of one container, by the name that its service has in the file.

    With ``build``, ``image`` is the name that the built image is to have.
    """

    name: str
    image: str
    build: BuildSpec | None = None
    pull: Pull = Pull.MISSING


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service as its file asks for it; with the services that share its network, which are one instance with it.

    ``service.revision`` is empty and the template's images are as written, until :func:`with_images`
    puts immutable references in. ``images`` has one for each container, the service's own first.
    """

    service: Service
    template: Template
    images: tuple[ImageSpec, ...]

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def image(self) -> str:
        return self.images[0].image

    @property
    def build(self) -> BuildSpec | None:
        return self.images[0].build


@dataclass(frozen=True, slots=True)
class AppSpec:
    """A Compose project. ``notices`` are sentences worth showing that stop nothing."""

    name: AppName
    team: TeamName
    services: tuple[ServiceSpec, ...]
    networks: tuple[str, ...] = ()
    network_definitions: tuple[NetworkDefinition, ...] = ()
    volumes: tuple[VolumeDefinition, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[ImageSpec, ...]:
        """Of every container of every service."""
        return tuple(image for service in self.services for image in service.images)


@dataclass(frozen=True, slots=True)
class DeployedApp:
    """What a deployment writes to the record."""

    app: App
    services: tuple[Service, ...]
    revisions: tuple[Revision, ...]


def with_images(spec: AppSpec, images: Mapping[str, str], now: datetime) -> DeployedApp:
    """Pin each container to an immutable image reference and name the revision of each service.

    ``images`` maps the names of ``spec.images`` to digests or image ids. Raises KeyError for one that it
    leaves out. A revision that the record has already keeps its own ``created_at`` and
    ``proven_at``: the id is the same for the same template, so look before overwriting.
    """
    services, revisions = [], []
    for each in spec.services:
        template = with_other_images(
            each.name, each.template, {image.name: images[image.name] for image in each.images}
        )
        revision = revision_id(each.service.id, template)
        named = tuple((image.name, image.image) for image in each.images if image.build is None)
        services.append(replace(each.service, revision=revision, images=named))
        revisions.append(Revision(revision, each.service.id, template, created_at=now))
    app = App(
        spec.name,
        spec.team,
        tuple(service.id for service in services),
        spec.networks,
        deployed_at=now,
        network_definitions=spec.network_definitions,
        volumes=spec.volumes,
    )
    return DeployedApp(app, tuple(services), tuple(revisions))


def with_other_images(name: str, template: Template, images: Mapping[str, str]) -> Template:
    """The template of the service of this name with other images, by container; those not named stay."""
    companions = tuple(
        replace(each, template=replace(each.template, image=images.get(each.name, each.template.image)))
        for each in template.companions
    )
    return replace(template, image=images.get(name, template.image), companions=companions)


def revision_id(service: ServiceId, template: Template) -> RevisionId:
    """The id of a service's revision: equal templates give equal ids, on every machine."""
    canonical = json.dumps([service, _canonical(template)], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return RevisionId(f"{service}@{digest[:REVISION_DIGITS]}")


def _canonical(value: Any) -> Any:
    """The value as JSON, with classes named and defaults left out.

    Without the defaults, a field that a later version adds to Template changes no existing id,
    and an upgrade restarts nothing.
    """
    if is_dataclass(value) and not isinstance(value, type):
        named = {each.name: getattr(value, each.name) for each in fields(value) if not _has_default(value, each)}
        return {"": type(value).__name__, **{name: _canonical(inner) for name, inner in named.items()}}
    if isinstance(value, tuple):
        return [_canonical(inner) for inner in value]
    return value


def _has_default(value: Any, field: Any) -> bool:
    return field.default is not MISSING and bool(getattr(value, field.name) == field.default)
