"""What holds an instance within its bounds and what opens them; its names; its share of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_CAPABILITY = "ALL"


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the node's machine. ``permissions`` are of ``r``, ``w`` and ``m`` (make nodes)."""

    source: str
    target: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Devices that a driver hands out, such as GPUs; ``count`` -1 is all of them."""

    driver: str = ""
    count: int = 0
    device_ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Isolation:
    """What is opened or closed further than the engine's own hardening does.

    Names of capabilities are without ``CAP_``. ``pid`` is ``host``, ``service:NAME`` or
    ``container:NAME``; ``ipc`` these, ``none``, ``private`` or ``shareable``; ``uts`` and ``userns``
    ``host``; ``cgroup`` ``host`` or ``private``. Empty texts leave it to the engine.
    """

    privileged: bool = False
    read_only: bool = False
    """No writing to the image's own files; mounts may still be written to."""
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    userns: str = ""
    cgroup: str = ""
    cgroup_parent: str = ""
    group_add: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Naming:
    """How an instance is called and how it finds others. ``extra_hosts`` are pairs of name and address.

    ``container_name`` is what the engine is to call the container, instead of a name of Springtide's own.
    """

    hostname: str = ""
    domainname: str = ""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    container_name: str = ""


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A limit of the kernel for each process; -1 is none."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """At most so much a second to or from a device: bytes, or operations."""

    path: str
    rate: int


@dataclass(frozen=True, slots=True)
class DeviceWeight:
    path: str
    weight: int


@dataclass(frozen=True, slots=True)
class BlockIo:
    """Shares and limits of block devices; a weight is 10 to 1000, 0 leaves it to the engine."""

    weight: int = 0
    weight_device: tuple[DeviceWeight, ...] = ()
    device_read_bytes: tuple[DeviceRate, ...] = ()
    device_write_bytes: tuple[DeviceRate, ...] = ()
    device_read_operations: tuple[DeviceRate, ...] = ()
    device_write_operations: tuple[DeviceRate, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Limits and settings beside :class:`Limits`; 0 and ``None`` leave them to the engine.

    Times of ``cpu_…_micros`` are microseconds of each period. ``memory_swap_bytes`` is memory and swap
    together, -1 is no limit; ``None`` gives no swap. ``cpu_set`` and ``memory_nodes`` are as in ``0-2,4``.
    """

    ulimits: tuple[Ulimit, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    shm_size_bytes: int = 0
    memory_reservation_bytes: int = 0
    memory_swap_bytes: int | None = None
    memory_swappiness: int | None = None
    oom_score_adjustment: int = 0
    oom_kill_disable: bool = False
    unlimited_pids: bool = False
    cpu_shares: int = 0
    cpu_period_micros: int = 0
    cpu_quota_micros: int = 0
    cpu_realtime_period_micros: int = 0
    cpu_realtime_runtime_micros: int = 0
    cpu_set: str = ""
    memory_nodes: str = ""
    block_io: BlockIo = BlockIo()
    storage_options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Logging:
    """Where what the instance writes goes; the engine's own, bounded, where no driver is named."""

    driver: str = ""
    options: tuple[tuple[str, str], ...] = ()


ENGINES_ISOLATION = Isolation()
ENGINES_NAMING = Naming()
ENGINES_SETTINGS = KernelSettings()
ENGINES_LOGGING = Logging()
"""What a template has that says nothing: the engine's own."""
