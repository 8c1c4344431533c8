"""What services put on lines: declared, and measured from what their instances' networks count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.record import Record
from springtide.model.workloads import Service
from springtide.planning.lines import LineLoad, home_site_of

_PERCENTILE = 95
_MICROSECOND = timedelta(microseconds=1)


class NetworkPoint(NamedTuple):
    """What one instance had received and sent at a moment, in bytes since its counters began."""

    at: datetime
    received_bytes: int
    sent_bytes: int


def line_load_of(service: Service, measured: tuple[int, int] | None) -> LineLoad:
    """What one instance counts for on the line: in each direction the larger of declared and measured."""
    declared = service.line_load_bits_per_second
    to_home, from_home = measured or (0, 0)
    return LineLoad(max(declared, to_home), max(declared, from_home))


def away_from_home(record: Record) -> dict[InstanceId, ServiceId]:
    """The instances whose use of lines is worth measuring: of services that declare a load, at another site."""
    fleet = record.fleet
    loaded = [each for each in record.services.values() if each.line_load_bits_per_second > 0] if fleet.links else []
    if not loaded:
        return {}
    homes = {team: home_site_of(fleet, team) for team in {each.team for each in loaded}}
    home_of = {each.id: homes[each.team] for each in loaded if homes[each.team] is not None}
    sites = {pool.name: pool.site for pool in fleet.pools}
    return {
        id: placement.service
        for id, placement in record.placements.items()
        if placement.service in home_of
        and sites.get(placement.pool, home_of[placement.service]) != home_of[placement.service]
    }


def measured_load(instances: Iterable[Sequence[NetworkPoint]], now: datetime, window_seconds: float) -> LineLoad | None:
    """The 95th percentile, by nearest rank, of what a service's instances sent and received within the window.

    Takes each instance's points in the order in which they were seen. Each stretch between two points
    counts as one, however long it is; it belongs to the moment at which it ends. ``None`` where the
    window holds none.
    """
    horizon = now - timedelta(seconds=window_seconds)
    rates = (
        rate_between(before, after)
        for points in instances
        for before, after in pairwise(points)
        if horizon < after.at <= now
    )
    return percentile_of([rate for rate in rates if rate is not None])


def rate_between(before: NetworkPoint, after: NetworkPoint) -> LineLoad | None:
    """Bits a second between two points, rounded up; ``None`` where the clock stood or jumped back.

    Counters that have fallen were started anew: what they show now is what has passed since.
    """
    microseconds = (after.at - before.at) // _MICROSECOND
    if microseconds <= 0:
        return None
    is_restarted = after.received_bytes < before.received_bytes or after.sent_bytes < before.sent_bytes
    received = after.received_bytes - (0 if is_restarted else before.received_bytes)
    sent = after.sent_bytes - (0 if is_restarted else before.sent_bytes)
    return LineLoad(to_home=-(-sent * 8_000_000 // microseconds), from_home=-(-received * 8_000_000 // microseconds))


def percentile_of(rates: Sequence[LineLoad]) -> LineLoad | None:
    """The 95th percentile by nearest rank, each direction apart; ``None`` of nothing."""
    if not rates:
        return None
    rank = -(-len(rates) * _PERCENTILE // 100)
    to_home = sorted(rate.to_home for rate in rates)[rank - 1]
    from_home = sorted(rate.from_home for rate in rates)[rank - 1]
    return LineLoad(to_home, from_home)
