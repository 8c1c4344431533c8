"""Which keys are taken of what services share and mount: networks, volumes, configs, secrets, logging, devices."""

from __future__ import annotations

from springtide.formats.compose_keys import LATER, KeyTable

NETWORK = KeyTable(
    frozenset(
        {
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
        }
    )
)
IPAM = KeyTable(frozenset({"config", "driver", "options"}))
ADDRESS_POOL = KeyTable(frozenset({"aux_addresses", "gateway", "ip_range", "subnet"}))
SERVICE_NETWORK = KeyTable(
    frozenset(
        {
            "aliases",
            "driver_opts",
            "gw_priority",
            "interface_name",
            "ipv4_address",
            "ipv6_address",
            "link_local_ips",
            "mac_address",
            "priority",
        }
    )
)

VOLUME = KeyTable(frozenset({"driver", "driver_opts", "external", "labels", "name"}))
_FILES_ELSEWHERE = {
    "external": "Write it as `file:` or `environment:`: nobody else keeps files for Springtide.",
    "driver": "Write it as `file:` or `environment:`.",
    "driver_opts": "Write it as `file:` or `environment:`.",
    "template_driver": "Write the value itself, with the file's own variables.",
    "labels": "Leave it out: the file goes straight into the instance.",
}
CONFIG = KeyTable(frozenset({"content", "environment", "file", "name"}), _FILES_ELSEWHERE)
SECRET = KeyTable(frozenset({"environment", "file", "name"}), _FILES_ELSEWHERE)
SERVICE_FILE = KeyTable(frozenset({"gid", "mode", "source", "target", "uid"}))
MOUNT = KeyTable(
    frozenset({"bind", "read_only", "source", "target", "tmpfs", "type", "volume"}),
    {"consistency": "Leave it out: it means nothing on Linux.", "image": LATER},
)
BIND = KeyTable(frozenset({"create_host_path", "propagation", "recursive", "selinux"}))
VOLUME_MOUNT = KeyTable(
    frozenset({"nocopy", "subpath"}), {"labels": "Write them under the top-level volume's `labels`."}
)
TMPFS = KeyTable(frozenset({"mode", "size"}))
LOGGING = KeyTable(frozenset({"driver", "options"}))
BLKIO = KeyTable(
    frozenset(
        {"device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops", "weight", "weight_device"}
    )
)
