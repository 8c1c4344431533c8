"""Container ports, published ports and routes of a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from springtide.formats.compose_keys import PORT, check_keys
from springtide.formats.compose_reading import items_of, text_of
from springtide.formats.compose_short_forms import port_number
from springtide.formats.durations import parse_seconds
from springtide.formats.entries import Entry
from springtide.formats.springtide_keys import ROUTE
from springtide.model.networks import Protocol
from springtide.model.networks import PublishedPort as MachinePort
from springtide.model.workloads import Route

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A line of ``ports``: the container's port and, where one is given, the port to listen on."""

    target: int
    published: int | None
    entry: Entry


def read_ports(service: Entry) -> tuple[PublishedPort, ...]:
    """The ``ports`` of a service. Raises the file's error for what the router can't do."""
    return tuple(_read_port(entry) for entry in items_of(service.get("ports")) if not _is_of_the_machine(entry))


def read_machine_ports(service: Entry) -> tuple[MachinePort, ...]:
    """The ports that the engine itself binds: those of other protocols than TCP, and those of the mode ``host``."""
    return tuple(_read_machine_port(entry) for entry in items_of(service.get("ports")) if _is_of_the_machine(entry))


def _is_of_the_machine(entry: Entry) -> bool:
    """Whether the router can't or mustn't serve this port."""
    return entry.mapping()["protocol"].value != "tcp" or entry.mapping()["mode"].value == "host"


def _read_machine_port(entry: Entry) -> MachinePort:
    fields = check_keys(entry, PORT)
    protocol, published = fields["protocol"], fields.get("published")
    if protocol.text() not in tuple(Protocol):
        raise protocol.error(f"The protocol {protocol.described} isn't known.", f"Known here: {', '.join(Protocol)}.")
    return MachinePort(
        target_port=fields["target"].whole_number(),
        host_port=0 if published is None else _one_port(published),
        protocol=Protocol(protocol.text()),
        host_address=text_of(fields.get("host_ip")),
    )


def read_exposed(service: Entry) -> tuple[int, ...]:
    """The ports under ``expose``."""
    section = service.get("expose")
    return tuple(_exposed_port(entry) for entry in section.sequence()) if section else ()


def read_routes(
    service: Entry, route: Entry | None, published: Sequence[PublishedPort], known_ports: Sequence[int]
) -> tuple[Route, ...]:
    """How traffic reaches a service: one route a published port, and the host's.

    ``route`` is the service's ``x-springtide.route``. The host joins the route of the port that
    it leads to where there is one. Raises the file's error where the host's port isn't clear.
    """
    routes = [Route(port.target, listen_port=port.published) for port in published if port.published is not None]
    if route is None:
        return tuple(routes)
    fields = check_keys(route, ROUTE) if route.is_mapping else {"host": route}
    host = _host(fields["host"]) if "host" in fields else None
    target = _route_target(service, route, fields.get("port"), known_ports)
    max_requests, queue = _max_requests(fields.get("max_requests")), _queue_seconds(fields.get("queue"))
    same = [each for each in routes if each.target_port == target]
    if host is None and not same:
        raise route.error(
            f"This route of port {target} has no host name, and no line of `ports` publishes that port.",
            "Add `host:`, or publish the port under `ports`.",
        )
    listens: list[int | None] = [each.listen_port for each in same] or [None]
    led = [
        Route(target, host if index == 0 else None, listen, max_requests, queue) for index, listen in enumerate(listens)
    ]
    return (*led, *(each for each in routes if each.target_port != target))


def _read_port(entry: Entry) -> PublishedPort:
    fields = check_keys(entry, PORT)
    mode, address = fields.get("mode"), fields.get("host_ip")
    if mode is not None and mode.text() != "ingress":
        raise mode.error(f"The mode {mode.described} isn't supported.", "Leave `mode` out.")
    published, target = fields.get("published"), fields["target"].whole_number()
    if address is not None:
        shorter = f"{published.text()}:{target}" if published is not None else str(target)
        raise address.error(
            "'host_ip' isn't supported: this port binds one address.",
            f"Leave the address out, as in '{shorter}', or add `mode: host` to go past the router.",
        )
    return PublishedPort(target, None if published is None else _one_port(published), entry)


def _one_port(entry: Entry) -> int:
    if re.fullmatch(r"[0-9]+-[0-9]+", entry.text()):
        raise entry.error(f"The range {entry.text()} for one port isn't supported.", "Name one port of it.")
    return port_number(entry)


def _exposed_port(entry: Entry) -> int:
    number, _, protocol = entry.text().partition("/")
    if protocol not in ("", "tcp"):
        raise entry.error(f"The protocol {protocol!r} isn't supported: the router speaks TCP.", "Leave this port out.")
    return _one_port(entry.with_value(number))


def _host(entry: Entry) -> str:
    host = entry.text()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise entry.error(
            f"{entry.described} isn't a host name.", "Write one such as feed.localhost: small letters, digits, dashes."
        )
    return host


def _route_target(service: Entry, route: Entry, port: Entry | None, known_ports: Sequence[int]) -> int:
    if port is not None:
        return port_number(port)
    choices = sorted(set(known_ports))
    if len(choices) == 1:
        return choices[0]
    name = service.key.rpartition(".")[2]
    if not choices:
        raise route.error(
            f"Nothing says which port {name!r} listens on.", "Write `route: {host: …, port: …}`, or list it in `ports`."
        )
    listed = ", ".join(map(str, choices))
    raise route.error(f"{name!r} has several ports ({listed}).", f"Write `route: {{host: …, port: {choices[0]}}}`.")


def _max_requests(entry: Entry | None) -> int:
    count = 0 if entry is None else entry.whole_number()
    if entry is not None and count < 0:
        raise entry.error(f"An instance can't be given {count} requests at a time.", "Write 0 for no limit.")
    return count


def _queue_seconds(entry: Entry | None) -> float:
    return Route(0).queue_seconds if entry is None else entry.parsed(parse_seconds)
