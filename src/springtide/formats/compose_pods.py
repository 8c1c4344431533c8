"""Pods: services that share another's network are one instance of several containers, scaled together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from types import MappingProxyType
from typing import TypeVar

from springtide.formats.compose_conditions import Condition
from springtide.formats.compose_keys import EXTENSION
from springtide.formats.entries import Entry, did_you_mean
from springtide.formats.springtide_keys import ServiceExtension
from springtide.model.errors import InputError
from springtide.model.resources import CPU_MILLIS, Resources
from springtide.model.workloads import Companion, ContainerTemplate, PlacementRules, Service, Template

OF_SERVICE = "service:"
SHARES_PER_CPU = 1024
"""Of the processor's shares, as many as an ordinary reservation of one gives."""

AnyTemplate = TypeVar("AnyTemplate", bound=ContainerTemplate)

_NAMES = "the containers of a pod share one network and its names."
_OF_THE_FIRST: Mapping[str, str] = MappingProxyType(
    {
        "ports": "the containers of a pod share one address.",
        "hostname": _NAMES,
        "domainname": _NAMES,
        "dns": _NAMES,
        "dns_search": _NAMES,
        "dns_opt": _NAMES,
        "extra_hosts": _NAMES,
        "mac_address": "the containers of a pod share one address.",
    }
)
"""What only the service whose network is shared can say, and why."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Which services are folded into which: ``firsts`` has every companion with its pod's first service.

    ``modes`` are the places that say so.
    """

    firsts: Mapping[str, str]
    modes: Mapping[str, Entry]

    def first_of(self, name: str) -> str:
        """The service that this one is a container of: itself where it shares nobody's network."""
        return self.firsts.get(name, name)

    def are_one(self, name: str, other: str) -> bool:
        """Whether these are two, and containers of one instance."""
        return name != other and self.first_of(name) == self.first_of(other)

    def companions_of(self, first: str, needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
        """The companions of a pod, those first that others of it need."""
        members = [name for name, of in self.firsts.items() if of == first]
        order = TopologicalSorter({name: [other for other in needs[name] if other in members] for name in members})
        return tuple(order.static_order())

    def awaited_by(self, companion: str, needs: Mapping[str, Mapping[str, Condition]]) -> tuple[str, ...]:
        """Containers of its own pod that must be healthy before it starts."""
        needed = needs[companion].items()
        return tuple(other for other, each in needed if each is Condition.HEALTHY and self.are_one(companion, other))

    def folded(self, needs: Mapping[str, Mapping[str, Condition]]) -> Mapping[str, Mapping[str, Condition]]:
        """What each service needs, companions as parts of their pods. Raises the file's error for a circle."""
        together: dict[str, dict[str, Condition]] = {}
        for name, needed in needs.items():
            own = together.setdefault(self.first_of(name), {})
            for other, condition in needed.items():
                if not self.are_one(name, other):
                    before = own.get(self.first_of(other), condition)
                    own[self.first_of(other)] = max(condition, before, key=lambda each: each.order)
        self._refuse_circles(together)
        return together

    def _refuse_circles(self, needs: Mapping[str, Iterable[str]]) -> None:
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            circle: list[str] = list(reversed(error.args[1]))
            path = ", ".join(f"{one} needs {next_one}" for one, next_one in pairwise(circle))
            # Only folding can have closed the circle: others were refused before.
            companion = next(name for name, first in self.firsts.items() if first in circle)
            raise self.modes[companion].error(
                f"Services that share a network start as one, and then this goes round in a circle: {path}.",
                "Take one of the dependencies out, or let the services have networks of their own.",
            ) from None


def read_pods(services: Mapping[str, Entry]) -> Pods:
    """The pods of a file.

    Raises its error where one can't be: no such service, a circle, something that a companion can't say.
    """
    modes = {name: mode for name, service in services.items() if (mode := _shared(service, "network_mode")) is not None}
    pods = Pods({name: _first(name, modes, services) for name in modes}, modes)
    for name, service in services.items():
        if name in modes:
            _refuse_what_the_first_says(service, pods.first_of(name))
        _check_spaces(name, service, pods)
        _refuse_ends_inside(name, service, pods)
    return pods


def check_agrees(entry: Entry, extension: ServiceExtension, rules: PlacementRules, first: Service) -> None:
    """Raise the file's error where a companion asks for another count, place or rung than its pod has.

    What it doesn't say is as for the pod. ``extension`` and ``rules`` are what is read of the companion.
    """
    own, deploy = entry.get(EXTENSION), entry.get("deploy")
    said = own.mapping() if own is not None else {}
    count = (deploy.get("replicas") if deploy is not None else None) or entry.get("scale")
    if count is not None and not first.scale.minimum <= count.whole_number() <= first.scale.maximum:
        raise _differs(count, first)
    kept = {
        "scale": extension.scale == first.scale,
        "ladder": extension.ladder == first.ladder,
        "band": extension.band == first.band,
        "line_load": extension.line_load_bits_per_second == first.line_load_bits_per_second,
        "route": False,
    }
    for key, is_kept in kept.items():
        if key in said and not is_kept:
            raise _differs(said[key], first)
    if rules and rules != first.placement:
        raise _differs(
            said.get("placement") or (deploy.get("placement") if deploy is not None else None) or entry, first
        )


def in_one_pod(template: Template, own: Resources, companions: Sequence[tuple[Companion, Resources]]) -> Template:
    """The template of a pod: each container with its own share of the processor, and time for all of them to stop.

    ``own`` is what the first container reserves; with each companion comes what it does.
    """
    if not companions:
        return template
    grace = max(template.stop_grace_seconds, *(each.template.stop_grace_seconds for each, _ in companions))
    shared = tuple(replace(each, template=_with_share(each.template, reserved)) for each, reserved in companions)
    return replace(_with_share(template, own), companions=shared, stop_grace_seconds=grace)


def _first(name: str, modes: Mapping[str, Entry], services: Mapping[str, Entry]) -> str:
    """The service at the end of the chain that begins here."""
    chain = [name]
    while chain[-1] in modes:
        mode = modes[chain[-1]]
        other = mode.text().removeprefix(OF_SERVICE)
        if other not in services:
            known = [each for each in services if each != name]
            raise mode.error(
                f"There is no service {other!r} whose network could be shared.", did_you_mean(other, known)
            )
        if other in chain:
            circle = ", ".join(f"{each} shares that of {modes[each].text().removeprefix(OF_SERVICE)}" for each in chain)
            raise mode.error(f"These networks go round in a circle: {circle}.", "Let one of them have a network.")
        chain.append(other)
    return chain[-1]


def _refuse_what_the_first_says(service: Entry, first: str) -> None:
    for key, why in _OF_THE_FIRST.items():
        entry = service.get(key)
        if entry is not None and entry.value:
            raise entry.error(
                f"`{key}` can't be a companion's: {why}", f"Write it under {first!r}, whose network it is."
            )


def _check_spaces(name: str, service: Entry, pods: Pods) -> None:
    """Processes and memory can be shared within a pod only: elsewhere there may be many of the other, or none."""
    for key in ("pid", "ipc"):
        entry = service.get(key)
        if entry is None or not entry.text().startswith((OF_SERVICE, "container:")):
            continue
        other = entry.text().removeprefix(OF_SERVICE)
        if not pods.are_one(name, other):
            raise entry.error(
                f"{entry.described} isn't supported: containers share `{key}` within one instance only.",
                f"Add `network_mode: {entry.text()}`, which makes both one instance, or leave `{key}` out."
                if entry.text().startswith(OF_SERVICE)
                else f"Leave `{key}` out.",
            )


def _refuse_ends_inside(name: str, service: Entry, pods: Pods) -> None:
    needs = service.get("depends_on")
    for other, need in needs.mapping().items() if needs is not None else ():
        condition = need.get("condition")
        if pods.are_one(name, other) and condition is not None and condition.value == Condition.COMPLETED:
            raise condition.error(
                f"{name!r} and {other!r} are one instance, of which no container may end.",
                "Write service_healthy, or do that work in the image's entrypoint.",
            )


def _differs(place: Entry, first: Service) -> InputError:
    count = f"{first.scale.minimum} to {first.scale.maximum}"
    count = count if first.scale.minimum < first.scale.maximum else str(first.scale.minimum)
    return place.error(
        f"{first.name!r}, whose network is shared, says otherwise: both are one instance, of which there are {count}.",
        f"Leave it out here, or write it at {first.name!r}.",
    )


def _with_share(template: AnyTemplate, reserved: Resources) -> AnyTemplate:
    if template.kernel.cpu_shares:
        return template
    shares = max(2, reserved[CPU_MILLIS] * SHARES_PER_CPU // 1000)
    return replace(template, kernel=replace(template.kernel, cpu_shares=shares))


def _shared(service: Entry, key: str) -> Entry | None:
    """The value of this key where it names another service."""
    entry = service.get(key)
    return entry if entry is not None and entry.text().startswith(OF_SERVICE) else None
