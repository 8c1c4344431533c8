"""Placement rules and labels that change under what stands already."""

from __future__ import annotations

from hypothesis import given

from springtide.planning.convergence import LONGEST_RETRY_SECONDS
from tests.planning import laws_of_placing
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.strategies import ROUGH, Spec, histories, ruled_fleets, ruled_services_of
from tests.planning.test_laws import ROUNDS_TO_REST, owners_have_what_is_theirs, undisturbed


def test_whom_changed_rules_forbid_its_place_leaves_it_or_waits_for_room_elsewhere() -> None:
    """Also that the histories reach it."""
    codes: set[str] = set()

    @examples(1)
    @given(histories((*ROUGH, *["rules"] * 6), fleets=ruled_fleets(), services=ruled_services_of))
    def nobody_stays(spec: Spec) -> None:
        world = undisturbed(spec)
        world.run(LONGEST_RETRY_SECONDS + 5, step=1)
        world.settle(ROUNDS_TO_REST)
        codes.update(world.event_codes())
        laws_of_placing.misplaced_ones_only_wait_for_room(Moment(world.index, world.plan()))

    nobody_stays()
    assert "misplaced" in codes


@examples(1)
@given(histories(fleets=ruled_fleets(), services=ruled_services_of))
def test_law_2_owners_have_what_is_theirs_where_guests_stand_in_the_way_of_rules(spec: Spec) -> None:
    owners_have_what_is_theirs(spec)
