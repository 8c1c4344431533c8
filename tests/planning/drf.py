"""Dominant-resource fairness for tasks that can be divided at will, with exact fractions: what theory is about.

Progressive filling as in Ghodsi et al., Dominant Resource Fairness, NSDI 2011, sections 4.1 and 4.3 (weights); with
placement constraints and one kind of resource, constrained max-min fairness as in Ghodsi et al., Choosy, EuroSys 2013.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations


@dataclass(frozen=True)
class User:
    """What one task needs of each resource; nought is allowed, but not of all."""

    demand: tuple[int, ...]
    weight: int = 1

    def tasks_in(self, bundle: Sequence[Fraction]) -> Fraction:
        """How many of its tasks run on so much."""
        return min(have / need for have, need in zip(bundle, self.demand, strict=True) if need)

    def dominant(self, capacity: Sequence[int]) -> Fraction:
        """The part of everything that one task takes of its dominant resource."""
        return max(Fraction(need, whole) for need, whole in zip(self.demand, capacity, strict=True))


def fill(users: Sequence[User], capacity: Sequence[int]) -> list[Fraction]:
    """How many tasks each user runs: all shares rise together, until a resource that a user needs is used up."""
    tasks, growing = [Fraction(0)] * len(users), set(range(len(users)))
    while growing:
        speed = {n: users[n].weight / users[n].dominant(capacity) for n in growing}
        times = []
        for kind, whole in enumerate(capacity):
            drain = sum((speed[n] * users[n].demand[kind] for n in growing), Fraction(0))
            used = sum((tasks[n] * users[n].demand[kind] for n in range(len(users))), Fraction(0))
            if drain:
                times.append(((whole - used) / drain, kind))
        step = min(times)[0]
        for n in growing:
            tasks[n] += speed[n] * step
        empty = [kind for time, kind in times if time == step]
        growing -= {n for n in growing if any(users[n].demand[kind] for kind in empty)}
    return tasks


def fill_where_allowed(
    weights: Sequence[int], allowed: Sequence[frozenset[str]], machines: Mapping[str, int]
) -> list[Fraction]:
    """How much of one resource each user gets, who may use only some machines: max-min, exactly.

    Users stop together whose machines are used up among them and by those who stopped before.
    """
    levels: dict[int, Fraction] = {}
    users = range(len(weights))
    groups = [set(each) for each in chain.from_iterable(combinations(users, n) for n in range(1, len(weights) + 1))]
    while len(levels) < len(weights):

        def level(group: set[int]) -> Fraction:
            room = sum(machines[name] for name in frozenset().union(*(allowed[n] for n in group)))
            stopped = sum((levels[n] * weights[n] for n in group if n in levels), Fraction(0))
            return Fraction(room - stopped) / sum(weights[n] for n in group if n not in levels)

        tightest = min((each for each in groups if not each <= levels.keys()), key=level)
        found = level(tightest)
        levels.update({n: found for n in tightest if n not in levels})
    return [levels[n] * weights[n] for n in users]
