"""What plans remember only saves time: without the memory they decide the same."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hypothesis import given

from springtide.planning.ground import EMPTY_GROUND
from springtide.planning.index import Index, ground_of
from springtide.planning.planner import Plan, plan
from tests.planning.examples import examples
from tests.planning.strategies import Spec, histories
from tests.planning.world import World


def forgetful(index: Index) -> Index:
    """The index with nothing that only saves time: no ground, no memos, no rungs."""
    nothing: MappingProxyType[Any, Any] = MappingProxyType({})
    carry = replace(index.carry, memos=nothing, rungs=nothing)
    return replace(index, carry=carry, ground=EMPTY_GROUND)


@examples(1)
@given(histories())
def test_a_plan_that_remembers_nothing_decides_the_same(spec: Spec) -> None:
    used = 0

    def look(index: Index, made: Plan) -> None:
        nonlocal used
        used += len(index.carry.memos)
        anew = plan(forgetful(index), made.now)
        assert anew.changes == made.changes
        assert anew.actions == made.actions
        assert anew.routes == made.routes
        assert anew.explanations == made.explanations

    world = spec.play(look)
    at_rest(world)
    assert used or not world.record.services


def at_rest(world: World) -> None:
    """Let the world settle, so that services at rest are looked at too."""
    for _ in range(4):
        world.run(1)


@examples(1)
@given(histories())
def test_a_ground_that_was_kept_up_to_date_equals_one_built_anew(spec: Spec) -> None:
    def look(index: Index, made: Plan) -> None:
        kept, anew = ground_of(index), ground_of(replace(index, ground=EMPTY_GROUND))
        assert kept.groups == anew.groups
        assert kept.by_node == anew.by_node
        assert kept.unsettled == anew.unsettled
        columns = [kept.layout.kinds.index(kind) for kind in anew.layout.kinds]
        assert (kept.used[:, columns] == anew.used).all()

    spec.play(look)
