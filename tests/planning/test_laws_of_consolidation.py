"""The laws where most stand on rented machines, and those are emptied and given back."""

from __future__ import annotations

from hypothesis import given

from springtide.planning.index import Index
from springtide.planning.planner import Plan
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.rented_fleets import STEPS, rented_fleets, rented_services_of
from tests.planning.strategies import Spec, histories
from tests.planning.test_laws import STEP_LAWS, comes_to_rest, stirs_no_more, undisturbed


def test_the_laws_hold_where_machines_are_emptied_and_given_back() -> None:
    """Also that the histories reach it."""
    codes: set[str] = set()

    def look(index: Index, made: Plan) -> None:
        moment = Moment(index, made)
        for law in STEP_LAWS:
            law(moment)

    @examples(1)
    @given(histories(STEPS, fleets=rented_fleets(), services=rented_services_of))
    def every_law_holds(spec: Spec) -> None:
        codes.update(spec.play(look).event_codes())

    every_law_holds()
    assert {"consolidate", "return"} <= codes


@examples(1)
@given(histories(STEPS, fleets=rented_fleets(), services=rented_services_of))
def test_law_5_it_comes_to_rest_and_machines_in_use_only_become_fewer(spec: Spec) -> None:
    comes_to_rest(spec)


@examples(0.3)
@given(histories(STEPS, fleets=rented_fleets(), services=rented_services_of))
def test_nothing_stirs_once_machines_are_as_few_as_moves_can_make_them(spec: Spec) -> None:
    world = undisturbed(spec)
    stirs_no_more(world)
