"""The fleet as Prometheus metrics, worked out when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from springtide.api.standing import Standing
from springtide.api.views_fleet import rent_micros
from springtide.api.views_services import service_wires
from springtide.api.wire import ServiceWire
from springtide.model.fleet import MICROS
from springtide.model.placements import RentalState

_GAUGES = (
    ("wanted", "Instances that the demand asks for."),
    ("ready", "Instances that are ready."),
    ("missing", "Instances that are wanted and have no place."),
    ("queued", "Requests that wait in the router."),
    ("capacity", "Requests a second that the ready instances carry in comfort."),
    ("rate", "Requests a second that arrive."),
)
_COUNTERS = (
    ("requests", "Requests that arrived, since the router started."),
    ("shed", "Requests answered 503 because of overload."),
    ("failed", "Requests with other 5xx answers or broken connections."),
)


def metrics_text(standing: Standing) -> bytes:
    """The text that a Prometheus server scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FleetCollector(standing))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _FleetCollector(Collector):
    standing: Standing

    def collect(self) -> Iterator[Metric]:
        services = service_wires(self.standing)
        yield _instances(services)
        for field, help in _GAUGES:
            gauge = GaugeMetricFamily(f"springtide_service_{field}", help, labels=["service"])
            for service in services:
                value = getattr(service, field)
                if value is not None:
                    gauge.add_metric([service.id], value)
            yield gauge
        for field, help in _COUNTERS:
            counter = CounterMetricFamily(f"springtide_service_{field}", help, labels=["service"])
            for service in services:
                counter.add_metric([service.id], getattr(service, field))
            yield counter
        yield from self._rent()

    def _rent(self) -> Iterator[Metric]:
        record = self.standing.record
        rented = sum(1 for rental in record.rentals.values() if rental.state is RentalState.RENTING)
        yield GaugeMetricFamily("springtide_rented_nodes", "Nodes rented now.", value=rented)
        spend = CounterMetricFamily("springtide_spend", "Rent committed so far.", labels=["currency"])
        spend.add_metric([record.fleet.currency], rent_micros(record) / MICROS)
        yield spend


def _instances(services: list[ServiceWire]) -> Metric:
    gauge = GaugeMetricFamily("springtide_instances", "Instances by rung.", labels=["service", "rung"])
    for service in services:
        for rung, count in service.rungs.items():
            gauge.add_metric([service.id, rung], count)
    return gauge
