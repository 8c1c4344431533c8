"""Pools with their nodes and what runs on them, and the whole fleet at one moment."""

from __future__ import annotations

from datetime import datetime

from springtide.api.standing import Standing
from springtide.api.views_services import eviction_sentence, readiness_of, service_wires, state_of
from springtide.api.views_shares import shares_wire
from springtide.api.wire import (
    DepartmentWire,
    LedgerEntryWire,
    LinkWire,
    NodeWire,
    NoticeWire,
    PoolWire,
    RentalWire,
    StatusWire,
    TeamWire,
    TermsWire,
    TileWire,
)
from springtide.api.wire_base import Amounts, amounts
from springtide.model.fleet import Department, Link, Pool, Team
from springtide.model.identifiers import NodeId
from springtide.model.leases import LedgerEntry
from springtide.model.observations import MachineState
from springtide.model.placements import Placement, PlacementState, Rental, RentalState
from springtide.model.record import Record
from springtide.model.resources import Resources, total
from springtide.planning.board import NodeRoom
from springtide.planning.draft import machine_states
from springtide.planning.line_calendar import bandwidth_of
from springtide.planning.money import next_charge


def status_wire(standing: Standing) -> StatusWire:
    fleet = standing.record.fleet
    return StatusWire(
        at=standing.now,
        version=standing.record.version,
        currency=fleet.currency,
        spend_micros=rent_micros(standing.record),
        rented_nodes=sum(1 for rental in standing.record.rentals.values() if rental.state is RentalState.RENTING),
        ingress_port=standing.ingress_port,
        terms=TermsWire(
            notice_seconds=fleet.reclaim.notice_seconds,
            grace_seconds=fleet.reclaim.grace_seconds,
            hold_seconds=fleet.reclaim.hold_seconds,
        ),
        departments=[
            DepartmentWire(name=each.name, parent=each.parent, cohort=each.cohort, **_ceilings(each))
            for each in fleet.departments
        ],
        teams=[
            TeamWire(
                name=each.name, department=each.department, weight=each.weight, cohort=each.cohort, **_ceilings(each)
            )
            for each in fleet.teams
        ],
        links=[_link_wire(link, standing.now) for link in fleet.links],
        services=service_wires(standing),
        pools=pool_wires(standing),
        shares=shares_wire(standing),
        notices=notice_wires(standing),
    )


def _ceilings(member: Team | Department) -> dict[str, Amounts]:
    return {
        "nominal": amounts(member.nominal),
        "lending_limit": amounts(member.lending_limit),
        "borrowing_limit": amounts(member.borrowing_limit),
    }


def _link_wire(link: Link, now: datetime) -> LinkWire:
    return LinkWire(
        name=link.name,
        sites=list(link.sites),
        bits_per_second=bandwidth_of(link, now),
        base_bits_per_second=link.bits_per_second,
        latency_seconds=link.latency_seconds,
        pull_bits_per_second=link.pull_bits_per_second,
        windows=len(link.windows),
    )


def notice_wires(standing: Standing) -> list[NoticeWire]:
    """Who must leave, by service and ordinal."""
    board = standing.board
    leaving = (board.placements[id] for ids in board.departing.values() for id in ids)
    return [
        NoticeWire(
            instance=each.instance,
            service=each.service,
            team=board.team_of(each),
            node=each.node,
            pool=each.pool,
            rule=each.eviction.rule,
            chosen_by=each.eviction.chosen_by,
            beneficiary=each.eviction.beneficiary,
            sentence=f"{each.instance} leaves {each.node}{eviction_sentence(each.eviction)}.",
            drain_by=each.eviction.drain_by,
            gone_by=each.gone_by or each.eviction.gone_by,
        )
        for each in sorted(leaving, key=lambda each: (each.service, each.ordinal))
        if each.eviction is not None
    ]


def rent_micros(record: Record) -> int:
    """All rent committed so far: past machines from the ledger, present ones by their periods."""
    past = sum(entry.amount_micros for entry in record.ledger.values() if entry.kind == "rent")
    return past + sum(committed_micros(rental) for rental in record.rentals.values())


def committed_micros(rental: Rental) -> int:
    return rental.periods_committed * rental.price_micros_per_period


def pool_wires(standing: Standing) -> list[PoolWire]:
    """The fleet's pools in the fleet file's order."""
    nodes: dict[str, list[NodeWire]] = {}
    for node in _node_wires(standing):
        nodes.setdefault(node.pool, []).append(node)
    return [_pool_wire(pool, nodes.get(pool.name, [])) for pool in standing.record.fleet.pools]


def _pool_wire(pool: Pool, nodes: list[NodeWire]) -> PoolWire:
    return PoolWire(
        name=pool.name,
        site=pool.site,
        team=pool.team,
        cloud=pool.cloud,
        is_elastic=pool.is_elastic,
        cohort=pool.cohort,
        contribution_percent=pool.contribution_percent,
        contribution_by_kind=dict(pool.contribution_by_kind),
        lending_limit=amounts(pool.lending_limit) if pool.lending_limit is not None else None,
        max_nodes=pool.max_nodes,
        price_micros_per_cpu_hour=pool.price_micros_per_cpu_hour,
        allocatable=amounts(total(Resources.of(node.allocatable) for node in nodes)),
        used=amounts(total(Resources.of(node.used) for node in nodes)),
        nodes=nodes,
    )


def _used(room: NodeRoom) -> Resources:
    return room.node.allocatable - room.free


def _node_wires(standing: Standing) -> list[NodeWire]:
    rentals = {rental.node: rental for rental in standing.record.rentals.values()}
    machines = machine_states(standing.index)
    placements: dict[NodeId, list[Placement]] = {}
    for placement in (*standing.board.placements.values(), *standing.record.standby.values()):
        placements.setdefault(placement.node, []).append(placement)
    wires = []
    for id, room in standing.board.rooms.items():
        rental = rentals.get(id)
        here = sorted(placements.get(id, ()), key=lambda each: (each.service, each.ordinal))
        labels = dict(room.node.labels)
        wires.append(
            NodeWire(
                id=id,
                pool=room.node.pool,
                state=_node_state(room, rental, machines.get(rental.token) if rental else None),
                zone=labels.get("zone"),
                labels=labels,
                allocatable=amounts(room.node.allocatable),
                used=amounts(_used(room)),
                instances=[_tile_wire(standing, placement) for placement in here],
                rental=_rental_wire(rental) if rental else None,
            )
        )
    return wires


def _node_state(room: NodeRoom, rental: Rental | None, machine: MachineState | None) -> str:
    if rental is None:
        return "ready" if room.accepts else "removed"
    if rental.state is RentalState.RETURNING or machine is MachineState.RETURNING:
        return "returning"
    return "ready" if machine is MachineState.READY else "booting"


def _tile_wire(standing: Standing, placement: Placement) -> TileWire:
    service = standing.record.services.get(placement.service)
    return TileWire(
        id=placement.instance,
        service=placement.service,
        team=service.team if service else None,
        rung=standing.rungs[placement.instance].value if placement.instance in standing.rungs else None,
        state=state_of(standing, placement),
        readiness=readiness_of(standing, placement.instance).value,
        leaving=placement.eviction is not None or placement.state is not PlacementState.RUNNING,
    )


def _rental_wire(rental: Rental) -> RentalWire:
    return RentalWire(
        cloud=rental.cloud,
        shape=rental.shape,
        state=rental.state.value,
        team=rental.team,
        requested_at=rental.requested_at,
        since=rental.since,
        boot_seconds=rental.boot_seconds,
        price_micros_per_hour=rental.price_micros_per_hour,
        price_micros_per_period=rental.price_micros_per_period,
        billing_period_seconds=rental.billing_period_seconds,
        committed_micros=committed_micros(rental),
        next_charge=next_charge(rental),
    )


def ledger_entry_wire(entry: LedgerEntry) -> LedgerEntryWire:
    return LedgerEntryWire(
        id=entry.id,
        kind=entry.kind,
        debtor=entry.debtor,
        creditor=entry.creditor,
        pool=entry.pool,
        since=entry.since,
        until=entry.until,
        instance_seconds=entry.instance_seconds,
        amount_micros=entry.amount_micros,
        subject=entry.subject,
    )
