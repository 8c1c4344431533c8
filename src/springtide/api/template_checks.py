"""Whether a service may have as many instances as it asks for, given what its template ties down."""

from __future__ import annotations

from collections.abc import Collection

from springtide.api.errors import wrong
from springtide.engines.base import Capability, needs_of
from springtide.formats.app_specs import DeployedApp
from springtide.model.errors import LacksCapabilityError, RefusedError
from springtide.model.networks import OWN_NETWORKS
from springtide.model.workloads import Service, Template


def check_templates(deployed: DeployedApp) -> None:
    """Raises InputError for a network that the app doesn't have and for a pod that can't be one.

    RefusedError for copies of what is one by nature.
    """
    templates = {revision.id: revision.template for revision in deployed.revisions}
    for service in deployed.services:
        template = templates[service.revision]
        unknown = set(template.networks) - {*deployed.app.networks}
        if template.network_mode == OWN_NETWORKS and unknown:
            raise wrong(deployed.app.name, f"{service.name}.networks", f"The app has no network {min(unknown)!r}.")
        _check_pod(deployed, service, template)
        refuse_copies(service, template, service.scale.maximum)


def check_capabilities(deployed: DeployedApp, capabilities: Collection[Capability]) -> None:
    """Raises LacksCapabilityError for a service that the engine can't run as it is asked for."""
    templates = {revision.id: revision.template for revision in deployed.revisions}
    for service in deployed.services:
        template = templates.get(service.revision)
        needs = needs_of(template) if template is not None else frozenset()
        if service.scale.standby.count:
            needs |= {Capability.STANDBY}
        if lacking := sorted(needs.difference(capabilities)):
            raise LacksCapabilityError(
                f"{service.id} needs {', '.join(lacking)}, which the engine doesn't offer.",
                remedy="Deploy it without, or on another engine.",
            )


def _check_pod(deployed: DeployedApp, service: Service, template: Template) -> None:
    names = [service.name, *(each.name for each in template.companions)]
    if len(set(names)) < len(names):
        raise wrong(deployed.app.name, f"{service.name}.companions", "Two containers of one pod have the same name.")
    for each in template.companions:
        if each.template.ports or each.template.attachments:
            sentence = f"{each.name} shares a network and can have no ports or addresses of its own."
            raise wrong(deployed.app.name, f"{service.name}.companions", sentence)


def refuse_copies(service: Service, template: Template, maximum: int) -> None:
    """Raises RefusedError for more than one instance of a template with a fixed name, address or port."""
    if maximum > 1 and template.stands_alone:
        raise RefusedError(
            f"{service.id} has a fixed name, address or port of the machine, which one instance can have; "
            f"{maximum} are asked for.",
            remedy="Ask for one, or leave the name, the address or the host's port out.",
            code="stands-alone",
        )
