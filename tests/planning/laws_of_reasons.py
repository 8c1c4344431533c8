"""Law 11: everything explains itself, with figures that the index bears out."""

from __future__ import annotations

from springtide.model.events import Reason
from springtide.model.fleet import Link
from springtide.model.identifiers import SiteName
from springtide.model.leases import Rung
from springtide.model.placements import Placement, PlacementState, RentalState
from springtide.model.resources import NOTHING, total
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.line_calendar import bandwidth_of
from tests.planning.laws import has_no_gap, is_blocked
from tests.planning.laws_of_lines import asked_by, reservations
from tests.planning.moments import Moment


def law_11_refusals_have_true_figures(moment: Moment) -> None:
    """Everything explains itself: what is missing has a refusal, and its figures are those of the index.

    ``used`` may exceed what is placed by what those wait for who count toward it: the owner, or the guests; and by
    no more.
    """
    for service in moment.services():
        explanation = moment.plan.explanations[service.id]
        assert not explanation.missing or explanation.refusals, f"law 11: {service.id} lacks instances without a word"
        for rung in service.ladder if explanation.missing and not is_blocked(explanation.refusals) else ():
            _rung_is_refused(moment, service, rung, explanation.refusals)
        for refusal in explanation.refusals:
            if refusal.code == "line-full":
                _line_figures_are_true(moment, refusal)
            elif refusal.code.endswith("-full"):
                _quota_figures_are_true(moment, service, refusal)


def _rung_is_refused(moment: Moment, service: Service, rung: Rung, refusals: tuple[Reason, ...]) -> None:
    """Every rung of the ladder that the fleet has says why it takes no more."""
    if rung is Rung.CLOUD:
        codes = {refusal.code for refusal in refusals if refusal.sentence.startswith("cloud: ")}
        assert codes, f"law 11: nothing is said of the cloud for {service.id}"
        return
    owned = [pool for pool in moment.fleet.pools if pool.team == service.team]
    others = [pool for pool in moment.fleet.pools if pool.team != service.team and not pool.is_elastic]
    lenders = [pool for pool in others if pool.team is not None]
    pools = {Rung.OWN: owned, Rung.SHARED: owned + others, Rung.BORROWED: lenders}[rung]
    told = {refusal.figure("pool") for refusal in refusals if ("rung", rung.value) in refusal.figures and pools}
    if not moment.plan.explanations[service.id].waiting and not _has_new_drains(moment) and has_no_gap(service):
        assert told == {pool.name for pool in pools}, f"law 11: {rung} of {service.id}: only {told} explained"


def _has_new_drains(moment: Moment) -> bool:
    """Whether this very plan begins a drain: what it will free was still in the way when others were placed."""
    return any(
        each.state is not PlacementState.RUNNING and _state_before(moment, each) is PlacementState.RUNNING
        for each in moment.placed()
    )


def _state_before(moment: Moment, placement: Placement) -> PlacementState | None:
    before = moment.before.placements.get(placement.instance)
    return before.state if before is not None else None


def _quota_figures_are_true(moment: Moment, service: Service, refusal: Reason) -> None:
    pool = next(each for each in moment.fleet.pools if each.name == refusal.figure("pool"))
    kind, used, limit = str(refusal.figure("kind")), refusal.figure("used"), refusal.figure("limit")
    healthy = moment.healthy(pool.name)
    team = [each for each in moment.services() if each.team == pool.team]
    promised = moment.waiting_amount(team)
    assert refusal.figure("needs") == service.resources[kind], f"law 11: {refusal.sentence}"
    assert isinstance(used, int)
    assert isinstance(limit, int)
    assert used + service.resources[kind] > limit, f"law 11: {refusal.sentence}"
    if pool.team == service.team:
        placed = moment.owner_use(pool)
        exact = quota.own_part(pool, healthy) if refusal.code == "own-full" else healthy
        assert limit == exact[kind], f"law 11: limit {limit}, truly {exact[kind]}"
        assert placed[kind] <= used <= placed[kind] + promised[kind], f"law 11: {refusal.sentence}"
    else:
        borrow = refusal.code == "borrowed-full"
        everybody = moment.guests(pool)
        firm = [each for each in everybody if moment.is_firm(each)]
        counted = everybody if service.band is Band.BEST_EFFORT else firm
        by_band = [moment.guest_limit(pool, may_borrow=borrow, promised=held)[kind] for held in (promised, NOTHING)]
        idle = [moment.idle(pool, held)[kind] for held in (promised, NOTHING)]
        if service.band is Band.BEST_EFFORT and borrow:
            by_band = idle
        waiting = moment.waiting_amount(each for each in moment.services() if each.team != pool.team)[kind]

        def is_use_of(guests: list[Placement]) -> bool:
            placed = total(each.resources for each in guests)[kind]
            return placed <= used <= placed + waiting

        of_band = is_use_of(counted) and by_band[0] <= limit <= by_band[1]
        of_all = is_use_of(everybody) and idle[0] <= limit <= idle[1]
        assert of_band or of_all, f"law 11: {refusal.sentence}: {by_band} by band, {idle} in all"


def _line_figures_are_true(moment: Moment, refusal: Reason) -> None:
    """The bandwidth is the calendar's, what is reserved at least what is placed, and one more is too much."""
    link = next(each for each in moment.fleet.links if each.name == refusal.figure("link"))
    reserved, asked = int(refusal.figure("reserved")), int(refusal.figure("asked"))
    width = bandwidth_of(link, moment.now)
    towards = SiteName(str(refusal.figure("towards")))
    assert refusal.figure("bandwidth") == width, f"law 11: {refusal.sentence}, truly {width}"
    assert asked > 0, f"law 11: {refusal.sentence}"
    assert reserved + asked > width, f"law 11: {refusal.sentence}"
    placed = reservations(moment).get((link, towards), 0) - _opened_by_this_plan(moment, link)
    assert reserved >= placed, f"law 11: {refusal.sentence}, truly {placed}"


def _opened_by_this_plan(moment: Moment, link: Link) -> int:
    """What came after whoever was refused, at most: refusals of the cloud are told as they were met."""
    return sum(bits for each in moment.added() for (crossed, _), bits in asked_by(moment, each) if crossed == link)


_CODES_OF_RULE = {
    "reclaim": ("reclaim-notice", "above-limit"),
    "home": ("come-home",),
    "revision": ("new-revision",),
}


def law_11_every_step_is_told(moment: Moment) -> None:
    """Every eviction, drain, rent and return has an event that names what it is about."""
    for id, placement in moment.after.placements.items():
        before = moment.before.placements.get(id)
        if before is None:
            continue
        eviction = placement.eviction
        if eviction is not None and eviction != before.eviction:
            codes = _CODES_OF_RULE.get(eviction.rule, (eviction.rule,))
            assert any(e["instance"] == id for code in codes for e in moment.events(code)), f"law 11: {id} {eviction}"
        elif placement.state is PlacementState.DRAINING and before.state is PlacementState.RUNNING and eviction is None:
            codes = ("shrink", "service-removed")
            assert any(e["instance"] == id for code in codes for e in moment.events(code)), f"law 11: {id} drains"
        if before.eviction is not None and eviction is None:
            codes = ("notice-withdrawn", "taken-back")
            assert any(e["instance"] == id for code in codes for e in moment.events(code)), f"law 11: {id} stays"
    for token, rental in moment.after.rentals.items():
        earlier = moment.before.rentals.get(token)
        if earlier is None:
            assert any(e["subject"] == rental.node for e in moment.events("rent")), f"law 11: {token} is rented"
        elif rental.state is RentalState.RETURNING and earlier.state is RentalState.RENTING:
            told = [e for code in ("return", "rent-failed") for e in moment.events(code) if e["subject"] == rental.node]
            assert told, f"law 11: {token} is returned without a word"
