"""What may stand in a service of a Compose file, with the form of each value.

Source: the JSON schema of the Compose Specification as of Docker Compose 2.40.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from springtide.formats.compose_build_shape import (
    BUILD,
    CONFIGS_OF_A_SERVICE,
    DEPLOY,
    DEVELOP,
    GPUS,
    HOOKS,
    HOSTS,
    SECRETS_OF_A_SERVICE,
    ULIMITS,
)
from springtide.formats.compose_shapes import OMITTED, Listing, Record, Table, Value
from springtide.formats.compose_short_forms import (
    device,
    device_target,
    mount,
    mount_target,
    named,
    port_identity,
    port_number,
    several_ports,
)
from springtide.formats.compose_values import (
    BYTES,
    COMMAND,
    CPUS,
    DECIMAL,
    DNS,
    EVERY_BYTES,
    EVERY_SCALAR,
    EVERY_TEXT,
    LABELS,
    MODE_NUMBER,
    NUMBERS_OR_TEXTS,
    OPTIONS,
    SAID_DURATION,
    SAID_TRUTH,
    SAID_WHOLE,
    TEST,
    TEXT,
    TEXT_OR_NUMBER,
    TEXT_OR_TEXTS,
    TEXTS,
    TRUTH,
    UNIQUE_TEXT_OR_TEXTS,
    UNIQUE_TEXTS,
    VARIABLES,
    WHOLE,
    by_name,
    one_of,
)
from springtide.formats.entries import Entry


class _PrintedWithCapitals(Record):
    """A record whose keys Docker Compose prints with a capital first letter."""

    def printed(self, entry: Entry | None) -> Any:
        printed = super().printed(entry)
        return {name.capitalize(): value for name, value in printed.items()} if printed is not OMITTED else OMITTED


_RATES = Listing(_PrintedWithCapitals({"path": EVERY_TEXT, "rate": EVERY_BYTES}))
_BLKIO = Record(
    {
        "weight": WHOLE,
        "weight_device": Listing(_PrintedWithCapitals({"path": EVERY_TEXT, "weight": SAID_WHOLE})),
        "device_read_bps": _RATES,
        "device_read_iops": _RATES,
        "device_write_bps": _RATES,
        "device_write_iops": _RATES,
    }
)


def _dependencies(entry: Entry) -> Mapping[str, Entry]:
    """What a list of services stands for: each must have started."""
    made = {}
    for item in entry.sequence():
        fields = {"condition": item.with_value("service_started"), "required": item.with_value(True)}
        made[item.text()] = item.with_value(fields)
    return made


_DEPENDENCY = Record({"condition": TEXT, "restart": TRUTH, "required": SAID_TRUTH})


def _env_file_path(entry: Entry) -> object:
    path = entry.get("path")
    return path.text() if path is not None else None


_ENV_FILES = Listing(
    Record({"path": TEXT, "format": TEXT, "required": SAID_TRUTH}, named("path"), required=("path",)),
    _env_file_path,
    single=True,
)
HEALTHCHECK = Record(
    {
        "test": TEST,
        "interval": SAID_DURATION,
        "timeout": SAID_DURATION,
        "retries": SAID_WHOLE,
        "start_period": SAID_DURATION,
        "start_interval": SAID_DURATION,
        "disable": TRUTH,
    }
)


def _merged_logging(record: Record, base: Entry, over: Entry) -> Entry:
    """Options of one driver mean nothing to another, so only those of the same driver are joined."""
    drivers = [each.get("driver") for each in (base, over)]
    if None in drivers or len({driver.value for driver in drivers if driver is not None}) == 1:
        return record.merged_fields(base, over)
    return over


_SERVICE_NETWORK = Record(
    {
        "aliases": UNIQUE_TEXTS,
        "driver_opts": OPTIONS,
        "gw_priority": WHOLE,
        "interface_name": TEXT,
        "ipv4_address": TEXT,
        "ipv6_address": TEXT,
        "link_local_ips": UNIQUE_TEXTS,
        "mac_address": TEXT,
        "priority": WHOLE,
    }
)
_PORT = Record(
    {
        "name": TEXT,
        "mode": TEXT,
        "host_ip": TEXT,
        "target": Value(port_number),
        "published": TEXT_OR_NUMBER,
        "protocol": TEXT,
        "app_protocol": TEXT,
    }
)
_MOUNT = Record(
    {
        "type": one_of("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
        "source": TEXT,
        "target": TEXT,
        "read_only": TRUTH,
        "consistency": TEXT,
        "bind": Record(
            {
                "selinux": one_of("z", "Z"),
                "propagation": TEXT,
                "create_host_path": TRUTH,
                "recursive": one_of("enabled", "disabled", "writable", "readonly"),
            }
        ),
        "volume": Record({"labels": LABELS, "nocopy": TRUTH, "subpath": TEXT}),
        "tmpfs": Record({"size": BYTES, "mode": MODE_NUMBER}),
        "image": Record({"subpath": TEXT}),
    },
    mount,
    required=("type",),
)


_PROVIDER = Record({"type": TEXT, "options": Table(Listing(EVERY_SCALAR, single=True))}, required=("type",))

SERVICE = Record(
    {
        "annotations": LABELS,
        "attach": SAID_TRUTH,
        "blkio_config": _BLKIO,
        "build": BUILD,
        "cap_add": UNIQUE_TEXTS,
        "cap_drop": UNIQUE_TEXTS,
        "cgroup": one_of("host", "private"),
        "cgroup_parent": TEXT,
        "command": COMMAND,
        "configs": CONFIGS_OF_A_SERVICE,
        "container_name": TEXT,
        "cpu_count": WHOLE,
        "cpu_percent": DECIMAL,
        "cpu_period": WHOLE,
        "cpu_quota": WHOLE,
        "cpu_rt_period": WHOLE,
        "cpu_rt_runtime": WHOLE,
        "cpu_shares": WHOLE,
        "cpus": CPUS,
        "cpuset": TEXT,
        "credential_spec": Record({"config": TEXT, "file": TEXT, "registry": TEXT}),
        "depends_on": Table(_DEPENDENCY, _dependencies),
        "deploy": DEPLOY,
        "develop": DEVELOP,
        "device_cgroup_rules": TEXTS,
        "devices": Listing(Record({"source": TEXT, "target": TEXT, "permissions": TEXT}, device), device_target),
        "dns": DNS,
        "dns_opt": UNIQUE_TEXTS,
        "dns_search": UNIQUE_TEXT_OR_TEXTS,
        "domainname": TEXT,
        "entrypoint": COMMAND,
        "env_file": _ENV_FILES,
        "environment": VARIABLES,
        "expose": NUMBERS_OR_TEXTS,
        "extends": Record({"service": TEXT, "file": TEXT}, named("service"), required=("service",)),
        "external_links": TEXTS,
        "extra_hosts": HOSTS,
        "gpus": GPUS,
        "group_add": Listing(EVERY_SCALAR),
        "healthcheck": HEALTHCHECK,
        "hostname": TEXT,
        "image": TEXT,
        "init": SAID_TRUTH,
        "ipc": TEXT,
        "isolation": TEXT,
        "label_file": TEXT_OR_TEXTS,
        "labels": LABELS,
        "links": UNIQUE_TEXTS,
        "logging": Record({"driver": TEXT, "options": OPTIONS}, merge=_merged_logging),
        "mac_address": TEXT,
        "mem_limit": BYTES,
        "mem_reservation": BYTES,
        "mem_swappiness": BYTES,
        "memswap_limit": BYTES,
        "models": Table(Record({"endpoint_var": TEXT, "model_var": TEXT}), by_name),
        "network_mode": TEXT,
        "networks": Table(_SERVICE_NETWORK, by_name),
        "oom_kill_disable": TRUTH,
        "oom_score_adj": WHOLE,
        "pid": TEXT,
        "pids_limit": WHOLE,
        "platform": TEXT,
        "ports": Listing(_PORT, port_identity, several=several_ports),
        "post_start": HOOKS,
        "pre_stop": HOOKS,
        "privileged": TRUTH,
        "profiles": UNIQUE_TEXTS,
        "provider": _PROVIDER,
        "pull_policy": TEXT,
        "pull_refresh_after": TEXT,
        "read_only": TRUTH,
        "restart": TEXT,
        "runtime": TEXT,
        "scale": SAID_WHOLE,
        "secrets": SECRETS_OF_A_SERVICE,
        "security_opt": TEXTS,
        "shm_size": BYTES,
        "stdin_open": TRUTH,
        "stop_grace_period": SAID_DURATION,
        "stop_signal": TEXT,
        "storage_opt": OPTIONS,
        "sysctls": LABELS,
        "tmpfs": UNIQUE_TEXT_OR_TEXTS,
        "tty": TRUTH,
        "ulimits": ULIMITS,
        "use_api_socket": TRUTH,
        "user": TEXT,
        "userns_mode": TEXT,
        "uts": TEXT,
        "volumes": Listing(_MOUNT, mount_target),
        "volumes_from": TEXTS,
        "working_dir": TEXT,
    },
    hidden=frozenset({"extends", "env_file", "label_file", "pull_refresh_after"}),
)
