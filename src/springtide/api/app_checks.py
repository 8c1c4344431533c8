"""What an app must be before the record may want it; a file's own mistakes are found earlier, with their line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from springtide.api.errors import unknown, wrong
from springtide.api.placement_checks import check_placement
from springtide.api.template_checks import check_templates
from springtide.formats.app_specs import DeployedApp
from springtide.model.errors import RefusedError
from springtide.model.identifiers import AppName, RevisionId, ServiceId, service_id
from springtide.model.leases import Rung
from springtide.model.record import Record
from springtide.model.resources import Resources
from springtide.model.workloads import Revision, Route, ScalePolicy, Service

_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
"""Instances, containers and networks are named after apps and services."""
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LAST_PORT = 65_535


def check_app(record: Record, deployed: DeployedApp, ingress_port: int) -> None:
    """Raises InputError where the app contradicts itself, RefusedError where the fleet or another app forbids it."""
    _check_names(deployed)
    for service in deployed.services:
        _check_service(service, deployed)
    _check_revisions(record.revisions, deployed)
    _check_team(record, deployed)
    _check_routes(record, deployed, ingress_port)
    check_templates(deployed)
    check_placement(record.fleet, deployed)


def _check_names(deployed: DeployedApp) -> None:
    app = deployed.app
    companions = (each.name for revision in deployed.revisions for each in revision.template.companions)
    for name in (app.name, *(service.name for service in deployed.services), *companions):
        if not _NAME.fullmatch(name):
            raise wrong(app.name, "name", f"{name!r} is no name: small letters, digits, - and _, at most 63.")
    ids = [service.id for service in deployed.services]
    if len(set(ids)) < len(ids):
        raise wrong(app.name, "services", "Two services have the same name.")
    if set(app.services) != set(ids):
        raise wrong(app.name, "app.services", f"It lists {_listed(app.services)}, and brings {_listed(ids)}.")
    if not ids:
        raise wrong(app.name, "services", "The app has no service.")


def _check_service(service: Service, deployed: DeployedApp) -> None:
    app = deployed.app
    if service.app != app.name or service.id != service_id(app.name, service.name) or service.team != app.team:
        raise wrong(app.name, service.name, f"{service.id} of app {service.app} and team {service.team} is not of it.")
    _check_scale(app.name, service.name, service.scale)
    if (
        service.resources != Resources.of(service.resources.amounts)
        or min((amount for _, amount in service.resources.amounts), default=0) < 0
    ):
        raise wrong(app.name, f"{service.name}.resources", "Amounts must be above nought, each kind once, by name.")
    if not service.ladder or len(set(service.ladder)) < len(service.ladder):
        raise wrong(app.name, f"{service.name}.ladder", "The ladder needs at least one rung, each at most once.")
    for dependency in service.depends_on:
        if dependency.service not in app.services:
            raise wrong(app.name, f"{service.name}.depends_on", f"The app has no service {dependency.service}.")


def _check_scale(app: AppName, service: str, scale: ScalePolicy) -> None:
    if not 0 <= scale.minimum <= scale.maximum:
        raise wrong(app, f"{service}.scale", f"{scale.minimum} to {scale.maximum} is no range of counts.")
    if scale.available is not None and not 0 <= scale.available <= scale.maximum:
        sentence = f"{scale.available} instances can't serve at any time: there are 0 to {scale.maximum}."
        raise wrong(app, f"{service}.scale.available", sentence)
    standby = scale.standby
    if standby.count < 0 or any(count < 0 for _, count in standby.by_rung):
        raise wrong(app, f"{service}.scale.standby", "Fewer than none can't stand by.")
    if Rung.CLOUD in dict(standby.by_rung):
        raise wrong(app, f"{service}.scale.standby", "Nobody stands by on machines that are paid by the hour.")
    if not standby.max_age_seconds > 0:
        raise wrong(app, f"{service}.scale.standby", "Nobody could stand by for no time at all.")


def _check_revisions(known: Mapping[RevisionId, Revision], deployed: DeployedApp) -> None:
    owners: dict[RevisionId, ServiceId] = {revision.id: revision.service for revision in deployed.revisions}
    for service in deployed.services:
        if owners.get(service.revision) != service.id:
            raise wrong(deployed.app.name, service.name, f"Its revision {service.revision} isn't among those sent.")
    for revision in deployed.revisions:
        if revision.service not in deployed.app.services:
            raise wrong(deployed.app.name, revision.id, f"It is a revision of {revision.service}, which isn't here.")
        present = known.get(revision.id)
        if present is not None and (present.service, present.template) != (revision.service, revision.template):
            raise RefusedError(
                f"Revision {revision.id} exists with another template, and revisions never change.",
                remedy="Give the new template an id of its own.",
            )


def _check_team(record: Record, deployed: DeployedApp) -> None:
    app = deployed.app
    teams = [team.name for team in record.fleet.teams]
    if app.team not in teams:
        near = unknown("team", app.team, teams)
        remedy = f"{near.remedy} The fleet's teams: {', '.join(sorted(teams)) or 'none'}."
        raise RefusedError(near.sentence, remedy=remedy, code="unknown-team")
    present = record.apps.get(app.name)
    if present is not None and present.team != app.team:
        raise RefusedError(
            f"App {app.name} belongs to team {present.team}, not to {app.team}.",
            remedy="Choose another app name, or deploy it as its own team.",
            code="other-teams-app",
        )


def _check_routes(record: Record, deployed: DeployedApp, ingress_port: int) -> None:
    others = [service for service in record.services.values() if service.app != deployed.app.name]
    hosts = {host: service.id for service in others for host in _hosts(service.routes)}
    ports = {port: service.id for service in others for port in _ports(service.routes)}
    for service in deployed.services:
        for host in _hosts(service.routes):
            if not _HOST.fullmatch(host):
                raise wrong(deployed.app.name, f"{service.name}.routes", f"{host!r} is no host name.")
            _refuse_taken("host", host, hosts.setdefault(host, service.id), service.id)
        for port in _ports(service.routes):
            if port == ingress_port:
                raise RefusedError(
                    f"{service.id} asks for port {port}, on which the router listens for all host names.",
                    remedy="Choose another port, or a host name.",
                    code="taken",
                )
            _refuse_taken("port", port, ports.setdefault(port, service.id), service.id)
        _check_ports(deployed.app.name, service)


def _refuse_taken(kind: str, name: str | int, owner: ServiceId, asking: ServiceId) -> None:
    if owner != asking:
        raise RefusedError(
            f"{asking} asks for {kind} {name}, which {owner} has.", remedy=f"Choose another {kind}.", code="taken"
        )


def _check_ports(app: AppName, service: Service) -> None:
    for port in (*_ports(service.routes), *(route.target_port for route in service.routes)):
        if not 1 <= port <= _LAST_PORT:
            raise wrong(app, f"{service.name}.routes", f"{port} is no port: 1 to {_LAST_PORT}.")


def _hosts(routes: Iterable[Route]) -> list[str]:
    return [route.host for route in routes if route.host is not None]


def _ports(routes: Iterable[Route]) -> list[int]:
    return [route.listen_port for route in routes if route.listen_port is not None]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
