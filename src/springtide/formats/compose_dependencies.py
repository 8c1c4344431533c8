"""``depends_on``: what must be there before a service's first instance."""

from __future__ import annotations

from collections.abc import Mapping

from springtide.formats.compose_conditions import Condition
from springtide.formats.compose_keys import DEPENDENCY, check_keys
from springtide.formats.compose_pods import Pods
from springtide.formats.entries import Entry, did_you_mean

_Needed = Mapping[str, tuple[Condition, Entry]]
"""What one service needs by name: how far it must have come, and the place that says so."""


def read_dependencies(services: Mapping[str, Entry], pods: Pods) -> Mapping[str, Mapping[str, Condition]]:
    """For each service, companions too, the names that it depends on, each with how far it must have come.

    Raises the file's error for unknown names, unsupported conditions and circles.
    """
    sections = {name: service.get("depends_on") for name, service in services.items()}
    needs = {name: _read(name, section, services, pods) if section else {} for name, section in sections.items()}
    _refuse_circles(needs)
    return {name: {other: condition for other, (condition, _) in needed.items()} for name, needed in needs.items()}


def _read(
    dependent: str, section: Entry, services: Mapping[str, Entry], pods: Pods
) -> dict[str, tuple[Condition, Entry]]:
    needed = {}
    for name, entry in section.mapping().items():
        fields = check_keys(entry, DEPENDENCY)
        is_required = fields["required"].truth()
        if name in services:
            # A link implies one, and needs none here: names are looked up anew.
            restarts = pods.are_one(dependent, name) or ".depends_on" not in entry.key
            needed[name] = (_condition(fields, is_required=is_required, restarts=restarts), entry)
        elif is_required:
            others = [other for other in services if other != dependent]
            raise entry.error(f"There is no service {name!r}.", did_you_mean(name, others) or "Take it out.")
    return needed


def _condition(fields: Mapping[str, Entry], *, is_required: bool, restarts: bool) -> Condition:
    """``restarts`` is whether nothing is missing where the one restarts with the other."""
    if "restart" in fields and fields["restart"].truth() and not restarts:
        raise fields["restart"].error("A dependency's restart restarts nothing here.", "Leave `restart` out.")
    if not is_required:
        raise fields["required"].error(
            "Every dependency that is switched on is required.", "Leave it out of `depends_on`."
        )
    condition = fields["condition"]
    known = [each.value for each in Condition]
    if condition.text() not in known:
        raise condition.error(f"{condition.described} isn't a condition.", did_you_mean(condition.text(), known))
    return Condition(condition.text())


def _refuse_circles(needs: Mapping[str, _Needed]) -> None:
    """Raise at the first edge of a circle, naming each edge of it with its line."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        pending = [(start, iter(needs[start]))]
        while pending:
            name, rest = pending[-1]
            if len(path) < len(pending):
                path.append(name)
            following = next(rest, None)
            if following is None:
                done.add(name)
                pending.pop()
                path.pop()
            elif following in path:
                _refuse_circle(path[path.index(following) :], needs)
            elif following not in done:
                pending.append((following, iter(needs[following])))


def _refuse_circle(circle: list[str], needs: Mapping[str, _Needed]) -> None:
    edges = [
        (name, following, needs[name][following][1])
        for name, following in zip(circle, [*circle[1:], circle[0]], strict=True)
    ]
    path = ", ".join(f"{name} needs {following} (line {entry.line})" for name, following, entry in edges)
    raise edges[0][2].error(f"These dependencies go round in a circle: {path}.", "Take one of them out.")
