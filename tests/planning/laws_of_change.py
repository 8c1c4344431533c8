"""Laws 8 to 10: who leaves, who comes home, and that only what is asked for counts."""

from __future__ import annotations

from springtide.model.identifiers import NodeId
from springtide.model.leases import Rung
from springtide.model.placements import Placement, PlacementState
from springtide.model.record import Record
from springtide.model.resources import CPU_MILLIS, NOTHING, total
from springtide.model.workloads import Service
from springtide.planning.evictions import MOVES
from springtide.planning.money import next_charge
from tests.planning.laws import rung_for
from tests.planning.moments import Moment, is_staying


def law_8_the_dearest_leave_first(moment: Moment) -> None:
    """Shrink by avoidable cost: who leaves on falling demand stands no cheaper than any that stays.

    Within a service, among those that are what it wants, and among those that aren't (an older revision, or from
    before a restart): cloud before borrowed before shared before own; of two in the cloud, the one whose machine is
    charged sooner. Excused: who was let go too and is taken back, since
    somebody waits for the cheaper place.
    """
    taken_back = {str(event["instance"]) for event in moment.events("taken-back")}
    is_waited_for = any(explanation.waiting for explanation in moment.plan.explanations.values())
    for event in moment.events("shrink"):
        leaver = moment.before.placements.get(str(event["instance"]))  # type: ignore[call-overload]
        assert leaver is not None, "law 8: what leaves was there before"
        for stayer in moment.before.placements.values():
            kept = moment.after.placements.get(stayer.instance)
            if kept is None or not is_staying(stayer) or not is_staying(kept):
                continue
            if stayer.service != leaver.service or _is_current(moment, stayer) != _is_current(moment, leaver):
                continue
            if is_waited_for and stayer.instance in taken_back:
                continue
            here, there = moment.rung_before(leaver), moment.rung_before(stayer)
            assert here.order >= there.order, (
                f"law 8: {leaver.instance} ({here}) left, {stayer.instance} ({there}) stayed"
            )
            if here is there is Rung.CLOUD:
                charges = {rental.node: next_charge(rental) for rental in moment.rentals_before}
                assert charges[leaver.node] <= charges[stayer.node], f"law 8: {stayer.instance} is charged sooner"


def _is_current(moment: Moment, placement: Placement) -> bool:
    return moment.after.services[placement.service].is_current(placement.revision, placement.placed_at)


def law_9_make_before_break(moment: Moment) -> None:
    """A ready instance is let go of its service's own accord only where enough ready ones are left.

    So during moves the ready count never falls below the smaller of the target and what was ready.
    Excused: who was reclaimed and is due, can't be paid, stands on a node that leaves; and the one old
    instance that makes room where a new revision fits nowhere.
    """
    for service in moment.services():
        mine = [each for each in moment.before.placements.values() if each.service == service.id]
        ready = [e for e in mine if e.state is PlacementState.RUNNING and moment.is_ready(e.instance)]
        let_go = [each for each in ready if _is_let_go(moment, each)]
        if not let_go:
            continue
        kept = [e for e in ready if _state_after(moment, e) is PlacementState.RUNNING]
        least = min(moment.target(service.id), len(ready))
        allowed = 1 if all(_makes_room(moment, each) for each in let_go) else 0
        assert len(kept) + allowed >= least, (
            f"law 9: {[each.instance for each in let_go]} left; {len(kept)} ready of {moment.target(service.id)} wanted"
        )


def _state_after(moment: Moment, placement: Placement) -> PlacementState | None:
    after = moment.after.placements.get(placement.instance)
    return after.state if after is not None else None


def _is_let_go(moment: Moment, placement: Placement) -> bool:
    """Whether this plan drains the ready instance without being forced to."""
    after = moment.after.placements.get(placement.instance)
    if after is None or after.state is not PlacementState.DRAINING:
        return False
    return after.eviction is None or after.eviction.drain_by is None or after.eviction.drain_by > moment.now


def _makes_room(moment: Moment, placement: Placement) -> bool:
    after = moment.after.placements[placement.instance]
    return after.eviction is not None and after.eviction.rule == "revision"


def law_9_few_moves_at_once(moment: Moment) -> None:
    """Coming home and moving aside move at most ``max_moves_at_once`` instances at a time."""

    def moving(record: Record) -> set[str]:
        homing = (e for e in record.placements.values() if e.eviction is not None and e.eviction.rule in MOVES)
        return {each.instance for each in homing if each.state is PlacementState.RUNNING}

    before, after = moving(moment.before), moving(moment.after)
    most = moment.fleet.scaling.max_moves_at_once
    assert not after - before or len(after) <= most, f"law 9: {sorted(after)} move at once, at most {most} may"


def law_9_home_in_the_end(moment: Moment) -> None:
    """Come home: when room has lasted its window, nothing stands on a dearer rung while a cheaper one has room.

    Looked at when demand has been calm for long. Only services count that have all they want, of
    whom the plan keeps everything, and moves that don't cost more an hour than staying does.
    """
    for service in moment.services():
        explanation = moment.plan.explanations[service.id]
        mine = [each for each in moment.placed() if each.service == service.id]
        if explanation.missing or explanation.waiting or not all(is_staying(each) for each in mine):
            continue
        for placement in mine:
            for node in moment.allocatable if placement.instance in moment.before.placements else ():
                pool = moment.fleet.pool(moment.pool_of(node))
                rung = None if pool.is_elastic else rung_for(moment, service, pool, NOTHING)
                if rung is None or rung not in service.ladder or rung.order >= moment.rung_before(placement).order:
                    continue
                fits = service.resources.fits_in(moment.free(node))
                assert not fits or _price(moment, service, node) > _price(moment, service, placement.node), (
                    f"law 9: {placement.instance} stays on {placement.node} while {node} has room as {rung}"
                )


def _price(moment: Moment, service: Service, node: NodeId) -> int:
    """Micros an hour for the cpu of one instance on a node."""
    cpu_millis = service.resources[CPU_MILLIS]
    for rental in moment.after.rentals.values():
        if rental.node == node:
            return rental.price_micros_per_hour * cpu_millis // rental.resources[CPU_MILLIS]
    pool = moment.fleet.pool(moment.pool_of(node))
    return 0 if pool.team == service.team else pool.price_micros_per_cpu_hour * cpu_millis // 1000


def law_10_only_what_is_asked_for_counts(moment: Moment) -> None:
    """Each resource is judged apart: notices go only to guests who hold a kind that the owner asks for,
    and a refusal for want of quota names a kind that the service asks for."""
    for event in moment.events("reclaim-notice"):
        victim = moment.after.placements[str(event["instance"])]  # type: ignore[index]
        owner = moment.after.services[str(event["owner"])]  # type: ignore[index]
        assert set(victim.resources.kinds) & set(owner.resources.kinds), f"law 10: {victim.instance} frees nothing"
    for event in moment.events("above-limit"):
        _is_above_limit(moment, moment.after.placements[str(event["instance"])])  # type: ignore[index]
    for service in moment.services():
        for refusal in moment.plan.explanations[service.id].refusals:
            if refusal.code.endswith("-full") and refusal.code != "line-full":
                assert refusal.figure("kind") in service.resources.kinds, f"law 10: {refusal.sentence}"


def _is_above_limit(moment: Moment, guest: Placement) -> None:
    """Guests really are above the limit, in a kind that this one holds, whatever of the owner's is leaving."""
    pool = moment.fleet.pool(guest.pool)
    evicted = [each for each in moment.on_pool(pool) if not is_staying(each)]
    leaving = total(e.resources for e in evicted if e.eviction is None or e.eviction.rule != "revision")
    promised = moment.waiting_amount(each for each in moment.services() if each.team == pool.team)
    limit = moment.guest_limit(pool, promised=(promised - leaving).at_least_zero())
    over = total(each.resources for each in moment.guests(pool)) - limit
    assert any(over[kind] > 0 for kind in guest.resources.kinds), f"law 10: {guest.instance} leaves for nothing"
