"""What instances stand on is made before them, and a pod is ready when all of it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from springtide.model.identifiers import AppName, InstanceId
from springtide.model.mounts import Mount, MountType, VolumeDefinition
from springtide.model.record import Change, Kind
from springtide.model.workloads import Companion, ContainerTemplate, Healthcheck, TcpProbe
from tests.builders import a_revision, a_service, a_template, an_app
from tests.controllers.stage import ROUTES, Stage

pytestmark = pytest.mark.looptime

FEED = AppName("feed")
IN_DATA = Mount(MountType.VOLUME, "/data", "data")


async def test_volumes_and_networks_are_made_before_the_first_instance() -> None:
    service = a_service("feed/web", 2, routes=ROUTES)
    async with Stage() as stage:
        template = a_template(networks=("default", "back"), mounts=(IN_DATA,))
        await stage.deploy(service, template=template)
        await stage.reaches(feed=2)
        assert stage.machine.networks == {(FEED, "default"), (FEED, "back")}
        assert stage.machine.volumes == {(FEED, "data"): {}}
        await stage.remove("feed")
        await stage.until(stage.is_tidy)
        assert stage.machine.volumes == {(FEED, "data"): {}}


async def test_what_is_external_and_missing_holds_the_instances_up_until_it_is_there() -> None:
    service = a_service("feed/web", 1, routes=ROUTES)
    app = replace(an_app("feed", service.id), volumes=(VolumeDefinition("data", external_name="theirs"),))
    revision = a_revision(service.id, template=a_template(mounts=(IN_DATA,)))
    async with Stage() as stage:
        await stage.store.commit(
            [
                Change(Kind.APP, app.name, app),
                Change(Kind.REVISION, revision.id, revision),
                Change(Kind.SERVICE, service.id, service),
            ]
        )
        await asyncio.sleep(5)
        assert (await stage.record()).placements
        assert stage.machine.containers == {}
        stage.machine.foreign.add("theirs")
        await stage.reaches(feed=1)


async def test_a_pod_takes_traffic_only_when_its_companions_are_ready_too() -> None:
    probed = ContainerTemplate("sha256:2", healthcheck=Healthcheck(TcpProbe(9000)))
    service = a_service("feed/web", 2, routes=ROUTES)
    async with Stage() as stage:
        stage.machine.unready_companions.add((InstanceId("feed-web-1"), "side"))
        await stage.deploy(service, template=a_template(companions=(Companion("side", probed),)))
        await stage.reaches(feed=2)
        await stage.until(lambda: _accepting(stage) == {"feed-web-2"})
        stage.machine.unready_companions.clear()
        await stage.until(lambda: _accepting(stage) == {"feed-web-1", "feed-web-2"})


def _accepting(stage: Stage) -> set[str]:
    """Instances of feed that get new requests."""
    endpoints = [each for routed in stage.router.table if routed.service == "feed/web" for each in routed.endpoints]
    return {endpoint.instance for endpoint in endpoints if endpoint.accepting}
