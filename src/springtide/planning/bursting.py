"""The cloud: placing on rented nodes, waiting for booting ones, renting more, giving back what idles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from springtide.model.events import Reason
from springtide.model.fleet import Node, Offer, Pool
from springtide.model.identifiers import NodeId, ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Eviction, PlacementState, Rental, RentalState
from springtide.model.resources import describe
from springtide.model.workloads import Band, Service
from springtide.planning.draft import Draft, is_staying
from springtide.planning.fitting import best_room
from springtide.planning.index import RentRefusal
from springtide.planning.money import commitment_of, money, next_charge, refusal_of

TRIES_TO_RENT = 4
PAUSE_AFTER_REFUSAL_SECONDS = 5.0
RETURN_SECONDS = 1.0
"""What giving a machine back may take before its next charge begins, beside one plan's period."""


def secure_rentals(draft: Draft) -> None:
    """Pay the next period of machines in use while it is time; what can't be paid is closed before anyone counts on it.

    Comes before anything is placed, so that new rents don't take the money of machines that serve.
    """
    for token in sorted(draft.rentals):
        rental = draft.rentals[token]
        if not _is_up_for_renewal(draft, rental):
            continue
        if _is_used(draft, rental):
            _renew_or_empty(draft, rental)
        elif (refusal := _refusal_of_amount(draft, rental.price_micros_per_period)) is not None:
            _empty_unpaid(draft, rental, refusal)


def place_in_cloud(draft: Draft) -> None:
    """Use rented nodes, then wait for those that boot, then rent what is still missing."""
    _note_refusals(draft)
    elastic = [pool.name for pool in draft.board.fleet.pools if pool.is_elastic]
    bursting = []
    for id in sorted(draft.index.record.services):
        service = draft.service(id)
        if id in draft.blocked or Rung.CLOUD not in service.ladder:
            continue
        draft.take_back(id, elastic)
        refusal = _refusal_of_service(draft, service)
        if refusal is not None:
            draft.cloud_refusals[id] = refusal
        elif draft.wanted[id] > 0:
            bursting.append(service)
    for service in bursting:
        _use_rented(draft, service)
    for service in bursting:
        _rent_for(draft, service)


def settle_rentals(draft: Draft) -> None:
    """Give up refused requests, return what nothing needs before its next charge, pay for what was idle and is used."""
    for token in sorted(draft.rentals):
        rental = draft.rentals[token]
        if rental.state is RentalState.RENTING and not _give_up(draft, rental):
            _renew_or_return(draft, rental)


def _refusal_of_service(draft: Draft, service: Service) -> Reason | None:
    """Rented nodes run only what has proved itself at home, and nothing that takes what is idle."""
    if service.band is Band.BEST_EFFORT:
        return Reason("never-rents", "Best-effort uses what is idle, and never rents.", (("band", service.band.value),))
    revision = draft.index.record.revisions.get(service.revision)
    if revision is not None and revision.proven_at is not None:
        return None
    seconds = draft.board.fleet.scaling.proof_seconds
    sentence = f"Revision {service.revision} may not be rented for before it was ready at home for {seconds:g} s."
    return Reason("not-proven", sentence, (("proof_seconds", seconds), ("revision", service.revision)))


def _use_rented(draft: Draft, service: Service) -> None:
    elastic = [pool.name for pool in draft.board.fleet.pools if pool.is_elastic]
    while draft.wanted[service.id] > 0:
        room = best_room(draft.board, elastic, service)
        if room is not None:
            draft.place(service, room.node.id)
            continue
        room = best_room(draft.board, elastic, service, booting=True)
        if room is None:
            return
        draft.promise(service, room.node.id)


def _rent_for(draft: Draft, service: Service) -> None:
    while draft.wanted[service.id] > 0:
        chosen = _choose_offer(draft, service)
        if isinstance(chosen, Reason):
            draft.cloud_refusals[service.id] = chosen
            return
        pool, offer = chosen
        node = _rent(draft, service, pool, offer)
        while draft.wanted[service.id] > 0 and draft.board.rooms[node].fits_later(service.resources):
            draft.promise(service, node)


def _choose_offer(draft: Draft, service: Service) -> tuple[Pool, Offer] | Reason:
    """The offer with the lowest price per instance that it carries; otherwise why there is none."""
    refusal = Reason("no-cloud", "The fleet has no pool that rents nodes.", ())
    choices: list[tuple[tuple[Fraction, float, str, str], Pool, Offer]] = []
    for pool, offer in _offers(draft):
        problem = _refusal_of_offer(draft, service, pool, offer)
        if problem is not None:
            refusal = problem
            continue
        copies = min(service.resources.copies_in(offer.resources), draft.wanted[service.id])
        price = Fraction(offer.price_micros_per_hour, max(1, copies))
        choices.append(((price, offer.boot_seconds, pool.name, offer.shape), pool, offer))
    if not choices:
        return refusal
    _, pool, offer = min(choices, key=lambda each: each[0])
    return pool, offer


def _offers(draft: Draft) -> Iterator[tuple[Pool, Offer]]:
    for pool in draft.board.fleet.pools:
        view = draft.index.clouds.get(pool.cloud) if pool.cloud is not None else None
        for offer in sorted(view.offers, key=lambda each: each.shape) if view is not None else ():
            yield pool, offer


def _refusal_of_offer(draft: Draft, service: Service, pool: Pool, offer: Offer) -> Reason | None:
    rented = [rental for rental in draft.rentals.values() if rental.pool == pool.name]
    if not service.resources.fits_in(offer.resources):
        sentence = f"An instance needs {describe(service.resources)}; {offer.shape} has {describe(offer.resources)}."
        return Reason("larger-than-offer", sentence, (("shape", offer.shape),))
    if len(rented) >= pool.max_nodes:
        sentence = f"Pool {pool.name} has all of its {pool.max_nodes} nodes."
        return Reason("node-limit", sentence, (("max_nodes", pool.max_nodes), ("pool", pool.name)))
    unseen = sum(
        1
        for rental in draft.rentals.values()
        if (rental.cloud, rental.shape) == (offer.cloud, offer.shape) and rental.since is None
    )
    if offer.stock is not None and offer.stock - unseen <= 0:
        sentence = f"Cloud {offer.cloud} has no {offer.shape} in stock."
        return Reason(
            "out-of-stock", sentence, (("cloud", offer.cloud), ("shape", offer.shape), ("stock", offer.stock))
        )
    recent = _recent_refusal(draft, offer)
    if recent is not None:
        return recent
    drain_seconds = draft.board.fleet.reclaim.grace_seconds
    return _refusal_of_amount(draft, commitment_of(offer, drain_seconds))


def _refusal_of_amount(draft: Draft, amount_micros: int) -> Reason | None:
    """Why a budget doesn't allow this. Machines that this plan has lost count: they enter the ledger only with it."""
    record = draft.index.record
    rentals = {**record.rentals, **draft.rentals}.values()
    return refusal_of(record.fleet, rentals, record.ledger.values(), amount_micros, draft.now)


def _note_refusals(draft: Draft) -> None:
    """Gather what clouds have refused within the pause, by this plan's requests and by those given up since."""
    horizon = draft.after(-PAUSE_AFTER_REFUSAL_SECONDS)
    noted = {cloud: set(refusals) for cloud, refusals in draft.index.carry.rent_refusals.items()}
    for token, rental in draft.index.record.rentals.items():
        for failure in draft.index.failures.get(token, ()) if rental.since is None else ():
            shape = rental.shape if failure.code == "out-of-stock" else None
            noted.setdefault(rental.cloud, set()).add(RentRefusal(failure.at, shape, failure.sentence))
    for cloud in sorted(noted):
        recent = (refusal for refusal in noted[cloud] if refusal.at > horizon)
        draft.rent_refusals[cloud] = tuple(sorted(recent, key=lambda each: (each.at, each.shape or "", each.sentence)))


def _recent_refusal(draft: Draft, offer: Offer) -> Reason | None:
    """A cloud that has just refused is left alone for a moment; where a shape is out of stock, others may be had."""
    for refusal in reversed(draft.rent_refusals.get(offer.cloud, ())):
        if refusal.shape in (None, offer.shape):
            sentence = f"Cloud {offer.cloud} has just refused ({refusal.sentence}); it is asked again soon."
            return Reason("cloud-refused", sentence, (("cloud", offer.cloud), ("shape", offer.shape)))
    return None


def _rent(draft: Draft, service: Service, pool: Pool, offer: Offer) -> NodeId:
    """Write the intent; the machine is asked for once this is committed."""
    counter = ServiceId(f"rental:{pool.name}")
    ordinal = draft.ordinals.get(counter, 1)
    draft.ordinals[counter] = ordinal + 1
    node = NodeId(f"{pool.name}-{ordinal}")
    rental = Rental(
        token=str(node),
        cloud=offer.cloud,
        pool=pool.name,
        node=node,
        shape=offer.shape,
        resources=offer.resources,
        price_micros_per_hour=offer.price_micros_per_hour,
        price_micros_per_period=offer.price_micros_per_period,
        billing_period_seconds=offer.billing_period_seconds,
        requested_at=draft.now,
        boot_seconds=offer.boot_seconds,
        team=service.team,
    )
    draft.rentals[rental.token] = rental
    draft.board.add_node(Node(node, pool.name, offer.resources), is_ready=False)
    price = money(offer.price_micros_per_hour, draft.board.fleet.currency)
    sentence = (
        f"{node} ({offer.shape}, {price} an hour, boots in {offer.boot_seconds:g} s) is rented for {service.id}: "
        f"{draft.wanted[service.id]} more wanted than the own machines, shared and borrowed ones can carry."
    )
    draft.say(node, "rent", sentence, shape=offer.shape, wanted=draft.wanted[service.id], team=service.team)
    return node


def _give_up(draft: Draft, rental: Rental) -> bool:
    """Let go of a request that the cloud has refused for good or too often; the return sweeps what may exist."""
    failures = draft.index.failures.get(rental.token, ())
    refused = any(failure.code == "out-of-stock" for failure in failures)
    if rental.since is not None or not (refused or len(failures) >= TRIES_TO_RENT):
        return False
    _begin_return(draft, rental, "rent-failed", f"{rental.node} was not rented: {failures[-1].sentence}")
    return True


def _renew_or_return(draft: Draft, rental: Rental) -> None:
    if not _is_up_for_renewal(draft, rental):
        return
    if _is_used(draft, rental):
        _renew_or_empty(draft, rental)
        return
    occupied = bool(draft.board.on_node(rental.node))
    if not occupied and draft.now >= next_charge(rental) - _return_lead(draft):
        _begin_return(draft, rental, "return", f"{rental.node} is given back before its next charge: nothing needs it.")


def _is_up_for_renewal(draft: Draft, rental: Rental) -> bool:
    """Whether now is the time to decide on the next period: late enough to know, early enough to drain first."""
    drain = timedelta(seconds=draft.board.fleet.reclaim.grace_seconds)
    is_kept = rental.state is RentalState.RENTING and rental.since is not None
    return is_kept and draft.now >= next_charge(rental) - _return_lead(draft) - drain


def _return_lead(draft: Draft) -> timedelta:
    return timedelta(seconds=RETURN_SECONDS + 2 * draft.board.fleet.scaling.period_seconds)


def _is_used(draft: Draft, rental: Rental) -> bool:
    room = draft.board.rooms.get(rental.node)
    if room is None:
        return False
    stays = any(is_staying(each) for each in draft.board.on_node(rental.node))
    return stays or bool(room.promised)


def _renew_or_empty(draft: Draft, rental: Rental) -> None:
    refusal = _refusal_of_amount(draft, rental.price_micros_per_period)
    if refusal is None:
        draft.rentals[rental.token] = replace(rental, periods_committed=rental.periods_committed + 1)
    else:
        _empty_unpaid(draft, rental, refusal)


def _begin_return(draft: Draft, rental: Rental, code: str, sentence: str) -> None:
    draft.rentals[rental.token] = replace(rental, state=RentalState.RETURNING)
    room = draft.board.rooms.get(rental.node)
    if room is not None:
        room.close()
    draft.say(rental.node, code, sentence, cloud=rental.cloud)


def _empty_unpaid(draft: Draft, rental: Rental, refusal: Reason) -> None:
    """A node whose next period can't be paid is drained before that period starts."""
    room = draft.board.rooms.get(rental.node)
    if room is None:
        return
    room.close()
    gone_by = next_charge(rental) - _return_lead(draft)
    for placement in draft.board.on_node(rental.node):
        waits = placement.eviction is not None and placement.eviction.drain_by is None
        if is_staying(placement) or (waits and placement.state is PlacementState.RUNNING):
            lacking = draft.wanted.get(placement.service, 0)
            draft.wanted[placement.service] = lacking + (1 if is_staying(placement) else 0)
            draft.cloud_refusals[placement.service] = refusal
            draft.evict(placement, Eviction("unpaid", draft.now, drain_by=draft.now, gone_by=gone_by))
            sentence = f"{placement.instance} leaves {rental.node}: its next period can't be paid. {refusal.sentence}"
            draft.say(placement.service, "unpaid", sentence, instance=placement.instance)
