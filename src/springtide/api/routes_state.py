"""What there is: status, services, instances, pools, leases, ledger, fleet, apps and the recent past."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from springtide.api.deployments import find_service
from springtide.api.fleet_form import fleet_json
from springtide.api.platform import Platform
from springtide.api.standing import take_standing
from springtide.api.views_fleet import ledger_entry_wire, pool_wires, rent_micros, status_wire
from springtide.api.views_services import instance_wires, sample_wire, service_wires
from springtide.api.views_shares import shares_wire
from springtide.api.views_why import why_wire
from springtide.api.wire import (
    AppWire,
    HealthWire,
    InstanceWire,
    LeaseWire,
    LedgerWire,
    PoolWire,
    SampleWire,
    ServiceWire,
    StatusWire,
    WhyWire,
)
from springtide.api.wire_shares import SharesWire
from springtide.model.identifiers import ServiceId


def state_routes(platform: Platform) -> APIRouter:
    """Reads only. Larger answers are worked out off the event loop: plain functions run in threads."""
    routes = APIRouter(tags=["state"])

    @routes.get("/healthz")
    async def health() -> HealthWire:
        """Whether the control plane answers."""
        return HealthWire(status="ok", version=platform.record.version, is_planning=bool(platform.samples))

    @routes.get("/status")
    def status() -> StatusWire:
        """The whole fleet: teams, services, pools with their nodes and what runs on them, rent so far."""
        return status_wire(take_standing(platform))

    @routes.get("/services")
    def services() -> list[ServiceWire]:
        """Each service: wanted and ready counts, instances by rung, load and URL."""
        return service_wires(take_standing(platform))

    @routes.get("/instances")
    def instances() -> list[InstanceWire]:
        """Each instance: where, under which rung, how it is, and why it leaves if it does."""
        return instance_wires(take_standing(platform))

    @routes.get("/pools")
    def pools() -> list[PoolWire]:
        """Each pool with its nodes, rented ones with their price and next charge."""
        return pool_wires(take_standing(platform))

    @routes.get("/shares")
    def shares() -> SharesWire:
        """Each team's weighted dominant share, its quota, what it lends, and every limit with its use."""
        return shares_wire(take_standing(platform))

    @routes.get("/why/{app}/{service}")
    def why(app: str, service: str) -> WhyWire:
        """Why a service has the count it has: demand, holdings, refusals, and what isn't ready."""
        standing = take_standing(platform)
        return why_wire(standing, find_service(standing.record, ServiceId(f"{app}/{service}")))

    @routes.get("/samples")
    async def samples(
        since: Annotated[datetime | None, Query(description="Only later ones; UTC where no offset is given.")] = None,
    ) -> list[SampleWire]:
        """The recent past, about two samples a second, oldest first."""
        start = since.replace(tzinfo=since.tzinfo or UTC) if since is not None else None
        return [sample_wire(each) for each in tuple(platform.samples) if start is None or each.at > start]

    return routes


def record_routes(platform: Platform) -> APIRouter:
    """The record's sets as they are."""
    routes = APIRouter(tags=["record"])

    @routes.get("/fleet")
    async def fleet() -> dict[str, Any]:
        """The fleet as the fleet file gives it: sites, teams, pools, nodes, clouds, budgets and terms."""
        return dict(fleet_json(platform.record.fleet))

    @routes.get("/apps")
    async def apps() -> list[AppWire]:
        """Each app: its team, its services and its networks."""
        return [
            AppWire(
                name=app.name,
                team=app.team,
                services=list(app.services),
                networks=list(app.networks),
                deployed_at=app.deployed_at,
                is_leaving=not app.services,
            )
            for _, app in sorted(platform.record.apps.items())
        ]

    @routes.get("/leases")
    async def leases() -> list[LeaseWire]:
        """Who holds how many instances on which pool, under which rung and on which terms."""
        return [
            LeaseWire(
                service=lease.service,
                pool=lease.pool,
                rung=lease.rung.value,
                count=lease.count,
                since=lease.since,
                until=lease.until,
                reclaimable=lease.reclaimable,
                price_micros_per_hour=lease.price_micros_per_hour,
            )
            for _, lease in sorted(platform.record.leases.items())
        ]

    @routes.get("/ledger")
    async def ledger() -> LedgerWire:
        """What parties owe one another, in closed entries; rent of present nodes is in the sum only."""
        record = platform.record
        entries = [ledger_entry_wire(entry) for _, entry in sorted(record.ledger.items())]
        return LedgerWire(
            currency=record.fleet.currency,
            rent_micros=rent_micros(record),
            lend_micros=sum(entry.amount_micros for entry in entries if entry.kind == "lend"),
            entries=entries,
        )

    return routes
