"""The laws of DESIGN.md, section 4, as functions that fail with figures where a plan breaks one.

Each looks at one :class:`Moment` and holds after every single step, however little of the plans
before was carried out. Laws that speak of what comes later (2, 5, and half of 9) have their
checkers here too; their tests let the time pass.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from springtide.model.events import Reason
from springtide.model.fleet import Pool
from springtide.model.identifiers import NodeId, PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Placement, PlacementState, Rental, RentalState
from springtide.model.resources import NOTHING, Resources, total
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.index import Index
from springtide.planning.money import Purse, budget_end, budget_start, committed_since, next_charge
from springtide.planning.planner import plan
from springtide.planning.renewal import RETURN_SECONDS
from tests.planning.laws_of_lines import is_carried
from tests.planning.moments import Moment, is_staying


def law_1_nodes_hold_what_is_placed(moment: Moment) -> None:
    """Never over-allocate a node: all placements, leaving ones included until gone, fit its allocatable.

    So do those that stand by, until they are gone; who stays fits without them, since they yield.

    Excused: a node made smaller than what it held already. Then the plan puts nothing more on it of the
    kind that is short, and who stays fits.
    """
    for node, allocatable in moment.allocatable.items():
        staying = total(each.resources for each in moment.placed() if each.node == node and is_staying(each))
        assert staying.fits_in(allocatable), f"law 1: {node} keeps {staying} of {allocatable}"
    added = {each.node: each for each in moment.added()}
    for node, allocatable in moment.allocatable.items():
        held = moment.on(node) + moment.standby_on(node)
        if node in added:
            asked = total(each.resources for each in moment.added() if each.node == node)
            over = [kind for kind in asked.kinds if held[kind] > allocatable[kind]]
            assert not over, f"law 1: {node} holds {held} of {allocatable} after {added[node].instance} was added"
        else:
            sets = (moment.before.placements.values(), moment.before.standby.values())
            before = total(each.resources for each in itertools.chain(*sets) if each.node == node)
            assert held.fits_in(allocatable) or held.fits_in(before), f"law 1: {node} holds {held} of {allocatable}"


def law_1_guests_keep_to_their_quota(moment: Moment) -> None:
    """Never over-allocate a pool: guests that stay fit what it shares and lends, in every kind; with best-effort
    ones, which may use all that is idle, they fit what its owner leaves.

    Who is above a limit (it was lowered, or a node went) has notice. A guest is only ever added where
    all guests, leaving ones included, keep within the quota of the kinds that it asks for. Excused: a
    pool with a node that was made smaller than what it holds, until that node is relieved.
    """
    overfull = {moment.pool_of(id) for id, size in moment.allocatable.items() if not moment.on(id).fits_in(size)}
    for pool in moment.fleet.pools:
        if pool.is_elastic or pool.name in overfull:
            continue
        everybody = moment.guests(pool)
        firm = [each for each in everybody if moment.is_firm(each)]
        for guests, limit in ((firm, moment.guest_limit(pool)), (everybody, moment.idle(pool))):
            staying = total(each.resources for each in guests if is_staying(each))
            assert staying.fits_in(limit), f"law 1: guests of {pool.name} hold {staying}, may hold {limit}"
            used = total(each.resources for each in guests)
            for guest in moment.added():
                if guest in guests:
                    over = [kind for kind in guest.resources.kinds if used[kind] > limit[kind]]
                    assert not over, f"law 1: {guest.instance} came to {pool.name}, whose guests hold {used} of {limit}"


def law_1_commitments_keep_to_the_budget(moment: Moment) -> None:
    """Never exceed a budget: whatever a plan commits of its own will keeps within every budget.

    Each period counts in the hour, day or month in which it begins: a renewal may be the next one's money. A
    period that had begun before the plan was made is booked whatever the budget says: it is owed.
    """
    willing = {
        token: rental
        for token, rental in moment.after.rentals.items()
        if (before := moment.before.rentals.get(token)) is None
        or (rental.periods_committed > before.periods_committed and _last_period_start(rental) > moment.now)
    }
    for budget in moment.fleet.budgets:
        for start in (budget_start(budget, moment.now), budget_end(budget, moment.now)):
            end = budget_end(budget, start)
            fresh = [token for token, rental in willing.items() if start <= _last_period_start(rental) < end]
            rentals, ledger = moment.after.rentals.values(), moment.after.ledger.values()
            committed = committed_since(start, rentals, ledger, until=end)
            assert not fresh or committed <= budget.limit_micros, (
                f"law 1: {fresh} bring commitments from {start} on to {committed} of {budget.limit_micros}"
            )


def _last_period_start(rental: Rental) -> datetime:
    return next_charge(replace(rental, periods_committed=rental.periods_committed - 1))


def law_1_rents_keep_to_limit_and_stock(moment: Moment) -> None:
    """Never over-allocate a cloud: a pool's nodes keep to its limit, requests under way to the stock shown."""
    fresh = [each for token, each in moment.after.rentals.items() if token not in moment.before.rentals]
    seen = {machine.token for view in moment.index.clouds.values() for machine in view.machines}
    for rental in fresh:
        pool = moment.fleet.pool(rental.pool)
        count = sum(1 for each in moment.after.rentals.values() if each.pool == pool.name)
        assert count <= pool.max_nodes, f"law 1: {pool.name} has {count} nodes of at most {pool.max_nodes}"
        offers = moment.index.clouds[rental.cloud].offers
        stock = next(offer.stock for offer in offers if offer.shape == rental.shape)
        asked = [
            token
            for token, each in moment.after.rentals.items()
            if (each.cloud, each.shape) == (rental.cloud, rental.shape)
            and token not in seen
            and each.state is RentalState.RENTING
        ]
        assert stock is None or len(asked) <= stock, f"law 1: {asked} asked for, in stock: {stock}"


def law_2_owners_have_what_is_theirs(moment: Moment) -> None:
    """By the deadline the owner runs whatever the same placer would place were there no guests.

    For each team the same plan is made of an index without the others' instances on its pools, its
    own instances unmoved (nobody comes home): on its own pools it finds place for nobody more. Who gives way
    there to a higher band of its own team, and comes anew beside, has been moved: it isn't one more.
    """
    for team in {pool.team for pool in moment.fleet.pools if pool.team is not None}:
        pools = [pool for pool in moment.fleet.pools if pool.team == team]
        alone = _without_guests(moment.index, {pool.name for pool in pools})
        absent = Moment(alone, plan(alone, moment.now))
        more = [each.instance for pool in pools for each in absent.added() if each in absent.on_pool(pool)]
        moved = [each for pool in pools for each in absent.on_pool(pool) if is_asked_for_its_own_team(absent, each)]
        coming = [each for pool in pools for each in moment.added() if each in moment.on_pool(pool)]
        assert len(more) - len(moved) <= len(coming), (
            f"law 2: without guests the pools of {team} would also carry {more}"
        )


def is_asked_for_its_own_team(moment: Moment, placement: Placement) -> bool:
    """Whether this plan asks an owner at home to leave for a higher band."""
    before = moment.before.placements.get(placement.instance)
    is_asked = placement.eviction is not None and placement.eviction.rule == "gives-way"
    return is_asked and before is not None and before.eviction is None


def _without_guests(index: Index, pools: set[PoolName]) -> Index:
    """The index without other teams' instances on these pools, and with nobody about to move home."""
    record = index.record
    teams = {pool.name: pool.team for pool in record.fleet.pools}

    def is_guest(placement: Placement) -> bool:
        service = record.services.get(placement.service)
        return placement.pool in pools and (service is None or service.team != teams[placement.pool])

    kept = {id: each for id, each in record.placements.items() if not is_guest(each)}
    fleet = replace(record.fleet, scaling=replace(record.fleet.scaling, max_moves_at_once=0))
    return replace(index, record=replace(record, fleet=fleet, placements=MappingProxyType(kept)))


def law_3_owners_are_left_alone_at_home(moment: Moment) -> None:
    """Nobody inside nominal quota is preempted by another team: no owner at home is reclaimed for anybody."""
    for pool in moment.fleet.pools:
        for placement in moment.placed():
            if placement.pool == pool.name and moment.is_owner(placement, pool) and placement.eviction is not None:
                assert placement.eviction.rule != "reclaim", f"law 3: {placement.instance} is reclaimed at home"


def law_4_order_does_not_matter(moment: Moment, reordered: Index) -> None:
    """Deterministic: the same index gives an equal plan, in whatever order its mappings were filled."""
    assert plan(moment.index, moment.now) == moment.plan, "law 4: the same index gave another plan"
    assert plan(reordered, moment.now) == moment.plan, "law 4: the order of a mapping mattered"


Cost = tuple[int, ...]
"""Missing by band, money an hour, waiting, rungs above own, nameless, scatter, asked to leave, in this order."""


def cost_of(moment: Moment) -> Cost:
    """What law 5 says must fall.

    Unmet demand by band (no place and none promised); micros an hour for machines that are kept and not
    merely waiting to be given back (nobody stays on them); then those that wait for promised room; the sum
    over staying instances of the steps above ``own``; those that stood by and have no name; how scattered they
    are over rented machines (the sum of the squares of how many stay on each, as a negative); and how many are
    being let go but aren't stopped yet.
    """
    explanations = moment.plan.explanations
    bands = [sum(explanations[s.id].missing for s in moment.services() if s.band is band) for band in Band]
    staying = [each for each in moment.placed() if is_staying(each)]
    crowds = Counter(each.node for each in staying)
    rented = [each for each in moment.after.rentals.values() if each.state is RentalState.RENTING]
    kept = (each for each in rented if crowds[each.node] or each.node not in moment.ready_machines)
    leaving = [e for e in moment.placed() if e.eviction is not None and e.state is not PlacementState.STOPPING]
    return (
        *bands,
        sum(rental.price_micros_per_hour for rental in kept),
        sum(each.waiting for each in explanations.values()),
        sum(moment.rung_after(each).order for each in staying),
        sum(each.was_standby for each in staying),
        -sum(crowds[each.node] ** 2 for each in rented),
        len(leaving),
    )


def law_5_cost_falls(costs: Sequence[Cost]) -> None:
    """Comes to rest: with demand, fleet and now fixed, each round's cost is at most the round's before.

    Costs compare lexicographically. Comparable are all rounds after the first, which still answers
    what changed before, unless an old revision is being replaced: letting go of a ready old
    instance for one that isn't placed yet raises unmet demand for a round. One exception: promises on
    booting machines are dealt out anew each time, and where an instance found a better place, mixed
    shapes may pack one promise worse; then at least unmet and waiting together don't rise.
    """
    for earlier, later in itertools.pairwise(costs[1:]):
        repacked = later[_WAITING] < earlier[_WAITING] and _without_room(later) <= _without_room(earlier)
        assert later <= earlier or repacked, f"law 5: the cost rose from {earlier} to {later}"


_WAITING = len(Band) + 1


def _without_room(cost: Cost) -> int:
    """Missing and waiting together."""
    return sum(cost[: len(Band)]) + cost[_WAITING]


def law_6_no_missing_instance_fits(moment: Moment) -> None:
    """No idle capacity: no instance that is missing, of a service that may grow, fits on any node it may use.

    Judged apart from the planner's board: nodes by what the record places on them, quotas by their
    arithmetic. Where a team waits for room on its own pool, or a service for whom others have notice, all
    that it waits for counts as taken on every node there: the time-limited reservation. So it does on nodes
    that somebody leaves, or where somebody stops standing by. Where the ladder
    skips a rung, a place that only opens because another came home in this very plan is for the next one.
    """
    for service in moment.services():
        explanation = moment.plan.explanations[service.id]
        opened = moment.events("come-home") and not has_no_gap(service)
        if explanation.missing <= 0 or is_blocked(explanation.refusals) or opened:
            continue
        for node in moment.allocatable:
            assert not _fits(moment, service, node), (
                f"law 6: {explanation.missing} of {service.id} are missing and one fits on {node}"
            )


def is_blocked(refusals: tuple[Reason, ...]) -> bool:
    return any(refusal.code in ("backing-off", "waits-for-dependency") for refusal in refusals)


def has_no_gap(service: Service) -> bool:
    """Whether the ladder skips nothing below its dearest rung: else a place may open up as others fill cheaper ones."""
    return [rung.order for rung in service.ladder] == list(range(len(service.ladder)))


def _fits(moment: Moment, service: Service, node: NodeId) -> bool:
    pool = moment.fleet.pool(moment.pool_of(node))
    if moment.fleet.links and not is_carried(moment, service, pool.site):
        return False
    if pool.is_elastic:
        revision = moment.after.revisions[service.revision]
        before = moment.before.revisions[service.revision]
        may_rent = Rung.CLOUD in service.ladder and service.band is not Band.BEST_EFFORT
        allowed = may_rent and revision.proven_at is not None and before.proven_at is not None
        open_nodes = moment.ready_machines - _unpayable(moment)
        return allowed and node in open_nodes and service.resources.fits_in(moment.free(node))
    served = {each.eviction.beneficiary for each in moment.placed() if each.eviction is not None}
    resting = (each for each in moment.after.standby.values() if each.state is PlacementState.STOPPING)
    leaving = (each for each in moment.placed() if not is_staying(each))
    yields = any(each.node == node for each in (*resting, *leaving))
    held = moment.waiting_amount(
        each for each in moment.services() if yields or each.team == pool.team or each.id in served
    )
    if not service.resources.fits_in(moment.free(node) - held):
        return False
    coming = _guests_to_come(moment, pool, served)
    rungs = {rung_for(moment, service, pool, claim, more) for claim in (held, NOTHING) for more in (coming, NOTHING)}
    return rungs <= set(service.ladder)


def _guests_to_come(moment: Moment, pool: Pool, served: Container[ServiceId | None]) -> Resources:
    """What guests have promised for whom others leave a pool, beyond what those hold: it counts toward quotas."""
    waiting = moment.waiting_amount(each for each in moment.services() if each.id in served and each.team != pool.team)
    leaving = total(each.resources for each in moment.guests(pool) if not is_staying(each))
    return (waiting - leaving).at_least_zero()


def _unpayable(moment: Moment) -> set[NodeId]:
    """Machines close to a next charge that no budget allows: they take nothing more."""
    rentals = {**moment.before.rentals, **moment.after.rentals}.values()
    terms = moment.fleet.scaling
    lead = timedelta(seconds=RETURN_SECONDS + 2 * terms.period_seconds + moment.fleet.reclaim.grace_seconds)
    purse = Purse.of(moment.fleet, rentals, moment.before.ledger.values(), moment.now)
    return {
        rental.node
        for rental in rentals
        if moment.now >= next_charge(rental) - lead
        and purse.refusal_of(rental.price_micros_per_period, next_charge(rental)) is not None
    }


def rung_for(moment: Moment, service: Service, pool: Pool, held: Resources, coming: Resources = NOTHING) -> Rung | None:
    """The rung on which one more instance would begin; only the kinds that it asks for count.

    ``held`` is promised to the owner, ``coming`` to guests.
    """
    use, healthy = moment.owner_use(pool) + held, moment.healthy(pool.name)
    if pool.team == service.team:
        return Rung.OWN if quota.is_own(quota.own_part(pool, healthy), use, service.resources) else Rung.SHARED
    amount = service.resources
    everybody = total(each.resources for each in moment.guests(pool)) + coming
    if not amount.fits_in(moment.idle(pool, held) - everybody):
        return None
    firm = total(each.resources for each in moment.guests(pool) if moment.is_firm(each)) + coming
    counted = everybody if service.band is Band.BEST_EFFORT else firm
    if amount.fits_in(moment.guest_limit(pool, may_borrow=False, promised=held) - counted):
        return Rung.SHARED
    is_free = service.band is Band.BEST_EFFORT or amount.fits_in(moment.guest_limit(pool, promised=held) - firm)
    return Rung.BORROWED if is_free else None
