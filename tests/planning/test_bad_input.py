"""Bad input: the planner never raises, always returns, and over-allocates nothing by what it adds.

Files with such things in them are refused where they are read. What gets through all the same, as
from an older record or a clock gone wrong, is planned around.
"""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.identifiers import NodeId
from springtide.model.record import Commit, Record
from springtide.model.resources import Resources, total
from springtide.planning.index import Index, Observation, PlanCommitted, RecordChanged, advance
from springtide.planning.planner import Plan, plan
from tests.builders import HOME_LADDER, a_fleet, a_service, amount, nodes
from tests.planning.absurdities import clocks, many, observations, records, small_fleets, small_needs
from tests.planning.examples import examples
from tests.planning.world import World


def plan_on(record: Record, seen: list[list[Observation]], moments: list[datetime]) -> None:
    """Plan at each moment, commit what is planned, and look at what it adds; news come in between."""
    index = advance(Index(), [RecordChanged(record)])
    for n, now in enumerate(moments):
        index = advance(index, seen[n] if n < len(seen) else [])
        made = plan(index, now)
        check_added(index, made)
        after = index.record.after(Commit(index.record.version + 1, made.changes))
        index = advance(index, [RecordChanged(after), PlanCommitted(made.carry)])


def check_added(index: Index, made: Plan) -> None:
    """Law 1 in its plainest form: a node that takes something new holds no more of it than it has.

    Of nodes of one id the last counts. An amount below nought frees nothing: it counts as nought.
    """
    record = index.record.after(Commit(index.record.version + 1, made.changes))
    sizes = {node.id: node.allocatable for node in record.fleet.nodes}
    sizes = {rental.node: rental.resources for rental in record.rentals.values()} | sizes
    added = [each for id, each in record.placements.items() if id not in index.record.placements]
    for node in {each.node for each in added}:
        held = total(each.resources.at_least_zero() for each in record.placements.values() if each.node == node)
        asked = total(each.resources for each in added if each.node == node)
        over = [kind for kind in asked.kinds if held[kind] > _size(sizes, node)[kind]]
        assert not over, f"{node} holds {held} of {_size(sizes, node)} after {added} came"


def _size(sizes: dict[NodeId, Resources], node: NodeId) -> Resources:
    assert node in sizes, f"something was placed on {node}, which isn't there"
    return sizes[node]


@examples(4)
@given(records(), st.lists(st.lists(observations, max_size=4), max_size=3), clocks)
def test_whatever_is_in_the_record_the_planner_returns_and_over_allocates_nothing(
    record: Record, seen: list[list[Observation]], moments: list[datetime]
) -> None:
    plan_on(record, seen, moments)


@examples(1)
@given(
    records(small_fleets, many, small_needs, most_rentals=0),
    st.lists(st.lists(observations, max_size=4), max_size=3),
    clocks,
)
def test_counts_that_no_fleet_can_carry_fill_what_there_is_and_no_more(
    record: Record, seen: list[list[Observation]], moments: list[datetime]
) -> None:
    plan_on(record, seen, moments)


def test_an_instance_that_holds_less_than_nothing_frees_no_room_for_others() -> None:
    odd = a_service("feed/odd", 1, resources=Resources.of(cpu_millis=-100), ladder=HOME_LADDER)
    world = World(a_fleet(nodes=nodes("feed", 1, amount(100, 256))), [odd])
    world.run(2)
    world.deploy(a_service("feed/web", 3, ladder=HOME_LADDER))
    world.run(2)
    assert (len(world.running("feed/odd")), len(world.running("feed/web"))) == (1, 2)
