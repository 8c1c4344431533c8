"""Health checks: the probe that says when an instance is ready."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from springtide.formats.compose_keys import HEALTHCHECK, check_keys
from springtide.formats.durations import parse_duration
from springtide.formats.entries import Entry
from springtide.model.workloads import ExecProbe, Healthcheck, HttpProbe, Route, TcpProbe

_WGET_FLAGS = re.compile(r"-q|-nv|-O-|-qO-|-O/dev/null|-qO/dev/null|--quiet|--spider|--no-verbose|--tries=1|-t1")
_WGET_PAIRS = ("-O -", "-qO -", "-O /dev/null", "-qO /dev/null", "-t 1", "-q -O-")
_CURL_FLAGS = re.compile(r"-[fsS]+|--fail|--silent|--show-error|-o/dev/null")
_CURL_PAIRS = ("-o /dev/null", "--output /dev/null")
_CURL_FAILS = re.compile(r"-[sS]*f[sSf]*|--fail")
_OR_EXIT = re.compile(r"\s*(?:(?:1?>\s*/dev/null|2>\s*&1)\s*)*(?:\|\|\s*(?:exit\s+1|false)\s*)?;?\s*$")
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`*?\[\]{}~\n]")


@dataclass(frozen=True, slots=True)
class Test:
    """The ``test`` of a health check: the command, and the GET that it amounts to if it is one."""

    command: tuple[str, ...] | None
    http: HttpProbe | None = None


def read_test(service: Entry) -> Test | None:
    """The service's test; one without a command where checks are switched off; ``None`` where none is given."""
    section = service.get("healthcheck")
    if section is None:
        return None
    fields = check_keys(section, HEALTHCHECK)
    if "disable" in fields and fields["disable"].truth():
        return Test(None)
    return _read_test(fields["test"]) if section.get("test") else None


def read_healthcheck(
    service: Entry, test: Test | None, routes: Collection[Route], known_ports: Collection[int]
) -> Healthcheck:
    """The service's health check.

    A wget or curl of a port that the service serves becomes a GET by Springtide itself: an exec
    in every instance at every look costs far more processor than the request, and the image then
    needs no client. Only ports that others reach qualify, since a server may listen for itself
    alone on the rest. A routed service without a test is ready once its port accepts.
    """
    section = service.get("healthcheck")
    standard = Healthcheck()
    return Healthcheck(
        probe=_probe(test, routes, known_ports),
        interval_seconds=_positive_seconds(section, "interval", standard.interval_seconds),
        timeout_seconds=_positive_seconds(section, "timeout", standard.timeout_seconds),
        retries=_retries(section, standard.retries),
        start_period_seconds=_seconds(section, "start_period", standard.start_period_seconds),
        start_interval_seconds=_seconds(section, "start_interval", standard.start_interval_seconds),
    )


def _probe(
    test: Test | None, routes: Collection[Route], known_ports: Collection[int]
) -> HttpProbe | TcpProbe | ExecProbe | None:
    if test is None:
        return TcpProbe(next(iter(routes)).target_port) if routes else None
    if test.command is None:
        return None
    reachable = {route.target_port for route in routes} | set(known_ports)
    if routes and test.http is not None and test.http.port in reachable:
        return test.http
    return ExecProbe(test.command)


def _read_test(entry: Entry) -> Test:
    words = [item.text() for item in entry.sequence()]
    kind, arguments = (words[0], words[1:]) if words else ("", [])
    if kind == "NONE" and not arguments:
        return Test(None)
    if kind == "CMD" and arguments:
        return Test(tuple(arguments), _http_probe(arguments))
    if kind == "CMD-SHELL" and len(arguments) == 1:
        return _shell_test(arguments[0])
    raise entry.error(
        f"A test can't start with {kind!r} and {len(arguments)} further words.",
        'Write ["CMD", "program", "argument"], ["CMD-SHELL", "command"], ["NONE"], or one text.',
    )


def _shell_test(command: str) -> Test:
    shell = ("/bin/sh", "-c", command)
    simple = _OR_EXIT.sub("", command)
    if _SHELL_SYNTAX.search(simple):
        return Test(shell)
    try:
        return Test(shell, _http_probe(shlex.split(simple)))
    except ValueError:
        # The shell may know how to read it; all that is lost is the shortcut.
        return Test(shell)


def _http_probe(words: list[str]) -> HttpProbe | None:
    """The GET that a plain wget or curl amounts to; ``None`` for any other command or flag."""
    if not words or words[0].rpartition("/")[2] not in ("wget", "curl"):
        return None
    is_curl = words[0].endswith("curl")
    flags, pairs = (_CURL_FLAGS, _CURL_PAIRS) if is_curl else (_WGET_FLAGS, _WGET_PAIRS)
    rest, urls, position = words[1:], [], 0
    fails = not is_curl or any(_CURL_FAILS.fullmatch(word) for word in rest)
    while position < len(rest):
        if " ".join(rest[position : position + 2]) in pairs:
            position += 2
            continue
        if not flags.fullmatch(rest[position]):
            urls.append(rest[position])
        position += 1
    # Without --fail curl is content with an answer of 500, which a probe of Springtide's isn't.
    return _local_get(urls[0]) if fails and len(urls) == 1 else None


def _local_get(url: str) -> HttpProbe | None:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in ("localhost", "127.0.0.1") or parts.username is not None:
        return None
    query = f"?{parts.query}" if parts.query else ""
    return HttpProbe(port, f"{parts.path or '/'}{query}")


def _positive_seconds(section: Entry | None, key: str, otherwise: float) -> float:
    seconds = _seconds(section, key, otherwise)
    if section is not None and seconds <= 0:
        raise section.mapping()[key].error(f"The {key} must be more than 0s.", f"Leave it out for {otherwise:g}s.")
    return seconds


def _seconds(section: Entry | None, key: str, otherwise: float) -> float:
    entry = section.get(key) if section else None
    return otherwise if entry is None else entry.parsed(parse_duration)


def _retries(section: Entry | None, otherwise: int) -> int:
    entry = section.get("retries") if section else None
    if entry is None:
        return otherwise
    if entry.whole_number() < 1:
        raise entry.error(f"{entry.described} retries can't make an instance unhealthy.", "Write at least 1.")
    return entry.whole_number()
