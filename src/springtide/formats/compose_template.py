"""How to start one instance: the parts of a service that make its template, and its build."""

from __future__ import annotations

import re
from pathlib import Path

from springtide.formats.app_specs import BuildSpec
from springtide.formats.compose_confinement import (
    read_isolation,
    read_kernel_settings,
    read_logging,
    read_naming,
)
from springtide.formats.compose_keys import BUILD, check_keys
from springtide.formats.compose_mounts import read_mounts
from springtide.formats.compose_reading import pairs_of, truth_of
from springtide.formats.compose_values import scalar_text
from springtide.formats.durations import parse_duration
from springtide.formats.entries import Entry
from springtide.model.workloads import Healthcheck, Limits, Template

RESERVED_LABELS = "springtide."
"""Labels under this prefix are Springtide's own; a file may not set them."""

_SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9+-]{1,9}|[0-9]{1,2}")


def read_template(service: Entry, image: str, healthcheck: Healthcheck, limits: Limits) -> Template:
    """The template without networks, files, ports of the machine and restart policy."""
    init = service.get("init")
    user, grace, signal = service.get("user"), service.get("stop_grace_period"), service.get("stop_signal")
    standard = Template("")
    return Template(
        image=image,
        command=_command(service.get("command")),
        entrypoint=_command(service.get("entrypoint")),
        environment=_variables(service.get("environment")),
        labels=_labels(service.get("labels")),
        user=None if user is None else user.text(),
        working_dir=_working_dir(service.get("working_dir")),
        healthcheck=healthcheck,
        limits=limits,
        mounts=read_mounts(service),
        isolation=read_isolation(service),
        naming=read_naming(service),
        kernel=read_kernel_settings(service),
        logging=read_logging(service),
        annotations=pairs_of(service.get("annotations")),
        init=None if init is None else init.truth(),
        tty=truth_of(service.get("tty")),
        stdin_open=truth_of(service.get("stdin_open")),
        stop_grace_seconds=standard.stop_grace_seconds if grace is None else grace.parsed(parse_duration),
        stop_signal=None if signal is None else _signal(signal),
    )


def read_build(service: Entry) -> BuildSpec | None:
    """How to build the service's image, ``None`` where it isn't built here."""
    section = service.get("build")
    if section is None:
        return None
    fields = check_keys(section, BUILD)
    context = fields["context"]
    if not Path(context.text()).is_absolute():
        raise context.error(f"The context {context.described} isn't a local directory.", "Check it out first.")
    dockerfile = section.get("dockerfile")
    return BuildSpec(
        context=Path(context.text()),
        dockerfile="Dockerfile" if dockerfile is None else dockerfile.text(),
        arguments=_variables(section.get("args")),
    )


def _command(entry: Entry | None) -> tuple[str, ...] | None:
    return None if entry is None else tuple(word.text() for word in entry.sequence())


def _variables(section: Entry | None) -> tuple[tuple[str, str], ...]:
    """The variables that have a value, sorted, so that their order in the file makes no new revision."""
    variables = {}
    for name, entry in section.mapping().items() if section else ():
        if not name or "=" in name or "\0" in name:
            raise entry.error(f"{name!r} can't be a variable's name.", "Write NAME=value.")
        if not entry.is_null:
            variables[name] = scalar_text(entry)
    return tuple(sorted(variables.items()))


def _labels(section: Entry | None) -> tuple[tuple[str, str], ...]:
    labels = section.mapping() if section else {}
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
