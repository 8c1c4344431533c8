"""A world in memory that carries plans out, as far as a test lets it: the planner's sparring partner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from springtide.model.fleet import Fleet, Offer
from springtide.model.identifiers import AppName, InstanceId, ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import (
    ActionFailed,
    ContainerState,
    EngineInstance,
    ProbedInstance,
    Readiness,
)
from springtide.model.placements import Placement, PlacementState, Rental
from springtide.model.record import Change, Kind
from springtide.model.workloads import Service
from springtide.planning import world
from springtide.planning.convergence import Action, CreateInstance, DeleteInstance, PauseInstance, ResumeInstance
from springtide.planning.draft import start_draft
from springtide.planning.explanation import Explanation
from springtide.planning.index import Index, InstanceSeen, InstancesListed, Observation, RecordChanged, advance
from springtide.planning.planner import Plan
from tests.builders import START, a_revision, an_app


class World(world.World):
    """The planner's own world, which a test holds back: everything succeeds at once unless it says otherwise."""

    def __init__(self, fleet: Fleet, services: Iterable[Service] = ()) -> None:
        super().__init__(advance(Index(), [InstancesListed(())]), START)
        self.containers: dict[InstanceId, EngineInstance] = {}
        self.loads: dict[str, float] = {}
        self.in_flight: dict[InstanceId, int] = {}
        self.stock: dict[str, int | None] = {}
        """By shape, where it differs from what the fleet's offers say."""
        self.refusing: set[str] = set()
        """Clouds that refuse every request."""
        self.history: list[Plan] = []
        self.on_plan: Callable[[Index, Plan], None] | None = None
        """Shown each plan with the index it was made from."""
        self.put(Change(Kind.FLEET, "fleet", fleet))
        for service in services:
            self.deploy(service)
        self.observe()

    def copy(self) -> World:
        """A second world that goes its own way from here, unwatched."""
        twin = super().copy()
        twin.containers = dict(self.containers)
        twin.loads, twin.in_flight = dict(self.loads), dict(self.in_flight)
        twin.stock, twin.refusing = dict(self.stock), set(self.refusing)
        twin.history, twin.on_plan = [], None
        return twin

    def deploy(self, service: Service, **revision: Any) -> None:
        number = int(service.revision.partition("@")[2])
        before = self.record.apps.get(service.app)
        others = [each for each in (before.services if before else ()) if each != service.id]
        self.put(
            Change(Kind.APP, service.app, an_app(service.app, *others, service.id)),
            Change(Kind.REVISION, service.revision, a_revision(service.id, number, **revision)),
            Change(Kind.SERVICE, service.id, service),
        )

    def scale(self, service: str, count: int) -> None:
        """Fix a service's count."""
        before = self.record.services[ServiceId(service)]
        after = replace(before, scale=replace(before.scale, minimum=count, maximum=count))
        self.put(Change(Kind.SERVICE, service, after))

    def remove(self, service: str) -> None:
        app = self.record.apps[AppName(service.partition("/")[0])]
        left = tuple(each for each in app.services if each != service)
        self.put(Change(Kind.SERVICE, service, None), Change(Kind.APP, app.name, replace(app, services=left)))

    def set_fleet(self, **overrides: Any) -> None:
        """Change the fleet file."""
        self.put(Change(Kind.FLEET, "fleet", replace(self.record.fleet, **overrides)))
        self.observe()

    def plan(self) -> Plan:
        made = super().plan()
        if self.on_plan is not None:
            self.on_plan(self.index, made)
        return made

    def commit(self, made: Plan) -> None:
        self.history.append(made)
        super().commit(made)

    def fail(self, subject: str, code: str = "engine", sentence: str = "It failed.") -> None:
        """Let an action come back with an error."""
        self.index = advance(self.index, [ActionFailed(subject, self.now, code, sentence)])

    def run(self, seconds: float, step: float = 0.5) -> None:
        """Many rounds."""
        for _ in range(round(seconds / step)):
            self.tick(step)

    def settle(self, rounds: int = 60) -> int:
        """Rounds, with the clock standing still, until a plan is empty; fails when it never is."""
        for round in range(rounds):
            made = self.tick(0)
            if not made.changes and not made.actions:
                return round
        raise AssertionError(f"still changing after {rounds} rounds: {made.changes} {made.actions}")

    def make_ready(self, *ids: str) -> None:
        for id in ids:
            probed = ProbedInstance(InstanceId(id), Readiness.READY, self.now, "")
            self.index = advance(self.index, [probed])

    def kill(self, id: str, exit_code: int = 137) -> None:
        instance = replace(self.containers[InstanceId(id)], state=ContainerState.EXITED, exit_code=exit_code)
        self.containers[InstanceId(id)] = instance
        self.index = advance(self.index, [InstanceSeen(instance)])

    def crash_everything(self) -> None:
        """End every container that runs."""
        for id, instance in sorted(self.containers.items()):
            if instance.state is ContainerState.RUNNING:
                self.kill(id, exit_code=1)

    def unready(self, *ids: str, detail: str = "connection refused") -> None:
        for id in ids:
            self.index = advance(self.index, [ProbedInstance(InstanceId(id), Readiness.UNREADY, self.now, detail)])

    def starting(self, *ids: str, detail: str) -> None:
        for id in ids:
            self.index = advance(self.index, [ProbedInstance(InstanceId(id), Readiness.STARTING, self.now, detail)])

    def vanish(self, token: str) -> None:
        """A rented machine is gone, and all that ran on it, without a word from its cloud."""
        del self.machines[token]
        self.containers = {id: each for id, each in self.containers.items() if each.node != token}
        self.index = advance(self.index, [InstancesListed(tuple(self.containers.values()))])
        self.observe()

    def restart(self) -> None:
        """The control plane starts anew over the same record; the engine is listed and probed again."""
        self.index = advance(Index(), [RecordChanged(self.record), InstancesListed(tuple(self.containers.values()))])
        self.make_ready(*sorted(self.containers))
        self.observe()

    def ready(self, service: str) -> list[Placement]:
        """Running instances whose probes pass."""
        draft = start_draft(self.index, {}, self.now)
        return [each for each in self.running(service) if draft.is_ready(each.instance)]

    def why(self, service: str) -> Explanation:
        """What the last plan says of a service."""
        return self.history[-1].explanations[ServiceId(service)]

    def running(self, service: str) -> list[Placement]:
        mine = [each for each in self.record.placements.values() if each.service == service]
        return sorted((each for each in mine if each.state is PlacementState.RUNNING), key=lambda each: each.ordinal)

    def standing_by(self, service: str) -> list[InstanceId]:
        """Who is paused for a service and hasn't been asked to stop."""
        mine = [each for each in self.record.standby.values() if each.service == service]
        waiting = (each.instance for each in mine if each.state is PlacementState.RUNNING)
        return sorted(id for id in waiting if self.containers[id].state is ContainerState.PAUSED)

    def rungs(self, service: str) -> dict[str, int]:
        """How many running instances of the service stand on each rung."""
        draft = start_draft(self.index, {}, self.now)
        counts: dict[str, int] = {}
        for rung in Rung:
            found = [each for each in self.running(service) if draft.board.rung(each) is rung]
            if found:
                counts[rung.value] = len(found)
        return counts

    def event_codes(self) -> list[str]:
        """The codes of all events so far, in order."""
        changes = [change for made in self.history for change in made.changes if change.kind is Kind.EVENT]
        return [change.value.reason.code for change in changes if change.value is not None]

    def stirring(self) -> list[str]:
        """The codes of all events but that of standby growing old and being replaced, which goes on for ever."""
        return [code for code in self.event_codes() if code not in ("standby", "standby-too-old")]

    def find_event(self, matches: Callable[[str], bool]) -> Any:
        changes = [change for made in self.history for change in made.changes if change.kind is Kind.EVENT]
        return next(
            change.value for change in changes if change.value is not None and matches(change.value.reason.code)
        )

    def rates(self) -> dict[ServiceId, float]:
        return {id: self.loads.get(id, 0.0) for id in self.record.services}

    def in_flight_at(self, instance: InstanceId) -> int:
        return self.in_flight.get(instance, 0)

    def _carry_out(self, action: Action, ready: bool) -> list[Observation]:
        facts = super()._carry_out(action, ready)
        match action:
            case CreateInstance(placement):
                self.containers[placement.instance] = world.running_instance(placement, self.now)
            case PauseInstance(id) | ResumeInstance(id) if id in self.containers:
                state = ContainerState.PAUSED if isinstance(action, PauseInstance) else ContainerState.RUNNING
                self.containers[id] = replace(self.containers[id], state=state)
            case DeleteInstance(id, _):
                self.containers.pop(id, None)
        return facts

    def _rent(self, rental: Rental) -> list[Observation]:
        offers = [offer for cloud in self.record.fleet.clouds for offer in cloud.offers if offer.cloud == rental.cloud]
        left = next((self._left(offer) for offer in offers if offer.shape == rental.shape), 0)
        if rental.token in self.machines:
            return []
        if rental.cloud in self.refusing:
            return [ActionFailed(rental.token, self.now, "cloud", "The cloud has a bad day.")]
        if left is not None and left <= 0:
            return [ActionFailed(rental.token, self.now, "out-of-stock", f"No {rental.shape} is left.")]
        return super()._rent(rental)

    def _left(self, offer: Offer) -> int | None:
        stock = self.stock.get(offer.shape, offer.stock)
        return None if stock is None else max(0, stock - self._rented(offer))
