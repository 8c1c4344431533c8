"""How an instance is held and called: its bounds, its names, its share of the kernel, where its output goes."""

from __future__ import annotations

import re

from springtide.formats.compose_keys import check_keys
from springtide.formats.compose_part_keys import BLKIO, LOGGING
from springtide.formats.compose_reading import hosts_of, items_of, pairs_of, text_of, texts_of, truth_of, whole_of
from springtide.formats.entries import Entry
from springtide.model.confinement import (
    BlockIo,
    Device,
    DeviceRate,
    DeviceWeight,
    Isolation,
    KernelSettings,
    Logging,
    Naming,
    Ulimit,
)

_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def read_isolation(service: Entry) -> Isolation:
    """What the service opens or closes. Raises the file's error for a device that is none."""
    devices = service.get("devices")
    return Isolation(
        privileged=truth_of(service.get("privileged")),
        read_only=truth_of(service.get("read_only")),
        cap_add=_capabilities(service.get("cap_add")),
        cap_drop=_capabilities(service.get("cap_drop")),
        security_opt=texts_of(service.get("security_opt")),
        pid=text_of(service.get("pid")),
        ipc=text_of(service.get("ipc")),
        uts=text_of(service.get("uts")),
        userns=text_of(service.get("userns_mode")),
        cgroup=text_of(service.get("cgroup")),
        cgroup_parent=text_of(service.get("cgroup_parent")),
        group_add=texts_of(service.get("group_add")),
        devices=tuple(_device(entry) for entry in devices.sequence()) if devices is not None else (),
        device_cgroup_rules=texts_of(service.get("device_cgroup_rules")),
        runtime=text_of(service.get("runtime")),
    )


def read_naming(service: Entry) -> Naming:
    """What the service calls itself, and where it looks names up."""
    return Naming(
        hostname=text_of(service.get("hostname")),
        domainname=text_of(service.get("domainname")),
        extra_hosts=hosts_of(service.get("extra_hosts")),
        dns=texts_of(service.get("dns")),
        dns_search=texts_of(service.get("dns_search")),
        dns_options=texts_of(service.get("dns_opt")),
        container_name=_container_name(service.get("container_name")),
    )


def _container_name(entry: Entry | None) -> str:
    if entry is not None and not _CONTAINER_NAME.fullmatch(entry.text()):
        raise entry.error(
            f"{entry.described} can't name a container.", "Use letters, digits, dots, dashes and underscores."
        )
    return text_of(entry)


def read_kernel_settings(service: Entry) -> KernelSettings:
    """The service's limits and settings beside those of ``deploy.resources``."""
    swap, swappiness = service.get("memswap_limit"), service.get("mem_swappiness")
    return KernelSettings(
        ulimits=read_ulimits(service.get("ulimits")),
        sysctls=pairs_of(service.get("sysctls")),
        shm_size_bytes=whole_of(service.get("shm_size")),
        memory_swap_bytes=None if swap is None else swap.whole_number(),
        memory_swappiness=None if swappiness is None else swappiness.whole_number(),
        oom_score_adjustment=whole_of(service.get("oom_score_adj")),
        oom_kill_disable=truth_of(service.get("oom_kill_disable")),
        cpu_shares=whole_of(service.get("cpu_shares")),
        cpu_period_micros=whole_of(service.get("cpu_period")),
        cpu_quota_micros=whole_of(service.get("cpu_quota")),
        cpu_realtime_period_micros=whole_of(service.get("cpu_rt_period")),
        cpu_realtime_runtime_micros=whole_of(service.get("cpu_rt_runtime")),
        cpu_set=text_of(service.get("cpuset")),
        block_io=_block_io(service.get("blkio_config")),
        storage_options=pairs_of(service.get("storage_opt")),
    )


def read_ulimits(section: Entry | None) -> tuple[Ulimit, ...]:
    """Limits by name, sorted."""
    named = section.mapping() if section is not None else {}
    return tuple(_ulimit(name, entry) for name, entry in sorted(named.items()))


def read_logging(service: Entry) -> Logging:
    """Where what the service writes goes."""
    section = service.get("logging")
    if section is None:
        return Logging()
    fields = check_keys(section, LOGGING)
    return Logging(text_of(fields.get("driver")), pairs_of(fields.get("options")))


def _capabilities(section: Entry | None) -> tuple[str, ...]:
    return tuple(sorted({name.upper().removeprefix("CAP_") for name in texts_of(section)}))


def _device(entry: Entry) -> Device:
    fields = entry.mapping()
    source, target = fields["source"].text() if "source" in fields else "", fields["target"].text()
    if not source.startswith("/"):
        raise entry.error(f"{source!r} isn't a device of the machine.", "Write its path, such as /dev/ttyUSB0.")
    permissions = fields.get("permissions")
    return Device(source, target, "rwm" if permissions is None else permissions.text())


def _ulimit(name: str, entry: Entry) -> Ulimit:
    fields = entry.mapping()
    if "single" in fields:
        return Ulimit(name, fields["single"].whole_number(), fields["single"].whole_number())
    for key in ("soft", "hard"):
        if key not in fields:
            raise entry.error(f"The {key} limit is missing.", f"Add `{key}:`.")
    return Ulimit(name, fields["soft"].whole_number(), fields["hard"].whole_number())


def _block_io(section: Entry | None) -> BlockIo:
    if section is None:
        return BlockIo()
    check_keys(section, BLKIO)
    weights = section.get("weight_device")
    return BlockIo(
        weight=whole_of(section.get("weight")),
        weight_device=tuple(
            DeviceWeight(text_of(each.get("path")), whole_of(each.get("weight"))) for each in items_of(weights)
        ),
        device_read_bytes=_rates(section.get("device_read_bps")),
        device_write_bytes=_rates(section.get("device_write_bps")),
        device_read_operations=_rates(section.get("device_read_iops")),
        device_write_operations=_rates(section.get("device_write_iops")),
    )


def _rates(section: Entry | None) -> tuple[DeviceRate, ...]:
    return tuple(DeviceRate(text_of(each.get("path")), whole_of(each.get("rate"))) for each in items_of(section))
