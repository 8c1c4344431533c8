"""What may be supposed of a fleet: each supposition is a pure function from record to record, and says itself in words.

``springtide plan --what-if`` plays the planner once on the record as it is and once on it after these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import reduce
from typing import Any, TypeVar

from springtide.model.errors import RefusedError, UnknownNameError
from springtide.model.fleet import Budget, Cloud, Department, Fleet, Node, Pool, Team
from springtide.model.identifiers import CloudName, NodeId, PoolName, ServiceId, TeamName
from springtide.model.record import FLEET_ID, Change, Commit, Kind, Record
from springtide.model.resources import NO_CEILING, Ceiling, Resources, describe, total
from springtide.model.workloads import Service
from springtide.planning.money import money

MOST_NODES = 10_000
BUDGET_PERIODS = ("hour", "day", "month")


class Quota(StrEnum):
    """A ceiling of a team or department."""

    NOMINAL = "nominal"
    LENDING = "lending"
    BORROWING = "borrowing"

    @property
    def field(self) -> str:
        """The model's name of it."""
        return "nominal" if self is Quota.NOMINAL else f"{self}_limit"


@dataclass(frozen=True, slots=True)
class TeamMore:
    """A team joins, with a pool of its name: so many nodes of one shape at the first private site."""

    team: TeamName
    nodes: int
    shape: Resources
    contribution_percent: int = 10
    weight: int = 1

    def apply(self, record: Record) -> Record:
        """Raises RefusedError where the name is taken or the amounts are absurd."""
        fleet, pool = record.fleet, PoolName(self.team)
        _refuse_taken("team", self.team, (each.name for each in fleet.teams))
        _refuse_taken("pool", pool, (each.name for each in fleet.pools))
        _check_count(self.nodes, "nodes")
        _check_percent(self.contribution_percent)
        _check_shape(self.shape)
        if self.weight < 1:
            raise _absurd(f"A team's weight is at least 1, not {self.weight}.")
        site = next((each.name for each in fleet.sites if not each.is_cloud), None)
        if site is None:
            raise RefusedError("The fleet has no private site for the team's nodes.", code="no-site")
        nodes = tuple(Node(NodeId(f"{pool}-{number}"), pool, self.shape) for number in range(1, self.nodes + 1))
        return _with_fleet(
            record,
            teams=(*fleet.teams, Team(self.team, self.weight)),
            pools=(*fleet.pools, Pool(pool, site, self.team, contribution_percent=self.contribution_percent)),
            nodes=(*fleet.nodes, *nodes),
        )

    def sentence(self, _: Fleet) -> str:
        return f"team {self.team} joins with {self.nodes} nodes of {describe(self.shape)}"


@dataclass(frozen=True, slots=True)
class NodeLess:
    """One of the fleet's own nodes leaves, as when it is taken out of the fleet file."""

    node: NodeId

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError."""
        nodes = record.fleet.nodes
        _find("node of its own", self.node, {each.id: each for each in nodes})
        return _with_fleet(record, nodes=tuple(each for each in nodes if each.id != self.node))

    def sentence(self, _: Fleet) -> str:
        return f"node {self.node} leaves"


@dataclass(frozen=True, slots=True)
class NodesMore:
    """A pool grows by so many nodes, of the shape of its last one unless another is given."""

    pool: PoolName
    count: int
    shape: Resources | None = None

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError, and RefusedError for rented pools and for a pool whose shape nobody knows."""
        pool = _pool(record, self.pool)
        _check_count(self.count, "nodes")
        if pool.is_elastic:
            remedy = f"Raise what it may rent: pool.{pool.name}.max_nodes=N."
            raise RefusedError(f"Pool {pool.name} has no nodes of its own: it rents.", remedy=remedy, code="rented")
        own = [each for each in record.fleet.nodes if each.pool == pool.name]
        shape = self.shape or (own[-1].allocatable if own else None)
        if shape is None:
            remedy = f"Give the shape: node+{pool.name}={self.count},cpus=2,memory=4G."
            raise RefusedError(f"Pool {pool.name} has no node whose shape could be taken.", remedy=remedy, code="shape")
        _check_shape(shape)
        labels = own[-1].labels if own else ()
        fresh = tuple(Node(id, pool.name, shape, labels) for id in self._fresh_ids(record.fleet))
        return _with_fleet(record, nodes=(*record.fleet.nodes, *fresh))

    def sentence(self, _: Fleet) -> str:
        shape = f" of {describe(self.shape)}" if self.shape else ""
        return f"pool {self.pool} has {self.count} {'node' if self.count == 1 else 'nodes'} more{shape}"

    def _fresh_ids(self, fleet: Fleet) -> list[NodeId]:
        """Numbers go on after the pool's highest: a name that was used is not used again."""
        prefix = f"{self.pool}-"
        endings = [each.id.removeprefix(prefix) for each in fleet.nodes if each.id.startswith(prefix)]
        last = max((int(ending) for ending in endings if ending.isdecimal()), default=0)
        return [NodeId(f"{prefix}{number}") for number in range(last + 1, last + self.count + 1)]


@dataclass(frozen=True, slots=True)
class PoolLimit:
    """Another contribution (of every kind), lending limit (of the kinds named) or node limit of a pool."""

    pool: PoolName
    contribution_percent: int | None = None
    lending: Ceiling = NO_CEILING
    max_nodes: int | None = None

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError, and RefusedError where the pool has no such limit."""
        pool = _pool(record, self.pool)
        if self.contribution_percent is None and not self.lending and self.max_nodes is None:
            raise RefusedError(f"Nothing of pool {pool.name} is to be changed.", code="nothing-asked")
        if pool.team is None and (self.contribution_percent is not None or self.lending):
            raise RefusedError(f"Pool {pool.name} belongs to no team, so it has nothing to lend.", code="no-such-limit")
        if not pool.is_elastic and self.max_nodes is not None:
            remedy = f"Suppose nodes: node+{pool.name}=1, or node-NAME."
            raise RefusedError(f"Pool {pool.name} rents nothing.", remedy=remedy, code="no-such-limit")
        changed = self._changed(record.fleet, pool)
        return _with_fleet(
            record, pools=tuple(changed if each.name == pool.name else each for each in record.fleet.pools)
        )

    def sentence(self, _: Fleet) -> str:
        parts = []
        if self.contribution_percent is not None:
            parts.append(f"contributes {self.contribution_percent}%")
        if self.lending:
            parts.append(f"lends at most {_amounts(self.lending)}")
        if self.max_nodes is not None:
            parts.append(f"may rent {self.max_nodes} nodes")
        return f"pool {self.pool} {' and '.join(parts)}"

    def _changed(self, fleet: Fleet, pool: Pool) -> Pool:
        if self.contribution_percent is not None:
            _check_percent(self.contribution_percent)
            pool = replace(pool, contribution_percent=self.contribution_percent, contribution_by_kind=())
        if self.max_nodes is not None:
            _check_amounts({"nodes": self.max_nodes})
            pool = replace(pool, max_nodes=self.max_nodes)
        if self.lending:
            _check_amounts(dict(self.lending.amounts))
            # A kind that a lending limit doesn't name counts as nought: those left alone stand with all there is.
            every = total(each.allocatable for each in fleet.nodes if each.pool == pool.name)
            before = every if pool.lending_limit is None else pool.lending_limit
            pool = replace(pool, lending_limit=Resources.of({**dict(before.amounts), **dict(self.lending.amounts)}))
        return pool


@dataclass(frozen=True, slots=True)
class TeamLimit:
    """Another ceiling of a team or a department, of the kinds that are named."""

    team: str
    quota: Quota
    amounts: Ceiling
    is_department: bool = False

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError, and RefusedError for amounts below nought."""
        _check_amounts(dict(self.amounts.amounts))
        fleet = record.fleet
        if self.is_department:
            department = _find("department", self.team, {each.name: each for each in fleet.departments})
            return _with_fleet(record, departments=_replaced(fleet.departments, department, self._raised(department)))
        team = _find("team", self.team, {each.name: each for each in fleet.teams})
        return _with_fleet(record, teams=_replaced(fleet.teams, team, self._raised(team)))

    def sentence(self, _: Fleet) -> str:
        kind = "department" if self.is_department else "team"
        verb = {Quota.NOMINAL: "owns", Quota.LENDING: "lends", Quota.BORROWING: "borrows"}[self.quota]
        return f"{kind} {self.team} {verb} at most {_amounts(self.amounts)}"

    def _raised(self, holder: Holder) -> Holder:
        before: Ceiling = getattr(holder, self.quota.field)
        after = Ceiling.of({**dict(before.amounts), **dict(self.amounts.amounts)})
        fields: dict[str, Any] = {self.quota.field: after}
        return replace(holder, **fields)


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """Another budget for an hour, a day or a month; ``None`` lifts it."""

    period: str
    limit_micros: int | None

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError for another period, RefusedError for less than nothing."""
        if self.period not in BUDGET_PERIODS:
            raise _unknown("budget period", self.period, BUDGET_PERIODS)
        others = tuple(each for each in record.fleet.budgets if each.period != self.period)
        if self.limit_micros is None:
            return _with_fleet(record, budgets=others)
        _check_amounts({"money": self.limit_micros})
        return _with_fleet(record, budgets=(*others, Budget(self.period, self.limit_micros)))

    def sentence(self, fleet: Fleet) -> str:
        if self.limit_micros is None:
            return f"no budget for a {self.period}"
        return f"a budget of {money(self.limit_micros, fleet.currency)} a {self.period}"


@dataclass(frozen=True, slots=True)
class ServiceLimit:
    """Another minimum, maximum, or both, of a service's count."""

    service: ServiceId
    minimum: int | None = None
    maximum: int | None = None

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError, and RefusedError where the two contradict one another."""
        service = find_service(record, self.service)
        if self.minimum is None and self.maximum is None:
            raise RefusedError(f"Nothing of {service.id} is to be changed.", code="nothing-asked")
        low = service.scale.minimum if self.minimum is None else self.minimum
        high = service.scale.maximum if self.maximum is None else self.maximum
        _check_amounts({"instances": low})
        if low > high:
            sentence = f"{service.id} would have a minimum of {low} above its maximum of {high}."
            raise RefusedError(sentence, remedy=f"Suppose both: {service.id}={low}..{low}.", code="contradiction")
        scaled = replace(service, scale=replace(service.scale, minimum=low, maximum=high))
        return record.after(Commit(record.version + 1, (Change(Kind.SERVICE, service.id, scaled),)))

    def sentence(self, _: Fleet) -> str:
        if self.minimum == self.maximum:
            return f"{self.service} is set to {self.minimum}"
        bounds = (("a minimum", self.minimum), ("a maximum", self.maximum))
        words = [f"{name} of {count}" for name, count in bounds if count is not None]
        return f"{self.service} has {' and '.join(words)}"


@dataclass(frozen=True, slots=True)
class Spike:
    """More load on a service at once: ``times`` the present one, or a rate; for ``seconds``, or for good (``None``).

    The record stays as it is; the load is what changes.
    """

    service: ServiceId
    times: float | None = None
    requests_per_second: float | None = None
    seconds: float | None = None

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError, and RefusedError for a service whose count load doesn't move."""
        service = find_service(record, self.service)
        scale = service.scale
        if (self.times is None) == (self.requests_per_second is None):
            raise _absurd("A spike is either so many times the present load, or a rate.")
        if min(self.times or 0.0, self.requests_per_second or 0.0, self.seconds or 0.0) < 0:
            raise _absurd("A spike's load and length are above nought.")
        if scale.requests_per_second is None and (self.times is None or scale.cpu_percent is None):
            sentence = f"{service.id} isn't scaled by {'load' if self.times is not None else 'requests'}."
            remedy = f"Suppose a count: {service.id}=12."
            raise RefusedError(sentence, remedy=remedy, code="not-scaled-by-load")
        return record

    def sentence(self, _: Fleet) -> str:
        length = "" if self.seconds is None else f" for {self.seconds:g} s"
        if self.times is not None:
            return f"{self.service} has {self.times:g} times its load{length}"
        return f"{self.service} has {self.requests_per_second:g} requests a second{length}"


@dataclass(frozen=True, slots=True)
class CloudOut:
    """A cloud has no machine left to rent; those that are rented stay."""

    cloud: CloudName

    def apply(self, record: Record) -> Record:
        """Raises UnknownNameError."""
        clouds = record.fleet.clouds
        cloud: Cloud = _find("cloud", self.cloud, {each.name: each for each in clouds})
        out = replace(cloud, faults=replace(cloud.faults, out_of_stock=True))
        return _with_fleet(record, clouds=_replaced(clouds, cloud, out))

    def sentence(self, _: Fleet) -> str:
        return f"cloud {self.cloud} is out of stock"


Supposition = TeamMore | NodeLess | NodesMore | PoolLimit | TeamLimit | BudgetLimit | ServiceLimit | Spike | CloudOut
Thing = TypeVar("Thing")
Holder = TypeVar("Holder", Team, Department)


def suppose(record: Record, suppositions: Iterable[Supposition]) -> Record:
    """The record after all of these, in their order. Raises UnknownNameError or RefusedError with a remedy."""
    return reduce(lambda so_far, each: each.apply(so_far), suppositions, record)


def find_service(record: Record, id: ServiceId) -> Service:
    """The service of this id. Raises UnknownNameError with what comes near."""
    return _find("service", id, record.services)


def _pool(record: Record, name: PoolName) -> Pool:
    return _find("pool", name, {each.name: each for each in record.fleet.pools})


def _find(kind: str, name: Any, things: Mapping[Any, Thing]) -> Thing:
    if name not in things:
        raise _unknown(kind, name, things)
    return things[name]


def _unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    there = f"There is {', '.join(names[:10])}{' and more' if len(names) > 10 else ''}." if names else "There is none."
    return UnknownNameError(
        f"The fleet has no {kind} {name!r}.", remedy=f"Did you mean {' or '.join(near)}?" if near else there
    )


def _replaced(things: tuple[Thing, ...], before: Thing, after: Thing) -> tuple[Thing, ...]:
    return tuple(after if each == before else each for each in things)


def _with_fleet(record: Record, **parts: Any) -> Record:
    change = Change(Kind.FLEET, FLEET_ID, replace(record.fleet, **parts))
    return record.after(Commit(record.version + 1, (change,)))


def _refuse_taken(kind: str, name: str, known: Iterable[str]) -> None:
    if name in set(known):
        raise RefusedError(f"The fleet has a {kind} {name} already.", remedy="Choose another name.", code="taken")


def _check_count(count: int, what: str) -> None:
    if not 1 <= count <= MOST_NODES:
        raise _absurd(f"{count} {what} is no count between 1 and {MOST_NODES}.")


def _check_percent(percent: int) -> None:
    if not 0 <= percent <= 100:
        raise _absurd(f"A pool contributes between 0% and 100%, not {percent}%.")


def _check_shape(shape: Resources) -> None:
    if not shape or min(amount for _, amount in shape.amounts) < 0:
        raise _absurd("A node has amounts above nought.")


def _check_amounts(amounts: Mapping[str, int]) -> None:
    for kind, amount in amounts.items():
        if amount < 0:
            raise _absurd(f"A limit of {amount} {kind} is below nought.")


def _absurd(sentence: str) -> RefusedError:
    return RefusedError(sentence, code="absurd-amount")


def _amounts(ceiling: Ceiling) -> str:
    words = [describe(Resources.of({kind: amount})) if amount else f"no {kind}" for kind, amount in ceiling.amounts]
    return ", ".join(words)
