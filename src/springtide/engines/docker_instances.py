"""Instances in the words of the Docker Engine's API and back: pure, no call is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from springtide.engines.base import InstanceSpec
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.observations import ContainerState, EngineInstance
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS

INSTALLATION = "springtide.installation"
APP = "springtide.app"
SERVICE = "springtide.service"
INSTANCE = "springtide.instance"
REVISION = "springtide.revision"
NODE = "springtide.node"
NETWORK = "springtide.network"

CAPABILITIES = (
    "CHOWN",  # entrypoints that hand their data folder to the user they then become
    "DAC_OVERRIDE",  # the same entrypoints, reading what isn't root's
    "FOWNER",  # chmod on it
    "SETUID",  # becoming that user
    "SETGID",  # and its group
    "KILL",  # a root entrypoint that passes signals on to it
    "NET_BIND_SERVICE",  # servers on port 80 and 443
)
"""Of Docker's fourteen, the seven that ordinary images need to start and to drop root.

Left out: MKNOD, NET_RAW, SYS_CHROOT, SETPCAP, SETFCAP, FSETID, AUDIT_WRITE.
"""

DEFAULT_MEMORY_BYTES = 64 * 2**20
DEFAULT_PIDS = 128
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}
SHARES_PER_CPU = 1024
OUT_OF_MEMORY = "out of memory"
MAX_HOSTNAME = 63


class Row(Protocol):
    """One row of ``GET /containers/json``: a dictionary, or aiodocker's wrapping of one."""

    def __getitem__(self, key: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class ContainerNames:
    """How things of one installation are called in the engine."""

    installation: str

    @property
    def labels(self) -> dict[str, str]:
        """What everything of this installation carries."""
        return {INSTALLATION: self.installation}

    def container(self, id: InstanceId) -> str:
        return f"springtide-{self.installation}-{id}"

    def network(self, app: AppName, network: str) -> str:
        return f"springtide-{self.installation}-{app}-{network}"


def container_config(names: ContainerNames, spec: InstanceSpec) -> dict[str, Any]:
    """The body of ``POST /containers/create``."""
    template = spec.template
    config: dict[str, Any] = {
        "Image": template.image,
        "Hostname": spec.id[:MAX_HOSTNAME],
        "Env": [f"{key}={value}" for key, value in template.environment],
        "Labels": {**dict(template.labels), **instance_labels(names, spec)},
        "Healthcheck": {"Test": ["NONE"]},  # Springtide probes; the image's own check would run on top
        "HostConfig": host_config(names, spec),
        "NetworkingConfig": {
            "EndpointsConfig": {
                names.network(spec.app, network): endpoint_config(spec) for network in template.networks[:1]
            }
        },
    }
    optional = {
        "Cmd": template.command,
        "Entrypoint": template.entrypoint,
        "User": template.user,
        "WorkingDir": template.working_dir,
        "StopSignal": template.stop_signal,
    }
    return config | {key: value for key, value in optional.items() if value is not None}


def instance_labels(names: ContainerNames, spec: InstanceSpec) -> dict[str, str]:
    return {
        **names.labels,
        APP: spec.app,
        SERVICE: spec.service,
        INSTANCE: spec.id,
        REVISION: spec.revision,
        NODE: spec.node,
    }


def endpoint_config(spec: InstanceSpec) -> dict[str, Any]:
    """How the instance is found on a network: its aliases and its own id."""
    return {"Aliases": [*spec.template.aliases, spec.id]}


def host_config(names: ContainerNames, spec: InstanceSpec) -> dict[str, Any]:
    """Limits and hardening: an init process, few capabilities, no new privileges, bounded logs."""
    limits, reserved = spec.template.limits, spec.resources
    memory_bytes = limits.memory_bytes or reserved[MEMORY_BYTES] or DEFAULT_MEMORY_BYTES
    networks = spec.template.networks
    config: dict[str, Any] = {
        "Init": True,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges"],
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "PidsLimit": limits.pids or reserved[PIDS] or DEFAULT_PIDS,
        "CpuShares": max(2, reserved[CPU_MILLIS] * SHARES_PER_CPU // 1000),
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
        "NetworkMode": names.network(spec.app, networks[0]) if networks else "none",
    }
    if limits.cpu_millis:
        config["NanoCpus"] = limits.cpu_millis * 1_000_000
    return config


def instance_of(row: Row, detail: str = "") -> EngineInstance:
    """An instance from a row of ``GET /containers/json``, and in ``detail`` why it ended if it has.

    The list doesn't tell when a container was started, so ``started_at`` is when it was created:
    the two are one step in :meth:`DockerEngine.create`.
    """
    labels = row["Labels"]
    return EngineInstance(
        id=InstanceId(labels[INSTANCE]),
        service=ServiceId(labels[SERVICE]),
        revision=RevisionId(labels[REVISION]),
        node=NodeId(labels[NODE]),
        state=state_of(str(row["State"])),
        image=str(row["Image"]),
        address=_address(row),
        started_at=datetime.fromtimestamp(int(row["Created"]), UTC),
        exit_code=exit_code_of(str(row["Status"])),
        detail=detail,
    )


def has_ended(row: Row) -> bool:
    return state_of(row["State"]) is ContainerState.EXITED


def state_of(word: str) -> ContainerState:
    """Docker's seven states as four; what is being removed or is dead has exited."""
    return {
        "created": ContainerState.CREATED,
        "running": ContainerState.RUNNING,
        "restarting": ContainerState.RUNNING,
        "paused": ContainerState.PAUSED,
    }.get(word, ContainerState.EXITED)


def exit_code_of(status: str) -> int | None:
    """The code in ``Exited (137) 2 minutes ago``; ``None`` where it runs."""
    match = re.match(r"Exited \((\d+)\)", status)
    return int(match[1]) if match else None


def exit_detail(state: Mapping[str, Any]) -> str:
    """Why a container ended, from its inspected ``State``."""
    if state.get("OOMKilled"):
        return OUT_OF_MEMORY
    error = str(state.get("Error") or "")
    return error or f"exited with {state.get('ExitCode')}"


def _address(row: Row) -> str | None:
    """The address on the instance's first network, which is its network mode."""
    networks = row["NetworkSettings"]["Networks"]
    first = networks.get(row["HostConfig"]["NetworkMode"])
    return (first or {}).get("IPAddress") or None
