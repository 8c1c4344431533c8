"""Where an app's instances may stand: what contradicts itself, and what no machine of the fleet can meet."""

from __future__ import annotations

import re
from collections.abc import Mapping

from springtide.api.errors import unknown, wrong
from springtide.formats.app_specs import DeployedApp
from springtide.formats.machines import Machines
from springtide.model.errors import RefusedError
from springtide.model.fleet import Fleet
from springtide.model.identifiers import ServiceId
from springtide.model.workloads import PlacementRules, Service, neighbours_awaited

NODE, SITE = "node", "site"
_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_SERVICE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}/[a-zA-Z0-9._-]{1,63}")


def check_placement(fleet: Fleet, deployed: DeployedApp) -> None:
    """Raises InputError where rules contradict themselves, RefusedError where the fleet can't meet them."""
    placed = [service for service in deployed.services if service.placement]
    if not placed:
        return
    machines = Machines.of(fleet)
    for service in placed:
        _check_rules(service, deployed)
        _check_fleet(service, fleet, machines)
    _refuse_circles_of_near({service.id: service.placement for service in placed}, deployed.app.name)


def _check_rules(service: Service, deployed: DeployedApp) -> None:
    app, rules, key = deployed.app.name, service.placement, f"{service.name}.placement"
    if rules.max_per_node < 0:
        raise wrong(
            app, f"{key}.max_per_node", f"{rules.max_per_node} instances a node are below 0, which is no limit."
        )
    for constraint in rules.constraints:
        if not constraint.key or not _VALUE.fullmatch(constraint.value):
            raise wrong(app, f"{key}.constraints", f"{str(constraint)!r} asks for a value that no node can have.")
    both = sorted(set(rules.near) & set(rules.apart))
    if both:
        raise wrong(app, key, f"{both[0]} can't be both near and apart.")
    if service.id in rules.near:
        raise wrong(app, f"{key}.near", f"{service.id} can't wait for an instance of its own to stand near.")
    ids = {each.id for each in deployed.services}
    for other in (*rules.near, *rules.apart):
        is_of_the_app = other.partition("/")[0] == app
        if not _SERVICE_ID.fullmatch(other) or (is_of_the_app and other not in ids):
            raise wrong(app, key, f"There is no service {other!r} in the app.")


def _check_fleet(service: Service, fleet: Fleet, machines: Machines) -> None:
    rules = service.placement
    sites = {str(site.name) for site in fleet.sites}
    for constraint in rules.constraints:
        if constraint.key == SITE and constraint.value not in sites:
            near = unknown("site", constraint.value, sites)
            raise RefusedError(near.sentence, remedy=near.remedy, code="unknown-site")
    if (rules.near or rules.apart) and rules.domain not in {NODE, SITE, *machines.labels}:
        sentence = f"{rules.domain!r} divides nothing: no node of the fleet has such a label."
        raise RefusedError(
            sentence, remedy=unknown("label", rules.domain, machines.labels).remedy, code="unknown-label"
        )
    if rules.constraints and not any(
        all(each.is_met_by(machine.attributes) for each in rules.constraints) for machine in machines.sorts
    ):
        asked = ", ".join(map(str, rules.constraints))
        raise RefusedError(
            f"No node of the fleet, owned or on offer, meets what {service.id} asks for: {asked}.",
            remedy="Take a constraint out, or label the pool's slices in the fleet file.",
            code="no-node-fits",
        )


def _refuse_circles_of_near(rules: Mapping[ServiceId, PlacementRules], app: str) -> None:
    """In a circle of three or more that want to be near one another nobody could be the first."""
    stuck = sorted(neighbours_awaited(rules))
    if stuck:
        sentence = f"None of {', '.join(stuck)} could be the first to start, since each waits for another to be near."
        raise wrong(app, "placement.near", sentence)
