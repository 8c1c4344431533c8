"""Fleets that live on rented machines: little at home, several instances a machine, demand that rises and falls."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from springtide.model.fleet import Fleet, Offer
from springtide.model.leases import FULL_LADDER, Rung
from springtide.model.resources import Resources
from springtide.model.workloads import ScalePolicy, Service
from tests.planning.strategies import CLOUD, PRICE, ROUGH, fleets, services_of

MIB = 2**20
STEPS = (*["scale"] * 8, *["wait"] * 6, *ROUGH)


def offers_of(cpu_millis: int) -> st.SearchStrategy[Offer]:
    return st.builds(
        Offer,
        cloud=st.just(CLOUD),
        shape=st.just(f"m{cpu_millis}"),
        resources=st.just(Resources.of(cpu_millis=cpu_millis, memory_bytes=512 * MIB, pids=80)),
        price_micros_per_hour=st.just(PRICE * cpu_millis // 100),
        billing_period_seconds=st.sampled_from([5, 10, 60]),
        boot_seconds=st.sampled_from([0.0, 1.0]),
        stock=st.sampled_from([None, None, 3]),
    )


@st.composite
def rented_fleets(draw: st.DrawFn) -> Fleet:
    """Each pool has one node at most; up to five machines of one or two shapes can be rented."""
    fleet = draw(fleets().filter(lambda each: any(pool.is_elastic for pool in each.pools)))
    pools = tuple(replace(each, max_nodes=draw(st.integers(2, 5))) if each.is_elastic else each for each in fleet.pools)
    nodes = {node.pool: node for node in fleet.nodes} if draw(st.booleans()) else {}
    offers = tuple(draw(offers_of(cpu_millis)) for cpu_millis in draw(st.sampled_from([(200,), (300,), (200, 400)])))
    clouds = tuple(replace(each, offers=offers) for each in fleet.clouds)
    scaling = replace(fleet.scaling, move_cost_micros=draw(st.sampled_from([0, 0, 0, 400_000])), proof_seconds=0)
    kept = tuple(nodes.values())
    return replace(fleet, pools=pools, nodes=kept, clouds=clouds, scaling=scaling, budgets=fleet.budgets[:0])


@st.composite
def rented_services_of(draw: st.DrawFn, fleet: Fleet) -> tuple[Service, ...]:
    """The same services, small beside a machine, all of which may go to the cloud."""
    ladders = st.sampled_from([FULL_LADDER, FULL_LADDER, (Rung.CLOUD,)])
    amounts = st.sampled_from([50, 50, 100]).map(lambda cpu: Resources.of(cpu_millis=cpu, memory_bytes=64 * MIB))
    return tuple(
        replace(
            each,
            ladder=draw(ladders),
            resources=draw(amounts),
            scale=ScalePolicy(count := draw(st.integers(0, 4)), count),
        )
        for each in draw(services_of(fleet))
    )
