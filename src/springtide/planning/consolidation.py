"""Fewer rented machines: one that others have room for is emptied, make before break, and given back when it is due.

It begins once such room has lasted its window, where what the machine costs exceeds what the moves cost, and never for
a service that may still come home. It comes to rest: only machines in use take anybody, so what is paid for machines in
use falls once one is empty; and where that takes several plans, whoever moves goes to a machine with as many instances
or more, which can't go on for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from springtide.model.identifiers import NodeId, ServiceId
from springtide.model.placements import Eviction, Placement, Rental, RentalState
from springtide.planning.draft import Draft, is_staying
from springtide.planning.evictions import CONSOLIDATE, moves_under_way
from springtide.planning.homecoming import PAYBACK_HOURS
from springtide.planning.money import money, next_charge
from springtide.planning.rebalancing import is_movable, moves_to

MOST_MACHINES_A_PLAN = 8
"""So many machines are looked at, those with the fewest instances first."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """A rented machine in use, and who stays on it."""

    rental: Rental
    row: int
    staying: tuple[Placement, ...]


def consolidate(draft: Draft) -> None:
    """Begin to empty the first machine that others have room for, a bounded number of instances at a time."""
    terms = draft.board.fleet.scaling
    left = terms.max_moves_at_once - moves_under_way(draft.all_departing())
    machines = _in_use(draft)
    if left <= 0:
        draft.spare_since.update(draft.index.carry.spare_since)
    elif len(machines) > 1:
        near = {other for service in draft.index.record.services.values() for other in service.placement.near}
        for machine in machines[:MOST_MACHINES_A_PLAN]:
            moves = _moves_off(draft, machine, machines, left) if _pays(draft, machine, near) else ()
            if not moves:
                continue
            token = machine.rental.token
            since = draft.spare_since[token] = draft.index.carry.spare_since.get(token, draft.now)
            if (draft.now - since).total_seconds() >= terms.home_seconds:
                _carry_out(draft, machine, moves[:left])
                return


def _in_use(draft: Draft) -> list[_Machine]:
    """Machines that are up, kept, and that somebody stays on: the fewest first, then the dearest, the next charged."""
    board, found = draft.board, []
    for rental in draft.rentals.values():
        row = board.table.row_of.get(rental.node)
        if rental.state is not RentalState.RENTING or rental.since is None or row is None:
            continue
        staying = tuple(each for each in board.on_node(rental.node) if is_staying(each))
        if staying and board.table.space.accepts[row] and board.table.space.is_ready[row]:
            found.append(_Machine(rental, row, staying))

    def order(machine: _Machine) -> tuple[object, ...]:
        rental = machine.rental
        return len(machine.staying), -rental.price_micros_per_hour, next_charge(rental), rental.token

    return sorted(found, key=order)


def _pays(draft: Draft, machine: _Machine, near: set[ServiceId]) -> bool:
    """Whether all who stay on a machine may move, and that costs less than what the machine does."""
    cost = len(machine.staying) * draft.board.fleet.scaling.move_cost_micros
    if machine.rental.price_micros_per_hour * PAYBACK_HOURS <= cost:
        return False
    return all(is_movable(draft, each) and _is_settled(draft, each.service, near) for each in machine.staying)


def _is_settled(draft: Draft, id: ServiceId, near: set[ServiceId]) -> bool:
    """Whether a service has all it wants, no cheaper rung has room for it, and nobody must stand near it."""
    has_all = draft.wanted[id] <= 0 and not draft.waiting.get(id)
    return has_all and id not in draft.room_since and id not in near


def _moves_off(
    draft: Draft, machine: _Machine, machines: Sequence[_Machine], left: int
) -> tuple[tuple[Placement, NodeId], ...]:
    """Where all who stay on a machine find room; nothing where one finds none."""
    is_done_at_once = len(machine.staying) <= left
    rows = [
        each.row
        for each in machines
        if each is not machine and (is_done_at_once or len(each.staying) >= len(machine.staying))
    ]
    rows.sort(key=lambda row: draft.board.table.nodes[row].id)
    largest_first = sorted(machine.staying, key=lambda each: (each.resources.amounts, each.instance), reverse=True)
    return moves_to(draft, largest_first, np.array(rows, dtype=np.int64)) or ()


def _carry_out(draft: Draft, machine: _Machine, moves: Sequence[tuple[Placement, NodeId]]) -> None:
    rental = machine.rental
    price = money(rental.price_micros_per_hour, draft.board.fleet.currency)
    for victim, target in moves:
        draft.evict(victim, Eviction(CONSOLIDATE, draft.now))
        draft.wanted[victim.service] += 1
        copy = draft.place(draft.service(victim.service), target)
        sentence = (
            f"{victim.instance} moves from {rental.node} to {target} as {copy.instance}: other machines have room for "
            f"all {len(machine.staying)} of {rental.node}, which costs {price} an hour and is given back once empty."
        )
        figures = {"instance": victim.instance, "target": target, "node": rental.node}
        draft.say(victim.service, CONSOLIDATE, sentence, saving_micros=rental.price_micros_per_hour, **figures)
