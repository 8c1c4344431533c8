"""What a deployment would change, and how far an app is, as the API shows them."""

from __future__ import annotations

import json
from datetime import timedelta

from springtide.api.app_changes import AppChanges, NamesChange, ServiceChange
from springtide.api.deployments import services_of
from springtide.api.platform import Platform
from springtide.api.views_plan import departure_wire, service_outlook_wire
from springtide.api.views_runs import run_wire
from springtide.api.views_services import rollout_wire, urls_of
from springtide.api.wire_apps import (
    AppChangesWire,
    AppServiceChangeWire,
    DifferenceWire,
    NamesChangeWire,
    ProgressServiceWire,
    ProgressWire,
)
from springtide.api.wire_base import reason_wire
from springtide.formats.app_specs import DeployedApp
from springtide.model.identifiers import AppName
from springtide.model.placements import Placement, RentalState
from springtide.model.record import Record
from springtide.model.workloads import Service
from springtide.planning.outlook import Outlook

STEADY_SECONDS = 10.0


def app_changes_wire(deployed: DeployedApp, changes: AppChanges, record: Record, ingress_port: int) -> AppChangesWire:
    app, outlook = deployed.app.name, changes.outlook
    renting = [each for each in record.rentals.values() if each.state is RentalState.RENTING]
    rent = sum(each.price_micros_per_hour for each in renting)
    return AppChangesWire(
        app=app,
        is_nothing=changes.is_nothing,
        services=[_service_change(each, outlook) for each in changes.services],
        networks=_names(changes.networks),
        volumes=_names(changes.volumes),
        departures=[
            departure_wire(each)
            for each in (outlook.departures if outlook is not None else ())
            if each.beneficiary is not None and each.beneficiary.startswith(f"{app}/")
        ],
        machines_more=max(0, outlook.end.rented_nodes - len(renting)) if outlook is not None else 0,
        rent_micros_per_hour_more=max(0, outlook.end.rent_micros_per_hour - rent) if outlook is not None else 0,
        currency=record.fleet.currency,
        stopped=reason_wire(outlook.stopped) if outlook is not None and outlook.stopped is not None else None,
        urls={service.id: urls_of(service.routes, ingress_port) for service in deployed.services},
    )


def _service_change(change: ServiceChange, outlook: Outlook | None) -> AppServiceChangeWire:
    return AppServiceChangeWire(
        id=change.id,
        verdict=change.verdict.value,
        differences=[DifferenceWire(field=each.field, words=each.words) for each in change.differences],
        replacement=change.replacement.value,
        weakenings=list(change.weakenings),
        images=dict(change.images),
        outlook=service_outlook_wire(outlook, change.id) if outlook is not None else None,
    )


def _names(names: NamesChange) -> NamesChangeWire:
    return NamesChangeWire(made=list(names.made), changed=list(names.changed), dropped=list(names.dropped))


def progress_wire(platform: Platform, app: AppName) -> ProgressWire:
    """Worked out from what was last seen; cheap enough to be asked many times a second."""
    record = platform.record
    placements: dict[str, list[Placement]] = {id: [] for id in services_of(record, app)}
    for each in record.placements.values():
        if each.service in placements:
            placements[each.service].append(each)
    services = [_progress(platform, record.services[id], placements[id]) for id in services_of(record, app)]
    state = json.dumps([each.model_dump(mode="json") for each in services], sort_keys=True)
    return ProgressWire(state=state, services=services)


def _progress(platform: Platform, service: Service, placements: list[Placement]) -> ProgressServiceWire:
    told, rollout = platform.explanations.get(service.id), rollout_wire(platform.index, service, placements)
    crash = platform.index.carry.crashes.get(service.id)
    is_one_shot = platform.record.one_shot_policy(service.revision) is not None
    is_told = told is not None and platform.index.record.services.get(service.id) == service
    return ProgressServiceWire(
        id=service.id,
        revision=service.revision,
        wanted=told.wanted if told is not None and is_told else service.scale.minimum,
        minimum=service.scale.minimum,
        ready=_steady(platform, service, placements) if is_one_shot else rollout.ready,
        outdated=rollout.outdated,
        serving_outdated=rollout.serving_outdated,
        missing=told.missing if told is not None and is_told else 0,
        crashes=crash.count if crash is not None and crash.is_of(service) else 0,
        run=run_wire(platform.record, service),
    )


def _steady(platform: Platform, service: Service, placements: list[Placement]) -> int:
    """Of what runs to its end those that have run for a while: a worker that is wanted to go on needn't end."""
    long_ago = platform.now() - timedelta(seconds=STEADY_SECONDS)
    old = [each for each in placements if each.placed_at <= long_ago]
    return rollout_wire(platform.index, service, old).ready
