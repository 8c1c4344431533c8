"""What plans remember only saves time: without the memory they decide the same."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given

from springtide.bench.planner_fleet import SIZES, make_record
from springtide.bench.planner_stage import LOOK, Stage
from springtide.model.fleet import Fleet
from springtide.model.identifiers import PoolName
from springtide.model.record import Change, Kind, Record
from springtide.model.resources import Ceiling
from springtide.model.workloads import Band, PlacementRules, Service
from springtide.planning.ground import EMPTY_GROUND
from springtide.planning.index import Index, RecordChanged, advance, ground_of
from springtide.planning.news import Seen
from springtide.planning.planner import Plan, plan
from springtide.planning.tally import Tally
from tests.planning.examples import examples
from tests.planning.strategies import Spec, histories
from tests.planning.world import World


def forgetful(index: Index) -> Index:
    """The index with nothing that only saves time: no ground, memo, rung or sum, nothing that pools have answered."""
    nothing: MappingProxyType[Any, Any] = MappingProxyType({})
    carry = replace(index.carry, memos=nothing, rungs=nothing, seen=Seen(), tally=None, use=None)
    return replace(index, carry=carry, ground=EMPTY_GROUND)


@examples(1)
@given(histories())
def test_a_plan_that_remembers_nothing_decides_the_same(spec: Spec) -> None:
    used = 0

    def look(index: Index, made: Plan) -> None:
        nonlocal used
        used += len(index.carry.memos)
        decides_without_memory(index, made)

    world = spec.play(look)
    at_rest(world)
    assert used or not world.record.services


def decides_without_memory(index: Index, made: Plan) -> None:
    """Hold a plan against one that remembers nothing."""
    anew = plan(forgetful(index), made.now)
    assert anew.changes == made.changes
    assert anew.actions == made.actions
    assert anew.routes == made.routes
    assert anew.explanations == made.explanations


@pytest.mark.parametrize(
    "change", ["one more", "one node less", "another band", "another team", "apart", "a lower limit"]
)
def test_after_a_change_what_pools_answered_before_is_used_only_where_it_holds(change: str) -> None:
    stage = Stage.at_rest(make_record(SIZES[0]))
    assert stage.index.carry.seen.told
    assert stage.index.carry.seen.without_room
    services = stage.record.services
    for id in sorted(services)[::3]:
        index = advance(
            stage.index, [RecordChanged(stage.record_after([_changed(change, services[id], stage.record)]))]
        )
        decides_without_memory(index, plan(index, stage.now + LOOK))


def _changed(change: str, service: Service, record: Record) -> Change:
    """A change of a service, or of the fleet beside it."""
    fleet = record.fleet
    match change:
        case "one more":
            scale = replace(service.scale, minimum=service.scale.minimum + 1, maximum=service.scale.maximum + 1)
            return Change(Kind.SERVICE, service.id, replace(service, scale=scale))
        case "another band":
            band = Band.BATCH if service.band is not Band.BATCH else Band.PRODUCTION
            return Change(Kind.SERVICE, service.id, replace(service, band=band))
        case "another team":
            team = next(each.name for each in fleet.teams if each.name != service.team)
            return Change(Kind.SERVICE, service.id, replace(service, team=team))
        case "apart":
            other = min(id for id in record.services if id != service.id)
            return Change(Kind.SERVICE, service.id, replace(service, placement=PlacementRules(apart=(other,))))
        case "one node less":
            mine = next((node for node in fleet.nodes if node.pool == PoolName(service.team)), fleet.nodes[0])
            return _fleet(replace(fleet, nodes=tuple(node for node in fleet.nodes if node is not mine)))
        case _:
            teams = tuple(
                replace(team, borrowing_limit=Ceiling.of(cpu_millis=1)) if team.name == service.team else team
                for team in fleet.teams
            )
            return _fleet(replace(fleet, teams=teams))


def _fleet(fleet: Fleet) -> Change:
    return Change(Kind.FLEET, "fleet", fleet)


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


@examples(1)
@given(histories())
def test_a_tally_that_was_made_from_the_one_before_equals_one_made_anew(spec: Spec) -> None:
    def look(index: Index, made: Plan) -> None:
        ground, services = ground_of(index), index.record.services
        kept = Tally.of(ground.layout, services, ground.groups, index.carry.tally)
        anew = Tally.of(ground.layout, services, ground.groups)
        assert counted(kept) == counted(anew)
        assert kept.uses.left == anew.uses.left

    spec.play(look)


def counted(tally: Tally) -> list[dict[Any, Any]]:
    """What it has counted, without noughts."""
    sums = (tally.counts, tally.services_in, tally.owner_use, tally.guest_use, tally.band_use)
    return [{key: value for key, value in each.items() if value} for each in sums]
