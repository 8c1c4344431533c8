"""An app as it was last deployed, with its images looked up anew."""

from __future__ import annotations

from dataclasses import replace

from springtide.api.deployments import as_deployed, services_named
from springtide.api.image_lookups import find_images
from springtide.api.platform import Platform
from springtide.api.requests import RedeployRequest
from springtide.formats.app_specs import DeployedApp, revision_id, with_other_images
from springtide.model.builds import Pull
from springtide.model.workloads import Service


async def with_newer_images(platform: Platform, app: str, asked: RedeployRequest) -> tuple[DeployedApp, list[str]]:
    """The app with what the names of its images stand for by now, and what is worth saying of it.

    Images that were built from a folder stay: only ``deploy`` has the folder. Raises UnknownNameError,
    ImageMissingError.
    """
    record = await platform.store.read()
    deployed = as_deployed(record, app)
    chosen = services_named(record, app, asked.services)
    references = {reference for each in chosen for _, reference in each.images}
    found = await find_images(platform.engine, references, Pull.NEVER if asked.dry_run else Pull.ALWAYS)
    images = {name: image for name, image in found.images.items() if image is not None}
    revisions = {each.id: each for each in deployed.revisions}
    services: list[Service] = []
    notices = list(found.notices)
    for each in deployed.services:
        if each in chosen:
            revision = revisions.pop(each.revision)
            newer = {container: images[reference] for container, reference in each.images if reference in images}
            template = with_other_images(each.name, revision.template, newer)
            id = revision_id(each.id, template)
            if id != revision.id:
                revision = replace(revision, id=id, template=template, created_at=platform.now())
            revisions[id] = revision
            each = replace(each, revision=id)
            built = {each.name, *(companion.name for companion in template.companions)} - {n for n, _ in each.images}
            notices += [f"{name} was built from a folder; deploy builds it anew." for name in sorted(built)]
        services.append(each)
    app_now = replace(deployed.app, deployed_at=platform.now())
    return DeployedApp(app_now, tuple(services), tuple(revisions.values())), notices
