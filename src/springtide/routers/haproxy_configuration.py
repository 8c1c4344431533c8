"""HAProxy's configuration as text: pure functions from a route table to the file that HAProxy reads.

A *backend* is one way into one service: a host name on the ingress port, or a port of its own. Its
name carries the service's id (``feed:web::feed.localhost``), so that whatever HAProxy reports can
be booked on the service without a table. What can only change with a reload (services, routes,
ports) makes up the *structure*; servers change at runtime and stand in the text only so that a new
worker process knows them from its first request.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from springtide.model.errors import RefusedError
from springtide.model.identifiers import ServiceId
from springtide.routers.base import Endpoint, RouteTable

WAITING_ROOM = """\
-- Holds a request of a service that has no accepting endpoint, until it has one or the time is up.
local POLL_MS = 10

local function wait_for_endpoint(txn, limit_ms)
  local left_ms = tonumber(limit_ms)
  while left_ms > 0 and txn.f:nbsrv() == 0 do
    core.msleep(POLL_MS)
    left_ms = left_ms - POLL_MS
  end
end

core.register_action("wait_for_endpoint", { "tcp-req", "http-req" }, wait_for_endpoint, 1)
"""

_HOST_KEY = "req.hdr(host),field(1,:),lower"
_NAME = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?")
_HOST = re.compile(r"[a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Backend:
    """One way into one service. Exactly one of ``host`` and ``listen_port`` is given."""

    service: ServiceId
    target_port: int
    max_requests: int
    queue_seconds: float
    endpoints: tuple[Endpoint, ...] = ()
    host: str | None = None
    listen_port: int | None = None

    @property
    def name(self) -> str:
        way = self.host if self.host is not None else f"tcp:{self.listen_port}"
        return f"{self.service.replace('/', ':')}::{way}"

    @property
    def queue_milliseconds(self) -> int:
        """At least 1: HAProxy reads 0 as forever."""
        return max(1, round(self.queue_seconds * 1000))

    def address(self, endpoint: Endpoint) -> str:
        return f"{endpoint.address}:{self.target_port}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where HAProxy works: its files, the address and ingress port it listens on, and its size."""

    directory: Path
    bind: str
    port: int
    max_connections: int
    has_lua: bool

    @property
    def configuration(self) -> Path:
        return self.directory / "haproxy.cfg"

    @property
    def hosts(self) -> Path:
        return self.directory / "hosts.map"

    @property
    def waiting_room(self) -> Path:
        return self.directory / "waiting-room.lua"

    @property
    def handover_socket(self) -> Path:
        return self.directory / "handover.sock"

    @property
    def log_socket(self) -> Path:
        return self.directory / "log.sock"


def plan_backends(table: RouteTable) -> tuple[tuple[Backend, ...], tuple[RefusedError, ...]]:
    """The backends that the table asks for, and a refusal for each route that can't be had.

    A host name or port belongs to the first route that claims it.
    """
    claimed: dict[str, Backend] = {}
    refusals: list[RefusedError] = []
    for backend in _wanted_backends(table):
        refusal = _why_not(backend, claimed)
        if refusal:
            refusals.append(refusal)
        else:
            claimed[_claim(backend)] = backend
    return tuple(claimed.values()), tuple(refusals)


def service_of(backend_name: str) -> ServiceId:
    """The service that a backend's name stands for."""
    return ServiceId(backend_name.partition("::")[0].replace(":", "/", 1))


def shed_variable(backend_name: str) -> str:
    """The process variable in which HAProxy counts answers 503 of this backend."""
    return f"proc.shed_{_short_digest(backend_name)}"


def failed_variable(backend_name: str) -> str:
    """The process variable in which HAProxy counts other 5xx answers of this backend."""
    return f"proc.failed_{_short_digest(backend_name)}"


def structure_digest(backends: tuple[Backend, ...], place: Place) -> str:
    """Names everything that only a reload can change; equal digests need no reload."""
    bare = tuple(sorted((replace(each, endpoints=()) for each in backends), key=lambda each: each.name))
    return hashlib.sha256(_render(bare, place, digest="").encode()).hexdigest()[:16]


def render_configuration(backends: tuple[Backend, ...], place: Place) -> str:
    """The configuration file, with every accepting endpoint as a server."""
    ordered = tuple(sorted(backends, key=lambda each: each.name))
    return _render(ordered, place, digest=structure_digest(backends, place))


def render_hosts(backends: tuple[Backend, ...]) -> str:
    """The map from host name to backend, one a line."""
    return "".join(f"{each.host} {each.name}\n" for each in backends if each.host is not None)


def _wanted_backends(table: RouteTable) -> list[Backend]:
    backends = []
    for routed in table:
        for route in routed.routes:
            common = Backend(
                service=routed.service,
                target_port=route.target_port,
                max_requests=route.max_requests,
                queue_seconds=route.queue_seconds,
                endpoints=routed.endpoints,
            )
            if route.host is not None:
                backends.append(replace(common, host=route.host.lower()))
            if route.listen_port is not None:
                backends.append(replace(common, listen_port=route.listen_port))
    return backends


def _claim(backend: Backend) -> str:
    return backend.host if backend.host is not None else f":{backend.listen_port}"


def _why_not(backend: Backend, claimed: dict[str, Backend]) -> RefusedError | None:
    if not _NAME.fullmatch(backend.service):
        return RefusedError(
            f"The service name {backend.service!r} can't be routed.",
            remedy="Use letters, digits, dots, dashes and underscores.",
        )
    if backend.host is not None and not _HOST.fullmatch(backend.host):
        return RefusedError(
            f"The route of {backend.service} has the host {backend.host!r}, which is not a host name.",
            remedy="Give a plain name without port or path, such as feed.localhost.",
        )
    holder = claimed.get(_claim(backend))
    if holder is None:
        return None
    what = f"host {backend.host}" if backend.host is not None else f"port {backend.listen_port}"
    return RefusedError(
        f"{backend.service} asks for {what}, which {holder.service} already has.",
        remedy="Give one of them another route.",
    )


def _render(backends: tuple[Backend, ...], place: Place, digest: str) -> str:
    sections = [_global_section(backends, place, digest), _DEFAULTS, _ingress_section(place)]
    sections += [_port_section(each, place) for each in backends if each.listen_port is not None]
    sections += [_backend_section(each, place) for each in backends]
    return "\n".join(sections)


def _global_section(backends: tuple[Backend, ...], place: Place, digest: str) -> str:
    lines = [
        "global",
        f"  description springtide-{digest}",
        "  nbthread 1",
        f"  maxconn {place.max_connections}",
        "  noreuseport",
        "  hard-stop-after 15m",
        f'  log "{place.log_socket}" format raw local0',
    ]
    if place.has_lua:
        lines.append(f'  lua-load "{place.waiting_room}"')
    for backend in backends:
        if backend.host is not None:
            lines.append(f"  set-var {shed_variable(backend.name)} int(0)")
            lines.append(f"  set-var {failed_variable(backend.name)} int(0)")
    return "\n".join(lines) + "\n"


# http-server-close: no idle connection to an instance that could close it while a request is on its way.
# idle-close-on-response: after a reload an idle client connection gets one more answer, then is closed.
# That last request is handed to the new worker: only that one is told which endpoints drain.
# A refused connection is tried elsewhere after `timeout connect`; nothing that was sent is ever repeated.
_DEFAULTS = """\
defaults
  mode http
  balance leastconn
  timeout connect 200ms
  timeout http-request 30s
  timeout http-keep-alive 75s
  timeout client 10m
  timeout server 10m
  timeout tunnel 24h
  retries 5
  retry-on conn-failure
  option redispatch 1
  option http-server-close
  option idle-close-on-response
  http-error status 503 content-type text/plain string "All instances of this service are busy, or none is ready.\\n"
"""


def _ingress_section(place: Place) -> str:
    return f"""\
frontend ingress
  bind {place.bind}:{place.port}
  bind "unix@{place.handover_socket}" mode 600 accept-proxy
  log global
  log-format "%b %ST %Ta"
  http-request set-var(txn.backend) {_HOST_KEY},map("{place.hosts}")
  http-request return status 404 content-type text/plain lf-string \
"No service is routed at the host '%[req.hdr(host)]'. Springtide's status command lists the hosts.\\n" \
unless {{ var(txn.backend) -m found }}
  use_backend handover if {{ stopping }}
  use_backend %[var(txn.backend)]

backend handover
  server worker-in-charge "unix@{place.handover_socket}" send-proxy-v2
"""


def _port_section(backend: Backend, place: Place) -> str:
    return f"""\
frontend port-{backend.listen_port}
  mode tcp
  no log
  bind {place.bind}:{backend.listen_port}
  default_backend {backend.name}
"""


def _backend_section(backend: Backend, place: Place) -> str:
    is_http = backend.host is not None
    lines = [
        f"backend {backend.name}",
        f"  # an endpoint serves {backend.max_requests or 'any number of'} requests at a time",
        f"  mode {'http' if is_http else 'tcp'}",
        f"  timeout queue {backend.queue_milliseconds}ms",
    ]
    if place.has_lua:
        rule = "http-request" if is_http else "tcp-request content"
        lines.append(f"  {rule} lua.wait_for_endpoint {backend.queue_milliseconds}")
    if is_http:
        lines.append("  option forwardfor")
        shed, failed = shed_variable(backend.name), failed_variable(backend.name)
        lines.append(f"  http-after-response set-var({shed}) var({shed}),add(1) if {{ status 503 }}")
        lines.append(
            f"  http-after-response set-var({failed}) var({failed}),add(1) if {{ status 500:599 }} !{{ status 503 }}"
        )
    lines += [f"  server {server_terms(backend, each)}" for each in backend.endpoints if each.accepting]
    return "\n".join(lines) + "\n"


def server_terms(backend: Backend, endpoint: Endpoint) -> str:
    """Name, address and limit of a server, as both the file and the runtime socket take them."""
    limit = f" maxconn {backend.max_requests}" if backend.max_requests > 0 else ""
    return f"{endpoint.instance} {backend.address(endpoint)}{limit}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
