"""The exact optimum: the most instances that any placement serves which keeps the planner's own promises.

A mixed-integer program over own machines, services of fixed counts, nothing placed yet. Kept are:

- nodes and guests' quotas (law 1), and what placement rules say of nodes;
- owners' rights: at home each service has at least what the placer gives it with its team alone (law 2);
- fairness between teams: of all placements with whole instances the weighted dominant shares are max-min, that is,
  the lowest share as high as can be, then the second lowest, and so on; who has all it wants doesn't count;
- fairness within a team: band by band the same of the served fractions of its services.

Of those that are left, the one that serves the most, band by band. With ``whole=False`` instances may be split: the
linear bound. Shares count what the planner counts: what stands beyond the own part, over what is shared and lent.

Source: max-min over whole instances by rising levels as in Ogryczak and Sliwinski, On solving linear programs with
the ordered weighted averaging objective, EJOR 2003, and with dominant shares as in Ghodsi et al., NSDI 2011.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import highspy

from springtide.model.fleet import Fleet, Node, Pool
from springtide.model.identifiers import NodeId, ServiceId, TeamName
from springtide.model.resources import NOTHING, Resources, total
from springtide.model.workloads import Band, Service
from springtide.planning import quota

Counts = Mapping[tuple[ServiceId, NodeId], int]
"""How many instances of a service stand on a node. No entry: none."""
PERMILLE = 1000.0
LEAST_DIFFERENCE = 0.02
"""In permille: shares and fractions nearer than this are the same; well above what the solver takes for equal."""
MOST_BRANCHES = 400
"""For one question; one that takes more is given up as not proven. Not seconds: the same on every machine."""


class NotProvenError(Exception):
    """The solver gave up."""


@dataclass(frozen=True)
class Entitlement:
    """What a team has at home whoever else is there: instances by service, and what of it is beyond the own part."""

    at_home: Mapping[ServiceId, int]
    beyond_own: Resources


@dataclass(frozen=True)
class Problem:
    """A fleet of own machines, and services that want fixed counts on any of them."""

    fleet: Fleet
    services: tuple[Service, ...]

    def wanted(self, service: Service) -> int:
        return service.scale.minimum

    @cached_property
    def pools(self) -> dict[str, Pool]:
        return {pool.name: pool for pool in self.fleet.pools}

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted({kind for service in self.services for kind in service.resources.kinds}))

    def is_home(self, service: Service, node: Node) -> bool:
        return self.pools[node.pool].team == service.team

    def healthy(self, pool: Pool) -> Resources:
        return total(node.allocatable for node in self.fleet.nodes if node.pool == pool.name)

    def guest_limit(self, pool: Pool) -> Resources:
        """The most that guests may use of a pool while its owner uses nothing; what the owner uses nodes see to."""
        healthy = self.healthy(pool)
        return quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, NOTHING, may_borrow=True)

    @cached_property
    def shareable(self) -> Resources:
        """What shares are measured against: everything that pools share or may lend."""
        return total(self.guest_limit(pool) for pool in self.fleet.pools)

    def most_on(self, service: Service, node: Node) -> int:
        """How many of a service an empty node may carry."""
        labels = {"site": self.pools[node.pool].site, **dict(node.labels)}
        rules = service.placement
        if any((labels.get(each.key) == each.value) != each.is_equal for each in rules.constraints):
            return 0
        most = min(service.resources.copies_in(node.allocatable), self.wanted(service))
        return min(most, rules.max_per_node) if rules.max_per_node else most

    def served(self, counts: Counts) -> Counter[ServiceId]:
        found: Counter[ServiceId] = Counter()
        for (service, _), count in counts.items():
            found[service] += count
        return found

    def by_band(self, served: Mapping[ServiceId, int]) -> tuple[int, ...]:
        """How many are served of each band, the highest first."""
        return tuple(sum(served.get(each.id, 0) for each in self.services if each.band is band) for band in Band)

    def one_more_fits(self, counts: Counts) -> bool:
        """Whether some instance that is missing could be added, and nothing would be broken."""
        served = self.served(counts)
        for service in self.services:
            if served[service.id] < self.wanted(service):
                for node in self.fleet.nodes:
                    key = service.id, node.id
                    if not self.broken_rules({**counts, key: counts.get(key, 0) + 1}):
                        return True
        return False

    def broken_rules(self, counts: Counts) -> list[str]:
        """What of law 1 and of placement rules a placement breaks, in words."""
        services = {service.id: service for service in self.services}
        places = {node.id: node for node in self.fleet.nodes}
        broken = []
        for node in self.fleet.nodes:
            held = total(services[id].resources.times(n) for (id, at), n in counts.items() if at == node.id)
            if not held.fits_in(node.allocatable):
                broken.append(f"{node.id} holds {held} of {node.allocatable}")
        for pool in self.fleet.pools:
            guests = total(
                services[id].resources.times(n)
                for (id, at), n in counts.items()
                if places[at].pool == pool.name and pool.team != services[id].team
            )
            if not guests.fits_in(self.guest_limit(pool)):
                broken.append(f"guests of {pool.name} use {guests} of {self.guest_limit(pool)}")
        for (id, at), n in counts.items():
            if n > self.most_on(services[id], places[at]):
                broken.append(f"{n} of {id} on {at}")
        return broken


class Program:
    """The program for one problem. Constraints are only ever added, so each question is asked after the last."""

    def __init__(self, problem: Problem, rights: Mapping[TeamName, Entitlement], *, whole: bool = True) -> None:
        self.problem = problem
        self.rights = rights
        self.whole = whole
        self.solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self.solver.silent()
        self.solver.setOptionValue("mip_rel_gap", 1e-6)
        self.solver.setOptionValue("threads", 1)
        self.solver.setOptionValue("mip_max_nodes", MOST_BRANCHES)
        self._place()
        self._hold_nodes()
        self._hold_quotas()
        self._hold_rights()

    def most(self) -> tuple[float, ...]:
        """How many can be served, band by band, under all that has been asked for so far."""
        found = []
        for band in Band:
            mine = [self.served[each.id] for each in self.problem.services if each.band is band]
            value = self._maximum(self.solver.qsum(mine)) if mine else 0.0
            found.append(round(value) if self.whole else value)
            if mine:
                self.solver.addConstr(self.solver.qsum(mine) >= value - (0.5 if self.whole else 1e-4))
        return tuple(found)

    def be_fair(self) -> None:
        """From now on shares of teams are max-min, and within each team the served fractions, band by band."""
        services = self.problem.services
        teams = sorted({service.team for service in services})
        self._level([self._team(team) for team in teams])
        for team in teams:
            for band in Band:
                mine = [each for each in services if each.team == team and each.band is band]
                if len(mine) > 1:
                    self._level([self._fraction(each) for each in mine])

    def placement(self) -> Counts:
        """The placement that answered the last question."""
        values = self.solver.getSolution().col_value
        return {key: round(values[var.index]) for key, var in self.stands.items() if round(values[var.index])}

    def _place(self) -> None:
        make = self.solver.addIntegral if self.whole else self.solver.addVariable
        problem = self.problem
        self.stands = {
            (service.id, node.id): make(0, most)
            for service in problem.services
            for node in problem.fleet.nodes
            if (most := problem.most_on(service, node))
        }
        self.served: dict[ServiceId, Any] = {}
        for service in problem.services:
            variable = self.solver.addVariable(0, problem.wanted(service))
            mine = [var for (id, _), var in self.stands.items() if id == service.id]
            self.solver.addConstr(self.solver.qsum(mine) - variable == 0 if mine else variable == 0)
            self.served[service.id] = variable

    def _hold_nodes(self) -> None:
        for node in self.problem.fleet.nodes:
            here = {service.id: self.stands.get((service.id, node.id)) for service in self.problem.services}
            self._cap(((id, var) for id, var in here.items() if var is not None), node.allocatable)

    def _hold_quotas(self) -> None:
        problem = self.problem
        places = {node.id: node for node in problem.fleet.nodes}
        services = {service.id: service for service in problem.services}
        for pool in problem.fleet.pools:
            guests = (
                (id, var)
                for (id, at), var in self.stands.items()
                if places[at].pool == pool.name and not problem.is_home(services[id], places[at])
            )
            self._cap(guests, problem.guest_limit(pool))

    def _hold_rights(self) -> None:
        problem = self.problem
        places = {node.id: node for node in problem.fleet.nodes}
        for service in problem.services:
            count = self.rights[service.team].at_home.get(service.id, 0)
            at_home = [
                var
                for (id, at), var in self.stands.items()
                if id == service.id and problem.is_home(service, places[at])
            ]
            if count:
                self.solver.addConstr(self.solver.qsum(at_home) >= count)

    def _cap(self, standing: Iterable[tuple[ServiceId, Any]], room: Resources) -> None:
        amounts = {service.id: service.resources for service in self.problem.services}
        many = list(standing)
        for kind in self.problem.kinds:
            parts = [(amounts[id][kind], var) for id, var in many if amounts[id][kind]]
            if parts:
                unit = gcd(*(amount for amount, _ in parts))
                held = self.solver.qsum((amount // unit) * var for amount, var in parts)
                self.solver.addConstr(held <= (room[kind] // unit if self.whole else room[kind] / unit))

    def _team(self, team: TeamName) -> _Claimant:
        """Its weighted dominant share, in permille: the largest over kinds of what it uses beyond its own."""
        problem, right = self.problem, self.rights[team]
        mine = [service for service in problem.services if service.team == team]
        scores = []
        for kind in problem.kinds:
            if problem.shareable[kind] > 0:
                unit = PERMILLE / problem.shareable[kind] / problem.fleet.weight(team)
                at_home = sum(right.at_home.get(each.id, 0) * each.resources[kind] for each in mine)
                base = (right.beyond_own[kind] - at_home) * unit
                parts = [(each.resources[kind] * unit, self.served[each.id]) for each in mine if each.resources[kind]]
                most = base + sum(each.resources[kind] * unit * problem.wanted(each) for each in mine)
                scores.append(_Score(parts, base, most))
        return _Claimant(tuple(scores), tuple((self.served[each.id], problem.wanted(each)) for each in mine))

    def _fraction(self, service: Service) -> _Claimant:
        """The served part of what a service wants, in permille."""
        wanted, served = self.problem.wanted(service), self.served[service.id]
        score = _Score([(PERMILLE / max(1, wanted), served)], 0.0, PERMILLE)
        return _Claimant((score,), ((served, wanted),))

    def _level(self, claimants: Sequence[_Claimant]) -> None:
        """The lowest score as high as can be, then as many as can be above it, then the lowest of those, and so on."""
        top = max((score.most for claimant in claimants for score in claimant.scores), default=0.0) + 1.0
        above = len(claimants)
        while above:
            level = self.solver.addVariable(0, top)
            flags = [self._reaches(claimant, level, top) for claimant in claimants]
            self.solver.addConstr(self.solver.qsum(flags) >= above - 0.5)
            lowest = self._maximum(level + 0.0)
            self.solver.addConstr(level >= lowest - LEAST_DIFFERENCE / 2)
            if lowest >= top - LEAST_DIFFERENCE:
                return  # those that are left have all they want
            flags = [self._exceeds(claimant, lowest + LEAST_DIFFERENCE) for claimant in claimants]
            above = round(self._maximum(self.solver.qsum(flags)))
            self.solver.addConstr(self.solver.qsum(flags) >= above - 0.5)

    def _reaches(self, claimant: _Claimant, level: Any, top: float) -> Any:
        """A flag that may be 1 only where one of the scores is at least the level, or all that is wanted is served."""
        chosen = []
        for score in claimant.scores:
            choice = self.solver.addBinary()
            slack = top + max(0.0, -score.base)
            self.solver.addConstr(self._sum(score) - level - slack * choice >= -slack - score.base)
            chosen.append(choice)
        return self._flag(claimant, chosen)

    def _exceeds(self, claimant: _Claimant, level: float) -> Any:
        chosen = []
        for score in claimant.scores:
            choice = self.solver.addBinary()
            slack = level + max(0.0, -score.base)
            self.solver.addConstr(self._sum(score) - slack * choice >= level - slack - score.base)
            chosen.append(choice)
        return self._flag(claimant, chosen)

    def _flag(self, claimant: _Claimant, chosen: list[Any]) -> Any:
        has_all = self.solver.addBinary()
        for served, wanted in claimant.wants:
            self.solver.addConstr(served - wanted * has_all >= 0)
        flag = self.solver.addBinary()
        self.solver.addConstr(self.solver.qsum([*chosen, has_all]) - flag >= 0)
        return flag

    def _sum(self, score: _Score) -> Any:
        return self.solver.qsum(factor * var for factor, var in score.parts)

    def _maximum(self, objective: Any) -> float:
        self.solver.maximize(objective)
        if self.solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
            # The answer before this one is still allowed: it is presolve that errs (HiGHS 1.15.1).
            self.solver.setOptionValue("presolve", "off")
            self.solver.maximize(objective)
            self.solver.setOptionValue("presolve", "choose")
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise NotProvenError(str(self.solver.getModelStatus()))
        return float(self.solver.getInfo().objective_function_value)


@dataclass(frozen=True)
class _Score:
    """A sum of factors times variables, and ``base``; at most ``most``."""

    parts: Sequence[tuple[float, Any]]
    base: float
    most: float


@dataclass(frozen=True)
class _Claimant:
    """Who is compared: the best of its scores counts, and nothing once it has all it wants."""

    scores: tuple[_Score, ...]
    wants: tuple[tuple[Any, int], ...]
