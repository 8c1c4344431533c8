"""What a Compose file says of its containers, in the template of an instance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from springtide.formats.app_specs import with_images
from springtide.model.confinement import BlockIo, Device, DeviceRate, DeviceWeight, Logging, Ulimit
from springtide.model.mounts import Mount, MountType, VolumeDefinition
from springtide.model.networks import AddressPool, Attachment, NetworkDefinition, Protocol, PublishedPort
from tests.formats.compose_files import load, service_text, web
from tests.formats.test_compose import NOW

BLKIO = """
blkio_config:
  weight: 300
  weight_device: [{path: /dev/a, weight: 400}]
  device_read_bps: [{path: /dev/b, rate: 1k}]
  device_write_iops: [{path: /dev/b, rate: 5}]
"""

SAID = {
    "privileged: true": ("isolation.privileged", True),
    "read_only: true": ("isolation.read_only", True),
    "cap_add: [CAP_NET_ADMIN, SYS_TIME]": ("isolation.cap_add", ("NET_ADMIN", "SYS_TIME")),
    "cap_drop: [ALL]": ("isolation.cap_drop", ("ALL",)),
    "security_opt: [no-new-privileges:true]": ("isolation.security_opt", ("no-new-privileges:true",)),
    "pid: host": ("isolation.pid", "host"),
    "ipc: shareable": ("isolation.ipc", "shareable"),
    "uts: host": ("isolation.uts", "host"),
    "userns_mode: host": ("isolation.userns", "host"),
    "cgroup: private": ("isolation.cgroup", "private"),
    "cgroup_parent: a": ("isolation.cgroup_parent", "a"),
    "group_add: [mail, 1000]": ("isolation.group_add", ("mail", "1000")),
    "devices: ['/dev/a:/dev/b:r', /dev/c]": (
        "isolation.devices",
        (Device("/dev/a", "/dev/b", "r"), Device("/dev/c", "/dev/c")),
    ),
    "device_cgroup_rules: ['c 1:3 mr']": ("isolation.device_cgroup_rules", ("c 1:3 mr",)),
    "runtime: runsc": ("isolation.runtime", "runsc"),
    "hostname: a": ("naming.hostname", "a"),
    "domainname: b.org": ("naming.domainname", "b.org"),
    "extra_hosts: ['b:10.0.0.2', 'a=[::1]']": ("naming.extra_hosts", (("a", "::1"), ("b", "10.0.0.2"))),
    "dns: 8.8.8.8": ("naming.dns", ("8.8.8.8",)),
    "dns_search: [a.org, b.org]": ("naming.dns_search", ("a.org", "b.org")),
    "dns_opt: [use-vc]": ("naming.dns_options", ("use-vc",)),
    "ulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}": (
        "kernel.ulimits",
        (Ulimit("nofile", 1, 2), Ulimit("nproc", 5, 5)),
    ),
    "sysctls: [net.core.somaxconn=1024]": ("kernel.sysctls", (("net.core.somaxconn", "1024"),)),
    "shm_size: 64m": ("kernel.shm_size_bytes", 64 * 2**20),
    "memswap_limit: -1": ("kernel.memory_swap_bytes", -1),
    "mem_swappiness: 10": ("kernel.memory_swappiness", 10),
    "oom_score_adj: -5": ("kernel.oom_score_adjustment", -5),
    "oom_kill_disable: true": ("kernel.oom_kill_disable", True),
    "cpu_shares: 5": ("kernel.cpu_shares", 5),
    "cpu_period: 1000": ("kernel.cpu_period_micros", 1000),
    "cpu_quota: 500": ("kernel.cpu_quota_micros", 500),
    "cpu_rt_period: 7": ("kernel.cpu_realtime_period_micros", 7),
    "cpu_rt_runtime: 6": ("kernel.cpu_realtime_runtime_micros", 6),
    "cpuset: 0-1": ("kernel.cpu_set", "0-1"),
    "storage_opt: {size: 1G}": ("kernel.storage_options", (("size", "1G"),)),
    BLKIO: (
        "kernel.block_io",
        BlockIo(
            weight=300,
            weight_device=(DeviceWeight("/dev/a", 400),),
            device_read_bytes=(DeviceRate("/dev/b", 1024),),
            device_write_operations=(DeviceRate("/dev/b", 5),),
        ),
    ),
    "logging: {driver: syslog, options: {tag: 1}}": ("logging", Logging("syslog", (("tag", "1"),))),
    "annotations: {b: 1, a: x}": ("annotations", (("a", "x"), ("b", "1"))),
    "init: false": ("init", False),
    "tty: true": ("tty", True),
    "stdin_open: true": ("stdin_open", True),
    "restart: always": ("user", None),
    "network_mode: none": ("network_mode", "none"),
    "network_mode: host": ("networks", ()),
    "networks: {default: {ipv4_address: 10.0.0.9, priority: 5, aliases: [a]}}": (
        "attachments",
        (Attachment("default", ipv4_address="10.0.0.9", priority=5),),
    ),
    "mac_address: 02:42:ac:11:00:02": ("attachments", (Attachment("default", mac_address="02:42:ac:11:00:02"),)),
    "container_name: db.1": ("naming.container_name", "db.1"),
    "attach: false": ("user", None),
    "deploy: {mode: replicated, endpoint_mode: dnsrr}": ("user", None),
    "healthcheck: {test: x, start_interval: 2s}": ("healthcheck.start_interval_seconds", 2.0),
    "ports: [{target: 53, protocol: udp, name: dns}]": ("ports", (PublishedPort(53, 0, Protocol.UDP),)),
    "ports: ['53:53/udp', {target: 80, published: 8080, mode: host, host_ip: 127.0.0.1}]": (
        "ports",
        (PublishedPort(53, 53, Protocol.UDP), PublishedPort(80, 8080, Protocol.TCP, "127.0.0.1")),
    ),
    "ports: [53/udp]": ("ports", (PublishedPort(53, 0, Protocol.UDP),)),
    "cpus: 0.2": ("limits.cpu_millis", 200),
    "mem_limit: 32M": ("limits.memory_bytes", 32 * 2**20),
    "mem_reservation: 16M": ("limits.memory_bytes", 16 * 2**20),
    "pids_limit: 7": ("limits.pids", 7),
    "tmpfs: ['/run:size=1m,mode=755,uid=5', /tmp]": (
        "mounts",
        (
            Mount(MountType.TMPFS, "/run", size_bytes=2**20, mode=0o755, options=("uid=5",)),
            Mount(MountType.TMPFS, "/tmp"),
        ),
    ),
    "volumes: ['/srv:/a:ro,rslave', /b]": (
        "mounts",
        (
            Mount(MountType.BIND, "/a", "/srv", read_only=True, propagation="rslave", creates_source=True),
            Mount(MountType.VOLUME, "/b"),
        ),
    ),
    "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1k, mode: 0700}}]": (
        "mounts",
        (Mount(MountType.TMPFS, "/t", size_bytes=1024, mode=0o700),),
    ),
}


@pytest.mark.parametrize(("body", "field", "value"), [(body, *said) for body, said in SAID.items()], ids=SAID)
def test_a_template_says_what_the_file_says(tmp_path: Path, body: str, field: str, value: Any) -> None:
    found: Any = web(tmp_path, body).template
    for name in field.split("."):
        found = getattr(found, name)
    assert found == value


def test_what_opens_more_than_usual_is_worth_a_notice(tmp_path: Path) -> None:
    notices = load(tmp_path, service_text("privileged: true\npid: host")).notices
    assert [each for each in notices if "opens more" in each] == [
        "web: pid: host opens more than an ordinary container has.",
        "web: privileged opens more than an ordinary container has.",
    ]


def test_a_plain_service_opens_and_mounts_nothing(tmp_path: Path) -> None:
    template = web(tmp_path, "user: a").template
    assert (template.mounts, template.files, template.ports, template.attachments) == ((), (), (), ())


def test_volumes_and_networks_are_the_apps(tmp_path: Path) -> None:
    text = (
        service_text("volumes: ['one:/a', 'two:/b', 'far:/c']\nnetworks: [front, back, plain]")
        + """
volumes:
  one:
  two: {driver: nfs, driver_opts: {o: x}, labels: {k: v}, name: own}
  far: {external: true, name: theirs}
networks:
  front: {driver: bridge, internal: true, enable_ipv6: true, ipam: {config: [{subnet: 10.9.0.0/16}]}}
  back: {external: true}
  plain:
"""
    )
    spec = load(tmp_path, text)
    app = with_images(spec, {"web": "sha256:a"}, NOW).app
    assert app.volumes == (
        VolumeDefinition("far", external_name="theirs"),
        VolumeDefinition("one"),
        VolumeDefinition("two", "nfs", (("o", "x"),), (("k", "v"),), engine_name="own"),
    )
    assert app.network_definitions == (
        NetworkDefinition(
            "front", "bridge", internal=True, enable_ipv6=True, ipam=(AddressPool(subnet="10.9.0.0/16"),)
        ),
        NetworkDefinition("back", external_name="back"),
    )
    assert app.networks == ("front", "back", "plain")


def test_names_may_differ_from_network_to_network(tmp_path: Path) -> None:
    text = service_text("networks: {p: {aliases: [n]}, q: }") + "networks: {p: , q: }\n"
    template = load(tmp_path, text).services[0].template
    assert template.attachments == (Attachment("p", aliases=("n",)),)
    assert template.aliases == ("web",)


def test_configs_and_secrets_are_files_with_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\x00secret")
    text = (
        service_text("secrets: [token, {source: variable, target: v, uid: '5', mode: 0400}]\nconfigs: [{source: text}]")
        + 'secrets: {token: {file: ./token}, variable: {environment: KEY}}\nconfigs: {text: {content: "a=$KEY"}}\n'
    )
    files = load(tmp_path, text, environment={"KEY": "value"}).services[0].template.files
    assert [(each.target, each.content, each.is_secret) for each in files] == [
        ("/run/secrets/token", b"\x00secret", True),
        ("/run/secrets/v", b"value", True),
        ("/text", b"a=value", False),
    ]
    assert (files[1].uid, files[1].mode, files[0].mode) == (5, 0o400, 0o444)
