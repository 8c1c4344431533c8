"""Which keys of the Compose Specification are taken, and what to do about the others.

Every key of the specification stands in one of these tables, so that none is ever ignored: a key
that isn't supported is refused by name, one that the specification doesn't know is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from springtide.formats.entries import Entry, did_you_mean
from springtide.model.errors import ComposeFileError

EXTENSION = "x-springtide"

LATER = "Leave it out: Springtide doesn't do this yet."
_WINDOWS = "Write `cpus`: this means something to Windows only."
_DEVICES = (
    "Leave it out: drivers hand the same devices to every instance. `x-springtide.resources: {gpu: 1}` counts them, "
    "and `devices` hands in one by its path."
)


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The keys of one place of a Compose file: those taken, and those refused with what to do."""

    supported: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> frozenset[str]:
        return self.supported | frozenset(self.refused)


TOP_LEVEL = KeyTable(
    frozenset({"configs", "include", "name", "networks", "secrets", "services", "version", "volumes"}),
    {
        "models": LATER,
    },
)

SERVICE = KeyTable(
    frozenset(
        {
            "annotations",
            "attach",
            "blkio_config",
            "build",
            "cap_add",
            "cap_drop",
            "cgroup",
            "cgroup_parent",
            "command",
            "configs",
            "container_name",
            "cpu_period",
            "cpu_quota",
            "cpu_rt_period",
            "cpu_rt_runtime",
            "cpu_shares",
            "cpus",
            "cpuset",
            "depends_on",
            "deploy",
            "develop",
            "device_cgroup_rules",
            "devices",
            "dns",
            "dns_opt",
            "dns_search",
            "domainname",
            "entrypoint",
            "env_file",
            "environment",
            "expose",
            "extends",
            "extra_hosts",
            "group_add",
            "healthcheck",
            "hostname",
            "image",
            "init",
            "ipc",
            "label_file",
            "labels",
            "links",
            "logging",
            "mac_address",
            "mem_limit",
            "mem_reservation",
            "mem_swappiness",
            "memswap_limit",
            "network_mode",
            "networks",
            "oom_kill_disable",
            "oom_score_adj",
            "pid",
            "pids_limit",
            "platform",
            "ports",
            "privileged",
            "profiles",
            "pull_policy",
            "read_only",
            "restart",
            "runtime",
            "scale",
            "secrets",
            "security_opt",
            "shm_size",
            "stdin_open",
            "stop_grace_period",
            "stop_signal",
            "storage_opt",
            "sysctls",
            "tmpfs",
            "tty",
            "ulimits",
            "user",
            "userns_mode",
            "uts",
            "volumes",
            "volumes_from",
            "working_dir",
        }
    ),
    {
        "cpu_count": _WINDOWS,
        "cpu_percent": _WINDOWS,
        "credential_spec": "Leave it out: it means something to Windows only.",
        "external_links": "Put both into one network that is `external`: there its name is found.",
        "gpus": _DEVICES,
        "isolation": "Write it as `x-springtide.placement: {isolation: …}`.",
        "models": LATER,
        "post_start": "Do it in the image's entrypoint.",
        "pre_stop": "Do it on the stop signal.",
        "provider": LATER,
        "pull_refresh_after": "Write `pull_policy: always`, and deploy as often as you want it pulled.",
        "use_api_socket": "Mount the engine's socket under `volumes`, where it can be seen.",
    },
)

_RIGHTS = "Leave it out: builds run with an ordinary container's rights."
_ATTESTATIONS = "Leave it out: images stay in the engine, which keeps no attestations."
BUILD = KeyTable(
    frozenset(
        {
            "args",
            "cache_from",
            "context",
            "dockerfile",
            "dockerfile_inline",
            "extra_hosts",
            "labels",
            "network",
            "no_cache",
            "platforms",
            "pull",
            "secrets",
            "shm_size",
            "tags",
            "target",
            "ulimits",
        }
    ),
    {
        "additional_contexts": "Leave it out: the engine's API takes one directory. Copy from an image instead: "
        "`COPY --from=IMAGE`.",
        "cache_to": "Leave it out: the engine keeps the steps of its builds by itself.",
        "entitlements": _RIGHTS,
        "isolation": "Leave it out: it means something to Windows only.",
        "privileged": _RIGHTS,
        "provenance": _ATTESTATIONS,
        "sbom": _ATTESTATIONS,
        "ssh": "Give the step a key of its own as one of `secrets`.",
    },
)

DEPLOY = KeyTable(
    frozenset({"endpoint_mode", "mode", "replicas", "resources", "restart_policy", "placement"}),
    {
        "labels": "Write them under the service's own `labels`.",
        "rollback_config": LATER,
        "update_config": LATER,
    },
)
DEPLOY_RESOURCES = KeyTable(frozenset({"limits", "reservations"}))
DEPLOY_LIMITS = KeyTable(frozenset({"cpus", "memory", "pids"}))
DEPLOY_RESERVATIONS = KeyTable(
    frozenset({"cpus", "memory"}),
    {
        "pids": "Write it under `limits`.",
        "devices": _DEVICES,
        "generic_resources": "Write them as `x-springtide.resources: {gpu: 1}`; they are counted, not handed in.",
    },
)
PLACEMENT = KeyTable(frozenset({"constraints", "preferences", "max_replicas_per_node"}))
PREFERENCE = KeyTable(frozenset({"spread"}))

HEALTHCHECK = KeyTable(
    frozenset({"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}),
)

PORT = KeyTable(
    frozenset({"target", "published", "protocol", "mode", "host_ip", "name"}),
    {"app_protocol": "Leave it out: the router speaks HTTP on host names, and TCP on ports."},
)

RESTART_POLICY = KeyTable(frozenset({"condition", "delay", "max_attempts", "window"}))

DEPENDENCY = KeyTable(frozenset({"condition", "restart", "required"}))


def refusal_of(failure: ComposeFileError) -> ComposeFileError | None:
    """The refusal of a key that isn't taken, where something is wrong inside it; ``None`` where it is taken."""
    steps = re.sub(r"\[[0-9]+\]", "", failure.key).split(".")
    places = [(steps[0], TOP_LEVEL)]
    if steps[0] == "services" and len(steps) > 2:
        inside = {"build": BUILD, "deploy": DEPLOY, "healthcheck": HEALTHCHECK}.get(steps[2])
        places += [(steps[2], SERVICE), *([(steps[3], inside)] if inside is not None and len(steps) > 3 else [])]
    for name, table in places:
        if name in table.refused:
            return ComposeFileError(
                f"Springtide doesn't support {name!r} here.",
                file=failure.file,
                line=failure.line,
                key=failure.key,
                remedy=table.refused[name],
            )
    return None


def check_keys(entry: Entry, table: KeyTable) -> Mapping[str, Entry]:
    """The entries of a mapping, all under supported keys or extensions (``x-…``).

    Raises the file's error for the first other key.
    """
    children = entry.mapping()
    for name, child in children.items():
        if name in table.supported:
            continue
        if name.startswith("x-"):
            _check_extension_name(name, child)
        elif name in table.refused:
            raise child.error(f"Springtide doesn't support {name!r} here.", table.refused[name])
        else:
            raise child.error(f"The key {name!r} isn't known here.", did_you_mean(name, table.known))
    return children


def _check_extension_name(name: str, child: Entry) -> None:
    if name != EXTENSION and get_close_matches(name.lower(), [EXTENSION], cutoff=0.85):
        raise child.error(f"The extension {name!r} is nobody's.", f"Did you mean {EXTENSION!r}?")
