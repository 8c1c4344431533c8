"""Input that no file reader would let through: contradictions, strangers, cycles and absurd numbers.

Names come from a few words, so that some are known, some stand twice, and some lead nowhere.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from springtide.model.fleet import (
    Budget,
    Cloud,
    Department,
    Fleet,
    Link,
    LinkWindow,
    Node,
    Offer,
    Pool,
    ReclaimTerms,
    ScalingTerms,
    Site,
    Team,
)
from springtide.model.identifiers import SiteName
from springtide.model.leases import Lease, LedgerEntry, Rung
from springtide.model.observations import (
    ActionFailed,
    CloudView,
    ContainerState,
    EndpointLoad,
    EngineInstance,
    Machine,
    MachineState,
    ProbedInstance,
    Readiness,
    RouterView,
    ServiceLoad,
    Usage,
    UsageSample,
)
from springtide.model.placements import Eviction, Placement, PlacementState, Rental, RentalState
from springtide.model.record import Record
from springtide.model.resources import Ceiling, Resources
from springtide.model.workloads import (
    App,
    Band,
    Constraint,
    Dependency,
    PlacementRules,
    Revision,
    Route,
    ScalePolicy,
    Service,
    StandbyPolicy,
)
from springtide.planning.index import (
    AppCleared,
    InstanceDeleted,
    InstanceMissing,
    InstanceSeen,
    InstancesListed,
    MachineReturned,
    Observation,
    RoutesApplied,
)
from tests.builders import START, a_template

ABSURD = 10**30


def _one(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


sites = _one("home", "away", "nowhere")
teams = _one("ann", "bob", "nobody")
departments = _one("top", "mid", "low", "nothing")
pools = _one("ann", "all", "burst", "gone")
node_ids = _one("ann-1", "ann-2", "all-1", "burst-1", "lost-1")
clouds = _one("rented", "fog")
apps = _one("ann", "bob", "none")
service_ids = _one("ann/web", "ann/db", "bob/web", "no-app", "")
instance_ids = _one("ann-web-1", "ann-web-2", "ann-db-1", "bob-web-1", "stranger")
tokens = _one("burst-1", "burst-2", "orphan")
kinds = _one("cpu_millis", "memory_bytes", "pids", "gpu", "unobtainium")
amounts = _one(-ABSURD, -1, 0, 1, 50, 100, 100, 300, 2**48, 2**63, ABSURD)
percents = _one(-50, 0, 25, 100, 150, ABSURD)
numbers = _one(-ABSURD, -1, 0, 1, 2, 5)
"""Where a number is how many, a large one is tried apart: see ``many``."""
seconds = _one(-5.0, 0.0, 0.5, 3.0, 3600.0, 1e9)
moments: st.SearchStrategy[datetime] = st.builds(
    lambda after: START + timedelta(seconds=after), _one(-1e9, -3600.0, -1.0, 0.0, 0.0, 1.0, 10.0, 3600.0, 1e9)
)
resources: st.SearchStrategy[Resources] = st.dictionaries(kinds, amounts, max_size=3).map(Resources.of)
ceilings: st.SearchStrategy[Ceiling] = st.dictionaries(kinds, amounts, max_size=2).map(Ceiling.of)
cohorts = _one("", "", "north", "south")
labels = st.lists(st.tuples(_one("zone", "os", "site", "node"), _one("a", "b", "")), max_size=2).map(tuple)


def _some(each: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=most).map(tuple)


_departments = st.builds(Department, departments, st.none() | departments, ceilings, ceilings, ceilings, cohorts)
_teams = st.builds(
    Team, teams, _one(-1, 0, 1, 3, ABSURD), st.none() | departments, ceilings, ceilings, ceilings, cohorts
)
_pools = st.builds(
    Pool,
    name=pools,
    site=sites,
    team=st.none() | teams,
    contribution_percent=percents,
    lending_limit=st.none() | resources,
    cloud=st.none() | st.none() | clouds,
    max_nodes=_one(-1, 0, 1, 3),
    price_micros_per_cpu_hour=_one(-ABSURD, 0, 1, ABSURD),
    contribution_by_kind=_some(st.tuples(kinds, percents), 2),
    cohort=st.none() | cohorts,
)
_nodes = st.builds(Node, node_ids, pools, resources, labels)
_offers = st.builds(
    Offer,
    cloud=clouds,
    shape=_one("small", "large"),
    resources=resources,
    price_micros_per_hour=_one(-1, 0, 1, 360_000, ABSURD),
    billing_period_seconds=_one(-10, 0, 1, 10, 3600, 10**9),
    boot_seconds=_one(-1.0, 0.0, 4.0, 1e9),
    stock=st.none() | _one(-1, 0, 1, 3),
    labels=labels,
    interruptions_percent_per_hour=_one(-1, 0, 50, 10**6),
)
_windows = st.builds(
    LinkWindow,
    _one("* * * * *", "0 0 31 2 *", "61 * * * *", "", "nonsense"),
    seconds,
    _one(-1, 0, 10**9, ABSURD),
    _one("UTC", "Asia/Shanghai", "Mars/Olympus", ""),
)
_links = st.builds(
    Link, st.tuples(sites, sites), _one(-1, 0, 10**9, ABSURD), seconds, _some(_windows, 2), _one(-1, 0, 10**8, ABSURD)
)
_budgets = st.builds(Budget, _one("hour", "day", "month", "century", ""), _one(-1, 0, 1, 4_000, ABSURD))

fleets: st.SearchStrategy[Fleet] = st.builds(
    Fleet,
    sites=_some(st.builds(Site, sites, st.booleans()), 3),
    teams=_some(_teams, 4),
    pools=_some(_pools, 5),
    nodes=_some(_nodes, 6),
    clouds=_some(st.builds(Cloud, clouds, st.just("simulated"), sites, _some(_offers, 2)), 2),
    budgets=_some(_budgets, 2),
    reclaim=st.builds(ReclaimTerms, seconds, seconds, seconds),
    scaling=st.builds(
        ScalingTerms, seconds, seconds, seconds, _one(-2.0, -1.0, 0.0, 0.05, 1e9), seconds, numbers, amounts, seconds
    ),
    defaults=resources,
    cpu_overcommit=_one(-1.0, 0.0, 4.0),
    links=_some(_links, 2),
    departments=_some(_departments, 4),
)

_scales = st.builds(
    ScalePolicy,
    minimum=numbers,
    maximum=numbers,
    requests_per_second=st.none() | _one(-1.0, 0.0, 1e-300, 10.0, 1e300),
    cpu_percent=st.none() | _one(-1.0, 0.0, 1e-300, 70.0, 1e300),
    available=st.none() | numbers,
    standby=st.builds(
        StandbyPolicy,
        _one(-1, 0, 0, 2, ABSURD),
        _some(st.tuples(st.sampled_from(list(Rung)), _one(-1, 1, ABSURD)), 2),
        seconds,
    ),
)
_rules = st.builds(
    PlacementRules,
    constraints=_some(
        st.builds(Constraint, _one("zone", "site", "os", "unheard"), _one("a", "home", ""), st.booleans()), 2
    ),
    spread=_some(_one("zone", "node", "unheard"), 2),
    max_per_node=_one(-1, 0, 0, 1, ABSURD),
    near=_some(service_ids, 2),
    apart=_some(service_ids, 2),
    domain=_one("node", "zone", "unheard", ""),
)
_routes = st.builds(
    Route, _one(-1, 0, 8000), st.none() | _one("a.localhost", ""), st.none() | _one(0, 80), numbers, seconds
)
revision_ids = _one("ann/web@1", "ann/web@2", "bob/web@1", "none@9", "")


def _services(
    counts: st.SearchStrategy[ScalePolicy], needs: st.SearchStrategy[Resources]
) -> st.SearchStrategy[Service]:
    return st.builds(
        Service,
        id=service_ids,
        app=apps,
        name=_one("web", ""),
        team=teams,
        revision=revision_ids,
        resources=needs,
        scale=counts,
        ladder=_some(st.sampled_from(list(Rung)), 5),
        band=st.sampled_from(list(Band)),
        routes=_some(_routes, 1),
        depends_on=_some(st.builds(Dependency, service_ids, st.booleans()), 2),
        line_load_bits_per_second=_one(-ABSURD, 0, 10**6, ABSURD),
        placement=_rules,
    )


_evictions = st.builds(
    Eviction,
    rule=_one("reclaim", "gives-way", "fair-share", "home", "revision", "shrink", "unheard", ""),
    noticed_at=moments,
    drain_by=st.none() | moments,
    gone_by=st.none() | moments,
    beneficiary=st.none() | service_ids,
    chosen_by=_one("", "unheard"),
)
_placements = st.builds(
    Placement,
    instance=instance_ids,
    service=service_ids,
    revision=revision_ids,
    node=node_ids,
    pool=pools,
    resources=resources,
    placed_at=moments,
    ordinal=numbers,
    state=st.sampled_from(list(PlacementState)),
    eviction=st.none() | _evictions,
    drain_since=st.none() | moments,
    gone_by=st.none() | moments,
)
_rentals = st.builds(
    Rental,
    token=tokens,
    cloud=clouds,
    pool=pools,
    node=node_ids,
    shape=_one("small", "unheard"),
    resources=resources,
    price_micros_per_hour=_one(-1, 0, 360_000, ABSURD),
    price_micros_per_period=_one(-1, 0, 1_000, ABSURD),
    billing_period_seconds=_one(-10, 0, 1, 10, 10**9),
    requested_at=moments,
    boot_seconds=_one(-1.0, 0.0, 1e9),
    state=st.sampled_from(list(RentalState)),
    since=st.none() | moments,
    periods_committed=_one(-1, 0, 1, 3, 10**9, ABSURD),
    team=st.none() | teams,
)
_leases = st.builds(
    Lease, service_ids, pools, st.sampled_from(list(Rung)), numbers, moments, moments, st.booleans(), amounts,
    st.none() | moments,
)  # fmt: skip
_entries = st.builds(
    LedgerEntry, _one("rent:burst-1", "lend:1"), _one("rent", "lend", "unheard"), st.none() | teams, clouds, pools,
    moments, moments, amounts, amounts, tokens, _one(-10, 0, 1, 10), amounts,
)  # fmt: skip
_revisions = st.builds(Revision, revision_ids, service_ids, st.just(a_template()), moments, st.none() | moments)


def _by(name: str, each: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[Any]:
    return st.lists(each, max_size=most).map(lambda found: MappingProxyType({getattr(one, name): one for one in found}))


def records(
    fleet: st.SearchStrategy[Fleet] = fleets,
    counts: st.SearchStrategy[ScalePolicy] = _scales,
    needs: st.SearchStrategy[Resources] = resources,
    most_rentals: int = 3,
) -> st.SearchStrategy[Record]:
    """Records whose keys are what their values say, and nothing else about which is certain."""
    return st.builds(
        Record,
        version=_one(0, 7),
        fleet=fleet,
        apps=_by("name", st.builds(App, apps, teams, _some(service_ids, 2)), 3),
        services=_by("id", _services(counts, needs), 4),
        revisions=_by("id", _revisions, 4),
        ordinals=st.dictionaries(service_ids | _one("rental:burst"), _one(-1, 0, 1, 3, ABSURD), max_size=2).map(
            MappingProxyType
        ),
        placements=_by("instance", _placements, 5),
        standby=_by("instance", _placements, 3),
        leases=_by("key", _leases, 2),
        rentals=_by("token", _rentals, most_rentals),
        ledger=_by("id", _entries, 2),
    )


many = st.builds(
    ScalePolicy,
    minimum=_one(1, 10**9, ABSURD),
    maximum=_one(10**9, ABSURD),
    requests_per_second=st.none() | _one(1e-300, 10.0),
)
"""Counts that no fleet can carry."""
small_needs: st.SearchStrategy[Resources] = st.builds(
    lambda cpu, memory: Resources.of(cpu_millis=cpu, memory_bytes=memory), _one(50, 100), _one(0, 64)
)
small_fleets: st.SearchStrategy[Fleet] = st.builds(
    Fleet,
    sites=st.just((Site(SiteName("home")), Site(SiteName("away"), is_cloud=True))),
    teams=_some(_teams, 2),
    pools=_some(_pools, 4),
    nodes=_some(st.builds(Node, node_ids, pools, _one(Resources.of(cpu_millis=300, memory_bytes=256))), 4),
    budgets=_some(_budgets, 1),
)

_instances = st.builds(
    EngineInstance,
    id=instance_ids,
    service=service_ids,
    revision=revision_ids,
    node=node_ids,
    state=st.sampled_from(list(ContainerState)),
    image=st.just("sha256:1"),
    started_at=st.none() | moments,
    exit_code=st.none() | _one(-1, 0, 137),
)
_machines = st.builds(
    Machine, tokens, clouds, pools, _one("small", "unheard"), st.sampled_from(list(MachineState)), moments
)
_counted = _one(-ABSURD, -1, 0, 10, 1000, ABSURD)
_loads = st.builds(ServiceLoad, requests=_counted, queued=_counted)
_endpoints = st.builds(EndpointLoad, st.booleans(), _counted)
_usages = st.builds(Usage, _counted, _counted, _counted, _counted, _counted)

observations: st.SearchStrategy[Observation] = st.one_of(
    st.builds(InstancesListed, _some(_instances, 3)),
    st.builds(InstanceSeen, _instances),
    st.builds(InstanceMissing, instance_ids),
    st.builds(InstanceDeleted, instance_ids),
    st.builds(MachineReturned, tokens),
    st.builds(RoutesApplied, moments),
    st.builds(AppCleared, apps),
    st.builds(ProbedInstance, instance_ids, st.sampled_from(list(Readiness)), moments),
    st.builds(CloudView, clouds, moments, _some(_machines, 3), _some(_offers, 3)),
    st.builds(
        RouterView,
        moments,
        _one("1", "2"),
        _some(st.tuples(service_ids, _loads), 3),
        _some(st.tuples(instance_ids, _endpoints), 3),
    ),
    st.builds(UsageSample, moments, _some(st.tuples(instance_ids, _usages), 3)),
    st.builds(
        ActionFailed, instance_ids | tokens, moments, _one("engine", "out-of-stock", "image-missing", ""), _one("")
    ),
)

clocks: st.SearchStrategy[list[datetime]] = st.lists(
    moments | _one(datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)), min_size=1, max_size=4
)
"""Moments of plans, one after the other: they stand still, leap and jump back."""
