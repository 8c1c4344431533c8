"""The laws as properties: on generated fleets, through generated histories, looked at after every single plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.placements import Placement
from springtide.model.record import Kind
from springtide.model.resources import Resources, total
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from springtide.planning.victims import choose_victims
from tests.builders import a_placement
from tests.planning import laws, laws_of_change, laws_of_fairness, laws_of_reasons
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.strategies import ROUGH, Spec, histories, reordered, shapes
from tests.planning.world import World

STEP_LAWS: tuple[Callable[[Moment], None], ...] = (
    laws.law_1_nodes_hold_what_is_placed,
    laws.law_1_guests_keep_to_their_quota,
    laws.law_1_commitments_keep_to_the_budget,
    laws.law_1_rents_keep_to_limit_and_stock,
    laws.law_3_owners_are_left_alone_at_home,
    laws.law_6_no_missing_instance_fits,
    laws_of_fairness.law_7_whoever_gives_way_may_be_asked_to,
    laws_of_change.law_8_the_dearest_leave_first,
    laws_of_change.law_9_make_before_break,
    laws_of_change.law_9_few_moves_at_once,
    laws_of_change.law_10_only_what_is_asked_for_counts,
    laws_of_reasons.law_11_refusals_have_true_figures,
    laws_of_reasons.law_11_every_step_is_told,
)
"""What one plan can keep or break by itself, however little of the plans before was carried out."""


def test_laws_1_3_and_6_to_11_hold_after_every_step() -> None:
    """Also that the histories reach what the laws speak of: a property that nothing exercises can't fail."""
    codes: set[str] = set()

    def look(index: Index, made: Plan) -> None:
        moment = Moment(index, made)
        for law in STEP_LAWS:
            law(moment)

    @examples(3)
    @given(histories())
    def every_law_holds(spec: Spec) -> None:
        codes.update(spec.play(look).event_codes())

    every_law_holds()
    assert {"grow", "shrink", "new-revision", "come-home", "exited", "unhealthy"} <= codes
    assert {"reclaim-notice", "above-limit", "node-leaves", "node-shrunk", "service-removed"} <= codes
    assert {"fair-share", "gives-way"} <= codes
    assert {"rent", "node-limit", "budget-spent", "out-of-stock", "not-proven"} <= codes


@examples(1)
@given(histories())
def test_law_2_owners_have_what_is_theirs_once_notice_and_grace_are_over(spec: Spec) -> None:
    owners_have_what_is_theirs(spec)


def owners_have_what_is_theirs(spec: Spec) -> None:
    """Fails with figures unless law 2 holds once nothing fails any more and windows, notice and grace are over."""
    world = undisturbed(spec)
    terms, scaling = world.record.fleet.reclaim, world.record.fleet.scaling
    world.run(scaling.up_seconds + scaling.down_seconds + 1)
    world.run(terms.notice_seconds + terms.grace_seconds + 4)
    laws.law_2_owners_have_what_is_theirs(Moment(world.index, world.plan()))


@examples(0.5)
@given(histories(), st.integers(0, 1000))
def test_law_4_the_order_in_which_things_became_known_does_not_matter(spec: Spec, seed: int) -> None:
    def look(index: Index, made: Plan) -> None:
        laws.law_4_order_does_not_matter(Moment(index, made), reordered(index, seed))

    spec.play(look)


ROUNDS_TO_REST = 40


@examples(1)
@given(histories())
def test_law_5_it_comes_to_rest_and_the_cost_falls_on_the_way(spec: Spec) -> None:
    """Rest: within 40 rounds (at most 12 were ever seen) a plan changes nothing and asks for nothing."""
    comes_to_rest(spec)


@examples(0.2)
@given(histories(ROUGH))
def test_law_9_whoever_can_comes_home_and_then_nothing_stirs(spec: Spec) -> None:
    world = undisturbed(spec)
    stirs_no_more(world)
    laws_of_change.law_9_home_in_the_end(Moment(world.index, world.plan()))


@examples(0.3)
@given(histories(ROUGH))
def test_law_10_a_resource_that_nobody_asks_for_changes_nothing(spec: Spec) -> None:
    """The same history twice, on nodes with and without a kind that no service asks for: the same placements."""

    def placements(nodes_have: int) -> list[object]:
        nodes = tuple(replace(node, allocatable=with_gpus(node.allocatable, nodes_have)) for node in spec.fleet.nodes)
        services = tuple(replace(each, resources=with_gpus(each.resources, 0)) for each in spec.services)
        seen: list[object] = []
        changed = replace(spec, fleet=replace(spec.fleet, nodes=nodes), services=services)
        changed.play(lambda _, made: seen.append([each for each in made.changes if each.kind is Kind.PLACEMENT]))
        return seen

    assert placements(nodes_have=0) == placements(nodes_have=2)


@given(st.lists(shapes, max_size=5), shapes, shapes)
def test_law_10_victims_free_what_lacks_and_none_goes_for_nothing(
    sizes: list[Resources], amount: Resources, room: Resources
) -> None:
    guests = [a_placement(ordinal=n, resources=size) for n, size in enumerate(sizes, start=1)]
    chosen = choose_victims(guests, amount, room)
    if chosen is None:
        assert not amount.fits_in(room + total(sizes))
        return
    victims = [guest for guest in guests if guest.instance in chosen]
    freed = total(each.resources for each in victims)
    assert amount.fits_in(room + freed)
    lacking = set(amount.lacking_in(room))
    for victim in victims:
        assert lacking & set(victim.resources.kinds)
        assert not amount.fits_in(room + freed - victim.resources)


def undisturbed(spec: Spec, *, may_finish: bool = True) -> World:
    """A copy of the world after the history, in which from now on every action succeeds.

    ``may_finish``: what was starting gets ready and what was in flight ends.
    """
    world = spec.play(lambda index, made: None).copy()
    world.refusing, world.stock = set(), {}
    if may_finish:
        world.in_flight = {}
        world.make_ready(*sorted(world.containers))
    return world


def comes_to_rest(spec: Spec) -> None:
    """Plans end, the cost falling on the way; not judged while old instances are being replaced."""
    world = undisturbed(spec, may_finish=False)
    costs: list[laws.Cost] = []
    world.on_plan = lambda index, made: costs.append(laws.cost_of(Moment(index, made)))
    is_rolling = any(is_old(world, placement) for placement in world.record.placements.values())
    world.settle(ROUNDS_TO_REST)
    if not is_rolling:
        laws.law_5_cost_falls(costs)


def stirs_no_more(world: World) -> None:
    """In the end nothing happens any more."""
    world.run(80, step=1)
    world.history.clear()
    world.run(15, step=1)
    assert world.stirring() == []


def is_old(world: World, placement: Placement) -> bool:
    service = world.record.services.get(placement.service)
    return service is not None and not service.is_current(placement.revision, placement.placed_at)


def with_gpus(amounts: Resources, count: int) -> Resources:
    return Resources.of({**dict(amounts.amounts), "gpu": count})
