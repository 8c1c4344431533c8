"""Wants: what is written, what is refused, and that nothing is written on a stale read."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from springtide.api.deployments import ATTEMPTS
from springtide.engines.base import Capability
from springtide.formats.app_specs import DeployedApp
from springtide.model.errors import StaleReadError, StoreError
from springtide.model.identifiers import AppName, RevisionId, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.mounts import SECRET_MAX_BYTES, FileMount
from springtide.model.networks import Attachment, PublishedPort
from springtide.model.record import FLEET_ID, Change, Kind
from springtide.model.resources import Resources
from springtide.model.workloads import (
    Companion,
    Constraint,
    ContainerTemplate,
    Dependency,
    PlacementRules,
    Route,
    ScalePolicy,
    Service,
    StandbyPolicy,
)
from springtide.store.base import NOTHING_READ, Fence, ReadVersions
from springtide.store.memory import MemoryStore
from tests.api.platforms import HandMadePlatform
from tests.builders import a_revision, a_service, a_template, an_app, at

WIRE = TypeAdapter(DeployedApp)


def deployed(*services: Service, app: str = "redpacket", team: str | None = None) -> DeployedApp:
    record = replace(an_app(app, *(service.id for service in services)), team=TeamName(team or app))
    return DeployedApp(record, services, tuple(a_revision(service.id, proven_at=None) for service in services))


async def put(api: httpx.AsyncClient, app: DeployedApp, name: str | None = None) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return await api.put(f"/apps/{name or app.app.name}", content=WIRE.dump_json(app), headers=headers)


async def refusal(api: httpx.AsyncClient, app: DeployedApp, status: int) -> dict[str, str]:
    answer = await put(api, app)
    assert answer.status_code == status, answer.text
    wire: dict[str, str] = answer.json()
    assert set(wire) == {"code", "sentence", "remedy"}
    return wire


@pytest.mark.parametrize(
    ("companions", "told"),
    [
        ((Companion("Side", ContainerTemplate("sha256:2")),), "'Side' is no name"),
        ((Companion("web", ContainerTemplate("sha256:2")),), "the same name"),
        ((Companion("side", ContainerTemplate("sha256:2", ports=(PublishedPort(53),))),), "no ports"),
    ],
)
async def test_a_pod_that_can_not_be_one_is_refused(
    api: httpx.AsyncClient, companions: tuple[Companion, ...], told: str
) -> None:
    service = a_service("redpacket/web")
    revision = a_revision(service.id, template=a_template(companions=companions), proven_at=None)
    said = await refusal(api, replace(deployed(service), revisions=(revision,)), 422)
    assert told in said["sentence"]


async def test_an_app_that_is_put_is_wanted_with_its_services_and_revisions(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    service = a_service("redpacket/web", 2, routes=(Route(8000, host="red.localhost"),))
    answer = await put(api, deployed(service))
    assert answer.status_code == 200
    record = await platform.store.read()
    assert record.services[service.id] == service
    assert record.apps[AppName("redpacket")].services == (service.id,)
    assert record.revisions[service.revision].template == a_template()
    assert answer.json() == {
        "app": "redpacket",
        "version": record.version,
        "services": ["redpacket/web"],
        "removed": [],
        "urls": {"redpacket/web": ["http://red.localhost:8080"]},
    }


async def test_a_revision_that_the_record_has_keeps_its_proof_and_its_date(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    again = deployed(a_service("feed/web", 5), app="feed")
    later = replace(again, revisions=(replace(again.revisions[0], created_at=at(99)),))
    before = platform.record.revisions[RevisionId("feed/web@1")]
    assert (await put(api, later)).status_code == 200
    assert (await platform.store.read()).revisions[before.id] == before
    assert before.proven_at is not None


async def test_a_revision_cannot_arrive_as_proven(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    app = deployed(a_service("redpacket/web"))
    proven = replace(app, revisions=(replace(app.revisions[0], proven_at=at(0)),))
    assert (await put(api, proven)).status_code == 200
    assert (await platform.store.read()).revisions[RevisionId("redpacket/web@1")].proven_at is None


async def test_a_service_that_the_app_no_longer_has_is_removed(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    answer = await put(api, deployed(a_service("feed/api"), app="feed"))
    assert answer.json()["removed"] == ["feed/web"]
    assert set((await platform.store.read()).services) == {"feed/api"}


async def test_an_unknown_team_is_refused_with_the_known_ones(api: httpx.AsyncClient) -> None:
    service = a_service("shop/web", team=TeamName("feeds"))
    wire = await refusal(api, deployed(service, app="shop", team="feeds"), 409)
    assert wire["code"] == "unknown-team"
    assert wire["sentence"] == "There is no team 'feeds'."
    assert wire["remedy"] == "Did you mean feed? The fleet's teams: feed, redpacket."


async def test_another_teams_app_is_refused(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    service = a_service("feed/web", team=TeamName("redpacket"))
    wire = await refusal(api, deployed(service, app="feed", team="redpacket"), 409)
    assert wire["sentence"] == "App feed belongs to team feed, not to redpacket."


@pytest.mark.parametrize(
    ("route", "sentence"),
    [
        (Route(8000, host="feed.localhost"), "redpacket/web asks for host feed.localhost, which feed/web has."),
        (Route(8000, listen_port=9001), "redpacket/web asks for port 9001, which feed/web has."),
        (Route(8000, listen_port=8080), "redpacket/web asks for port 8080, on which the router listens for all host"),
    ],
)
async def test_a_taken_host_or_port_is_refused(
    api: httpx.AsyncClient, platform: HandMadePlatform, route: Route, sentence: str
) -> None:
    feed = a_service("feed/web", routes=(Route(8000, host="feed.localhost", listen_port=9001),))
    await platform.write(Change(Kind.SERVICE, feed.id, feed))
    wire = await refusal(api, deployed(a_service("redpacket/web", routes=(route,))), 409)
    assert (wire["code"], wire["sentence"][: len(sentence)]) == ("taken", sentence)


async def test_a_host_that_two_services_of_the_app_ask_for_is_refused(api: httpx.AsyncClient) -> None:
    routes = (Route(8000, host="red.localhost"),)
    app = deployed(a_service("redpacket/a", routes=routes), a_service("redpacket/b", routes=routes))
    assert (await refusal(api, app, 409))["sentence"].startswith("redpacket/b asks for host red.localhost")


async def test_a_revision_never_changes(api: httpx.AsyncClient) -> None:
    app = deployed(a_service("feed/web"), app="feed")
    other = replace(app.revisions[0], template=a_template(image="sha256:2"))
    wire = await refusal(api, replace(app, revisions=(other,)), 409)
    assert wire["sentence"] == "Revision feed/web@1 exists with another template, and revisions never change."


_WEB, _FEED = ServiceId("redpacket/web"), ServiceId("feed/web")
_CONTRADICTIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"scale": ScalePolicy(5, 2)}, "5 to 2 is no range of counts."),
    ({"scale": ScalePolicy(1, 2, available=3)}, "3 instances can't serve at any time: there are 0 to 2."),
    ({"scale": ScalePolicy(1, 2, available=-1)}, "-1 instances can't serve at any time"),
    ({"scale": ScalePolicy(1, 9, standby=StandbyPolicy(-1))}, "Fewer than none can't stand by"),
    ({"scale": ScalePolicy(1, 9, standby=StandbyPolicy(1, ((Rung.CLOUD, 1),)))}, "paid by the hour"),
    ({"scale": ScalePolicy(1, 9, standby=StandbyPolicy(1, (), 0.0))}, "no time at all"),
    ({"placement": PlacementRules(max_per_node=-1)}, "-1 instances a node are below 0"),
    (
        {"placement": PlacementRules((Constraint("zone", "a b"),))},
        "'zone==a b' asks for a value that no node can have.",
    ),
    ({"placement": PlacementRules(near=(_FEED,), apart=(_FEED,))}, "feed/web can't be both near and apart."),
    ({"placement": PlacementRules(near=(_WEB,))}, "can't wait for an instance of its own"),
    ({"placement": PlacementRules(apart=(ServiceId("redpacket/db"),))}, "There is no service 'redpacket/db'"),
    ({"resources": Resources((("cpu_millis", -5),))}, "Amounts must be above nought"),
    ({"resources": Resources((("pids", 5), ("cpu_millis", 5)))}, "Amounts must be above nought"),
    ({"ladder": ()}, "The ladder needs at least one rung"),
    ({"depends_on": (Dependency(ServiceId("redpacket/db")),)}, "The app has no service redpacket/db."),
    ({"revision": RevisionId("redpacket/web@9")}, "Its revision redpacket/web@9 isn't among those sent."),
    ({"routes": (Route(0, host="a.localhost"),)}, "0 is no port"),
    ({"routes": (Route(80, host="a b"),)}, "'a b' is no host name."),
    ({"team": TeamName("feed")}, "redpacket/web of app redpacket and team feed is not of it."),
)


@pytest.mark.parametrize(("overrides", "sentence"), _CONTRADICTIONS)
async def test_an_app_that_contradicts_itself_is_refused(
    api: httpx.AsyncClient, platform: HandMadePlatform, overrides: dict[str, Any], sentence: str
) -> None:
    wire = await refusal(api, deployed(a_service(_WEB, **overrides)), 422)
    assert sentence in wire["sentence"]
    assert _WEB not in (await platform.store.read()).services


async def test_what_the_engine_cannot_do_is_refused_before_anything_changes(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    platform.engine.capabilities -= {Capability.STANDBY}
    waiting = a_service(_WEB, scale=ScalePolicy(1, 9, standby=StandbyPolicy(2)))
    wire = await refusal(api, deployed(waiting), 409)
    assert (wire["code"], wire["sentence"]) == (
        "lacks-capability",
        "redpacket/web needs standby, which the engine doesn't offer.",
    )
    assert _WEB not in (await platform.store.read()).services


_UNMET: tuple[tuple[PlacementRules, str, str], ...] = (
    (PlacementRules((Constraint("site", "hom"),)), "unknown-site", "There is no site 'hom'."),
    (PlacementRules((Constraint("zone", "b"),)), "no-node-fits", "redpacket/web asks for: zone==b."),
    (PlacementRules((Constraint("zone", "a"), Constraint("site", "away"))), "no-node-fits", "zone==a, site==away."),
    (PlacementRules(apart=(_FEED,), domain="rack"), "unknown-label", "'rack' divides nothing"),
)


@pytest.mark.parametrize(("rules", "code", "sentence"), _UNMET)
async def test_placement_that_no_node_of_the_fleet_meets_is_refused(
    api: httpx.AsyncClient, platform: HandMadePlatform, rules: PlacementRules, code: str, sentence: str
) -> None:
    await _put_nodes_in_zone_a(platform)
    wire = await refusal(api, deployed(a_service(_WEB, placement=rules)), 409)
    assert wire["code"] == code
    assert sentence in wire["sentence"]
    assert wire["remedy"]


async def test_placement_that_some_node_meets_is_taken(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    await _put_nodes_in_zone_a(platform)
    rules = PlacementRules((Constraint("zone", "a"),), ("rack",), 2, apart=(_FEED,), domain="zone")
    assert (await put(api, deployed(a_service(_WEB, placement=rules)))).status_code == 200
    assert (await platform.store.read()).services[_WEB].placement == rules


async def _put_nodes_in_zone_a(platform: HandMadePlatform) -> None:
    fleet = platform.record.fleet
    nodes = tuple(replace(node, labels=(("zone", "a"),)) for node in fleet.nodes)
    await platform.write(Change(Kind.FLEET, FLEET_ID, replace(fleet, nodes=nodes)))


async def test_services_that_wait_for_one_another_in_a_circle_are_refused(api: httpx.AsyncClient) -> None:
    ids = [ServiceId(f"redpacket/{name}") for name in ("a", "b", "c")]
    circle = [a_service(id, placement=PlacementRules(near=(ids[n - 1],))) for n, id in enumerate(ids)]
    wire = await refusal(api, deployed(*circle), 422)
    assert "None of redpacket/a, redpacket/b, redpacket/c could be the first to start" in wire["sentence"]
    pair = [a_service(ids[0], placement=PlacementRules(near=(ids[1],)))]
    pair.append(a_service(ids[1], placement=PlacementRules(near=(ids[0],))))
    assert (await put(api, deployed(*pair))).status_code == 200  # the first by id goes ahead


async def test_names_that_cannot_name_a_container_are_refused(api: httpx.AsyncClient) -> None:
    assert "'Bad name' is no name" in (await refusal(api, deployed(a_service("redpacket/Bad name")), 422))["sentence"]


async def test_a_body_under_another_apps_path_is_refused(api: httpx.AsyncClient) -> None:
    answer = await put(api, deployed(a_service("redpacket/web")), name="feed")
    assert (answer.status_code, answer.json()["sentence"]) == (422, "app feed: app.name: The body is app 'redpacket'.")


async def test_a_deleted_app_keeps_an_empty_entry_until_it_is_cleared(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    answer = await api.delete("/apps/feed")
    assert answer.json() == {"app": "feed", "services": ["feed/web"]}
    record = await platform.store.read()
    assert (dict(record.services), record.apps[AppName("feed")].services) == ({}, ())
    assert len(record.placements) == 3


async def test_deleting_an_unknown_app_says_what_there_is(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/apps/shop")
    assert (answer.status_code, answer.json()["remedy"]) == (404, "There is feed.")


@pytest.mark.parametrize(
    ("wish", "bounds"), [({"count": 7}, (7, 7)), ({"minimum": 2, "maximum": 9}, (2, 9)), ({"count": 0}, (0, 0))]
)
async def test_scaling_sets_the_bounds_and_keeps_the_targets(
    api: httpx.AsyncClient, platform: HandMadePlatform, wish: dict[str, int], bounds: tuple[int, int]
) -> None:
    policy = ScalePolicy(1, 4, requests_per_second=20)
    await platform.write(Change(Kind.SERVICE, "feed/web", a_service("feed/web", scale=policy)))
    answer = await api.post("/apps/feed/services/web/scale", json=wish)
    assert answer.json() == {"service": "feed/web", "minimum": bounds[0], "maximum": bounds[1]}
    scale = (await platform.store.read()).services[ServiceId("feed/web")].scale
    assert scale == ScalePolicy(*bounds, requests_per_second=20)


@pytest.mark.parametrize("wish", [{}, {"count": 1, "maximum": 2}, {"minimum": 3, "maximum": 2}, {"count": -1}])
async def test_a_scale_that_is_no_scale_is_refused(api: httpx.AsyncClient, wish: dict[str, int]) -> None:
    answer = await api.post("/apps/feed/services/web/scale", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-input")


async def test_scaling_below_what_should_be_available_lowers_that_too(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    service = platform.record.services[_FEED]
    await platform.write(Change(Kind.SERVICE, _FEED, replace(service, scale=ScalePolicy(3, 9, available=3))))
    await api.post("/apps/feed/services/web/scale", json={"minimum": 1, "maximum": 2})
    assert (await platform.store.read()).services[_FEED].scale == ScalePolicy(1, 2, available=2)


async def test_scaling_an_unknown_service_suggests_the_near_one(api: httpx.AsyncClient) -> None:
    answer = await api.post("/apps/feed/services/wb/scale", json={"count": 2})
    assert (answer.status_code, answer.json()["remedy"]) == (404, "Did you mean feed/web?")


class InterruptedStore(MemoryStore):
    """A store in which somebody else's service is written just before each of the next commits."""

    interruptions = 0
    broken = False

    async def commit(
        self, changes: Sequence[Change], *, read: ReadVersions = NOTHING_READ, fence: Fence | None = None
    ) -> int:
        if self.broken:
            raise StoreError("The disk is full: 0 bytes are free.", remedy="Make room.")
        if self.interruptions > 0:
            self.interruptions -= 1
            other = a_service(f"redpacket/s{self.interruptions}", routes=(Route(8000, host="late.localhost"),))
            await super().commit([Change(Kind.SERVICE, other.id, other)])
        return await super().commit(changes, read=read, fence=fence)


@pytest.fixture
def interrupted(platform: HandMadePlatform) -> InterruptedStore:
    store = InterruptedStore()
    store.__dict__.update(platform.store.__dict__)
    platform.store = store
    return store


async def test_a_commit_that_others_interrupt_is_tried_again_on_a_fresh_read(
    api: httpx.AsyncClient, interrupted: InterruptedStore
) -> None:
    interrupted.interruptions = ATTEMPTS - 1
    assert (await put(api, deployed(a_service("feed/web", 6), app="feed"))).status_code == 200


async def test_what_is_tried_again_is_checked_again(api: httpx.AsyncClient, interrupted: InterruptedStore) -> None:
    interrupted.interruptions = 1
    late = a_service("feed/web", routes=(Route(8000, host="late.localhost"),))
    wire = await refusal(api, deployed(late, app="feed"), 409)
    assert wire["sentence"] == "feed/web asks for host late.localhost, which redpacket/s0 has."


async def test_a_commit_that_never_gets_through_says_that_it_was_stale(
    api: httpx.AsyncClient, interrupted: InterruptedStore
) -> None:
    interrupted.interruptions = ATTEMPTS
    wire = await refusal(api, deployed(a_service("feed/web", 6), app="feed"), 409)
    assert wire["code"] == StaleReadError.code


async def test_a_store_that_cannot_write_is_a_503_with_its_sentence(
    api: httpx.AsyncClient, interrupted: InterruptedStore
) -> None:
    interrupted.broken = True
    wire = await refusal(api, deployed(a_service("feed/web", 6), app="feed"), 503)
    assert wire == {"code": "store", "sentence": "The disk is full: 0 bytes are free.", "remedy": "Make room."}


async def test_volumes_of_an_app_that_is_there_are_kept(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    platform.engine.machine_state.volumes = {(AppName("feed"), "data"): {}}
    refused = await api.delete("/apps/feed/volumes")
    assert (refused.status_code, refused.json()["code"]) == (409, "in-use")
    assert platform.engine.machine_state.volumes
    assert (await api.delete("/apps/gone/volumes")).status_code == 200


def with_template(count: int, **said: Any) -> DeployedApp:
    app = deployed(a_service("redpacket/web", count))
    return replace(app, revisions=(replace(app.revisions[0], template=a_template(**said)),))


FIXED = (Attachment("default", ipv4_address="10.5.0.2"),)


async def test_copies_of_what_has_a_fixed_address_are_refused(api: httpx.AsyncClient) -> None:
    assert (await refusal(api, with_template(2, attachments=FIXED), 409))["code"] == "stands-alone"
    assert (await put(api, with_template(1, attachments=FIXED))).status_code == 200
    scaled = await api.post("/apps/redpacket/services/web/scale", json={"count": 3})
    assert (scaled.status_code, scaled.json()["code"]) == (409, "stands-alone")


async def test_a_network_that_the_app_does_not_have_is_refused(api: httpx.AsyncClient) -> None:
    said = await refusal(api, with_template(1, networks=("back",)), 422)
    assert "no network 'back'" in said["sentence"]
    assert (await put(api, with_template(1, networks=("back",), network_mode="host"))).status_code == 200


async def test_what_a_template_opens_is_shown_and_what_its_files_hold_is_not(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    secret = FileMount.of("key", "/run/secrets/key", b"hush", is_secret=True)
    app = with_template(1, network_mode="host", files=(secret,))
    assert (await put(api, app)).status_code == 200
    platform.record = await platform.store.read()
    (web,) = [each for each in (await api.get("/services")).json() if each["id"] == "redpacket/web"]
    assert web["weakenings"] == ["network_mode: host"]
    for path in ("status", "services", "apps", "instances", "events?last=100", "why/redpacket/web"):
        answer = (await api.get(f"/{path}")).text
        assert "hush" not in answer
        assert secret.encoded not in answer


async def test_a_file_that_is_too_large_is_refused_without_showing_it(api: httpx.AsyncClient) -> None:
    body = json.loads(WIRE.dump_json(with_template(1)))
    content = base64.b64encode(b"hush" * SECRET_MAX_BYTES).decode()
    file = {"name": "key", "target": "/run/secrets/key", "encoded": content, "is_secret": True}
    body["revisions"][0]["template"]["files"] = [file]
    answer = await api.put("/apps/redpacket", json=body)
    assert answer.status_code == 422
    assert "512000 is the most" in answer.json()["sentence"]
    assert len(answer.text) < 1000


async def test_progress_counts_what_is_wanted_by_now_apart_from_what_is_to_be_replaced(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    (before,) = (await api.get("/apps/feed/progress")).json()["services"]
    assert (before["ready"], before["outdated"]) == (3, 0)
    platform.moment += timedelta(seconds=1)
    assert (await api.post("/apps/feed/restart", json={})).status_code == 200
    (after,) = (await api.get("/apps/feed/progress")).json()["services"]
    assert (after["ready"], after["outdated"], after["serving_outdated"]) == (0, 3, 3)


async def test_progress_that_was_seen_waits_until_there_is_another(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    state = (await api.get("/apps/feed/progress")).json()["state"]
    waiting = asyncio.create_task(api.get("/apps/feed/progress", params={"state": state, "seconds": 20}))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    await platform.write(Change(Kind.PLACEMENT, "feed-web-3", None))
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.json()["services"][0]["ready"] == 2
