"""The one planner: demand, owners, guests, cloud, home and convergence, composed into one pure function.

The order of the steps is the policy: what failed is settled first, surplus is let go, rented
machines that serve are paid for, owners take what is theirs, guests share what is left, the cloud
carries the rest, and only what lasts comes home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from springtide.model.identifiers import InstanceId, ServiceId
from springtide.model.leases import Lease
from springtide.model.observations import Readiness
from springtide.model.placements import Placement
from springtide.model.record import Change, Commit, Kind
from springtide.model.routing import RouteTable
from springtide.model.workloads import App, Revision
from springtide.planning.accounts import plan_leases, plan_ledger
from springtide.planning.bursting import place_in_cloud
from springtide.planning.consolidation import consolidate
from springtide.planning.convergence import Action, changed, converge, plan_actions
from springtide.planning.crossings import open_lines
from springtide.planning.demand import plan_demand
from springtide.planning.draft import Draft, start_draft
from springtide.planning.explanation import Explanation, explain, tell_growth
from springtide.planning.homecoming import come_home
from springtide.planning.index import Carry, Index
from springtide.planning.memo import Memo
from springtide.planning.rebalancing import make_room
from springtide.planning.reclaim import place_owned
from springtide.planning.remembering import plan_memos
from springtide.planning.renewal import secure_rentals, settle_rentals
from springtide.planning.resuming import give_names
from springtide.planning.routing import plan_routes
from springtide.planning.settlement import settle
from springtide.planning.sharing import place_guests
from springtide.planning.shrinking import shrink
from springtide.planning.standby import make_standby_yield, refill_standby, settle_standby

READS = (
    Kind.FLEET,
    Kind.APP,
    Kind.SERVICE,
    Kind.REVISION,
    Kind.ORDINAL,
    Kind.PLACEMENT,
    Kind.STANDBY,
    Kind.LEASE,
    Kind.RENTAL,
    Kind.LEDGER,
    Kind.RUN,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to commit, what adapters must then do, and why.

    ``changes`` are valid only for the set versions in ``read_versions``. ``actions`` and ``routes``
    hold once the changes are committed.
    """

    now: datetime
    changes: tuple[Change, ...]
    read_versions: Mapping[Kind, int]
    actions: tuple[Action, ...]
    routes: RouteTable
    explanations: Mapping[ServiceId, Explanation]
    carry: Carry


def plan(index: Index, now: datetime) -> Plan:
    """Decide everything for this moment. Same index and moment, same plan."""
    draft = start_draft(index, plan_demand(index, now), now)
    settle(draft)
    settle_standby(draft)
    shrink(draft)
    open_lines(draft)
    secure_rentals(draft)
    place_owned(draft)
    place_guests(draft)
    make_room(draft)
    place_in_cloud(draft)
    come_home(draft)
    consolidate(draft)
    give_names(draft)
    converge(draft)
    make_standby_yield(draft)
    refill_standby(draft)
    settle_rentals(draft)
    tell_growth(draft)
    leases = plan_leases(draft)
    changes = _changes(draft, leases)
    after = index.record.after(Commit(index.record.version + 1, changes))
    explanations, routes = explain(draft), plan_routes(after, draft)
    return Plan(
        now=now,
        changes=(*changes, *_event_changes(draft, explanations)),
        read_versions=MappingProxyType({kind: index.record.set_versions.get(kind, 0) for kind in READS}),
        actions=plan_actions(index, after, draft),
        routes=routes,
        explanations=MappingProxyType(explanations),
        carry=_carry(draft, explanations, plan_memos(draft, leases.values(), routes)),
    )


def _changes(draft: Draft, leases: dict[str, Lease]) -> tuple[Change, ...]:
    record = draft.index.record
    sets: list[tuple[Kind, Mapping[Any, Any], Mapping[Any, Any]]] = [
        (Kind.REVISION, record.revisions, _plan_revisions(draft)),
        (Kind.ORDINAL, record.ordinals, _plan_ordinals(draft)),
        (Kind.PLACEMENT, _touched(draft, record.placements), _touched(draft, draft.board.placements)),
        (Kind.STANDBY, record.standby, draft.board.standby),
        (Kind.LEASE, record.leases, leases),
        (Kind.RENTAL, record.rentals, draft.rentals),
        (Kind.LEDGER, record.ledger, {**record.ledger, **plan_ledger(draft, leases)}),
        (Kind.APP, record.apps, _plan_apps(draft)),
        (Kind.RUN, record.runs, draft.runs),
    ]
    return tuple(Change(kind, id, value) for kind, before, after in sets for id, value in changed(before, after))


def _touched(draft: Draft, placements: Mapping[InstanceId, Placement]) -> dict[str, Placement]:
    """Those that this plan may have changed: all others are as they were."""
    return {id: placements[id] for id in sorted(draft.board.touched) if id in placements}


def _plan_apps(draft: Draft) -> dict[str, App]:
    """Forget apps of which nothing is left; one that was deployed anew meanwhile has services again."""
    apps = draft.index.record.apps
    return {name: app for name, app in apps.items() if app.services or name not in draft.index.cleared}


def _plan_revisions(draft: Draft) -> dict[str, Revision]:
    """Forget revisions that no service and no instance has any more; note those that have proved themselves."""
    record = draft.index.record
    used = record.services.keys() | draft.index.ground.groups.keys()
    kept = {id: revision for id, revision in record.revisions.items() if revision.service in used}
    for id in sorted(kept):
        if kept[id].proven_at is None and _is_proven(draft, kept[id]):
            kept[id] = replace(kept[id], proven_at=draft.now)
    return {str(id): revision for id, revision in kept.items()}


def _is_proven(draft: Draft, revision: Revision) -> bool:
    """Whether an instance of it has been ready at home for the proof time."""
    proof = timedelta(seconds=draft.board.fleet.scaling.proof_seconds)
    for placement in draft.of_service(revision.service):
        probed = draft.index.readiness.get(placement.instance)
        if (
            placement.revision == revision.id
            and not draft.board.pools[placement.pool].is_elastic
            and probed is not None
            and probed.readiness is Readiness.READY
            and draft.now - probed.since >= proof
        ):
            return True
    return False


def _plan_ordinals(draft: Draft) -> dict[str, int]:
    """Counters of rentals stay for good; those of services go with the service's last instance, ended ones too."""
    services, instances = draft.index.record.services, draft.index.instances
    used = {id for id, count in draft.board.counts.items() if count} | draft.board.standby_of.keys()
    used.update(instances[id].service for id in draft.index.ground.unsettled if id in instances)
    return {
        str(id): number
        for id, number in draft.ordinals.items()
        if id in services or id in used or id.startswith("rental:")
    }


def _event_changes(draft: Draft, explanations: Mapping[ServiceId, Explanation]) -> list[Change]:
    """Events of this plan, and one for each service whose refusal is a new one."""
    for id, explanation in explanations.items():
        code = _refusal_code(explanation)
        if code and code != draft.index.carry.refusals.get(id):
            sentences = " ".join(refusal.sentence for refusal in explanation.refusals)
            sentence = f"{explanation.missing} of {explanation.wanted} have no place. {sentences}"
            draft.say(id, code, sentence, missing=explanation.missing, wanted=explanation.wanted)
    prefix = f"{draft.index.record.version + 1:012d}"
    return [Change(Kind.EVENT, f"{prefix}-{n:04d}", event) for n, event in enumerate(draft.events)]


def _refusal_code(explanation: Explanation) -> str:
    """The last rung's refusal names what is missing in the end."""
    return explanation.refusals[-1].code if explanation.missing and explanation.refusals else ""


def _carry(draft: Draft, explanations: Mapping[ServiceId, Explanation], memos: dict[ServiceId, Memo]) -> Carry:
    return Carry(
        room_since=MappingProxyType(dict(draft.room_since)),
        spare_since=MappingProxyType(dict(draft.spare_since)),
        crashes=MappingProxyType(dict(draft.crashes)),
        refusals=MappingProxyType({id: _refusal_code(each) for id, each in explanations.items()}),
        rent_refusals=MappingProxyType(dict(draft.rent_refusals)),
        lacking_since=MappingProxyType(dict(draft.lacking_since)),
        rungs=MappingProxyType(draft.board.known_rungs),
        tally=draft.board.tally,
        use=draft.known_use,
        memos=MappingProxyType(memos),
        seen=draft.news.as_seen(),
        demands=MappingProxyType(draft.demands),
    )
