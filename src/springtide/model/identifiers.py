"""Names of things, as types, so that a node can't be passed where a pool is meant."""

from __future__ import annotations

from typing import NewType

SiteName = NewType("SiteName", str)
TeamName = NewType("TeamName", str)
PoolName = NewType("PoolName", str)
NodeId = NewType("NodeId", str)
CloudName = NewType("CloudName", str)
AppName = NewType("AppName", str)
ServiceId = NewType("ServiceId", str)
"""An app and one of its services: ``feed/web``."""
RevisionId = NewType("RevisionId", str)
InstanceId = NewType("InstanceId", str)
"""Deterministic and never used twice: ``feed-web-12``."""
RentalToken = NewType("RentalToken", str)
"""The idempotency token of one rent request; also names the rented node."""


def service_id(app: AppName, service: str) -> ServiceId:
    """Join an app and a service name into the service's id."""
    return ServiceId(f"{app}/{service}")


def instance_id(service: ServiceId, ordinal: int) -> InstanceId:
    """Name the instance with this ordinal of a service: valid as a host and container name."""
    return InstanceId(f"{service.replace('/', '-')}-{ordinal}")
