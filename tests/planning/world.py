"""A world in memory that carries plans out, as far as a test lets it: the planner's sparring partner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

from springtide.model.fleet import Fleet, Offer
from springtide.model.identifiers import AppName, CloudName, InstanceId, ServiceId
from springtide.model.leases import Rung
from springtide.model.observations import (
    ActionFailed,
    CloudView,
    ContainerState,
    EndpointLoad,
    EngineInstance,
    Machine,
    MachineState,
    ProbedInstance,
    Readiness,
    RouterView,
    ServiceLoad,
)
from springtide.model.placements import Placement, PlacementState, Rental
from springtide.model.record import Change, Commit, Kind, Record
from springtide.model.workloads import Service
from springtide.planning.convergence import (
    Action,
    ClearApp,
    CreateInstance,
    DeleteInstance,
    RentMachine,
    ReturnMachine,
)
from springtide.planning.draft import start_draft
from springtide.planning.explanation import Explanation
from springtide.planning.index import (
    AppCleared,
    Index,
    InstanceDeleted,
    InstanceSeen,
    InstancesListed,
    MachineReturned,
    PlanCommitted,
    RecordChanged,
    RoutesApplied,
    advance,
)
from springtide.planning.planner import Plan, plan
from tests.builders import START, a_revision, an_app


class World:
    """Engine, cloud and router as plain dictionaries. Everything succeeds at once unless a test holds it back."""

    def __init__(self, fleet: Fleet, services: Iterable[Service] = ()) -> None:
        self.now = START
        self.index = advance(Index(), [InstancesListed(())])
        self.version = 0
        self.containers: dict[InstanceId, EngineInstance] = {}
        self.machines: dict[str, Machine] = {}
        self.loads: dict[str, float] = {}
        self.in_flight: dict[InstanceId, int] = {}
        self.stock: dict[str, int | None] = {}
        """By shape, where it differs from what the fleet's offers say."""
        self.refusing: set[str] = set()
        """Clouds that refuse every request."""
        self.history: list[Plan] = []
        self.on_plan: Callable[[Index, Plan], None] | None = None
        """Shown each plan with the index it was made from."""
        self._arrived: dict[ServiceId, float] = {}
        self._counted_at = START
        self.put(Change(Kind.FLEET, "fleet", fleet))
        for service in services:
            self.deploy(service)
        self.observe()

    @property
    def record(self) -> Record:
        return self.index.record

    def put(self, *changes: Change) -> None:
        """Commit changes to the record."""
        self.version += 1
        self.index = advance(self.index, [RecordChanged(self.record.after(Commit(self.version, changes)))])

    def copy(self) -> World:
        """A second world that goes its own way from here, unwatched."""
        twin = copy(self)
        twin.containers, twin.machines = dict(self.containers), dict(self.machines)
        twin.loads, twin.in_flight = dict(self.loads), dict(self.in_flight)
        twin.stock, twin.refusing = dict(self.stock), set(self.refusing)
        twin.history, twin._arrived, twin.on_plan = [], dict(self._arrived), None
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
        made = plan(self.index, self.now)
        if self.on_plan is not None:
            self.on_plan(self.index, made)
        return made

    def commit(self, made: Plan) -> None:
        """Commit a plan's changes, and let the router follow."""
        self.history.append(made)
        if made.changes:
            self.version += 1
            after = self.record.after(Commit(self.version, made.changes))
            self.index = advance(self.index, [RecordChanged(after)])
        self.index = advance(self.index, [PlanCommitted(made.carry)])
        self._route(made)

    def act(self, actions: Iterable[Action], ready: bool = True) -> None:
        """Carry actions out; created instances are ready unless held back."""
        for action in actions:
            match action:
                case CreateInstance(placement):
                    self._create(placement, ready)
                case DeleteInstance(id, _):
                    self.containers.pop(id, None)
                    self.index = advance(self.index, [InstanceDeleted(id)])
                case RentMachine(rental):
                    self._rent(rental)
                case ReturnMachine(_, token):
                    self.machines.pop(token, None)
                    self.index = advance(self.index, [MachineReturned(token)])
                case ClearApp(app):
                    self.index = advance(self.index, [AppCleared(app)])

    def fail(self, subject: str, code: str = "engine", sentence: str = "It failed.") -> None:
        """Let an action come back with an error."""
        self.index = advance(self.index, [ActionFailed(subject, self.now, code, sentence)])

    def tick(self, seconds: float = 0.5, *, ready: bool = True) -> Plan:
        """One round: time passes, clouds boot, a plan is made, committed and carried out."""
        self.now += timedelta(seconds=seconds)
        self.observe()
        made = self.plan()
        self.commit(made)
        self.act(made.actions, ready)
        self.observe()
        return made

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

    def observe(self) -> None:
        """Show the clouds and the loads to the index."""
        self._boot()
        views = [self._view(cloud.name, cloud.offers) for cloud in self.record.fleet.clouds]
        self.index = advance(self.index, [*views, self._router_view()])

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

    def find_event(self, matches: Callable[[str], bool]) -> Any:
        changes = [change for made in self.history for change in made.changes if change.kind is Kind.EVENT]
        return next(
            change.value for change in changes if change.value is not None and matches(change.value.reason.code)
        )

    def _create(self, placement: Placement, ready: bool) -> None:
        instance = EngineInstance(
            placement.instance,
            placement.service,
            placement.revision,
            placement.node,
            ContainerState.RUNNING,
            "sha256:1",
            "10.0.0.1",
            self.now,
        )
        self.containers[placement.instance] = instance
        readiness = Readiness.READY if ready else Readiness.STARTING
        self.index = advance(
            self.index, [InstanceSeen(instance), ProbedInstance(placement.instance, readiness, self.now)]
        )

    def _rent(self, rental: Rental) -> None:
        offers = [offer for cloud in self.record.fleet.clouds for offer in cloud.offers if offer.cloud == rental.cloud]
        left = next((self._left(offer) for offer in offers if offer.shape == rental.shape), 0)
        if rental.token in self.machines:
            return
        if rental.cloud in self.refusing:
            self.fail(rental.token, "cloud", "The cloud has a bad day.")
        elif left is not None and left <= 0:
            self.fail(rental.token, "out-of-stock", f"No {rental.shape} is left.")
        else:
            self.machines[rental.token] = Machine(
                rental.token, rental.cloud, rental.pool, rental.shape, MachineState.BOOTING, self.now
            )

    def _left(self, offer: Offer) -> int | None:
        """How many machines of this offer can still be rented; ``None``: nobody knows."""
        stock = self.stock.get(offer.shape, offer.stock)
        rented = [each for each in self.machines.values() if (each.cloud, each.shape) == (offer.cloud, offer.shape)]
        return None if stock is None else max(0, stock - len(rented))

    def _boot(self) -> None:
        boot = {(o.cloud, o.shape): o.boot_seconds for cloud in self.record.fleet.clouds for o in cloud.offers}
        for token, machine in self.machines.items():
            waited = (self.now - machine.since).total_seconds()
            if machine.state is MachineState.BOOTING and waited >= boot[machine.cloud, machine.shape]:
                self.machines[token] = replace(machine, state=MachineState.READY)

    def _view(self, cloud: CloudName, offers: tuple[Offer, ...]) -> CloudView:
        machines = tuple(machine for machine in self.machines.values() if machine.cloud == cloud)
        shown = (each if each.stock is None else replace(each, stock=self._left(each)) for each in offers)
        return CloudView(cloud, self.now, machines, tuple(shown))

    def _router_view(self) -> RouterView:
        seconds = (self.now - self._counted_at).total_seconds()
        self._counted_at = self.now
        for id in self.record.services:
            self._arrived[id] = self._arrived.get(id, 0.0) + self.loads.get(id, 0.0) * seconds
        loads = tuple((id, ServiceLoad(requests=round(count))) for id, count in sorted(self._arrived.items()))
        endpoints = self.index.router.endpoints if self.index.router else ()
        return RouterView(self.now, "1", loads, endpoints)

    def _route(self, made: Plan) -> None:
        endpoints = tuple(
            (endpoint.instance, EndpointLoad(endpoint.accepting, self.in_flight.get(endpoint.instance, 0)))
            for routed in made.routes
            for endpoint in routed.endpoints
        )
        view = replace(self._router_view(), endpoints=endpoints)
        self.index = advance(self.index, [RoutesApplied(made.now), view])
