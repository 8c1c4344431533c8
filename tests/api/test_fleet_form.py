"""The fleet goes over the wire and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from springtide.api.fleet_form import fleet_json, fleet_of
from springtide.model.fleet import Department, Fleet, Link, LinkWindow, Node, Offer, Pool, Team
from springtide.model.resources import Ceiling, Resources
from tests.builders import a_fleet, amount

_KINDS = st.sampled_from(["cpu_millis", "memory_bytes", "pids", "gpu", "example.com/licence"])

for _made in (Resources, Ceiling):
    st.register_type_strategy(_made, st.dictionaries(_KINDS, st.integers(0, 2**56), max_size=4).map(_made.of))

_fleets = st.builds(Fleet, **{each.name: ... for each in fields(Fleet)})
"""Every field by its annotation, so that a field that comes later is tried too."""


def told(fleet: Fleet) -> Any:
    return json.loads(json.dumps(fleet_json(fleet)))


@given(_fleets)
def test_any_fleet_comes_back_as_it_was(fleet: Fleet) -> None:
    assume("NaN" not in json.dumps(fleet_json(fleet)))  # it equals nothing, not even itself
    assert fleet_of(told(fleet)) == fleet


def test_a_fleet_with_everything_in_it_comes_back_as_it_was() -> None:
    fleet = a_fleet()
    window = LinkWindow("0 20 * * *", 3600.0, 10_000_000_000, "Europe/Berlin")
    everything = replace(
        fleet,
        departments=(Department("search", None, Ceiling.of(cpu_millis=0), cohort="red"), Department("ads", "search")),
        teams=(*fleet.teams, Team("late", 3, "ads", lending_limit=Ceiling.of(memory_bytes=0, gpu=1))),  # type: ignore[arg-type]
        pools=(*fleet.pools, Pool("x", "home", contribution_by_kind=(("gpu", 50),), cohort="red")),  # type: ignore[arg-type]
        nodes=(*fleet.nodes, Node("x-1", "x", amount(gpu=1), (("zone", "a"), ("os", "linux")))),  # type: ignore[arg-type]
        clouds=tuple(replace(each, offers=tuple(map(_spot, each.offers))) for each in fleet.clouds),
        reclaim=replace(fleet.reclaim, hold_seconds=7.5),
        links=(Link(("home", "away"), 10**9, 0.002, (window,), 10**8),),  # type: ignore[arg-type]
    )
    assert fleet_of(told(everything)) == everything
    assert told(everything)["departments"][0]["nominal"] == {"cpu_millis": 0}


def _spot(offer: Offer) -> Offer:
    return replace(offer, labels=(("zone", "b"),), interruptions_percent_per_hour=5)


def test_what_an_older_control_plane_does_not_tell_has_its_default_and_what_a_newer_one_adds_is_left_out() -> None:
    fleet = a_fleet()
    old = told(fleet)
    for name in ("links", "departments"):
        del old[name]
    del old["reclaim"]["hold_seconds"]
    assert fleet_of(old | {"tides": [{"moon": "full"}]}) == fleet
