"""What a Compose file asks for, before its images are built or pulled; and the same with images pinned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from springtide.model.identifiers import AppName, RevisionId, ServiceId, TeamName
from springtide.model.mounts import VolumeDefinition
from springtide.model.networks import NetworkDefinition
from springtide.model.workloads import App, Revision, Service, Template

REVISION_DIGITS = 10
"""Forty bits: among a thousand revisions of one service a clash has odds of one in two million."""


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """How to build an image. ``dockerfile`` is relative to ``context``, an absolute directory."""

    context: Path
    dockerfile: str = "Dockerfile"
    arguments: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service as its file asks for it.

    ``service.revision`` is empty and ``template.image`` is ``image`` as written, until
    :func:`with_images` puts immutable references in. With ``build``, ``image`` is the name that
    the built image is to have.
    """

    name: str
    service: Service
    template: Template
    image: str
    build: BuildSpec | None = None


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


@dataclass(frozen=True, slots=True)
class DeployedApp:
    """What a deployment writes to the record."""

    app: App
    services: tuple[Service, ...]
    revisions: tuple[Revision, ...]


def with_images(spec: AppSpec, images: Mapping[str, str], now: datetime) -> DeployedApp:
    """Pin each service to an immutable image reference and name its revision.

    ``images`` maps service names to digests or image ids. Raises KeyError for a service that it
    leaves out. A revision that the record has already keeps its own ``created_at`` and
    ``proven_at``: the id is the same for the same template, so look before overwriting.
    """
    services, revisions = [], []
    for each in spec.services:
        template = replace(each.template, image=images[each.name])
        revision = revision_id(each.service.id, template)
        services.append(replace(each.service, revision=revision))
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
