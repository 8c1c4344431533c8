"""A comparison of two outlooks as the wire shows it: each side's services, money and rest, and who must leave."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from springtide.api.wire import HoldingWire
from springtide.api.wire_base import ReasonWire, Wire, reason_wire
from springtide.model.identifiers import ServiceId
from springtide.model.leases import Rung
from springtide.planning.explanation import Explanation
from springtide.planning.outlook import Comparison, Departure, Look, Outlook


class ServiceOutlookWire(Wire):
    """One service on one side, at the moment that is compared."""

    wanted: int
    ready: int
    missing: int = Field(description="Wanted, and without a place.")
    waiting: int = Field(description="Wanted, with a place promised that isn't free yet.")
    rungs: dict[str, int] = Field(description="Instances by rung: own, shared, borrowed, cloud.")
    holdings: list[HoldingWire]
    short_seconds: float = Field(description="How long fewer were ready than wanted; a start counts as taking no time.")
    demand: ReasonWire
    refusals: list[ReasonWire] = Field(description="Why rungs have no place for one more.")


class ServiceChangeWire(Wire):
    """One service, as it is and as supposed; null where a side doesn't have it."""

    id: str
    before: ServiceOutlookWire | None
    after: ServiceOutlookWire | None


class DepartureWire(Wire):
    """An instance of the present that would have to leave."""

    instance: str
    service: str
    node: str
    rule: str
    beneficiary: str | None
    seconds: float = Field(description="When it is asked to, counted from now.")


class SideWire(Wire):
    """The fleet on one side."""

    at_rest: bool
    rest_seconds: float = Field(description="When the last change was made, counted from now.")
    stopped: ReasonWire | None = Field(description="Why the outlook ended before the fleet was at rest.")
    rented_nodes: int = Field(description="At the moment that is compared.")
    rent_micros_per_hour: int
    nodes_peak: int
    rent_peak_micros_per_hour: int
    rented_nodes_at_end: int
    rent_micros_per_hour_at_end: int
    departures: list[DepartureWire]


class ComparisonWire(Wire):
    """The same planner on the same present, without and with what is supposed. Nothing was changed."""

    supposed: list[str]
    holds: bool = Field(description="Both sides came to rest, and with the changes no service is short.")
    short: list[str] = Field(description="Services that are short with the changes, at the moment compared.")
    at_seconds: float = Field(description="The moment that is compared: rest, or just before the first spike ends.")
    is_at_height: bool = Field(description="Whether that moment is within a spike.")
    currency: str
    before: SideWire
    after: SideWire
    services: list[ServiceChangeWire]


def comparison_wire(comparison: Comparison) -> ComparisonWire:
    before, after = comparison.without, comparison.supposed
    short = [id for id, each in after.height.explanations.items() if each.missing or each.waiting]
    ids = sorted({*before.height.explanations, *after.height.explanations})
    return ComparisonWire(
        supposed=list(comparison.suppositions),
        holds=before.is_at_rest and after.is_at_rest and not short,
        short=[str(id) for id in short],
        at_seconds=after.height.seconds if after.height != after.end else after.seconds,
        is_at_height=after.height != after.end,
        currency=after.record.fleet.currency,
        before=_side(before),
        after=_side(after),
        services=[
            ServiceChangeWire(id=id, before=service_outlook_wire(before, id), after=service_outlook_wire(after, id))
            for id in ids
        ],
    )


def _side(outlook: Outlook) -> SideWire:
    height, end = outlook.height, outlook.end
    return SideWire(
        at_rest=outlook.is_at_rest,
        rest_seconds=outlook.seconds,
        stopped=reason_wire(outlook.stopped) if outlook.stopped is not None else None,
        rented_nodes=height.rented_nodes,
        rent_micros_per_hour=height.rent_micros_per_hour,
        nodes_peak=outlook.nodes_peak,
        rent_peak_micros_per_hour=outlook.rent_peak_micros_per_hour,
        rented_nodes_at_end=end.rented_nodes,
        rent_micros_per_hour_at_end=end.rent_micros_per_hour,
        departures=[departure_wire(each) for each in outlook.departures],
    )


def departure_wire(departure: Departure) -> DepartureWire:
    return DepartureWire(
        instance=departure.instance,
        service=departure.service,
        node=departure.node,
        rule=departure.rule,
        beneficiary=departure.beneficiary,
        seconds=departure.seconds,
    )


def service_outlook_wire(outlook: Outlook, id: ServiceId) -> ServiceOutlookWire | None:
    look: Look = outlook.height
    found: Mapping[ServiceId, Explanation] = look.explanations
    if id not in found:
        return None
    seen = found[id]
    counts = {rung.value: 0 for rung in Rung}
    for holding in seen.holdings:
        counts[holding.rung.value] += holding.count
    return ServiceOutlookWire(
        wanted=seen.wanted,
        ready=seen.ready,
        missing=seen.missing,
        waiting=seen.waiting,
        rungs=counts,
        holdings=[HoldingWire(pool=each.pool, rung=each.rung.value, count=each.count) for each in seen.holdings],
        short_seconds=outlook.short_seconds.get(id, 0.0),
        demand=reason_wire(seen.demand),
        refusals=[reason_wire(each) for each in seen.refusals],
    )
