"""How to start one instance: the parts of a service that make its template, and its build."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from springtide.formats.app_specs import BuildSpec
from springtide.formats.compose_keys import BUILD, check_keys
from springtide.formats.compose_merge import by_name
from springtide.formats.durations import parse_duration
from springtide.formats.entries import Entry
from springtide.model.workloads import Healthcheck, Limits, Template

RESERVED_LABELS = "springtide."
"""Labels under this prefix are Springtide's own; a file may not set them."""

_SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9+-]{1,9}|[0-9]{1,2}")


def read_template(
    service: Entry, image: str, environment: Mapping[str, str], health_and_limits: tuple[Healthcheck, Limits]
) -> Template:
    """The template without networks. ``environment`` gives the values of variables that are only named."""
    healthcheck, limits = health_and_limits
    user, grace, signal = service.get("user"), service.get("stop_grace_period"), service.get("stop_signal")
    standard = Template("")
    return Template(
        image=image,
        command=_command(service.get("command")),
        entrypoint=_command(service.get("entrypoint")),
        environment=_environment(service.get("environment"), environment),
        labels=_labels(service.get("labels")),
        user=None if user is None else user.text(),
        working_dir=_working_dir(service.get("working_dir")),
        healthcheck=healthcheck,
        limits=limits,
        stop_grace_seconds=standard.stop_grace_seconds if grace is None else grace.parsed(parse_duration),
        stop_signal=None if signal is None else _signal(signal),
    )


def read_build(service: Entry, environment: Mapping[str, str]) -> BuildSpec | None:
    """How to build the service's image, ``None`` where it isn't built here."""
    section = service.get("build")
    if section is None:
        return None
    fields = check_keys(section, BUILD) if section.is_mapping else {"context": section}
    context = fields["context"].text() if "context" in fields else "."
    if "://" in context or context.startswith("git@"):
        raise fields["context"].error(f"The context {context!r} isn't a local directory.", "Check it out first.")
    base = Path(fields["context"].source.file if "context" in fields else section.source.file).parent
    dockerfile, arguments = section.get("dockerfile"), section.get("args")
    return BuildSpec(
        context=(base / context).absolute(),
        dockerfile="Dockerfile" if dockerfile is None else dockerfile.text(),
        arguments=_environment(arguments, environment),
    )


def scalar_text(entry: Entry) -> str:
    """A scalar as Compose passes it on: ``true``, ``1.5``, ``1e+06``; nothing becomes an empty text."""
    value = entry.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _go_float(value)
    return entry.text_or_number()


def _go_float(value: float) -> str:
    """A float as Go prints it, which is how Compose passes it on: ``1.5``, ``1e+06``, ``1e-05``.

    Source: Go's strconv.FormatFloat with format 'g' and the shortest precision.
    """
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    shortest = Decimal(repr(value)).normalize()
    if not value or -4 <= shortest.adjusted() < 6:
        return f"{shortest:f}"
    mantissa, _, exponent = f"{shortest:e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"


def _command(entry: Entry | None) -> tuple[str, ...] | None:
    if entry is None:
        return None
    if entry.is_sequence:
        return tuple(item.text_or_number() for item in entry.sequence())
    try:
        return tuple(shlex.split(entry.text()))
    except ValueError as failure:
        sentence = f"The command can't be split into words: {str(failure).lower()}."
        raise entry.error(sentence, "Close the quote, or write a list.") from None


def _environment(section: Entry | None, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables, sorted, so that their order in the file makes no new revision."""
    variables = {}
    for name, entry in by_name(section).mapping().items() if section else ():
        if not name or "=" in name or "\0" in name:
            raise entry.error(f"{name!r} can't be a variable's name.", "Write NAME=value.")
        if not entry.is_null:
            variables[name] = scalar_text(entry)
        elif name in given:
            variables[name] = given[name]
    return tuple(sorted(variables.items()))


def _labels(section: Entry | None) -> tuple[tuple[str, str], ...]:
    labels = by_name(section).mapping() if section else {}
    for name, entry in labels.items():
        if not name or name.startswith(RESERVED_LABELS):
            raise entry.error(f"The label {name!r} is Springtide's own or empty.", "Choose another name.")
    return tuple(sorted((name, scalar_text(entry)) for name, entry in labels.items()))


def _working_dir(entry: Entry | None) -> str | None:
    if entry is not None and not entry.text().startswith("/"):
        raise entry.error(f"{entry.described} isn't an absolute path.", f"Write '/{entry.text()}'.")
    return None if entry is None else entry.text()


def _signal(entry: Entry) -> str:
    signal = entry.text_or_number()
    if not _SIGNAL.fullmatch(signal):
        raise entry.error(f"{entry.described} isn't a signal.", "Write SIGTERM, say.")
    return signal
