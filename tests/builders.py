"""Valid model objects with keyword overrides: a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from springtide.model.fleet import Cloud, Fleet, Node, Offer, Pool, ReclaimTerms, ScalingTerms, Site, Team
from springtide.model.identifiers import (
    AppName,
    CloudName,
    InstanceId,
    NodeId,
    PoolName,
    RevisionId,
    ServiceId,
    SiteName,
    TeamName,
)
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.placements import Placement
from springtide.model.resources import Resources
from springtide.model.workloads import App, Healthcheck, Revision, ScalePolicy, Service, TcpProbe, Template

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
MIB = 2**20


def at(seconds: float) -> datetime:
    """So many seconds after the start of every test."""
    return START + timedelta(seconds=seconds)


def amount(cpu_millis: int = 50, memory_mib: int = 32, **extended: int) -> Resources:
    return Resources.of({"cpu_millis": cpu_millis, "memory_bytes": memory_mib * MIB, **extended})


def a_pool(name: str, team: str | None = None, **overrides: Any) -> Pool:
    fields: dict[str, Any] = {"name": PoolName(name), "site": SiteName("home"), "contribution_percent": 25}
    return Pool(**{**fields, "team": TeamName(team) if team else None, **overrides})


def an_elastic_pool(name: str = "burst", cloud: str = "rented", max_nodes: int = 6) -> Pool:
    return Pool(PoolName(name), SiteName("away"), cloud=CloudName(cloud), max_nodes=max_nodes)


def nodes(pool: str, count: int, allocatable: Resources | None = None) -> tuple[Node, ...]:
    each = allocatable or amount(200, 256)
    return tuple(Node(NodeId(f"{pool}-{n}"), PoolName(pool), each) for n in range(1, count + 1))


def an_offer(**overrides: Any) -> Offer:
    fields: dict[str, Any] = {
        "cloud": CloudName("rented"),
        "shape": "small",
        "resources": amount(100, 128),
        "price_micros_per_hour": 360_000,
        "billing_period_seconds": 10,
        "boot_seconds": 4.0,
        "stock": 10,
    }
    return Offer(**{**fields, **overrides})


def a_fleet(**overrides: Any) -> Fleet:
    """Two teams with two slices each, and an elastic pool: the demo's fleet."""
    fields: dict[str, Any] = {
        "sites": (Site(SiteName("home")), Site(SiteName("away"), is_cloud=True)),
        "teams": (Team(TeamName("feed")), Team(TeamName("redpacket"))),
        "pools": (
            a_pool("feed", "feed", lending_limit=amount(100, 512)),
            a_pool("redpacket", "redpacket", lending_limit=amount(100, 512)),
            an_elastic_pool(),
        ),
        "nodes": (*nodes("feed", 2), *nodes("redpacket", 2)),
        "clouds": (Cloud(CloudName("rented"), "slices", SiteName("away"), (an_offer(),)),),
        "reclaim": ReclaimTerms(notice_seconds=8, grace_seconds=2),
        "scaling": ScalingTerms(up_seconds=1, down_seconds=5, home_seconds=3, proof_seconds=0),
    }
    return Fleet(**{**fields, **overrides})


def a_template(**overrides: Any) -> Template:
    return Template(**{"image": "sha256:1", "healthcheck": Healthcheck(TcpProbe(8000)), **overrides})


def a_revision(service: str, number: int = 1, **overrides: Any) -> Revision:
    fields: dict[str, Any] = {
        "id": RevisionId(f"{service}@{number}"),
        "service": ServiceId(service),
        "template": a_template(),
        "created_at": START,
        "proven_at": START,
    }
    return Revision(**{**fields, **overrides})


def a_service(id: str = "feed/web", count: int = 1, **overrides: Any) -> Service:
    """A service of the team that its app is named after, fixed at ``count`` unless a scale is given."""
    app, _, name = id.partition("/")
    fields: dict[str, Any] = {
        "id": ServiceId(id),
        "app": AppName(app),
        "name": name,
        "team": TeamName(app),
        "revision": RevisionId(f"{id}@1"),
        "resources": amount(),
        "scale": ScalePolicy(count, count),
        "ladder": FULL_LADDER,
    }
    return Service(**{**fields, **overrides})


def an_app(name: str, *services: str) -> App:
    return App(AppName(name), TeamName(name), tuple(ServiceId(each) for each in services))


def a_placement(service: str = "feed/web", ordinal: int = 1, node: str = "feed-1", **overrides: Any) -> Placement:
    fields: dict[str, Any] = {
        "instance": InstanceId(f"{service.replace('/', '-')}-{ordinal}"),
        "service": ServiceId(service),
        "revision": RevisionId(f"{service}@1"),
        "node": NodeId(node),
        "pool": PoolName(node.rpartition("-")[0]),
        "resources": amount(),
        "placed_at": START,
        "ordinal": ordinal,
    }
    return Placement(**{**fields, **overrides})


HOME_LADDER = (Rung.OWN, Rung.SHARED, Rung.BORROWED)
