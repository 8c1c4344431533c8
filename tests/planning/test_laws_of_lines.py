"""The laws on fleets of several sites with lines between them, through generated histories."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from springtide.planning.index import Index
from springtide.planning.planner import Plan
from tests.planning import laws_of_lines
from tests.planning.examples import examples
from tests.planning.lined_fleets import lined_fleets, lined_services_of
from tests.planning.moments import Moment
from tests.planning.strategies import ROUGH, Spec, histories
from tests.planning.test_laws import STEP_LAWS, comes_to_rest, owners_have_what_is_theirs, stirs_no_more, undisturbed

LAWS = (
    *STEP_LAWS,
    laws_of_lines.law_1_lines_carry_what_is_reserved,
    laws_of_lines.law_1_nothing_is_where_no_line_leads,
)


def test_the_laws_hold_where_lines_lead_between_sites() -> None:
    """Also that the histories reach what the laws speak of."""
    codes: set[str] = set()

    def look(index: Index, made: Plan) -> None:
        moment = Moment(index, made)
        for law in LAWS:
            law(moment)
        codes.update(refusal.code for each in made.explanations.values() for refusal in each.refusals)

    @examples(2)
    @given(histories(fleets=lined_fleets(), services=lined_services_of))
    def every_law_holds(spec: Spec) -> None:
        spec.play(look)

    every_law_holds()
    assert {"line-full", "no-line"} <= codes


@examples(1)
@given(histories(fleets=lined_fleets(), services=lined_services_of))
def test_law_2_owners_have_what_is_theirs_where_guests_fill_their_lines(spec: Spec) -> None:
    owners_have_what_is_theirs(spec)


@examples(0.5)
@given(histories(fleets=lined_fleets(), services=lined_services_of))
def test_law_5_it_comes_to_rest_where_lines_are_full_and_the_cost_falls_on_the_way(spec: Spec) -> None:
    comes_to_rest(spec)


@examples(0.3)
@given(histories(ROUGH, fleets=lined_fleets(), services=lined_services_of))
def test_law_9_nothing_stirs_once_all_who_can_have_come_home_over_lines(spec: Spec) -> None:
    """Lines are as wide as ever from then on: a calendar that opens or closes is a change."""
    world = undisturbed(spec)
    world.set_fleet(links=tuple(replace(link, windows=()) for link in world.record.fleet.links))
    stirs_no_more(world)
