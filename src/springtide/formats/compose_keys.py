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

_LATER = "Leave it out: Springtide doesn't do this yet."
_LIMITS = "Write it under `deploy.resources`."
_HARDENED = "Leave it out: Springtide starts every instance with few rights, and this would widen them."
_STORAGE = "Leave it out, or keep the state in a service outside Springtide: instances have no volumes yet."
_FIXED = "Leave it out: Springtide names and addresses instances, since there may be many of them."
_PLACED = "Leave it out: Springtide decides where instances run."
_DEVICES = "Leave it out: instances get no devices yet."


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The keys of one place of a Compose file: those taken, and those refused with what to do."""

    supported: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> frozenset[str]:
        return self.supported | frozenset(self.refused)


TOP_LEVEL = KeyTable(
    frozenset({"include", "name", "version", "services", "networks"}),
    {
        "volumes": _STORAGE,
        "configs": "Build the file into the image, or use `environment`.",
        "secrets": "Use `environment` for now.",
        "models": _LATER,
    },
)

SERVICE = KeyTable(
    frozenset(
        {
            "build",
            "command",
            "depends_on",
            "deploy",
            "entrypoint",
            "env_file",
            "environment",
            "expose",
            "extends",
            "healthcheck",
            "image",
            "label_file",
            "labels",
            "networks",
            "ports",
            "profiles",
            "scale",
            "stop_grace_period",
            "stop_signal",
            "user",
            "working_dir",
        }
    ),
    {
        "annotations": "Use `labels`.",
        "attach": "Leave it out: `springtide logs` shows what a service writes.",
        "blkio_config": _LATER,
        "cap_add": _HARDENED,
        "cap_drop": "Leave it out: capabilities are dropped already.",
        "cgroup": _HARDENED,
        "cgroup_parent": _PLACED,
        "configs": "Build the file into the image, or use `environment`.",
        "container_name": _FIXED,
        "cpu_count": _LIMITS,
        "cpu_percent": _LIMITS,
        "cpu_period": _LIMITS,
        "cpu_quota": _LIMITS,
        "cpu_rt_period": _LATER,
        "cpu_rt_runtime": _LATER,
        "cpu_shares": _LIMITS,
        "cpus": "Write it as `deploy.resources.limits.cpus`.",
        "cpuset": _PLACED,
        "credential_spec": _LATER,
        "develop": "Leave it out: it belongs to a file for development.",
        "device_cgroup_rules": _DEVICES,
        "devices": _DEVICES,
        "dns": _LATER,
        "dns_opt": _LATER,
        "dns_search": _LATER,
        "domainname": _FIXED,
        "external_links": "Put both services into one network.",
        "extra_hosts": "Put the address into `environment`.",
        "gpus": _DEVICES,
        "group_add": _HARDENED,
        "hostname": _FIXED,
        "init": "Leave it out: every instance has an init process.",
        "ipc": _HARDENED,
        "isolation": "Write it as `x-springtide.placement: {isolation: …}`.",
        "links": "Use the other service's name: services of one network find one another.",
        "logging": "Leave it out: `springtide logs` shows what a service writes.",
        "mac_address": _FIXED,
        "mem_limit": "Write it as `deploy.resources.limits.memory`.",
        "mem_reservation": "Write it as `deploy.resources.reservations.memory`.",
        "mem_swappiness": _LATER,
        "memswap_limit": _LATER,
        "models": _LATER,
        "network_mode": "Use `networks`.",
        "oom_kill_disable": _HARDENED,
        "oom_score_adj": _HARDENED,
        "pid": _HARDENED,
        "pids_limit": "Write it as `deploy.resources.limits.pids`.",
        "platform": "Write it as `deploy.placement.constraints: [node.platform.arch==…]`.",
        "post_start": "Do it in the image's entrypoint.",
        "pre_stop": "Do it on the stop signal.",
        "privileged": _HARDENED,
        "provider": _LATER,
        "pull_policy": "Leave it out: an image is pulled where it is missing, and pinned by digest.",
        "pull_refresh_after": "Leave it out: an image is pulled where it is missing, and pinned by digest.",
        "read_only": _LATER,
        "restart": "Leave it out: Springtide starts again whatever stops.",
        "runtime": _LATER,
        "secrets": "Use `environment` for now.",
        "security_opt": _HARDENED,
        "shm_size": _LATER,
        "stdin_open": "Leave it out: instances have no terminal.",
        "storage_opt": _STORAGE,
        "sysctls": _HARDENED,
        "tmpfs": _STORAGE,
        "tty": "Leave it out: instances have no terminal.",
        "ulimits": _LATER,
        "use_api_socket": _HARDENED,
        "userns_mode": _HARDENED,
        "uts": _HARDENED,
        "volumes": _STORAGE,
        "volumes_from": _STORAGE,
    },
)

BUILD = KeyTable(
    frozenset({"context", "dockerfile", "args"}),
    dict.fromkeys(
        (
            "additional_contexts",
            "cache_from",
            "cache_to",
            "dockerfile_inline",
            "entitlements",
            "extra_hosts",
            "isolation",
            "labels",
            "network",
            "no_cache",
            "platforms",
            "privileged",
            "provenance",
            "pull",
            "sbom",
            "secrets",
            "shm_size",
            "ssh",
            "tags",
            "target",
            "ulimits",
        ),
        "Leave it out, or build the image yourself and name it under `image`.",
    ),
)

DEPLOY = KeyTable(
    frozenset({"replicas", "resources", "placement"}),
    {
        "endpoint_mode": _LATER,
        "labels": "Write them under the service's own `labels`.",
        "mode": "Leave it out: services are replicated.",
        "restart_policy": "Leave it out: Springtide starts again whatever stops.",
        "rollback_config": _LATER,
        "update_config": _LATER,
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
    frozenset({"test", "interval", "timeout", "retries", "start_period", "disable"}),
    {"start_interval": "Leave it out: a starting instance is probed often already."},
)

PORT = KeyTable(
    frozenset({"target", "published", "protocol", "mode", "host_ip"}),
    {
        "app_protocol": _LATER,
        "name": "Leave it out.",
    },
)

DEPENDENCY = KeyTable(frozenset({"condition", "restart", "required"}))

NETWORK = KeyTable(
    frozenset(),
    dict.fromkeys(
        (
            "attachable",
            "driver",
            "driver_opts",
            "enable_ipv4",
            "enable_ipv6",
            "external",
            "internal",
            "ipam",
            "labels",
            "name",
        ),
        "Leave it out: Springtide makes a plain network of the app's own.",
    ),
)

SERVICE_NETWORK = KeyTable(
    frozenset({"aliases"}),
    dict.fromkeys(
        (
            "driver_opts",
            "gw_priority",
            "interface_name",
            "ipv4_address",
            "ipv6_address",
            "link_local_ips",
            "mac_address",
            "priority",
        ),
        _FIXED,
    ),
)

APP_EXTENSION = KeyTable(frozenset({"team"}))
SERVICE_EXTENSION = KeyTable(
    frozenset({"team", "route", "ladder", "scale", "band", "line_load", "placement", "resources"}),
)
ROUTE = KeyTable(frozenset({"host", "port", "max_requests", "queue"}))
SCALE = KeyTable(
    frozenset({"min", "max", "available", "requests_per_second", "cpu_percent"}),
    {"standby": "Leave it out: there are no paused instances yet."},
)

OWN_PLACEMENT = KeyTable(
    frozenset({"site", "isolation", "near", "apart", "domain"}),
    dict.fromkeys(("constraints", "preferences", "max_replicas_per_node"), "Write it under `deploy.placement`."),
)


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
