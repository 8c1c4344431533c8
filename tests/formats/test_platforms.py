"""Slices are of their machine's operating system and architecture, unless the fleet file says otherwise."""

from __future__ import annotations

from dataclasses import replace

from springtide.app import settle_fleet
from springtide.engines.simulated import SimulatedEngine
from springtide.formats.machines import Machines
from springtide.formats.platforms import on_platform
from springtide.model.fleet import Fleet
from springtide.model.workloads import Constraint
from springtide.store.memory import MemoryStore
from tests.builders import START, a_fleet

OURS = (("arch", "amd64"), ("os", "linux"))


def test_every_slice_that_says_nothing_has_its_machines_platform_in_the_names_that_images_use() -> None:
    fleet = on_platform(a_fleet(), "Linux", "x86_64")
    assert {node.labels for node in fleet.nodes} == {OURS}
    assert {offer.labels for cloud in fleet.clouds for offer in cloud.offers} == {OURS}
    linux = Constraint("os", "linux")
    assert all(linux.is_met_by(machine.attributes) for machine in Machines.of(fleet).sorts)


def test_what_a_slice_says_itself_counts_before_its_machine() -> None:
    fleet = a_fleet()
    first = replace(fleet.nodes[0], labels=(("os", "windows"), ("zone", "a")))
    settled = on_platform(replace(fleet, nodes=(first, *fleet.nodes[1:])), "linux", "aarch64")
    assert settled.nodes[0].labels == (("arch", "arm64"), ("os", "windows"), ("zone", "a"))
    assert on_platform(settled, "linux", "aarch64") == settled


def test_machines_of_other_clouds_and_unknown_platforms_are_left_alone() -> None:
    fleet = a_fleet()
    elsewhere = replace(fleet, clouds=tuple(replace(cloud, kind="other") for cloud in fleet.clouds))
    assert on_platform(elsewhere, "linux", "amd64").clouds == elsewhere.clouds
    assert on_platform(fleet, "", "") == fleet


async def test_a_control_plane_settles_its_fleet_on_its_engines_platform_and_keeps_it() -> None:
    store, engine = MemoryStore(), SimulatedEngine(lambda: START)
    settled: Fleet = await settle_fleet(store, engine, None)
    assert {node.labels for node in settled.nodes} == {OURS}
    assert (await store.read()).fleet == settled
    assert await settle_fleet(store, engine, None) == settled
    assert (await store.read()).version == 1
