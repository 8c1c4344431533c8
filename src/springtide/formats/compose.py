"""Compose files into an app: what Springtide runs of them, and a refusal with its line for the rest.

The way: the files' normal form → check each key → build the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from springtide.formats.app_specs import (
    AppSpec,
    DeployedApp,
    ImageSpec,
    ServiceSpec,
    revision_id,
    with_images,
)
from springtide.formats.compose_build import read_build, read_pull
from springtide.formats.compose_conditions import Condition
from springtide.formats.compose_dependencies import read_dependencies
from springtide.formats.compose_fit import check_fits_some_node, small_share_notices
from springtide.formats.compose_health import Test, read_healthcheck, read_test
from springtide.formats.compose_keys import DEPLOY, EXTENSION, SERVICE, TOP_LEVEL, check_keys, refusal_of
from springtide.formats.compose_links import read_links
from springtide.formats.compose_mounts import read_files, read_mounts, read_volumes
from springtide.formats.compose_networks import read_attachments, read_network_mode, read_networks
from springtide.formats.compose_placement import Neighbours, Placed, read_placement, refuse_circles_of_near
from springtide.formats.compose_pods import check_agrees, in_one_pod, read_pods
from springtide.formats.compose_ports import PublishedPort, read_exposed, read_machine_ports, read_ports, read_routes
from springtide.formats.compose_project import Project, read_project
from springtide.formats.compose_resources import read_further, read_resources
from springtide.formats.compose_restart import check_counts, read_restart_policies
from springtide.formats.compose_template import read_template
from springtide.formats.entries import Entry
from springtide.formats.machines import Machines
from springtide.formats.springtide_keys import ServiceExtension, read_extension, read_team
from springtide.model.errors import ComposeFileError
from springtide.model.fleet import Fleet
from springtide.model.hardening import weakenings
from springtide.model.identifiers import AppName, RevisionId, TeamName, service_id
from springtide.model.networks import Attachment, NetworkDefinition
from springtide.model.resources import Resources, total
from springtide.model.workloads import Companion, Dependency, Route, Service, Template

__all__ = ["AppSpec", "DeployedApp", "ImageSpec", "ServiceSpec", "load_app", "revision_id", "with_images"]

_SERVICE_NAME = re.compile(r"[a-zA-Z0-9._-]{1,63}")


def load_app(
    paths: Sequence[Path],
    *,
    environment: Mapping[str, str],
    project: str | None,
    fleet: Fleet,
    profiles: Sequence[str] = (),
) -> AppSpec:
    """The app that Compose files describe, the later files over the earlier.

    ``environment`` and, below it, a ``.env`` file next to the first file give the variables.
    ``project`` names the app; else COMPOSE_PROJECT_NAME, the files' ``name`` or the directory do.
    Services with ``profiles`` belong to it only where one of these is among them; without any,
    COMPOSE_PROFILES says which. Raises ComposeFileError with file, line, key and remedy;
    RefusedError where no file is named.
    """
    try:
        found = read_project(paths, environment=environment, project=project, profiles=profiles)
    except ComposeFileError as failure:
        # What Springtide doesn't take is refused as such, whatever is wrong inside it.
        raise refusal_of(failure) or failure from None
    return _Reader(found, fleet).read()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is read of one service, with the places that other services' errors may name."""

    spec: ServiceSpec
    entry: Entry
    published: tuple[PublishedPort, ...]
    route: Entry | None
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Container:
    """What is read of one service as a container: where another's network is shared, one of several of an instance.

    The template is without networks; ``reserved`` is what the container alone counts for.
    """

    name: str
    entry: Entry
    extension: ServiceExtension
    template: Template
    image: ImageSpec
    reserved: Resources
    waits_for: tuple[str, ...] = ()


class _Reader:
    """Reads a project in its normal form into an app."""

    def __init__(self, project: Project, fleet: Fleet) -> None:
        self._root = project.root
        self._project = project
        self._name = AppName(project.name)
        self._fleet = fleet
        self._machines = Machines.of(fleet)
        section = project.root.get("services")
        self._services = section.mapping() if section is not None else {}

    def read(self) -> AppSpec:
        check_keys(self._root, TOP_LEVEL)
        services = self._service_entries()
        team = read_team(self._root, services, self._fleet)
        pods = read_pods(services)
        needs = read_dependencies(services, pods)
        needs_of_pods = pods.folded(needs)
        policies = read_restart_policies(services, pods)
        networks, links = read_networks(self._root, self._name), read_links(services, pods)
        neighbours = Neighbours(self._name, {name: pods.first_of(name) for name in services})
        companions = {
            first: [
                replace(self._read_companion(name, services[name]), waits_for=pods.awaited_by(name, needs))
                for name in pods.companions_of(first, needs)
            ]
            for first in needs_of_pods
        }
        parts = [
            self._read_service(first, services[first], companions[first], team, neighbours) for first in needs_of_pods
        ]
        refuse_circles_of_near(
            {each.spec.service.id: each.spec.service.placement for each in parts},
            {each.spec.service.id: each.entry for each in parts},
        )
        _refuse_shared_ports_and_hosts(parts)
        _refuse_shared_container_names(services)
        specs = []
        for each in parts:
            spec = self._with_networks(each, networks, links.get(each.spec.name, ()))
            check_counts(each.entry, policies[spec.name], spec.service.scale)
            service = replace(spec.service, depends_on=self._needed(needs_of_pods[spec.name]))
            template = replace(spec.template, restart=policies[spec.name])
            specs.append(replace(spec, service=service, template=template))
        used = tuple(dict.fromkeys(network for spec in specs for network in spec.template.networks))
        notices = (*self._project.notices, *(notice for each in parts for notice in each.notices))
        defined = tuple(each for each in networks.values() if each != NetworkDefinition(each.name))
        volumes = read_volumes(self._root, self._name)
        return AppSpec(self._name, team, tuple(specs), used, defined, volumes, notices)

    def _service_entries(self) -> Mapping[str, Entry]:
        if not self._services:
            place = self._root.get("services") or self._root
            raise place.error("The file has no services.", "Add at least one under `services:`.")
        for name, entry in self._services.items():
            if not _SERVICE_NAME.fullmatch(name):
                raise entry.error(
                    f"{name!r} can't name a service.", "Use letters, digits, dots, dashes and underscores, at most 63."
                )
            if not check_keys(entry, SERVICE):
                raise entry.error(f"The service {name!r} is empty.", "Give it an `image:` or a `build:`.")
        return self._services

    def _read_service(
        self, name: str, entry: Entry, companions: Sequence[_Container], team: TeamName, neighbours: Neighbours
    ) -> _Parts:
        published, test = read_ports(entry), read_test(entry)
        offered = (*(port.target for port in published), *read_exposed(entry))
        guessed = (test.http.port,) if test and test.http and not offered else ()
        route = _route_of(entry)
        routes = read_routes(entry, route, published, (*offered, *guessed))
        own = self._read_container(name, entry, test, routes, offered)
        placed = self._placed(entry, neighbours)
        service = Service(
            id=service_id(self._name, name),
            app=self._name,
            name=name,
            team=team,
            revision=RevisionId(""),
            resources=total([own.reserved, *(each.reserved for each in companions)]),
            scale=own.extension.scale,
            ladder=own.extension.ladder,
            band=own.extension.band,
            routes=routes,
            line_load_bits_per_second=own.extension.line_load_bits_per_second,
            placement=placed.rules,
        )
        check_fits_some_node(service, entry, placed.places, self._machines)
        for each in companions:
            check_agrees(each.entry, each.extension, self._placed(each.entry, neighbours).rules, service)
        template = in_one_pod(
            replace(own.template, ports=read_machine_ports(entry)),
            own.reserved,
            [
                (Companion(each.name, each.template.as_container(), each.waits_for), each.reserved)
                for each in companions
            ],
        )
        watched = [each for each in (own, *companions) if each.entry.get("develop") is not None]
        notices = (
            *own.extension.notices,
            *placed.notices,
            *_unrouted_notices(name, published, routes),
            *(f"{each.name}: `develop` is for `docker compose watch`; a deployment doesn't watch." for each in watched),
            *(f"{name}: {each} opens more than an ordinary container has." for each in weakenings(template)),
            *small_share_notices(service, self._fleet, self._machines),
        )
        images = (own.image, *(each.image for each in companions))
        return _Parts(ServiceSpec(service, template, images), entry, published, route, notices)

    def _read_companion(self, name: str, entry: Entry) -> _Container:
        return self._read_container(name, entry, read_test(entry), (), read_exposed(entry))

    def _read_container(
        self, name: str, entry: Entry, test: Test | None, routes: Sequence[Route], offered: Sequence[int]
    ) -> _Container:
        deploy = entry.get("deploy")
        if deploy is not None:
            check_keys(deploy, DEPLOY)
            _check_modes(deploy)
        extension = read_extension(entry, (deploy.get("replicas") if deploy else None) or entry.get("scale"))
        reserved, limits = read_resources(entry, self._fleet.defaults)
        build = read_build(self._root, entry, self._project.variables)
        image = ImageSpec(name, self._image(name, entry), build, read_pull(entry))
        template = read_template(entry, image.image, read_healthcheck(entry, test, routes, offered), limits)
        files = read_files(self._root, entry, self._project.variables)
        template = replace(template, files=files, mounts=read_mounts(entry, self._services))
        reserved = read_further(extension.resources, reserved, self._machines.kinds)
        return _Container(name, entry, extension, template, image, reserved)

    def _placed(self, entry: Entry, neighbours: Neighbours) -> Placed:
        return read_placement(entry, neighbours, [site.name for site in self._fleet.sites], self._machines.labels)

    def _image(self, name: str, entry: Entry) -> str:
        image = entry.get("image")
        if image is not None:
            if not image.text() or any(character.isspace() for character in image.text()):
                raise image.error(f"{image.described} isn't an image reference.", "Write one such as nginx:1.27.")
            return image.text()
        if entry.get("build") is None:
            raise entry.error(f"The service {name!r} has no image.", "Give it an `image:` or a `build:`.")
        return f"{self._name}-{name.lower()}"

    def _with_networks(
        self, parts: _Parts, declared: Mapping[str, NetworkDefinition], links: Sequence[str]
    ) -> ServiceSpec:
        attachments = read_attachments(parts.entry, declared)
        names = [frozenset(each.aliases) for each in attachments]
        # Names that are the same everywhere are the service's; others belong to their network.
        shared = attachments[0].aliases if len(set(names)) == 1 else ()
        own = tuple(replace(each, aliases=()) if shared else each for each in attachments)
        template = replace(
            parts.spec.template,
            networks=tuple(each.network for each in attachments),
            network_mode=read_network_mode(parts.entry),
            attachments=tuple(each for each in own if each != Attachment(each.network)),
            aliases=tuple(dict.fromkeys((parts.spec.name, *shared, *links))),
        )
        if template.stands_alone and parts.spec.service.scale.maximum > 1:
            place = parts.entry.get("container_name") or parts.entry.get("networks") or parts.entry
            sentence = f"{parts.spec.name!r} has a fixed name, address or port: no second instance can stand beside it."
            remedy = "Leave the name, the address or the port of the machine out, or let it have one instance."
            raise place.error(sentence, remedy)
        return replace(parts.spec, template=template)

    def _needed(self, needs: Mapping[str, Condition]) -> tuple[Dependency, ...]:
        return tuple(
            Dependency(service_id(self._name, other), needed is Condition.HEALTHY, needed is Condition.COMPLETED)
            for other, needed in needs.items()
        )


def _check_modes(deploy: Entry) -> None:
    """Services are replicated, and their names lead to instances: other modes are refused."""
    mode, endpoint = deploy.get("mode"), deploy.get("endpoint_mode")
    if mode is not None and mode.text() != "replicated":
        raise mode.error(f"Services of the mode {mode.described} aren't supported.", "Write `replicas`, and no mode.")
    if endpoint is not None and endpoint.text() != "dnsrr":
        raise endpoint.error("A service's name leads to its instances, not to an address before them.", "Write dnsrr.")


def _route_of(service: Entry) -> Entry | None:
    extension = service.get(EXTENSION)
    return extension.get("route") if extension is not None else None


def _unrouted_notices(name: str, published: Sequence[PublishedPort], routes: Sequence[Route]) -> tuple[str, ...]:
    """Compose would pick a free port of the host for a bare container port; Springtide doesn't."""
    routed = {route.target_port for route in routes}
    return tuple(
        f"{name}: port {port.target} is reached from inside only; write '8080:{port.target}' or a route to publish it."
        for port in published
        if port.published is None and port.target not in routed
    )


def _refuse_shared_ports_and_hosts(parts: Sequence[_Parts]) -> None:
    ports: dict[int, Entry] = {}
    hosts: dict[str, Entry] = {}
    for each in parts:
        for port in each.published:
            if port.published is not None and port.published in ports:
                sentence = f"Port {port.published} is published on line {ports[port.published].line} already."
                raise port.entry.error(sentence, "Choose another port, or route by host name.")
            if port.published is not None:
                ports[port.published] = port.entry
        host = next((route.host for route in each.spec.service.routes if route.host), None)
        if host is not None and each.route is not None:
            if host in hosts:
                sentence = f"The host {host!r} leads to another service already, on line {hosts[host].line}."
                raise each.route.error(sentence, "Give each service a host of its own.")
            hosts[host] = each.route


def _refuse_shared_container_names(services: Mapping[str, Entry]) -> None:
    taken: dict[str, Entry] = {}
    for service in services.values():
        entry = service.get("container_name")
        if entry is not None and taken.setdefault(entry.text(), entry) is not entry:
            sentence = f"The container on line {taken[entry.text()].line} has the name {entry.described} already."
            raise entry.error(sentence, "Choose another name.")
