"""The outlook from files: the planner played forward until nothing changes."""

from __future__ import annotations

from dataclasses import replace

from springtide.model.identifiers import ServiceId
from springtide.model.record import Change, Commit, Kind, Record
from springtide.model.workloads import Route, ScalePolicy, Service
from springtide.planning.outlook import Outlook, simulate_outlook
from tests.builders import START, a_fleet, a_revision, a_service, an_app, an_offer

REDPACKET = ServiceId("redpacket/web")
ROUTES = (Route(8000, host="web.localhost"),)


def a_record(*services: Service, **fleet: object) -> Record:
    changes = [Change(Kind.FLEET, "fleet", a_fleet(**fleet))]
    for service in services:
        changes.append(Change(Kind.APP, service.app, an_app(service.app, service.id)))
        changes.append(Change(Kind.REVISION, service.revision, a_revision(service.id, proven_at=None)))
        changes.append(Change(Kind.SERVICE, service.id, service))
    return Record().after(Commit(1, tuple(changes)))


def rungs(outlook: Outlook, service: ServiceId) -> dict[str, int]:
    counts: dict[str, int] = {}
    for holding in outlook.explanations[service].holdings:
        counts[holding.rung.value] = counts.get(holding.rung.value, 0) + holding.count
    return counts


def test_a_count_is_spread_over_the_whole_ladder_once_the_cloud_has_booted() -> None:
    outlook = simulate_outlook(a_record(a_service("redpacket/web", 16)), {}, START)
    assert outlook.is_at_rest
    assert rungs(outlook, REDPACKET) == {"own": 6, "shared": 4, "borrowed": 2, "cloud": 4}
    assert len(outlook.record.rentals) == 2
    assert outlook.seconds >= an_offer().boot_seconds


def test_a_rate_is_answered_by_the_code_that_answers_it_in_earnest() -> None:
    scaled = a_service("redpacket/web", routes=ROUTES, scale=ScalePolicy(3, 40, requests_per_second=20))
    outlook = simulate_outlook(a_record(scaled), {REDPACKET: 300.0}, START)
    assert outlook.explanations[REDPACKET].wanted == 15
    assert sum(rungs(outlook, REDPACKET).values()) == 15
    assert outlook.explanations[REDPACKET].demand.figure("load") == 300.0


def test_what_has_no_place_is_told_with_its_reasons() -> None:
    outlook = simulate_outlook(a_record(a_service("redpacket/web", 40)), {}, START)
    explanation = outlook.explanations[REDPACKET]
    assert explanation.missing == 40 - 12 - 12
    assert explanation.refusals[-1].code == "node-limit"
    assert outlook.nodes_peak == 6


def test_two_teams_meet_as_they_would_on_the_night() -> None:
    record = a_record(a_service("feed/web", 8), a_service("redpacket/web", 12))
    outlook = simulate_outlook(record, {}, START)
    assert rungs(outlook, ServiceId("feed/web")) == {"own": 6, "shared": 2}
    assert rungs(outlook, REDPACKET) == {"own": 6, "shared": 2, "cloud": 4}


def test_the_same_record_gives_the_same_outlook() -> None:
    record = a_record(a_service("feed/web", 5), a_service("redpacket/web", 14))
    assert simulate_outlook(record, {}, START) == simulate_outlook(replace(record), {}, START)
