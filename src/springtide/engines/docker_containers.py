"""What the Docker Engine is told to make an instance of: request bodies; pure, no call is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from springtide.engines.base import InstanceSpec
from springtide.engines.docker_instances import (
    APP,
    COMPANION,
    COMPANIONS,
    INSTANCE,
    NODE,
    REVISION,
    SERVICE,
    ContainerNames,
)
from springtide.engines.docker_mounts import bind_bodies, mount_bodies, tmpfs_bodies
from springtide.model.confinement import EVERY_CAPABILITY, BlockIo, DeviceRequest, Isolation, KernelSettings, Logging
from springtide.model.errors import EngineError
from springtide.model.networks import HOST, OWN_NETWORKS, Attachment, network_named
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS
from springtide.model.workloads import ContainerTemplate

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
UNLIMITED = -1
LOG_DRIVER = "json-file"
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}
SHARES_PER_CPU = 1024
NANO_CPUS_PER_MILLI = 1_000_000
MAX_HOSTNAME = 63
NO_NEW_PRIVILEGES = "no-new-privileges"
INTERFACE_NAME = "com.docker.network.endpoint.ifname"
OF_SERVICE = "service:"
OF_CONTAINER = "container:"


@dataclass(frozen=True, slots=True)
class ContainerWish:
    """One container of an instance: the first, or one of a pod's companions.

    ``made`` are the containers of the pod that stand already, their ids by service name.
    """

    names: ContainerNames
    spec: InstanceSpec
    template: ContainerTemplate
    companion: str = ""
    made: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.template.naming.container_name or self.names.container(self.spec.id, self.companion)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the app's networks, the one at which the instance is reached first."""
        template = self.template
        if self.companion or template.network_mode != OWN_NETWORKS:
            return ()
        return tuple(sorted(template.networks, key=lambda name: -template.attachment(name).priority))

    @property
    def network_mode(self) -> str:
        if self.companion:
            return OF_CONTAINER + next(iter(self.made.values()))
        if self.template.network_mode != OWN_NETWORKS:
            return self.template.network_mode
        return self.engine_network(self.networks[0]) if self.networks else "none"

    @property
    def has_own_names(self) -> bool:
        """Whether host name, name servers and such are its own, not those of whom it shares a network with."""
        return not self.network_mode.startswith(OF_CONTAINER)

    def engine_network(self, name: str) -> str:
        """The engine's name of a network of the app."""
        return self.names.network_of(self.spec.app, network_named(name, self.spec.networks))


def container_body(wish: ContainerWish) -> dict[str, Any]:
    """The body of ``POST /containers/create``. Networks beyond the first are joined later."""
    template = wish.template
    first = wish.networks[:1]
    body: dict[str, Any] = {
        "Image": template.image,
        "Env": [f"{key}={value}" for key, value in template.environment],
        "Labels": {**dict(template.labels), **instance_labels(wish)},
        "Healthcheck": {"Test": ["NONE"]},  # Springtide probes; the image's own check would run on top
        "ExposedPorts": {f"{port.target_port}/{port.protocol}": {} for port in template.ports},
        "Tty": template.tty,
        "OpenStdin": template.stdin_open,
        "HostConfig": _host_body(wish),
        "NetworkingConfig": {
            "EndpointsConfig": {wish.engine_network(name): endpoint_body(wish, name) for name in first}
        },
        **_names_body(wish),
    }
    optional = {
        "Cmd": template.command,
        "Entrypoint": template.entrypoint,
        "User": template.user,
        "WorkingDir": template.working_dir,
        "StopSignal": template.stop_signal,
        "MacAddress": next((template.attachment(name).mac_address or None for name in first), None),
    }
    return body | {key: value for key, value in optional.items() if value is not None}


def instance_labels(wish: ContainerWish) -> dict[str, str]:
    spec = wish.spec
    role = {COMPANION: wish.companion} if wish.companion else {}
    if not wish.companion and spec.template.companions:
        role = {COMPANIONS: ",".join(each.name for each in spec.template.companions)}
    return {
        **wish.names.labels,
        APP: spec.app,
        SERVICE: spec.service,
        INSTANCE: spec.id,
        REVISION: spec.revision,
        NODE: spec.node,
        **role,
    }


def endpoint_body(wish: ContainerWish, network: str) -> dict[str, Any]:
    """How the instance stands on a network, and how it is found there: its aliases and its own id."""
    attachment = wish.template.attachment(network)
    aliases = [] if wish.spec.is_standby else [*wish.template.aliases, *attachment.aliases, wish.spec.id]
    body: dict[str, Any] = {"Aliases": list(dict.fromkeys(aliases)), **_address_body(attachment)}
    if attachment.driver_options:
        body["DriverOpts"] = dict(attachment.driver_options)
    if attachment.gateway_priority:
        body["GwPriority"] = attachment.gateway_priority
    if attachment.interface_name:
        body.setdefault("DriverOpts", {})[INTERFACE_NAME] = attachment.interface_name
    return body


def _address_body(attachment: Attachment) -> dict[str, Any]:
    addresses = {
        "IPv4Address": attachment.ipv4_address,
        "IPv6Address": attachment.ipv6_address,
        "LinkLocalIPs": list(attachment.link_local_addresses),
    }
    given = {key: value for key, value in addresses.items() if value}
    # Engines before API 1.44 know only the container's own MacAddress, which is its first network's.
    return ({"IPAMConfig": given} if given else {}) | (
        {"MacAddress": attachment.mac_address} if attachment.mac_address else {}
    )


def _names_body(wish: ContainerWish) -> dict[str, Any]:
    naming = wish.template.naming
    if not wish.has_own_names or wish.template.isolation.uts == HOST:
        return {}
    return {"Hostname": naming.hostname or wish.spec.id[:MAX_HOSTNAME], "Domainname": naming.domainname}


def _host_body(wish: ContainerWish) -> dict[str, Any]:
    """Limits and hardening: an init process, few capabilities, no new privileges, bounded logs."""
    template = wish.template
    return {
        "Init": template.init is not False,
        "RestartPolicy": {"Name": "no"},
        "NetworkMode": wish.network_mode,
        "PortBindings": _port_bodies(template),
        "LogConfig": _log_body(template.logging),
        "Mounts": mount_bodies(wish.names, wish.spec, template),
        "Binds": bind_bodies(template),
        "Tmpfs": tmpfs_bodies(template),
        **_resolution_body(wish),
        **_limits_body(wish),
        **_isolation_body(wish),
        **_kernel_body(template.kernel),
        **({"Annotations": dict(template.annotations)} if template.annotations else {}),
    }


def _port_bodies(template: ContainerTemplate) -> dict[str, list[dict[str, str]]]:
    bodies: dict[str, list[dict[str, str]]] = {}
    for port in template.ports:
        bound = {"HostIp": port.host_address, "HostPort": str(port.host_port or "")}
        bodies.setdefault(f"{port.target_port}/{port.protocol}", []).append(bound)
    return bodies


def _log_body(logging: Logging) -> dict[str, Any]:
    driver = logging.driver or LOG_DRIVER
    bounds = LOG_OPTIONS if driver == LOG_DRIVER else {}
    return {"Type": driver, "Config": {**bounds, **dict(logging.options)}}


def _resolution_body(wish: ContainerWish) -> dict[str, Any]:
    naming = wish.template.naming
    if not wish.has_own_names:
        return {}
    return {
        "ExtraHosts": [f"{name}:{address}" for name, address in naming.extra_hosts],
        "Dns": list(naming.dns),
        "DnsSearch": list(naming.dns_search),
        "DnsOptions": list(naming.dns_options),
    }


def _limits_body(wish: ContainerWish) -> dict[str, Any]:
    """Limits that the template doesn't give follow from what the instance reserves."""
    limits, kernel, reserved = wish.template.limits, wish.template.kernel, wish.spec.resources
    memory_bytes = limits.memory_bytes or reserved[MEMORY_BYTES] or DEFAULT_MEMORY_BYTES
    pids = UNLIMITED if kernel.unlimited_pids else limits.pids or reserved[PIDS] or DEFAULT_PIDS
    body = {
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes if kernel.memory_swap_bytes is None else kernel.memory_swap_bytes,
        "PidsLimit": pids,
        "CpuShares": kernel.cpu_shares or max(2, reserved[CPU_MILLIS] * SHARES_PER_CPU // 1000),
    }
    # The engine refuses both; a quota of its own says the same more finely.
    if limits.cpu_millis and not kernel.cpu_quota_micros and not kernel.cpu_period_micros:
        body["NanoCpus"] = limits.cpu_millis * NANO_CPUS_PER_MILLI
    return body


def _isolation_body(wish: ContainerWish) -> dict[str, Any]:
    isolation = wish.template.isolation
    body: dict[str, Any] = {
        "Privileged": isolation.privileged,
        "ReadonlyRootfs": isolation.read_only,
        "SecurityOpt": _security_options(isolation),
        "PidMode": _shared_space(wish, isolation.pid),
        "IpcMode": _shared_space(wish, isolation.ipc),
        "UTSMode": isolation.uts,
        "UsernsMode": isolation.userns,
        "CgroupnsMode": isolation.cgroup,
        "CgroupParent": isolation.cgroup_parent,
        "GroupAdd": list(isolation.group_add),
        "Runtime": isolation.runtime,
        "Devices": [
            {"PathOnHost": each.source, "PathInContainer": each.target, "CgroupPermissions": each.permissions}
            for each in isolation.devices
        ],
        "DeviceCgroupRules": list(isolation.device_cgroup_rules),
        "DeviceRequests": [_device_request_body(each) for each in isolation.device_requests],
        **_capabilities_body(isolation),
    }
    return {key: value for key, value in body.items() if value != ""}


def _capabilities_body(isolation: Isolation) -> dict[str, list[str]]:
    """The seven, those added, without those dropped; ``ALL`` on either side is everything of that side."""
    if EVERY_CAPABILITY in isolation.cap_add:
        return {"CapAdd": [EVERY_CAPABILITY], "CapDrop": list(isolation.cap_drop)}
    usual = () if EVERY_CAPABILITY in isolation.cap_drop else CAPABILITIES
    kept = [each for each in dict.fromkeys((*usual, *isolation.cap_add)) if each not in isolation.cap_drop]
    return {"CapDrop": [EVERY_CAPABILITY], "CapAdd": kept}


def _security_options(isolation: Isolation) -> list[str]:
    says_itself = isolation.privileged or any(each.startswith(NO_NEW_PRIVILEGES) for each in isolation.security_opt)
    return [*([] if says_itself else [NO_NEW_PRIVILEGES]), *isolation.security_opt]


def _shared_space(wish: ContainerWish, mode: str) -> str:
    """``service:NAME`` as the container of the same pod."""
    if not mode.startswith(OF_SERVICE):
        return mode
    name = mode.removeprefix(OF_SERVICE)
    if name not in wish.made:
        raise EngineError(
            f"{wish.spec.id} wants to share with service {name}, which isn't of the same pod or comes later in it.",
            remedy="Let both share a network (network_mode: service:NAME), or drop it.",
        )
    return OF_CONTAINER + wish.made[name]


def _device_request_body(request: DeviceRequest) -> dict[str, Any]:
    return {
        "Driver": request.driver,
        "Count": request.count,
        "DeviceIDs": list(request.device_ids),
        "Capabilities": [list(request.capabilities)],
        "Options": dict(request.options),
    }


def _kernel_body(kernel: KernelSettings) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Ulimits": [{"Name": each.name, "Soft": each.soft, "Hard": each.hard} for each in kernel.ulimits],
        "Sysctls": dict(kernel.sysctls),
        "ShmSize": kernel.shm_size_bytes,
        "MemoryReservation": kernel.memory_reservation_bytes,
        "MemorySwappiness": kernel.memory_swappiness,
        "OomScoreAdj": kernel.oom_score_adjustment,
        "OomKillDisable": kernel.oom_kill_disable,
        "CpuPeriod": kernel.cpu_period_micros,
        "CpuQuota": kernel.cpu_quota_micros,
        "CpuRealtimePeriod": kernel.cpu_realtime_period_micros,
        "CpuRealtimeRuntime": kernel.cpu_realtime_runtime_micros,
        "CpusetCpus": kernel.cpu_set,
        "CpusetMems": kernel.memory_nodes,
        "StorageOpt": dict(kernel.storage_options),
        **_block_io_body(kernel.block_io),
    }
    return {key: value for key, value in body.items() if value or (key == "MemorySwappiness" and value is not None)}


def _block_io_body(block_io: BlockIo) -> dict[str, Any]:
    rates = {
        "BlkioDeviceReadBps": block_io.device_read_bytes,
        "BlkioDeviceWriteBps": block_io.device_write_bytes,
        "BlkioDeviceReadIOps": block_io.device_read_operations,
        "BlkioDeviceWriteIOps": block_io.device_write_operations,
    }
    return {
        "BlkioWeight": block_io.weight,
        "BlkioWeightDevice": [{"Path": each.path, "Weight": each.weight} for each in block_io.weight_device],
        **{key: [{"Path": each.path, "Rate": each.rate} for each in given] for key, given in rates.items()},
    }
