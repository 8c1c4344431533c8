"""Hand-made platforms: a record, observations and a past, without any control plane behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from springtide.engines.simulated import SimulatedEngine
from springtide.engines.simulated_machine import SimulatedContainer
from springtide.model.events import Event, Reason
from springtide.model.history import LastWords, Sample, ServiceSample
from springtide.model.identifiers import CloudName, NodeId, PoolName, ServiceId, TeamName
from springtide.model.observations import (
    CloudView,
    ContainerState,
    Machine,
    MachineState,
    ProbedInstance,
    Readiness,
    RouterView,
    ServiceLoad,
)
from springtide.model.placements import Eviction, Placement, Rental
from springtide.model.record import FLEET_ID, Change, Kind, Record
from springtide.model.workloads import Route, ScalePolicy, Service
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index
from springtide.planning.planner import plan
from springtide.planning.world import running_instance
from springtide.store.memory import MemoryStore
from tests.builders import START, a_fleet, a_placement, a_revision, a_service, amount, an_app

FEED, REDPACKET = ServiceId("feed/web"), ServiceId("redpacket/web")
ADDRESS = "10.0.0.2"
"""Of every container."""


@dataclass
class HandMadePlatform:
    """What the API needs, each part set by the test."""

    moment: datetime = START
    store: MemoryStore = field(default_factory=MemoryStore)
    engine: SimulatedEngine = field(init=False)
    record: Record = field(default_factory=Record)
    index: Index = field(default_factory=Index)
    explanations: Mapping[ServiceId, Explanation] = field(default_factory=dict)
    samples: Sequence[Sample] = field(default_factory=list)
    last_words: dict[ServiceId, LastWords] = field(default_factory=dict)
    ingress_port: int = 8080
    planned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by :meth:`write`, as if a plan followed each change at once."""

    async def catch_up(self) -> None:
        self.record = await self.store.read()

    async def next_plan(self, timeout_seconds: float) -> None:
        self.planned.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.planned.wait(), timeout_seconds)

    def __post_init__(self) -> None:
        self.engine = SimulatedEngine(self.now)

    def now(self) -> datetime:
        return self.moment

    async def write(self, *changes: Change) -> int:
        """Commit, and follow the record."""
        version = await self.store.commit(changes)
        self.record = await self.store.read()
        self.index = replace(self.index, record=self.record)
        self.planned.set()
        return version

    async def say(self, sentence: str, subject: str = REDPACKET, code: str = "rents") -> int:
        event = Event(self.moment, subject, Reason(code, sentence, (("count", 1),)))
        return await self.write(Change(Kind.EVENT, f"{self.record.version + 1:012d}-0000", event))

    def see(self, *placements: Placement, readiness: Readiness = Readiness.READY, detail: str = "GET /: 200") -> None:
        """Let the containers of these placements run, with what their probes say."""
        seen = {each.instance: replace(running_instance(each, self.moment), address=ADDRESS) for each in placements}
        probed = {id: ProbedInstance(id, readiness, self.moment, detail) for id in seen}
        self.index = replace(
            self.index,
            instances=MappingProxyType({**self.index.instances, **seen}),
            readiness=MappingProxyType({**self.index.readiness, **probed}),
        )

    def explain(self) -> None:
        """Take the reasons from a real plan of what there is now."""
        self.explanations = plan(self.index, self.moment).explanations


async def a_platform(*, moment: datetime = START) -> HandMadePlatform:
    """The demo's fleet, with ``feed/web`` on three instances of its own pool."""
    platform = HandMadePlatform(moment)
    service = a_service("feed/web", 3, routes=(Route(8000, host="feed.localhost"),))
    placements = [a_placement("feed/web", number, placed_at=moment) for number in (1, 2, 3)]
    await platform.write(Change(Kind.FLEET, FLEET_ID, a_fleet()), *app_changes(service))
    await platform.write(*placed(*placements))
    platform.see(*placements)
    platform.explain()
    return platform


def app_changes(service: Service) -> list[Change]:
    return [
        Change(Kind.APP, service.app, an_app(service.app, service.id)),
        Change(Kind.SERVICE, service.id, service),
        Change(Kind.REVISION, service.revision, a_revision(service.id)),
    ]


def placed(*placements: Placement) -> list[Change]:
    return [Change(Kind.PLACEMENT, each.instance, each) for each in placements]


async def a_high_tide(moment: datetime = START) -> HandMadePlatform:
    """``redpacket/web`` on all four rungs, one node still booting, one guest asked to leave by ``feed``."""
    platform = HandMadePlatform(moment)
    policy = ScalePolicy(3, 20, requests_per_second=20)
    feed = a_service("feed/web", scale=policy, routes=(Route(8000, host="feed.localhost"),))
    redpacket = a_service("redpacket/web", scale=policy, routes=(Route(8000, host="redpacket.localhost"),))
    await platform.write(Change(Kind.FLEET, FLEET_ID, a_fleet()), *app_changes(feed), *app_changes(redpacket))
    rentals = [a_rental(number, moment - timedelta(seconds=20 if number < 3 else 2)) for number in (1, 2, 3)]
    await platform.write(*(Change(Kind.RENTAL, rental.token, rental) for rental in rentals))
    states = (MachineState.READY, MachineState.READY, MachineState.BOOTING)
    platform.index = replace(
        platform.index,
        clouds=MappingProxyType({CloudName("rented"): _cloud_view(rentals, states, moment)}),
        router=_router_view(moment),
        engine_listed=True,
    )
    placements = _high_tide_placements(moment)
    await platform.write(*placed(*placements))
    platform.see(*placements[:-1])
    platform.see(placements[-1], readiness=Readiness.STARTING, detail="GET /healthz: connection refused")
    platform.samples = [a_sample(moment - timedelta(seconds=second / 2), second / 2) for second in range(520, 0, -1)]
    await _tell_the_story(platform)
    platform.explain()
    return platform


def a_rental(number: int, requested_at: datetime) -> Rental:
    return Rental(
        token=f"cloud-{number}",
        cloud=CloudName("rented"),
        pool=PoolName("burst"),
        node=NodeId(f"burst-{number}"),
        shape="small",
        resources=amount(100, 128),
        price_micros_per_hour=360_000,
        price_micros_per_period=1_000,
        billing_period_seconds=10,
        requested_at=requested_at,
        boot_seconds=4.0,
        since=requested_at,
        periods_committed=3,
        team=TeamName("redpacket"),
    )


def _high_tide_placements(moment: datetime) -> list[Placement]:
    spots = ["redpacket-1"] * 4 + ["redpacket-2"] * 4 + ["feed-1"] * 2 + ["feed-2"] * 2 + ["burst-1"] * 2 + ["burst-2"]
    placements = [
        a_placement("redpacket/web", number, node, placed_at=moment - timedelta(seconds=120 - number))
        for number, node in enumerate(spots, start=1)
    ]
    leave = Eviction("reclaim", moment, moment + timedelta(seconds=8), moment + timedelta(seconds=10), FEED)
    placements[11] = replace(placements[11], eviction=leave)
    feed = [
        a_placement("feed/web", number, "feed-1" if number < 3 else "feed-2", placed_at=moment - timedelta(seconds=300))
        for number in (1, 2, 3)
    ]
    return [*feed, *placements]


def _cloud_view(rentals: Sequence[Rental], states: Sequence[MachineState], moment: datetime) -> CloudView:
    machines = tuple(
        Machine(each.token, each.cloud, each.pool, each.shape, state, each.requested_at)
        for each, state in zip(rentals, states, strict=True)
    )
    return CloudView(CloudName("rented"), moment, machines, ())


def _router_view(moment: datetime) -> RouterView:
    loads = (
        (FEED, ServiceLoad(requests=12_480, p50_ms=101.2, p95_ms=104.8, p99_ms=110.0)),
        (REDPACKET, ServiceLoad(requests=31_912, shed=41, queued=3, p50_ms=102.7, p95_ms=187.4, p99_ms=240.1)),
    )
    return RouterView(moment, "g1", loads, ())


def a_sample(at: datetime, seconds_ago: float) -> Sample:
    """A past in which ``redpacket`` rises from 50 to 290 requests a second, and ``feed`` a little after it."""
    redpacket = _rising(seconds_ago, begins=150, low=50, high=290)
    feed = _rising(seconds_ago, begins=12, low=50, high=72)
    services = MappingProxyType(
        {
            FEED: _service_sample(feed, ready_rate=feed, limits=(6, 2, 0)),
            REDPACKET: _service_sample(redpacket, ready_rate=_rising(seconds_ago + 4, 150, 50, 290), limits=(6, 4, 2)),
        }
    )
    cloud = services[REDPACKET].rungs["cloud"]
    return Sample(at, services, rented_nodes=-(-cloud // 2), spend_micros=int(max(0, 140 - seconds_ago) * 220))


def _rising(seconds_ago: float, begins: float, low: float, high: float) -> float:
    share = min(1.0, max(0.0, (begins - seconds_ago) / 25))
    noise = ((seconds_ago * 7.3) % 4) - 2
    return low + (high - low) * share * share + noise


def _service_sample(rate: float, ready_rate: float, limits: tuple[int, int, int]) -> ServiceSample:
    wanted, ready = max(3, int(rate // 20) + 1), max(3, int(ready_rate // 20) + 1)
    rungs, left = {}, ready
    for name, limit in zip(("own", "shared", "borrowed"), limits, strict=True):
        rungs[name] = min(left, limit)
        left -= rungs[name]
    rungs["cloud"] = left
    return ServiceSample(wanted, ready, MappingProxyType(rungs), rate, ready * 20.0, ServiceLoad())


async def _tell_the_story(platform: HandMadePlatform) -> None:
    now = platform.moment
    story: tuple[tuple[int, str, str, str], ...] = (
        (150, REDPACKET, "rise", "redpacket/web wants 9 instead of 3: 172 requests a second, 20 an instance."),
        (146, REDPACKET, "placed", "redpacket/web takes 2 shared and 2 borrowed places on pool feed."),
        (143, "burst-1", "rents", "burst-1 is rented from rented for redpacket/web: 0.001 EUR for each 10 s."),
        (142, "burst-2", "rents", "burst-2 is rented from rented for redpacket/web: 0.001 EUR for each 10 s."),
        (12, FEED, "rise", "feed/web wants 4 instead of 3: 72 requests a second, 20 an instance."),
        (11, "redpacket-web-12", "reclaim", "redpacket-web-12 must leave feed-2 within 10 s: feed/web takes it back."),
        (2, "burst-3", "rents", "burst-3 is rented from rented for redpacket/web: 0.001 EUR for each 10 s."),
    )
    for seconds_ago, subject, code, sentence in story:
        platform.moment = now - timedelta(seconds=seconds_ago)
        await platform.say(sentence, subject, code)
    platform.moment = now


def a_container(platform: HandMadePlatform, placement: Placement, lines: Sequence[str]) -> SimulatedContainer:
    """Let the engine itself have this instance, with something in its log."""
    spec: Any = _Spec(placement.instance, placement.service)
    container = SimulatedContainer(spec=spec, address=ADDRESS, state=ContainerState.RUNNING, log=list(lines))
    platform.engine.machine_state.containers[placement.instance] = container
    return container


@dataclass(frozen=True)
class _Spec:
    id: str
    service: str
