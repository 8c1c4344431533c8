"""The outlook: the planner played forward on a copy, as if every action succeeded, until nothing changes.

What would happen, and why, by the very code that will decide: from files alone, or from the fleet as it
stands; as it is, or with what is supposed of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from springtide.model.events import Event, Reason
from springtide.model.identifiers import InstanceId, NodeId, ServiceId
from springtide.model.placements import Placement, PlacementState, RentalState
from springtide.model.record import FLEET_ID, Change, Kind, Record
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index, InstancesListed, RecordChanged, advance
from springtide.planning.loads import Loads, present_loads
from springtide.planning.planner import Plan
from springtide.planning.played_world import PlayedWorld
from springtide.planning.what_if import Spike, Supposition, suppose

LONGEST_SECONDS = 900.0
"""How long a fleet may stir on end before it is said not to come to rest."""
MOST_STEPS_AT_ONCE = 4
"""How many steps are taken as one while nothing stirs."""
RETRY_SECONDS = 60.0
"""The longest pause after failures that the present may be in."""
RENEWAL_SECONDS = 3.0
"""How long before a charge, beside steps and grace, the outlook looks again at every step."""

Patience = Callable[[], bool]
"""Whether the outlook may go on: whoever asks for it bounds the time that it takes."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the fleet stands so many seconds after the outlook's start."""

    seconds: float
    explanations: Mapping[ServiceId, Explanation]
    rented_nodes: int
    rent_micros_per_hour: int


@dataclass(frozen=True, slots=True)
class Departure:
    """An instance of the present that has to leave, by which rule, and for whom."""

    instance: InstanceId
    service: ServiceId
    node: NodeId
    rule: str
    seconds: float
    beneficiary: ServiceId | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the fleet comes to rest. ``seconds`` is when the last change was made; a start takes no time.

    ``height`` is the last look before the first spike ends; without one that ends, the last look of all.
    ``short_seconds`` is how long each service had fewer ready than it wanted. ``stopped`` says why the
    outlook ended before the fleet was at rest, ``None`` where it is.
    """

    record: Record
    events: tuple[Event, ...]
    explanations: Mapping[ServiceId, Explanation]
    seconds: float
    nodes_peak: int
    rent_peak_micros_per_hour: int
    height: Look
    end: Look
    departures: tuple[Departure, ...]
    short_seconds: Mapping[ServiceId, float]
    stopped: Reason | None = None

    @property
    def is_at_rest(self) -> bool:
        return self.stopped is None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same fleet, as it is and with what is supposed; ``suppositions`` in words."""

    suppositions: tuple[str, ...]
    without: Outlook
    supposed: Outlook


def always() -> bool:
    """Patience without end."""
    return True


def simulate_outlook(record: Record, rates: Mapping[ServiceId, float], start: datetime) -> Outlook:
    """Play the planner from ``start``, from nothing running, with these steady arrivals per second.

    Engines start at once, clouds boot in the time that their offers say.
    """
    index = advance(Index(), [RecordChanged(record), InstancesListed(())])
    return play(PlayedWorld(index, start, Loads(start, requests=rates)), always)


def simulate_changes(index: Index, now: datetime, changes: Iterable[Change], patience: Patience = always) -> Outlook:
    """Play the present forward with these changes committed. The index stays as it is."""
    world = PlayedWorld(index, now, present_loads(index, now))
    world.put(*changes)
    return play(world, patience)


def simulate_what_if(
    index: Index, now: datetime, suppositions: Iterable[Supposition], patience: Patience = always
) -> Comparison:
    """Play the present forward twice, without and with the suppositions. The index stays as it is.

    Raises UnknownNameError or RefusedError where a supposition can't be of this fleet.
    """
    return compare(PlayedWorld(index, now, present_loads(index, now)), suppositions, patience)


def simulate_what_if_of_files(
    record: Record, rates: Mapping[ServiceId, float], start: datetime, suppositions: Iterable[Supposition]
) -> Comparison:
    """The same from files: what runs at first is where these apps and rates come to rest on this fleet."""
    index = advance(Index(), [RecordChanged(record), InstancesListed(())])
    world = PlayedWorld(index, start, Loads(start, requests=rates))
    play(world, always)
    world.begin_anew()
    return compare(world, suppositions, always)


def compare(world: PlayedWorld, suppositions: Iterable[Supposition], patience: Patience) -> Comparison:
    """Play a world twice, from copies."""
    supposed, given = world.copy(), tuple(suppositions)
    changes = _changes(world.record, suppose(world.record, given))
    if changes:
        supposed.put(*changes)
    supposed.loads = world.loads.with_spikes(tuple(each for each in given if isinstance(each, Spike)))
    height_at = min(supposed.loads.ends(), default=None)
    sentences = tuple(each.sentence(world.record.fleet) for each in given)
    return Comparison(sentences, play(world.copy(), patience, height_at), play(supposed, patience, height_at))


def play(world: PlayedWorld, patience: Patience, height_at: datetime | None = None) -> Outlook:
    """Go on step by step until nothing stirs, and say what was seen on the way."""
    seen = _Sight(world, height_at)
    while not seen.has_ended():
        if not patience():
            seen.stopped = _out_of_time(seen)
            break
        seen.note(world.step())
        world.now = seen.next_moment()
    return seen.outlook()


class _Sight:
    """What is seen while a world is played: what stirs, who leaves, what it costs, who runs short."""

    def __init__(self, world: PlayedWorld, height_at: datetime | None) -> None:
        self.world = world
        self.start = world.now
        self.stopped: Reason | None = None
        self._present = dict(world.record.placements)
        self._changed_at = self._rested_at = self._looked_at = world.now
        self._height_at = height_at
        self._height: Look | None = None
        self._end = Look(0.0, MappingProxyType({}), 0, 0)
        self._events: list[Event] = []
        self._departures: dict[InstanceId, Departure] = {}
        self._short: dict[ServiceId, float] = {}
        self._nodes_peak = self._rent_peak = self._still = 0
        self._quiet_seconds = _quiet_seconds(world)

    def has_ended(self) -> bool:
        """Whether the fleet is at rest for good, or has stirred too long."""
        if self._is_quiet():
            self._rested_at = self.world.now
            if not self._spikes_to_come() and not self._has_idle_machine():
                return True
        if (self.world.now - self._rested_at).total_seconds() > LONGEST_SECONDS:
            sentence = f"The fleet didn't come to rest within {LONGEST_SECONDS:g} s: something goes on changing."
            self.stopped = Reason("no-rest", sentence, (("seconds", LONGEST_SECONDS),))
            return True
        return False

    def note(self, made: Plan) -> None:
        """Take a step's plan in; the world has carried it out."""
        now, seconds = made.now, (made.now - self.start).total_seconds()
        for id in [id for id, each in self._end.explanations.items() if each.ready < each.wanted]:
            self._short[id] = self._short.get(id, 0.0) + (now - self._looked_at).total_seconds()
        self._looked_at = now
        self._events += [change.value for change in made.changes if isinstance(change.value, Event)]
        self._note_departures(made, seconds)
        rentals = [each for each in self.world.record.rentals.values() if each.state is RentalState.RENTING]
        rent = sum(each.price_micros_per_hour for each in rentals)
        self._nodes_peak, self._rent_peak = max(self._nodes_peak, len(rentals)), max(self._rent_peak, rent)
        self._end = Look(seconds, made.explanations, len(rentals), rent)
        if self._height_at is not None and now < self._height_at:
            self._height = self._end
        self._still = 0 if self._stirs(made) else self._still + 1
        if not self._still:
            self._changed_at = now

    def next_moment(self) -> datetime:
        """A step on, longer ones while nothing stirs; where all is quiet, on to what comes next.

        Nothing is overstepped: shortly before a charge or the end of a spike the steps are short again.
        """
        now, step = self.world.now, timedelta(seconds=self.world.step_seconds)
        margin = timedelta(seconds=self.world.record.fleet.scaling.up_seconds) + 2 * step
        ahead = [*(end - margin for end in self._spikes_to_come()), *self._charges()]
        if any(moment <= now for moment in ahead):
            return now + step
        if self._is_quiet():
            return max(now + step, min(ahead, default=now))
        return min([now + min(step * min(MOST_STEPS_AT_ONCE, 1 + self._still), self._longest_step()), *ahead])

    def _longest_step(self) -> timedelta:
        """Loads that are seen more seldom never fill the window after which a count may fall."""
        return timedelta(seconds=max(self.world.step_seconds, self.world.record.fleet.scaling.up_seconds))

    def outlook(self) -> Outlook:
        return Outlook(
            record=self.world.record,
            events=tuple(self._events),
            explanations=self._end.explanations,
            seconds=(self._changed_at - self.start).total_seconds(),
            nodes_peak=self._nodes_peak,
            rent_peak_micros_per_hour=self._rent_peak,
            height=self._height or self._end,
            end=self._end,
            departures=tuple(sorted(self._departures.values(), key=lambda each: (each.seconds, each.instance))),
            short_seconds=MappingProxyType(dict(sorted(self._short.items()))),
            stopped=self.stopped,
        )

    def _spikes_to_come(self) -> list[datetime]:
        """The ends of spikes that last."""
        return [end for end in self.world.loads.ends() if end > self.world.now]

    def _is_quiet(self) -> bool:
        """Whether nothing has stirred for a whole window; the end of a spike begins another."""
        ended = [end for end in self.world.loads.ends() if end <= self.world.now]
        since = max([self._changed_at, *ended])
        return (self.world.now - since).total_seconds() > self._quiet_seconds

    def _stirs(self, made: Plan) -> bool:
        """Whether anything but the upkeep of rented machines changed, or is about to by its deadline."""
        if made.actions or any(each.waiting for each in made.explanations.values()):
            return True
        return any(not _is_upkeep(change) for change in made.changes) or self._somebody_must_leave()

    def _somebody_must_leave(self) -> bool:
        """An eviction without a deadline waits for room that may never come: that is rest."""
        return any(
            each.state is not PlacementState.RUNNING
            or (each.eviction is not None and each.eviction.drain_by is not None)
            for each in self.world.record.placements.values()
        )

    def _note_departures(self, made: Plan, seconds: float) -> None:
        for change in made.changes:
            after: Placement | None = change.value if change.kind is Kind.PLACEMENT else None
            if after is None or after.instance not in self._present:
                continue
            rule = after.eviction.rule if after.eviction else "stopped"
            if after.eviction is None and after.state is PlacementState.RUNNING:
                self._departures.pop(after.instance, None)
            elif after.instance not in self._departures or self._departures[after.instance].rule != rule:
                beneficiary = after.eviction.beneficiary if after.eviction else None
                known = self._departures.get(after.instance)
                since = known.seconds if known else seconds
                self._departures[after.instance] = Departure(
                    after.instance, after.service, after.node, rule, since, beneficiary
                )

    def _charges(self) -> list[datetime]:
        """Shortly before each rented machine's next charge: then it is paid on, emptied or given back."""
        fleet = self.world.record.fleet
        lead = RENEWAL_SECONDS + fleet.reclaim.grace_seconds + 2 * fleet.scaling.period_seconds
        margin = timedelta(seconds=lead + 2 * self.world.step_seconds)
        rentals = self.world.record.rentals.values()
        return [
            each.since + timedelta(seconds=each.billing_period_seconds * each.periods_committed) - margin
            for each in rentals
            if each.since is not None and each.state is RentalState.RENTING
        ]

    def _has_idle_machine(self) -> bool:
        """Whether a rented machine stands idle: it is given back before its next charge."""
        used = {each.node for each in self.world.record.placements.values()}
        return any(each.node not in used for each in self.world.record.rentals.values())


def _quiet_seconds(world: PlayedWorld) -> float:
    """A window longer than all in which the planner waits without a word."""
    fleet = world.record.fleet
    terms = fleet.scaling
    windows = [terms.home_seconds, terms.proof_seconds, terms.up_seconds, fleet.reclaim.hold_seconds]
    if world.index.loads or world.index.cpu or world.loads.spikes:
        windows.append(terms.up_seconds + terms.down_seconds)
    if world.index.failures or world.index.carry.crashes:
        windows.append(RETRY_SECONDS)
    return max(windows) + (2 + MOST_STEPS_AT_ONCE) * world.step_seconds


def _is_upkeep(change: Change) -> bool:
    """Renewed machines and what is told of them: as long as machines are rented this never ends."""
    return change.kind in (Kind.RENTAL, Kind.EVENT, Kind.LEDGER)


def _changes(before: Record, after: Record) -> list[Change]:
    """What suppositions change: the fleet and services."""
    fleet = [Change(Kind.FLEET, FLEET_ID, after.fleet)] if before.fleet != after.fleet else []
    services = [Change(Kind.SERVICE, id, each) for id, each in after.services.items() if before.services[id] != each]
    return [*fleet, *services]


def _out_of_time(seen: _Sight) -> Reason:
    seconds = (seen.world.now - seen.start).total_seconds()
    sentence = f"The time allowed ran out after {seconds:g} s of the fleet's time were played; it wasn't at rest then."
    return Reason("out-of-time", sentence, (("seconds", seconds),))
