"""Services and instances as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from springtide.api.standing import Standing
from springtide.api.views_runs import ended_wires, run_wire
from springtide.api.wire import (
    EvictionWire,
    FailureWire,
    InstanceWire,
    PlacementRulesWire,
    RolloutWire,
    SampleWire,
    ServiceSampleWire,
    ServiceWire,
    StandbyWire,
)
from springtide.api.wire_base import ReasonWire, reason_wire
from springtide.model.events import Reason
from springtide.model.hardening import weakenings
from springtide.model.history import Sample, ServiceSample
from springtide.model.identifiers import InstanceId
from springtide.model.leases import Rung
from springtide.model.observations import ContainerState, EngineInstance, Readiness, ServiceLoad
from springtide.model.placements import Eviction, Placement, PlacementState
from springtide.model.workloads import PlacementRules, Revision, Route, Service
from springtide.planning.evictions import IN_WORDS
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index

_CHOICES = {
    "noticed": "it had notice already",
    "minimum-availability": "its service keeps enough available without it",
    "band": "its band is lower than the others'",
    "fair-share": "its team is further above its fair share than the others'",
    "cheapest": "it is cheaper to move than the others",
    "youngest": "it is the youngest",
    "id": "nothing told it apart from the others but its name",
    "needed": "nobody else there could leave in its place",
    "above-limit": "a limit was passed and it came last",
}
"""Why a victim and not another one: by what the planner says it was chosen."""
_NOT_PLANNED = Reason("not-planned-yet", "The control plane has made no plan with this service yet; ask again.")


def service_wires(standing: Standing) -> list[ServiceWire]:
    return [service_wire(standing, standing.record.services[id]) for id in sorted(standing.record.services)]


def service_wire(standing: Standing, service: Service) -> ServiceWire:
    placements = placements_of(standing, service)
    explanation, sample = standing.explanations.get(service.id), standing.sampled(service.id)
    urls = urls_of(service.routes, standing.ingress_port)
    return ServiceWire(
        id=service.id,
        app=service.app,
        name=service.name,
        team=service.team,
        band=service.band,
        revision=service.revision,
        resources=dict(service.resources.amounts),
        minimum=service.scale.minimum,
        maximum=service.scale.maximum,
        available=service.scale.minimum_available,
        requests_per_second=service.scale.requests_per_second,
        placement=placement_rules_wire(service.placement),
        weakenings=weakenings_of(standing, service),
        rollout=rollout_wire(standing.index, service, placements),
        ladder=[rung.value for rung in service.ladder],
        wanted=explanation.wanted if explanation else service.scale.minimum,
        ready=sum(1 for each in placements if readiness_of(standing, each.instance) is Readiness.READY),
        routed=sum(1 for each in placements if standing.is_routed(each.instance)),
        missing=explanation.missing if explanation else 0,
        waiting=explanation.waiting if explanation else 0,
        instances=len(placements),
        rungs=rung_counts(standing, placements),
        urls=urls,
        url=urls[0] if urls else None,
        run=run_wire(standing.record, service),
        demand=demand_wire(explanation),
        refusals=[reason_wire(refusal) for refusal in explanation.refusals] if explanation else [],
        standby=standby_wire(explanation),
        rate=sample.rate if sample else None,
        capacity=sample.capacity if sample else None,
        **_load_fields(standing.load(service.id)),
    )


def weakenings_of(standing: Standing, service: Service) -> list[str]:
    """What the service's template opens more than an ordinary container has."""
    revision = standing.record.revisions.get(service.revision)
    return [] if revision is None else list(weakenings(revision.template))


def demand_wire(explanation: Explanation | None) -> ReasonWire:
    """Why the service should have the count that it should have."""
    return reason_wire(explanation.demand if explanation else _NOT_PLANNED)


def standby_wire(explanation: Explanation | None) -> StandbyWire | None:
    standing = explanation.standby if explanation else None
    if standing is None:
        return None
    reason = reason_wire(standing.reason) if standing.reason is not None else None
    return StandbyWire(wished=standing.wished, paused=standing.paused, starting=standing.starting, reason=reason)


def placement_rules_wire(rules: PlacementRules) -> PlacementRulesWire:
    return PlacementRulesWire(
        constraints=[str(each) for each in rules.constraints],
        spread=list(rules.spread),
        max_per_node=rules.max_per_node,
        near=list(rules.near),
        apart=list(rules.apart),
        domain=rules.domain,
    )


def placements_of(standing: Standing, service: Service) -> list[Placement]:
    """The service's placements that hold capacity, by ordinal, those on their way out included."""
    return standing.board.of_service(service.id)


def rung_counts(standing: Standing, placements: Sequence[Placement]) -> dict[str, int]:
    counts = {rung.value: 0 for rung in Rung}
    for placement in placements:
        counts[standing.rungs[placement.instance].value] += 1
    return counts


def urls_of(routes: Sequence[Route], ingress_port: int) -> list[str]:
    """Where each route answers: a port of its own on this machine, a host name on the ingress port."""
    hosts = [f"http://{route.host}:{ingress_port}" for route in routes if route.host is not None]
    ports = [f"http://localhost:{route.listen_port}" for route in routes if route.listen_port is not None]
    return hosts + ports


def rollout_wire(index: Index, service: Service, placements: Sequence[Placement]) -> RolloutWire:
    """How many of a service's placements are what it wants by now."""
    running = [each for each in placements if each.state is PlacementState.RUNNING]
    current = [each for each in running if service.is_current(each.revision, each.placed_at)]
    outdated = [each for each in running if each not in current]
    return RolloutWire(
        revision=service.revision,
        ready=sum(1 for each in current if readiness_in(index, each.instance) is Readiness.READY),
        outdated=len(outdated),
        serving_outdated=sum(1 for each in outdated if readiness_in(index, each.instance) is Readiness.READY),
    )


def readiness_of(standing: Standing, id: InstanceId) -> Readiness:
    """What probing says of an instance whose container runs; starting where it doesn't or was never probed."""
    return readiness_in(standing.index, id)


def readiness_in(index: Index, id: InstanceId) -> Readiness:
    """The same of an index."""
    seen, probed = index.instances.get(id), index.readiness.get(id)
    if seen is None or probed is None or seen.state is not ContainerState.RUNNING:
        return Readiness.STARTING
    return probed.readiness


def instance_wires(standing: Standing) -> list[InstanceWire]:
    """Every placement and who stands by, by service and ordinal; after them what of the service has run to its end."""
    record = standing.record
    everybody = (*record.placements.values(), *record.standby.values())
    placements = sorted(everybody, key=lambda each: (each.service, each.ordinal))
    placed = [instance_wire(standing, placement) for placement in placements]
    return sorted([*placed, *ended_wires(standing)], key=lambda each: each.service)


def instance_wire(standing: Standing, placement: Placement) -> InstanceWire:
    record, id = standing.record, placement.instance
    service, revision = record.services.get(placement.service), record.revisions.get(placement.revision)
    seen, probed = standing.index.instances.get(id), standing.index.readiness.get(id)
    rung = standing.rungs.get(id)
    return InstanceWire(
        id=id,
        service=placement.service,
        app=placement.service.partition("/")[0],
        team=service.team if service else None,
        band=service.band.value if service else None,
        node=placement.node,
        pool=placement.pool,
        rung=rung.value if rung else None,
        state=state_of(standing, placement),
        was_standby=placement.was_standby,
        containers=_containers(placement, revision),
        container=seen.state.value if seen else None,
        readiness=readiness_of(standing, id).value,
        readiness_since=probed.since if probed else None,
        detail=_detail(seen, probed.detail if probed else ""),
        revision=placement.revision,
        image=seen.image if seen else revision.template.image if revision else "",
        address=seen.address if seen else None,
        placed_at=placement.placed_at,
        started_at=seen.started_at if seen else None,
        age_seconds=max(0.0, (standing.now - placement.placed_at).total_seconds()),
        held_until=held_until(standing, placement),
        eviction=eviction_wire(placement.eviction, standing.now) if placement.eviction else None,
        gone_by=placement.gone_by,
        failures=[
            FailureWire(at=failure.at, code=failure.code, sentence=failure.sentence)
            for failure in standing.index.failures.get(id, ())
        ],
    )


def _containers(placement: Placement, revision: Revision | None) -> list[str]:
    companions = revision.template.companions if revision else ()
    return [placement.service.rpartition("/")[2], *(each.name for each in companions)]


def state_of(standing: Standing, placement: Placement) -> str:
    """What the record wants of an instance, in one word."""
    stands_by = placement.instance in standing.record.standby and placement.state is PlacementState.RUNNING
    return "standby" if stands_by else placement.state.value


def _detail(seen: EngineInstance | None, probed: str) -> str:
    """Why it isn't ready, or that it is: the container's end outweighs an older probe."""
    if seen is None:
        return "not created yet"
    if seen.state is ContainerState.EXITED:
        code = f"exited with code {seen.exit_code}" if seen.exit_code is not None else "exited"
        return f"{code}: {seen.detail}" if seen.detail else code
    return probed or seen.detail or ("paused" if seen.state is ContainerState.PAUSED else "")


def held_until(standing: Standing, placement: Placement) -> datetime | None:
    """Until when only an owner may move a guest; ``None`` for who isn't a guest, or no longer held."""
    pool = standing.board.pools.get(placement.pool)
    if pool is None or pool.is_elastic or standing.board.owns(placement):
        return None
    until = placement.placed_at + timedelta(seconds=standing.record.fleet.reclaim.hold_seconds)
    return until if until > standing.now else None


def eviction_wire(eviction: Eviction, now: datetime) -> EvictionWire:
    when = "as soon as it is replaced"
    if eviction.drain_by is not None:
        when += f", at latest in {max(0.0, (eviction.drain_by - now).total_seconds()):.1f} s"
    return EvictionWire(
        rule=eviction.rule,
        chosen_by=eviction.chosen_by,
        sentence=f"It must leave{eviction_sentence(eviction)}; it drains {when}.",
        noticed_at=eviction.noticed_at,
        drain_by=eviction.drain_by,
        gone_by=eviction.gone_by,
        beneficiary=eviction.beneficiary,
    )


def eviction_sentence(eviction: Eviction) -> str:
    """What follows "it must leave": for which rule and whom, and why it and not another."""
    why = IN_WORDS.get(eviction.rule, eviction.rule)
    whom = f" for {eviction.beneficiary}" if eviction.beneficiary else ""
    choice = f"; chosen since {_CHOICES.get(eviction.chosen_by, eviction.chosen_by)}" if eviction.chosen_by else ""
    return f", since {why}{whom}{choice}"


def sample_wire(sample: Sample) -> SampleWire:
    services = {id: _service_sample_wire(each) for id, each in sample.services.items()}
    return SampleWire(
        at=sample.at,
        services={str(id): each for id, each in services.items()},
        rented_nodes=sample.rented_nodes,
        spend_micros=sample.spend_micros,
    )


def _service_sample_wire(sample: ServiceSample) -> ServiceSampleWire:
    return ServiceSampleWire(
        wanted=sample.wanted,
        ready=sample.ready,
        rungs=dict(sample.rungs),
        rate=sample.rate,
        capacity=sample.capacity,
        **_load_fields(sample.load),
    )


def _load_fields(load: ServiceLoad) -> dict[str, Any]:
    return {
        "requests": load.requests,
        "shed": load.shed,
        "failed": load.failed,
        "queued": load.queued,
        "p50_ms": load.p50_ms,
        "p95_ms": load.p95_ms,
        "p99_ms": load.p99_ms,
    }
