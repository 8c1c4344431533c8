"""The laws where placement rules meet what clouds offer: zones, spread, near, apart, so many a node."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.fleet import Fleet
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from tests.planning import laws, laws_of_placing
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.strategies import CALM, LABELS, Spec, histories, ruled_fleets, ruled_services_of
from tests.planning.test_laws import undisturbed

LAWS = (
    laws.law_1_nodes_hold_what_is_placed,
    laws.law_1_commitments_keep_to_the_budget,
    laws.law_1_rents_keep_to_limit_and_stock,
    laws_of_placing.placement_rules_are_kept,
)


@st.composite
def zoned_fleets(draw: st.DrawFn) -> Fleet:
    """Fleets whose machines stand in zones, rented ones too."""
    fleet = draw(ruled_fleets())
    clouds = tuple(
        replace(each, offers=tuple(replace(offer, labels=draw(st.sampled_from(LABELS))) for offer in each.offers))
        for each in fleet.clouds
    )
    return replace(fleet, clouds=clouds)


@examples(1)
@given(histories(fleets=zoned_fleets(), services=ruled_services_of))
def test_rules_bounds_and_budgets_are_kept_on_rented_machines(spec: Spec) -> None:
    def look(index: Index, made: Plan) -> None:
        for law in LAWS:
            law(Moment(index, made))

    spec.play(look)


@examples(1)
@given(histories(CALM, fleets=zoned_fleets(), services=ruled_services_of))
def test_nobody_rents_again_and_again_for_whom_its_rules_forbid(spec: Spec) -> None:
    """A machine that those it was rented for couldn't use would leave them wanting, and the next be rented."""
    world = undisturbed(replace(spec, fleet=replace(spec.fleet, budgets=())))
    world.run(20, step=1)
    world.history.clear()
    world.run(10, step=1)
    assert "rent" not in world.event_codes()
