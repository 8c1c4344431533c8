"""What deploying, restarting and removing apps answer, and what a deployment would change."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from springtide.api.views_plan import DepartureWire, ServiceOutlookWire
from springtide.api.wire import RunWire
from springtide.api.wire_base import ReasonWire, Wire


class DifferenceWire(Wire):
    """One field in which a service differs; values of variables, labels and files are never told."""

    field: str
    words: str


class AppServiceChangeWire(Wire):
    """What becomes of one service."""

    id: str
    verdict: str = Field(description="create, change, unchanged or remove.")
    differences: list[DifferenceWire]
    replacement: str = Field(description="How it gets a new revision: none, one-by-one or old-goes-first.")
    weakenings: list[str] = Field(description="What its template opens more than an ordinary container has.")
    images: dict[str, str] = Field(description="Containers whose image isn't known yet: build, or pull.")
    outlook: ServiceOutlookWire | None = Field(description="Where it would come to rest; null where nothing moves.")


class NamesChangeWire(Wire):
    made: list[str]
    changed: list[str]
    dropped: list[str]


class AppChangesWire(Wire):
    """What putting an app would change, and where its instances would go. Nothing was changed."""

    app: str
    is_nothing: bool
    services: list[AppServiceChangeWire]
    networks: NamesChangeWire
    volumes: NamesChangeWire
    departures: list[DepartureWire] = Field(description="Instances of others that would leave for this app.")
    machines_more: int = Field(description="Machines more that would be rented.")
    rent_micros_per_hour_more: int
    currency: str
    stopped: ReasonWire | None = Field(description="Why the outlook ended before the fleet was at rest.")
    urls: dict[str, list[str]] = Field(description="Where each service would answer.")


class FoundImagesWire(Wire):
    """Immutable references by the references that were asked for; null where the engine doesn't have it."""

    images: dict[str, str | None]
    notices: list[str]


class RestartedWire(Wire):
    app: str
    services: list[str]
    restarted_at: datetime


class ProgressServiceWire(Wire):
    """How far one service of an app is."""

    id: str
    revision: str
    wanted: int
    minimum: int
    ready: int = Field(
        description="Ready instances of the wanted revision, placed since the last restart; of what runs to its end "
        "those that have run for 10 s."
    )
    outdated: int = Field(description="Instances that are to be replaced yet.")
    serving_outdated: int = Field(description="Those of them that are ready.")
    missing: int = Field(description="Wanted, and without a place.")
    crashes: int = Field(description="Instances of the wanted revision that failed in a row.")
    run: RunWire | None = Field(description="null where its instances are kept running.")


class ProgressWire(Wire):
    """How far an app is. ``state`` names what is shown: asked for with it, the answer waits for another."""

    state: str
    services: list[ProgressServiceWire]


class ImageWire(Wire):
    """An immutable image reference."""

    image: str


class DeployedWire(Wire):
    """What a deployment changed."""

    app: str
    version: int
    services: list[str]
    removed: list[str]
    urls: dict[str, list[str]]


class ScaledWire(Wire):
    service: str
    minimum: int
    maximum: int


class DeletedWire(Wire):
    app: str
    services: list[str]


class RedeployedWire(Wire):
    """A redeployment: what it changes, and what was written; null where it was only looked at."""

    changes: AppChangesWire
    deployed: DeployedWire | None
    notices: list[str]
