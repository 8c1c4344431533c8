"""How to start one instance: the parts of a service that make its template."""

from __future__ import annotations

import re

from springtide.formats.compose_confinement import (
    read_isolation,
    read_kernel_settings,
    read_logging,
    read_naming,
)
from springtide.formats.compose_reading import labels_of, pairs_of, truth_of, variables_of
from springtide.formats.durations import parse_duration
from springtide.formats.entries import Entry
from springtide.model.workloads import Healthcheck, Limits, Template

_SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9+-]{1,9}|[0-9]{1,2}")


def read_template(service: Entry, image: str, healthcheck: Healthcheck, limits: Limits) -> Template:
    """The template without networks, mounts, files, ports of the machine and restart policy."""
    init = service.get("init")
    user, grace, signal = service.get("user"), service.get("stop_grace_period"), service.get("stop_signal")
    standard = Template("")
    return Template(
        image=image,
        command=_command(service.get("command")),
        entrypoint=_command(service.get("entrypoint")),
        environment=variables_of(service.get("environment")),
        labels=labels_of(service.get("labels")),
        user=None if user is None else user.text(),
        working_dir=_working_dir(service.get("working_dir")),
        healthcheck=healthcheck,
        limits=limits,
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


def _command(entry: Entry | None) -> tuple[str, ...] | None:
    return None if entry is None else tuple(word.text() for word in entry.sequence())


def _working_dir(entry: Entry | None) -> str | None:
    if entry is not None and not entry.text().startswith("/"):
        raise entry.error(f"{entry.described} isn't an absolute path.", f"Write '/{entry.text()}'.")
    return None if entry is None else entry.text()


def _signal(entry: Entry) -> str:
    signal = entry.text_or_number()
    if not _SIGNAL.fullmatch(signal):
        raise entry.error(f"{entry.described} isn't a signal.", "Write SIGTERM, say.")
    return signal
