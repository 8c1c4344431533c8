"""What load to offer: phases of piecewise linear rates, and how the command line writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from springtide.model.errors import InputError

_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class RatePhase:
    """A stretch of time in which the rate goes linearly from one value to the other, per second."""

    name: str
    seconds: float
    rps_from: float
    rps_to: float

    @property
    def requests(self) -> float:
        """How many requests fall into it; the fraction carries over into the next phase."""
        return self.seconds * (self.rps_from + self.rps_to) / 2

    def rate_at(self, second: float) -> float:
        """Requests per second, this long after the phase's start."""
        return self.rps_from + (self.rps_to - self.rps_from) * second / self.seconds


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Requests to send to one URL, when, and what they are.

    ``host_header`` replaces the URL's host in the request. ``post_share`` of the requests, evenly
    interleaved, are POSTs with ``body_bytes`` of body. A request that isn't answered
    ``timeout_seconds`` after it was due has failed. A request sent more than ``late_milliseconds``
    after it was due counts as late: then the generator is slow, not the service.
    """

    url: str
    phases: tuple[RatePhase, ...]
    host_header: str | None = None
    post_share: float = 0.5
    timeout_seconds: float = 2.0
    body_bytes: int = 64
    late_milliseconds: float = 20.0

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. ``authority`` is what the Host header says."""

    host: str
    port: int
    path: str
    authority: str


def parse_url(url: str) -> Target:
    """Take an ``http://`` URL apart; one without a scheme is taken as http. Raises InputError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url!r} has no valid port: {error}.", file="URL") from error
    if parts.scheme != "http" or not host or not url.isascii() or any(each.isspace() for each in url):
        raise InputError(
            f"{url!r} is not a URL that load can be sent to.",
            file="URL",
            remedy="Write it as http://feed.localhost:8080/path.",
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port or 80, path, parts.netloc.rpartition("@")[2])


def parse_rate(text: str) -> tuple[float, float]:
    """Read ``50..400`` (a ramp) or ``200`` (steady), in requests per second. Raises InputError."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"{text!r} is not a rate.", file="--rps", remedy="Write 200 for a steady rate, 50..400 for a ramp."
        )
    first = float(match[1])
    last = float(match[2]) if match[2] else first
    if not first and not last:
        raise InputError("A rate of 0 sends nothing.", file="--rps", remedy="Give a rate above 0.")
    return first, last


def parse_duration(text: str) -> float:
    """Read ``30s``, ``2m``, ``1h``, ``500ms`` or plain seconds as seconds. Raises InputError."""
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if seconds <= 0:
        raise InputError(
            f"{text!r} is not a duration above 0.", file="--for", remedy="Write it as 30s, 2m, 1h or 500ms."
        )
    return seconds


def require_valid(plan: LoadPlan) -> None:
    """Raises InputError where the plan can't be carried out."""
    parse_url(plan.url)
    if not plan.phases:
        raise InputError("The load has no phases.", file="load", remedy="Give at least one rate and its duration.")
    for phase in plan.phases:
        if phase.seconds <= 0 or phase.rps_from < 0 or phase.rps_to < 0:
            raise InputError(
                f"Phase {phase.name} lasts {phase.seconds:g} s from {phase.rps_from:g} to {phase.rps_to:g} a second.",
                file="load",
                remedy="Its duration must be above 0, its rates must not be negative.",
            )
    if not 0 <= plan.post_share <= 1:
        raise InputError(f"{plan.post_share:g} is not a share.", file="--post", remedy="Give 0 to 1.")
    if plan.timeout_seconds <= 0 or plan.body_bytes < 0:
        raise InputError(
            f"A time-out of {plan.timeout_seconds:g} s with {plan.body_bytes} bytes of body can't be had.", file="load"
        )
