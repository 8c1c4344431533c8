"""The cloud: placing on rented nodes, waiting for booting ones, renting more; for whoever lacks most first.

Production is served before batch, so that batch gets only what that leaves of stock, nodes and money.
Best-effort never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from springtide.model.events import Reason
from springtide.model.fleet import Node, Offer, Pool
from springtide.model.identifiers import NodeId, PoolName, ServiceId
from springtide.model.leases import Rung
from springtide.model.placements import Rental
from springtide.model.workloads import Band, Service
from springtide.planning.board import Board
from springtide.planning.draft import Draft
from springtide.planning.fitting import best_row
from springtide.planning.index import RentRefusal
from springtide.planning.layout import attributes_of
from springtide.planning.market import Listing, Market, PlannedRental, Want
from springtide.planning.money import money
from springtide.planning.offers import choose_rentals
from springtide.planning.siting import NODE_DOMAIN, Siting
from springtide.planning.turns import service_order

PAUSE_AFTER_REFUSAL_SECONDS = 5.0


def place_in_cloud(draft: Draft) -> None:
    """Use rented nodes, then wait for those that boot, then rent what is still missing; band by band."""
    _note_refusals(draft)
    elastic = [pool.name for pool in draft.board.fleet.pools if pool.is_elastic]
    bursting: dict[Band, list[ServiceId]] = {}
    for id in sorted(draft.index.record.services):
        service = draft.service(id)
        if id in draft.blocked or Rung.CLOUD not in service.ladder:
            continue
        draft.take_back(id, elastic)
        refusal = _refusal_of_service(draft, service)
        if refusal is not None:
            draft.cloud_refusals[id] = refusal
        elif draft.wanted[id] > 0 and draft.may_grow(id):
            bursting.setdefault(service.band, []).append(id)
    for band in sorted(bursting, key=lambda each: each.order):
        _use_rented(draft, elastic, bursting[band])
        _rent_for(draft, [id for id in bursting[band] if draft.wanted[id] > 0])


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


def _use_rented(draft: Draft, elastic: list[PoolName], ids: list[ServiceId]) -> None:
    """One instance at a time to whoever lacks most: where it fits now, else where it will once a node has booted."""
    hungry = list(ids)
    while hungry:
        id = min(hungry, key=lambda each: service_order(draft, each, _served(draft, each)))
        if not _use_one(draft, elastic, draft.service(id)) or draft.wanted[id] <= 0:
            hungry.remove(id)


def _use_one(draft: Draft, elastic: list[PoolName], service: Service) -> bool:
    board, siting = draft.board, Siting(draft.board)
    rows = board.table.rows_in(elastic)
    row = best_row(board.table.space, siting, service, rows, is_now=True)
    if row is not None:
        draft.place(service, board.table.nodes[row].id)
        return True
    row = best_row(board.table.space, siting, service, rows[~board.table.space.is_ready[rows]], is_now=False)
    if row is not None:
        _promise(draft, service, row)
    return row is not None


def _promise(draft: Draft, service: Service, row: int) -> None:
    """Hold room on a machine that boots; for who comes after it counts as if it stood there."""
    draft.promise(service, draft.board.table.nodes[row].id)


def _rent_for(draft: Draft, ids: list[ServiceId]) -> None:
    """Rent for all of a band at once, so that they share machines; note who lacks still, and why."""
    if not ids:
        return
    for id in ids:
        draft.lacking_since[id] = draft.index.carry.lacking_since.get(id, draft.now)
    choice = choose_rentals(tuple(_want(draft, draft.service(id)) for id in ids), _market(draft))
    for planned in choice.rentals:
        _carry_out(draft, planned)
    draft.cloud_refusals.update(choice.refusals)
    for id in ids:
        if draft.wanted[id] <= 0:
            del draft.lacking_since[id]


def _carry_out(draft: Draft, planned: PlannedRental) -> None:
    neediest = min(planned.contents, key=lambda id: service_order(draft, id, _served(draft, id)))
    node = _rent(draft, draft.service(neediest), planned.pool, planned.offer)
    for id in planned.contents:
        _promise(draft, draft.service(id), draft.board.table.row_of[node])


def _served(draft: Draft, id: ServiceId) -> int:
    return draft.demands[id].count - draft.wanted[id]


def _want(draft: Draft, service: Service) -> Want:
    board, rules = draft.board, service.placement
    crossings = board.crossings
    waited = (draft.now - draft.lacking_since[service.id]).total_seconds()
    apart = frozenset({*rules.apart, *board.apart_of(service.id)})
    spread = next(iter(rules.spread), "")
    return Want(
        service=service.id,
        resources=service.resources,
        count=draft.wanted[service.id],
        refusal_of=lambda pool, offer: _refusal_by_rules(board, service, pool, offer),
        is_urgent=service.band is Band.PRODUCTION and waited > 0,
        waited_seconds=waited,
        max_per_node=rules.max_per_node,
        apart=apart,
        spread=spread if spread != NODE_DOMAIN else "",
        standing=_standing_by(board, service.id, spread) if spread else MappingProxyType({}),
        home=crossings.home_of(service.team) if crossings is not None else None,
        load=crossings.load_of(service) if crossings is not None else (0, 0),
    )


def _standing_by(board: Board, id: ServiceId, label: str) -> Mapping[str, int]:
    """How many instances of a service stand on nodes with which value of a label."""
    counts: dict[str, int] = {}
    for row, count in board.standing(id).items():
        value = board.table.classes[board.table.class_of[row]].get(label, "")
        counts[value] = counts.get(value, 0) + count
    return counts


def _refusal_by_rules(board: Board, service: Service, pool: Pool, offer: Offer) -> Reason | None:
    """Which of a service's placement rules a machine of an offer breaks."""
    attributes = dict(attributes_of(Node(NodeId(""), pool.name, offer.resources, offer.labels), pool))
    rules = service.placement
    broken = [str(each) for each in rules.constraints if not each.is_met_by(attributes)]
    siting = Siting(board)
    broken += [
        f"near {other}"
        for other in rules.near
        if not siting.may_go_first(service, other) and not _stands_in(board, other, rules.domain, attributes)
    ]
    for other, domain in board.kept_apart(service):
        if _stands_in(board, other, domain, attributes):
            broken.append(f"apart from {other}")
    if not broken:
        return None
    sentence = f"A machine {offer.shape} of pool {pool.name} isn't {', '.join(broken)}."
    return Reason("rules-forbid", sentence, (("pool", pool.name), ("rule", broken[0]), ("shape", offer.shape)))


def _stands_in(board: Board, id: ServiceId, domain: str, attributes: Mapping[str, str]) -> bool:
    """Whether an instance stands where a new machine would be: never on the machine itself."""
    if domain == NODE_DOMAIN:
        return False
    rows = (row for row, count in board.standing(id).items() if count)
    return any(board.table.classes[board.table.class_of[row]].get(domain) == attributes.get(domain) for row in rows)


def _market(draft: Draft) -> Market:
    """What can be rented now, with what is rented and asked for taken off."""
    board = draft.board
    listings = tuple(Listing(pool, offer, _recent_refusal(draft, offer)) for pool, offer in _offers(draft))
    nodes_left = {pool.name: pool.max_nodes for pool in board.fleet.pools}
    stock_left = {each.shape: each.offer.stock for each in listings if each.offer.stock is not None}
    for rental in draft.rentals.values():
        if rental.pool in nodes_left:
            nodes_left[rental.pool] -= 1
        shape = rental.cloud, rental.shape
        if rental.since is None and shape in stock_left:
            stock_left[shape] -= 1
    return Market(
        listings=listings,
        nodes_left=nodes_left,
        stock_left=stock_left,
        purse=draft.purse(),
        lines=board.crossings.loads if board.crossings is not None else None,
        drain_seconds=board.fleet.reclaim.grace_seconds,
        move_cost_micros=board.fleet.scaling.move_cost_micros,
    )


def _offers(draft: Draft) -> Iterator[tuple[Pool, Offer]]:
    for pool in draft.board.fleet.pools:
        view = draft.index.clouds.get(pool.cloud) if pool.cloud is not None else None
        for offer in sorted(view.offers, key=lambda each: each.shape) if view is not None else ():
            yield pool, offer


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
        labels=offer.labels,
    )
    draft.rentals[rental.token] = rental
    draft.purse().commit(rental.price_micros_per_period)
    draft.board.add_node(Node(node, pool.name, offer.resources, offer.labels), is_ready=False)
    price = money(offer.price_micros_per_hour, draft.board.fleet.currency)
    sentence = (
        f"{node} ({offer.shape}, {price} an hour, boots in {offer.boot_seconds:g} s) is rented for {service.id}: "
        f"{draft.wanted[service.id]} more wanted than the own machines, shared and borrowed ones can carry."
    )
    draft.say(node, "rent", sentence, shape=offer.shape, wanted=draft.wanted[service.id], team=service.team)
    return node
