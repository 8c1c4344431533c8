"""Container ports, published ports and routes of a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from springtide.formats.compose_keys import PORT, ROUTE, check_keys
from springtide.formats.durations import parse_seconds
from springtide.formats.entries import Entry
from springtide.model.workloads import Route

_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A line of ``ports``: the container's port and, where one is given, the port to listen on."""

    target: int
    published: int | None
    entry: Entry


def read_ports(service: Entry) -> tuple[PublishedPort, ...]:
    """The ``ports`` of a service. Raises the file's error for what the router can't do."""
    section = service.get("ports")
    return tuple(_read_port(entry) for entry in section.sequence()) if section else ()


def read_exposed(service: Entry) -> tuple[int, ...]:
    """The ports under ``expose``."""
    section = service.get("expose")
    return tuple(_short_port(entry, entry.text_or_number())[1] for entry in section.sequence()) if section else ()


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
    if not entry.is_mapping:
        published, target = _short_port(entry, entry.text_or_number())
        return PublishedPort(target, published, entry)
    fields = check_keys(entry, PORT)
    if "target" not in fields:
        raise entry.error("This port doesn't say which port of the container it means.", "Add `target:`.")
    if "protocol" in fields:
        _check_protocol(fields["protocol"], fields["protocol"].text())
    if "mode" in fields and fields["mode"].text() != "ingress":
        raise fields["mode"].error(f"The mode {fields['mode'].described} isn't supported.", "Leave `mode` out.")
    published_entry = entry.get("published")
    published = None if published_entry is None else _number(published_entry, published_entry.text_or_number())
    return PublishedPort(_number(fields["target"], fields["target"].text_or_number()), published, entry)


def _short_port(entry: Entry, text: str) -> tuple[int | None, int]:
    body, _, protocol = text.partition("/")
    _check_protocol(entry, protocol or "tcp")
    host, _, target = body.rpartition(":")
    if ":" in host:
        raise entry.error(f"{text!r} binds one address.", f"Write '{host.rpartition(':')[2]}:{target}'.")
    if "." in host:
        raise entry.error(f"{text!r} binds one address.", f"Write '{target}'.")
    return (_number(entry, host) if host else None), _number(entry, target)


def _number(entry: Entry, text: str) -> int:
    if re.fullmatch(r"[0-9]+-[0-9]+", text):
        raise entry.error(f"The range {text} isn't supported.", "Write one line a port.")
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise entry.error(f"{text!r} isn't a port.", "Write a number from 1 to 65535, or 'PUBLISHED:CONTAINER'.")
    return int(text)


def _check_protocol(entry: Entry, protocol: str) -> None:
    if protocol != "tcp":
        raise entry.error(f"The protocol {protocol!r} isn't supported: the router speaks TCP.", "Leave this port out.")


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
        return _number(port, port.text_or_number())
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
