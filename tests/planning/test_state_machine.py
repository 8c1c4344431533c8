"""The laws as a state machine: whatever happens in whatever order, every plan keeps them, and it comes to rest."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.planning import laws, laws_of_change, laws_of_placing
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.strategies import Spec, Step, histories, ruled_fleets, ruled_services_of
from tests.planning.test_laws import ROUNDS_TO_REST, STEP_LAWS

picks = st.integers(0, 7)
values = st.integers(0, 6)


class Tide(RuleBasedStateMachine):
    """A world to which things happen; each rule is one of them, each invariant a law."""

    laws_of_each_plan: tuple[Callable[[Moment], None], ...] = STEP_LAWS
    starts: st.SearchStrategy[Spec] = histories(most=0)

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[Moment] = []

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.world = data.draw(self.starts).world()
        self.world.on_plan = lambda index, made: self.moments.append(Moment(index, made))

    def happen(self, what: str, pick: int, value: int) -> None:
        Step(what, pick, value).apply(self.world)

    @rule(pick=picks, value=values)
    def demand_rises_or_falls(self, pick: int, value: int) -> None:
        self.happen("scale", pick, value)

    @rule(value=values)
    def time_passes_and_a_plan_is_carried_out(self, value: int) -> None:
        self.happen("wait", 0, value)

    @rule(pick=picks, how=st.sampled_from(["tick", "partly", "starting", "late", "stale", "fail"]))
    def a_plan_is_carried_out_whole_in_part_late_twice_or_never(self, pick: int, how: str) -> None:
        self.happen(how, pick, 0)

    @rule(what=st.sampled_from(["add node", "drop node", "shrink node", "vanish"]), pick=picks, value=values)
    def nodes_come_and_go(self, what: str, pick: int, value: int) -> None:
        self.happen(what, pick, value)

    @rule(what=st.sampled_from(["lending", "max nodes", "budget", "stock", "refusing"]), pick=picks, value=values)
    def limits_change_and_clouds_refuse(self, what: str, pick: int, value: int) -> None:
        self.happen(what, pick, value)

    @rule(what=st.sampled_from(["kill", "unready", "all ready", "busy", "restart"]), pick=picks, value=values)
    def instances_crash_and_the_control_plane_starts_anew(self, what: str, pick: int, value: int) -> None:
        self.happen(what, pick, value)

    @rule(what=st.sampled_from(["new revision", "remove", "arrive"]), pick=picks, value=values)
    def services_come_and_go(self, what: str, pick: int, value: int) -> None:
        self.happen(what, pick, value)

    @invariant()
    def every_plan_keeps_the_laws(self) -> None:
        for moment in self.moments:
            for law in self.laws_of_each_plan:
                law(moment)
        self.moments.clear()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world.copy()
        world.refusing, world.stock = set(), {}
        world.settle(ROUNDS_TO_REST)


class RuledTide(Tide):
    """The same with departments, cohorts, ceilings and placement rules, which change too."""

    laws_of_each_plan = (
        laws.law_1_nodes_hold_what_is_placed,
        laws.law_1_commitments_keep_to_the_budget,
        laws.law_1_rents_keep_to_limit_and_stock,
        laws.law_3_owners_are_left_alone_at_home,
        laws_of_change.law_8_the_dearest_leave_first,
        laws_of_change.law_9_make_before_break,
        laws_of_change.law_9_few_moves_at_once,
        laws_of_placing.law_1_nobody_comes_beyond_a_limit,
        laws_of_placing.placement_rules_are_kept,
        laws_of_placing.cohorts_are_kept,
    )
    starts = histories(fleets=ruled_fleets(), services=ruled_services_of, most=0)

    @rule(pick=picks, value=values)
    def limits_of_teams_and_departments_change(self, pick: int, value: int) -> None:
        self.happen("department", pick, value)

    @rule(pick=picks, value=values)
    def placement_rules_change(self, pick: int, value: int) -> None:
        self.happen("rules", pick, value)


def test_whatever_happens_every_plan_keeps_the_laws_and_it_comes_to_rest() -> None:
    run_state_machine_as_test(Tide, settings=settings(examples(3), stateful_step_count=20))


def test_the_same_with_departments_cohorts_and_placement_rules() -> None:
    run_state_machine_as_test(RuledTide, settings=settings(examples(2), stateful_step_count=20))
