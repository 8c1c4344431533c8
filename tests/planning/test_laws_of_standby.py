"""What holds of standby after every plan, and once all is at rest, on generated fleets and histories."""

from __future__ import annotations

from hypothesis import given

from springtide.model.leases import Rung
from springtide.model.placements import Placement, PlacementState
from springtide.model.resources import CPU_MILLIS, NOTHING, Resources, total
from springtide.model.workloads import Service
from springtide.planning.index import Index
from springtide.planning.planner import Plan
from tests.planning.examples import examples
from tests.planning.moments import Moment
from tests.planning.strategies import ROUGH, Spec, histories
from tests.planning.test_laws import ROUNDS_TO_REST, undisturbed


@examples(1)
@given(histories(ROUGH))
def test_after_every_plan_standby_is_what_its_service_wishes_and_in_nobodys_way(spec: Spec) -> None:
    spec.play(_holds)


def _holds(index: Index, made: Plan) -> None:
    moment = Moment(index, made)
    elastic = {pool.name for pool in moment.fleet.pools if pool.is_elastic}
    paused = {id for id, each in index.instances.items() if each.state.value == "paused"}
    assert not moment.after.placements.keys() & moment.after.standby.keys(), "nobody serves and stands by"
    for service in moment.services():
        mine = _standing_by(moment, service)
        assert len(mine) <= service.scale.standby.count
        for each in mine:
            assert each.pool not in elastic, f"{each.instance} stands by on a rented machine"
            assert service.is_current(each.revision, each.placed_at), f"{each.instance} is outdated"
            assert each.instance not in paused or not each.resources[CPU_MILLIS], f"{each.instance} holds processor"


@examples(0.4)
@given(histories(ROUGH))
def test_at_rest_as_many_stand_by_at_home_as_could_serve_there(spec: Spec) -> None:
    world = undisturbed(spec)
    world.settle(ROUNDS_TO_REST)
    moment = Moment(world.index, world.plan())
    for service in moment.services():
        explanation = moment.plan.explanations[service.id]
        useful = min(service.scale.standby.count, service.scale.maximum - explanation.wanted)
        is_short = explanation.missing or explanation.waiting or explanation.ready < explanation.wanted
        owns_all = {Rung.OWN, Rung.SHARED} <= set(service.ladder)
        if is_short or explanation.refusals or not owns_all or len(_standing_by(moment, service)) >= useful:
            continue
        for node in moment.fleet.nodes:
            if moment.fleet.pool(node.pool).team == service.team:
                left = node.allocatable - _once_all_serve(moment, node.id)
                assert not service.resources.fits_in(left), f"one more of {service.id} could stand by on {node.id}"


def _standing_by(moment: Moment, service: Service) -> list[Placement]:
    mine = (each for each in moment.after.standby.values() if each.service == service.id)
    return [each for each in mine if each.state is PlacementState.RUNNING]


def _once_all_serve(moment: Moment, node: str) -> Resources:
    """What a node's placements hold, and what those would who stand by there."""
    services = moment.after.services
    standing = [each for each in moment.after.standby.values() if each.node == node]
    return total(
        [*(each.resources for each in moment.placed() if each.node == node)]
        + [services[each.service].resources if each.service in services else NOTHING for each in standing]
    )
