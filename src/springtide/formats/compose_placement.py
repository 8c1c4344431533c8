"""Where instances may stand: ``deploy.placement`` as Swarm reads it, and ``x-springtide.placement`` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from springtide.formats.compose_keys import EXTENSION, PLACEMENT, PREFERENCE, check_keys
from springtide.formats.entries import Entry, did_you_mean, near_name
from springtide.formats.fleet_labels import NO_LABELS
from springtide.formats.platforms import canonical_platform
from springtide.formats.springtide_keys import MAX_INSTANCES, OWN_PLACEMENT
from springtide.model.identifiers import AppName, ServiceId, SiteName, service_id
from springtide.model.workloads import Constraint, PlacementRules, neighbours_awaited

_EXPRESSION = re.compile(r"\s*([^=!\s]+)\s*(==|!=)\s*(.*?)\s*")
_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_SERVICE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}/[a-zA-Z0-9._-]{1,63}")
_LABEL_PREFIX = "node.labels."
_PLATFORM: Mapping[str, str] = MappingProxyType({"node.platform.os": "os", "node.platform.arch": "arch"})
_EACH_NODE = ("node.id", "node.hostname")
_USE_LABELS = "Label the pool's `slices` in the fleet file, and write node.labels.NAME."
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "node.id": _USE_LABELS,
        "node.hostname": _USE_LABELS,
        "node.ip": _USE_LABELS,
        "node.role": "Leave it out: no node of Springtide is a manager.",
    }
)
_NODE, _SITE = "node", "site"
_SYSTEMS = ("linux", "windows")


@dataclass(frozen=True, slots=True)
class Placed:
    """The rules, where each constraint stands, and sentences worth showing that stop nothing."""

    rules: PlacementRules
    places: Mapping[Constraint, Entry]
    notices: tuple[str, ...]


def read_placement(service: Entry, neighbours: Neighbours, sites: Iterable[SiteName], labels: frozenset[str]) -> Placed:
    """The service's rules. ``sites`` are all sites of the fleet, ``labels`` the names of all labels.

    Raises the file's error for what isn't known or can't be honoured. Whether any node meets the
    constraints is the affair of ``compose_fit``.
    """
    deploy, extension = service.get("deploy"), service.get(EXTENSION)
    section = deploy.get("placement") if deploy else None
    own = extension.get("placement") if extension else None
    places = {**_constraints(section), **_of_platform(service.get("platform")), **_own_constraints(own, sites)}
    spread = tuple(dict.fromkeys(_spread(section)))
    name = service.key.partition(".")[2]
    near, apart = neighbours.of(name, own, "near"), neighbours.of(name, own, "apart")
    for other in near.keys() & apart.keys():
        sentence = f"{other} can't be both near and apart (line {near[other].line})."
        raise apart[other].error(sentence, "Take one of the two out.")
    rules = PlacementRules(
        constraints=tuple(places),
        spread=spread,
        max_per_node=_max_per_node(section),
        near=tuple(near),
        apart=tuple(apart),
        domain=_domain(own, labels, is_used=bool(near or apart)),
    )
    return Placed(rules, places, tuple(_idle_spreads(name, spread, labels)))


def refuse_circles_of_near(rules: Mapping[ServiceId, PlacementRules], entries: Mapping[ServiceId, Entry]) -> None:
    """Raise where each of several services waits for another's first instance to stand near.

    Of two that name each other the first by id goes ahead, so only longer circles can't begin.
    """
    awaited = neighbours_awaited(rules)
    if not awaited:
        return
    circle = _circle(next(iter(awaited)), awaited)
    steps = ", ".join(f"{name} near {other}" for name, other in zip(circle, (*circle[1:], circle[0]), strict=True))
    raise entries[circle[0]].error(
        f"None of these could be the first to start, since each waits for the next: {steps}.", "Take one of them out."
    )


def _circle(start: ServiceId, waits: Mapping[ServiceId, Sequence[ServiceId]]) -> list[ServiceId]:
    path = [start]
    while (following := waits[path[-1]][0]) not in path:
        path.append(following)
    return path[path.index(following) :]


def _constraints(section: Entry | None) -> dict[Constraint, Entry]:
    if section is None:
        return {}
    check_keys(section, PLACEMENT)
    listed = section.get("constraints")
    return {_constraint(entry): entry for entry in (listed.sequence() if listed else ())}


def _constraint(entry: Entry) -> Constraint:
    match = _EXPRESSION.fullmatch(entry.text())
    if match is None:
        name, _, value = entry.text().partition("=")
        remedy = (
            f"Write 'node.labels.{name.strip()}=={value.strip()}', say."
            if value
            else "Write 'node.labels.zone==a', say."
        )
        raise entry.error(f"{entry.described} isn't a constraint: it needs `==` or `!=`.", remedy)
    name, operator, value = match.groups()
    if not _VALUE.fullmatch(value):
        remedy = "Write letters, digits, dots, dashes and underscores, at most 63."
        raise entry.error(f"{value[:80]!r} is a value that no node can have.", remedy)
    key = _attribute(entry, name, "be asked for")
    return Constraint(key, canonical_platform(value) if key in _PLATFORM.values() else value, operator == "==")


def _of_platform(entry: Entry | None) -> dict[Constraint, Entry]:
    """``OS``, ``ARCH`` or ``OS/ARCH`` of ``platform``, as nodes say them."""
    if entry is None:
        return {}
    words = [canonical_platform(word) for word in entry.text().split("/")]
    if words[1:] == ["arm64", "v8"]:
        words.pop()  # there is no other
    if len(words) > 2 or not all(map(_VALUE.fullmatch, words)):
        raise entry.error(f"{entry.described} is no platform that nodes say.", "Write linux/amd64 or linux/arm64, say.")
    keys = ("os", "arch") if len(words) == 2 or words[0] in _SYSTEMS else ("arch",)
    return {Constraint(key, word): entry for key, word in zip(keys, words, strict=False)}


def _attribute(entry: Entry, name: str, use: str) -> str:
    """The label that a Swarm name such as ``node.labels.zone`` stands for. Its first two words may be in capitals."""
    small = name.lower()
    if small in _PLATFORM:
        return _PLATFORM[small]
    if small.startswith(_LABEL_PREFIX) and len(name) > len(_LABEL_PREFIX):
        label = name[len(_LABEL_PREFIX) :]
        if label in NO_LABELS:
            remedy = f"Write it as `{EXTENSION}.placement.{label}`." if label == _SITE else _USE_LABELS
            raise entry.error(f"{label!r} is no label.", remedy)
        return label
    if small.startswith("engine.labels."):
        raise entry.error(f"Labels of engines can't {use}: {name!r}.", _USE_LABELS)
    if small in _REFUSED:
        raise entry.error(f"{name!r} can't {use}.", _REFUSED[small])
    known = ("node.labels.NAME", *_PLATFORM)
    raise entry.error(f"{name[:80]!r} can't {use}: nodes have no such thing.", did_you_mean(small, known))


def _spread(section: Entry | None) -> Iterator[str]:
    listed = section.get("preferences") if section else None
    for entry in listed.sequence() if listed else ():
        spread = check_keys(entry, PREFERENCE).get("spread")
        if spread is None or spread.is_null:
            raise entry.error("This preference prefers nothing.", "Write `spread: node.labels.zone`, say.")
        name = spread.text()
        yield _NODE if name.lower() in _EACH_NODE else _attribute(spread, name, "be spread over")


def _idle_spreads(name: str, spread: Iterable[str], labels: frozenset[str]) -> Iterator[str]:
    for label in spread:
        if label != _NODE and label not in labels:
            yield f"{name}: no node of the fleet has the label {label!r}, so nothing is spread over it." + (
                f" {hint}" if (hint := near_name(label, sorted(labels))) else ""
            )


def _max_per_node(section: Entry | None) -> int:
    entry = section.get("max_replicas_per_node") if section else None
    if entry is None:
        return 0
    count = entry.whole_number()
    if not 0 <= count <= MAX_INSTANCES:
        raise entry.error(f"{count} instances a node are outside 0 to {MAX_INSTANCES}.", "Write 0 for no limit.")
    return count


def _own_constraints(own: Entry | None, sites: Iterable[SiteName]) -> dict[Constraint, Entry]:
    if own is None:
        return {}
    check_keys(own, OWN_PLACEMENT)
    places = {}
    site, isolation = own.get("site"), own.get("isolation")
    if site is not None:
        known = sorted(sites)
        if site.text() not in known:
            raise site.error(f"The fleet has no site {site.text()!r}.", did_you_mean(site.text(), known))
        places[Constraint(_SITE, site.text())] = site
    if isolation is not None:
        if not _VALUE.fullmatch(isolation.text()):
            raise isolation.error(
                f"{isolation.described} is no class of isolation.", "Write one that nodes have: vm, say."
            )
        places[Constraint("isolation", isolation.text())] = isolation
    return places


def _domain(own: Entry | None, labels: frozenset[str], *, is_used: bool) -> str:
    entry = own.get("domain") if own else None
    if entry is None:
        return _NODE
    if not is_used:
        raise entry.error("A domain means nothing by itself.", "Say what is to be `near` or `apart`, or leave it out.")
    known = {_NODE, _SITE, *labels}
    if entry.text() not in known:
        remedy = did_you_mean(entry.text(), known)
        raise entry.error(f"{entry.described} divides nothing: no node of the fleet has such a label.", remedy)
    return entry.text()


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which services ``near`` and ``apart`` may name: those of the file, and any by its full id.

    ``services`` are those of the file, each with the first service of its pod.
    """

    app: AppName
    services: Mapping[str, str]

    def of(self, name: str, own: Entry | None, key: str) -> dict[ServiceId, Entry]:
        """Each service that this one names under a key of its placement, and where."""
        section = own.get(key) if own else None
        if section is None:
            return {}
        return {self._id(name, entry): entry for entry in (section.sequence() if section.is_sequence else (section,))}

    def _id(self, oneself: str, entry: Entry) -> ServiceId:
        name = entry.text()
        of_the_file = name.removeprefix(f"{self.app}/")
        if of_the_file in self.services:
            return service_id(self.app, self.services[of_the_file])
        if _SERVICE_ID.fullmatch(name) and of_the_file == name:
            return ServiceId(name)
        known = [each for each in self.services if each != oneself]
        remedy = did_you_mean(of_the_file, known) or "Write a service of another app as `app/service`."
        raise entry.error(f"There is no service {name!r} in this file.", remedy)
