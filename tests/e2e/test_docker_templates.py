"""Each thing that a template may say, seen from inside a real container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from springtide.engines.base import Capability, InstanceSpec
from springtide.engines.docker import DockerEngine
from springtide.model.confinement import Isolation, KernelSettings, Logging, Naming, Ulimit
from springtide.model.errors import EngineError, LacksCapabilityError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.mounts import FileMount, Mount, MountType, VolumeDefinition
from springtide.model.networks import AddressPool, Attachment, NetworkDefinition, Protocol, PublishedPort
from springtide.model.observations import ContainerState
from springtide.model.resources import Resources
from springtide.model.workloads import Companion, ContainerTemplate, ExecProbe, Healthcheck, HttpProbe, Template
from tests.real_engine import BUSYBOX, PYTHON, a_docker_engine

pytestmark = pytest.mark.engine

TIDE = AppName("tide")
WEB = InstanceId("tide-web-1")
PEER = InstanceId("tide-web-2")
WAIT = ("sleep", "600")
ASK = "f() { printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $1 $2 | tail -n 1; }; f"
ECHO_UDP = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5353))
while True:
    data, address = s.recvfrom(2048)
    s.sendto(data, address)
"""
ASK_UDP = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
for _ in range(20):
    s.sendto(b"ebb", ("web", 5353))
    try:
        print(s.recv(2048).decode())
        break
    except TimeoutError:
        pass
"""
DEFAULT = NetworkDefinition("default")
FIXED = NetworkDefinition("fixed", ipam=(AddressPool("10.213.7.0/24", gateway="10.213.7.1"),))
INTERNAL = NetworkDefinition("inside", internal=True)
DATA = VolumeDefinition("data")
SECRET = FileMount.of("key", "/run/secrets/key", b"hush", is_secret=True)


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with a_docker_engine(TIDE) as engine:
        await engine.ensure_network(TIDE, DEFAULT)
        try:
            yield engine
        finally:
            for instance in await engine.list():
                await engine.delete(instance.id, 0)
            await engine.delete_volumes(TIDE)


@pytest.fixture
async def docker() -> AsyncIterator[Docker]:
    async with Docker(url="unix:///var/run/docker.sock") as docker:
        yield docker


def a_spec(id: InstanceId = WEB, **said: Any) -> InstanceSpec:
    template = Template(**{"image": BUSYBOX, "command": WAIT, "aliases": ("web",), **said})
    reserved = Resources.of(cpu_millis=50, memory_bytes=32 * 2**20)
    spec = InstanceSpec(id, TIDE, ServiceId("tide/web"), RevisionId("1"), NodeId("n"), template, reserved)
    return replace(spec, networks=(FIXED, INTERNAL), volumes=(DATA,))


async def inside(engine: DockerEngine, command: str, id: InstanceId = WEB) -> str:
    """What the command says in the instance. Fails where it fails."""
    result = await engine.exec(id, ("sh", "-c", command), 10)
    assert result.exit_code == 0, result.output
    return result.output.strip()


async def fails_inside(engine: DockerEngine, command: str, id: InstanceId = WEB) -> bool:
    return (await engine.exec(id, ("sh", "-c", command), 10)).exit_code != 0


# Volumes, folders and memory


async def test_what_lies_in_a_named_volume_survives_a_replacement(engine: DockerEngine) -> None:
    await engine.ensure_volume(TIDE, DATA)
    mount = Mount(MountType.VOLUME, "/data", "data")
    await engine.create(a_spec(mounts=(mount,)))
    await inside(engine, "echo tide > /data/word")
    await engine.delete(WEB, 0)
    await engine.create(a_spec(PEER, mounts=(replace(mount, read_only=True),)))
    assert await inside(engine, "cat /data/word", PEER) == "tide"
    assert await fails_inside(engine, "echo ebb > /data/word", PEER)


async def test_volumes_are_removed_only_when_asked_and_never_somebody_elses(
    engine: DockerEngine, docker: Docker
) -> None:
    theirs = VolumeDefinition("theirs", external_name=f"foreign-{engine._names.installation}")
    with pytest.raises(EngineError, match=theirs.external_name) as refused:
        await engine.ensure_volume(TIDE, theirs)
    assert "docker volume create" in refused.value.remedy
    volumes: Any = docker.volumes
    foreign = await volumes.create({"Name": theirs.external_name})
    try:
        for volume in (DATA, theirs, DATA):
            await engine.ensure_volume(TIDE, volume)
        both = (Mount(MountType.VOLUME, "/d", "data"), Mount(MountType.VOLUME, "/t", "theirs"))
        await engine.create(replace(a_spec(mounts=both), volumes=(DATA, theirs)))
        await engine.delete(WEB, 0)
        kept = await inspected_volume(docker, engine._names.volume_of(TIDE, DATA))
        assert kept["Labels"]["springtide.volume"] == "data"
        await engine.delete_volumes(TIDE)
        with pytest.raises(DockerError):
            await inspected_volume(docker, engine._names.volume_of(TIDE, DATA))
        assert await inspected_volume(docker, theirs.external_name)
    finally:
        await foreign.delete()


async def test_a_volume_that_somebody_removed_is_made_again_as_ours(engine: DockerEngine, docker: Docker) -> None:
    await engine.ensure_volume(TIDE, DATA)
    before = await inspected_volume(docker, engine._names.volume_of(TIDE, DATA))
    await engine.delete_volumes(TIDE)
    await engine.create(a_spec(mounts=(Mount(MountType.VOLUME, "/data", "data"),)))
    again = await inspected_volume(docker, engine._names.volume_of(TIDE, DATA))
    assert (again["Labels"], again["Driver"]) == (before["Labels"], before["Driver"])


async def inspected_volume(docker: Docker, name: str) -> Any:
    volumes: Any = docker.volumes
    return await (await volumes.get(name)).show()


async def test_a_volume_that_is_asked_for_otherwise_is_refused_since_it_holds_data(engine: DockerEngine) -> None:
    await engine.ensure_volume(TIDE, DATA)
    options = (("type", "tmpfs"), ("device", "tmpfs"))
    with pytest.raises(EngineError, match="holds data") as refused:
        await engine.ensure_volume(TIDE, replace(DATA, driver_options=options))
    assert refused.value.remedy


async def test_folders_of_the_machine_are_mounted_and_made_where_the_file_says_so(
    engine: DockerEngine, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "word").write_text("tide")
    there = Mount(MountType.BIND, "/there", str(tmp_path / "there"), read_only=True)
    made = Mount(MountType.BIND, "/made", str(tmp_path / "made"), creates_source=True)
    await engine.create(a_spec(mounts=(there, made)))
    assert await inside(engine, "cat /there/word") == "tide"
    assert await fails_inside(engine, "echo ebb > /there/word")
    await inside(engine, "echo new > /made/word")
    assert (tmp_path / "made" / "word").read_text() == "new\n"
    missing = Mount(MountType.BIND, "/missing", str(tmp_path / "missing"))
    with pytest.raises(EngineError, match="missing"):
        await engine.create(a_spec(PEER, mounts=(missing,)))
    assert [each.id for each in await engine.list()] == [WEB]


async def test_memory_is_as_large_as_asked_and_keeps_its_mode(engine: DockerEngine) -> None:
    mount = Mount(MountType.TMPFS, "/fast", size_bytes=2**20, mode=0o750, options=("uid=1000", "exec"))
    await engine.create(a_spec(mounts=(mount,)))
    kind, size = (await inside(engine, "df -T /fast | awk 'NR==2 {print $2, $3}'")).split()
    assert (kind, size) == ("tmpfs", "1024")
    assert await inside(engine, "stat -c '%a %u' /fast") == "750 1000"


async def test_a_read_only_root_takes_nothing_but_what_is_mounted(engine: DockerEngine) -> None:
    tmp = Mount(MountType.TMPFS, "/tmp")
    await engine.create(a_spec(isolation=Isolation(read_only=True), mounts=(tmp,)))
    assert await fails_inside(engine, "touch /word")
    await inside(engine, "touch /tmp/word")


# Configs and secrets


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"isolation": Isolation(read_only=True)},
        {"isolation": Isolation(read_only=True), "mounts": (Mount(MountType.TMPFS, "/run"),)},
        {"mounts": (Mount(MountType.TMPFS, "/run", size_bytes=2**20),)},
    ],
    ids=["plain", "read-only root", "read-only root under memory", "under memory"],
)
async def test_files_are_there_before_the_command_with_owner_and_mode(
    engine: DockerEngine, said: dict[str, Any]
) -> None:
    secret = replace(SECRET, uid=1000, gid=1001, mode=0o400)
    config = FileMount.of("settings", "/etc/tide/settings.conf", b"\x00\xff")
    at_start = ("sh", "-c", "cat /run/secrets/key; echo; exec sleep 600")
    await engine.create(a_spec(files=(secret, config), command=at_start, **said))
    async with asyncio.timeout(10):
        assert await anext(engine.follow_logs(WEB)) == "hush"
    assert await inside(engine, "stat -c '%a %u %g' /run/secrets/key") == "400 1000 1001"
    assert await inside(engine, "stat -c '%a %u %g' /etc/tide/settings.conf") == "444 0 0"
    assert await inside(engine, "od -An -tx1 /etc/tide/settings.conf") == "00 ff"


async def test_a_file_in_a_folder_of_the_image_leaves_the_folder_as_it_is(engine: DockerEngine) -> None:
    await engine.create(a_spec())
    before = await inside(engine, "stat -c '%a %u' /etc; ls /etc")
    await engine.delete(WEB, 0)
    config = FileMount.of("settings", "/etc/settings.conf", b"tide")
    for isolation in (Isolation(), Isolation(read_only=True)):
        await engine.create(a_spec(files=(config,), isolation=isolation))
        assert await inside(engine, "cat /etc/settings.conf") == "tide"
        assert await inside(engine, "stat -c '%a %u' /etc; ls /etc | grep -v settings.conf") == before
        await engine.delete(WEB, 0)


async def test_volumes_that_held_files_go_with_the_instance(engine: DockerEngine, docker: Docker) -> None:
    volumes: Any = docker.volumes
    before = {each["Name"] for each in (await volumes.list())["Volumes"] or []}
    await engine.create(a_spec(files=(SECRET,), isolation=Isolation(read_only=True)))
    assert len((await volumes.list())["Volumes"]) == len(before) + 1
    await engine.delete(WEB, 0)
    assert {each["Name"] for each in (await volumes.list())["Volumes"] or []} == before


@pytest.mark.parametrize(
    ("file", "mount"),
    [
        (SECRET, Mount(MountType.VOLUME, "/run/secrets", "data")),
        (SECRET, Mount(MountType.TMPFS, "/run/secrets")),
        (FileMount.of("c", "/srv/c", b""), Mount(MountType.BIND, "/srv", "/srv")),
    ],
)
async def test_a_file_that_a_mount_would_hide_or_keep_is_refused(
    engine: DockerEngine, file: FileMount, mount: Mount
) -> None:
    await engine.ensure_volume(TIDE, DATA)
    with pytest.raises(EngineError, match=file.target):
        await engine.create(a_spec(files=(file,), mounts=(mount,)))
    assert await engine.list() == []


async def test_what_a_secret_holds_is_in_nothing_that_the_engine_shows(engine: DockerEngine, docker: Docker) -> None:
    await engine.create(a_spec(files=(SECRET,)))
    shown = repr(await (docker.containers.container(engine._containers[WEB][0])).show())
    assert "hush" not in shown
    assert SECRET.encoded not in shown


# Networks


async def test_addresses_names_and_hardware_addresses_are_as_fixed(engine: DockerEngine) -> None:
    await engine.ensure_network(TIDE, FIXED)
    attachment = Attachment("fixed", ("db",), "10.213.7.9", mac_address="02:42:0a:d5:07:63")
    await engine.create(a_spec(networks=("fixed",), attachments=(attachment,)))
    seen = await engine.get(WEB)
    assert seen is not None
    assert seen.address == "10.213.7.9"
    assert await inside(engine, "cat /sys/class/net/eth0/address") == "02:42:0a:d5:07:63"
    await engine.create(a_spec(PEER, networks=("fixed",)))
    for name in ("db", "web", WEB):
        assert "10.213.7.9" in await inside(engine, f"nslookup {name} 127.0.0.11", PEER)


async def test_an_alias_is_known_on_its_own_network_only(engine: DockerEngine) -> None:
    await engine.ensure_network(TIDE, FIXED)
    await engine.create(a_spec(networks=("default", "fixed"), attachments=(Attachment("fixed", ("db",)),)))
    await engine.create(a_spec(PEER))
    assert await inside(engine, "nslookup web 127.0.0.11", PEER)
    assert await fails_inside(engine, "nslookup db 127.0.0.11", PEER)


async def test_the_network_with_the_highest_priority_is_where_it_is_reached(engine: DockerEngine) -> None:
    await engine.ensure_network(TIDE, FIXED)
    attachments = (Attachment("fixed", priority=10),)
    await engine.create(a_spec(networks=("default", "fixed"), attachments=attachments))
    seen = await engine.get(WEB)
    assert seen is not None
    assert (seen.address or "").startswith("10.213.7.")


async def test_an_internal_network_reaches_its_members_and_nothing_else(engine: DockerEngine, docker: Docker) -> None:
    await engine.ensure_network(TIDE, INTERNAL)
    serve = ("sh", "-c", "echo tide > /index.html; exec httpd -f -p 8000 -h /")
    outside, inner = InstanceId("tide-web-3"), InstanceId("tide-web-4")
    for id, network in ((WEB, "inside"), (outside, "default")):
        await engine.create(a_spec(id, networks=(network,), command=serve))
    for id, network in ((PEER, "inside"), (inner, "default")):
        await engine.create(a_spec(id, networks=(network,)))
    addresses = {each.id: each.address for each in await engine.list()}
    assert await inside(engine, f"{ASK} {addresses[WEB]} 8000", PEER) == "tide"
    assert await inside(engine, f"{ASK} {addresses[outside]} 8000", inner) == "tide"
    assert await fails_inside(engine, f"nc -w 2 {addresses[outside]} 8000 </dev/null", PEER)
    shown = await (await docker.networks.get(engine._names.network_of(TIDE, INTERNAL))).show()
    assert shown["Internal"] is True


async def test_networks_that_are_asked_for_otherwise_are_made_anew_unless_somebody_stands_on_them(
    engine: DockerEngine,
) -> None:
    await engine.ensure_network(TIDE, INTERNAL)
    await engine.ensure_network(TIDE, INTERNAL)
    await engine.ensure_network(TIDE, replace(INTERNAL, internal=False))
    await engine.create(a_spec(networks=("inside",)))
    with pytest.raises(EngineError, match="made otherwise"):
        await engine.ensure_network(TIDE, INTERNAL)


async def test_an_external_network_is_joined_and_left_alone(engine: DockerEngine, docker: Docker) -> None:
    theirs = NetworkDefinition("theirs", external_name=f"foreign-{engine._names.installation}")
    with pytest.raises(EngineError, match=theirs.external_name):
        await engine.ensure_network(TIDE, theirs)
    foreign = await docker.networks.create({"Name": theirs.external_name})
    try:
        await engine.ensure_network(TIDE, theirs)
        await engine.create(replace(a_spec(networks=("theirs",)), networks=(theirs,)))
        seen = await engine.get(WEB)
        assert seen is not None
        assert seen.address
        await engine.delete(WEB, 0)
        await engine.delete_networks(TIDE)
        assert (await foreign.show())["Name"] == theirs.external_name
    finally:
        await foreign.delete()


async def test_host_none_and_bridge_are_the_engines_own_networks(engine: DockerEngine) -> None:
    await engine.create(a_spec(network_mode="host"))
    interfaces = {path.name for path in Path("/sys/class/net").iterdir()}
    assert set((await inside(engine, "ls /sys/class/net")).split()) == interfaces
    seen = await engine.get(WEB)
    assert seen is not None
    assert seen.address == "127.0.0.1"
    await engine.create(a_spec(PEER, network_mode="none"))
    assert await inside(engine, "ls /sys/class/net", PEER) == "lo"
    third = InstanceId("tide-web-3")
    await engine.create(a_spec(third, network_mode="bridge"))
    assert {each.id: bool(each.address) for each in await engine.list()} == {WEB: True, PEER: False, third: True}


async def test_udp_goes_from_instance_to_instance_and_through_a_port_of_the_machine(engine: DockerEngine) -> None:
    port = PublishedPort(5353, 35353, Protocol.UDP, "127.0.0.1")
    echo = ("python3", "-c", ECHO_UDP)
    await engine.create(a_spec(image=PYTHON, command=echo, ports=(port,)))
    await engine.create(a_spec(PEER, image=PYTHON, aliases=()))
    asked = await engine.exec(PEER, ("python3", "-c", ASK_UDP), 15)
    assert asked.output == "ebb\n"
    assert await udp_answer(35353) == b"flow"


async def udp_answer(port: int) -> bytes:
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Asking(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            if not answered.done():
                answered.set_result(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Asking, remote_addr=("127.0.0.1", port))
    try:
        async with asyncio.timeout(10):
            while not answered.done():
                transport.sendto(b"flow")
                await asyncio.wait({answered}, timeout=0.3)
            return answered.result()
    finally:
        transport.close()


# Names, confinement, kernel


async def test_names_and_name_servers_are_as_given(engine: DockerEngine) -> None:
    naming = Naming("tidal", "sea.test", (("gauge", "10.1.2.3"),), ("10.9.9.9",), ("sea.test",), ("ndots:3",))
    await engine.create(a_spec(naming=naming, network_mode="bridge"))
    assert await inside(engine, "hostname -f") == "tidal.sea.test"
    assert "10.1.2.3" in await inside(engine, "grep gauge /etc/hosts")
    resolver = await inside(engine, "cat /etc/resolv.conf")
    assert all(each in resolver for each in ("nameserver 10.9.9.9", "search sea.test", "ndots:3"))


async def test_a_container_has_the_name_that_it_is_given_and_keeps_it(engine: DockerEngine, docker: Docker) -> None:
    name = f"{engine._names.installation}-db"
    named = Naming(container_name=name)
    for _ in range(2):
        await engine.create(a_spec(naming=named))
    assert (await (await docker.containers.get(name)).show())["Config"]["Labels"]["springtide.instance"] == WEB
    with pytest.raises(EngineError, match=f"name {name} is taken"):
        await engine.create(a_spec(PEER, naming=named))
    await engine.delete(WEB, 0)
    await engine.create(a_spec(PEER, naming=named))


async def test_limits_and_settings_of_the_kernel_hold_inside(engine: DockerEngine) -> None:
    kernel = KernelSettings(
        ulimits=(Ulimit("nofile", 200, 300),),
        sysctls=(("net.ipv4.ip_unprivileged_port_start", "80"),),
        shm_size_bytes=2**21,
        oom_score_adjustment=300,
    )
    await engine.create(a_spec(kernel=kernel))
    # Not of a command run later: runc's own runtime raises the soft limit for those, now and then.
    assert await inside(engine, "awk '/open files/ {print $4, $5}' /proc/1/limits") == "200 300"
    assert await inside(engine, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "80"
    assert await inside(engine, "df /dev/shm | awk 'NR==2 {print $2}'") == "2048"
    assert await inside(engine, "cat /proc/1/oom_score_adj") == "300"


@pytest.mark.parametrize(
    ("isolation", "capabilities"),
    [
        (Isolation(), 0b10011101011),
        (Isolation(cap_drop=("ALL",), cap_add=("NET_RAW",)), 1 << 13),
        (Isolation(cap_add=("NET_RAW",), cap_drop=("KILL", "CHOWN")), 0b10011001010 | 1 << 13),
    ],
)
async def test_capabilities_are_the_seven_with_those_added_and_without_those_dropped(
    engine: DockerEngine, isolation: Isolation, capabilities: int
) -> None:
    await engine.create(a_spec(isolation=isolation))
    bounding = await inside(engine, "awk '/CapBnd/ {print $2}' /proc/1/status")
    assert f"{int(bounding, 16):b}" == f"{capabilities:b}"
    assert await inside(engine, "awk '/NoNewPrivs/ {print $2}' /proc/1/status") == "1"


async def test_what_a_terminal_shows_is_read_line_by_line(engine: DockerEngine) -> None:
    await engine.create(a_spec(tty=True, command=("sh", "-c", "echo first; echo second; exec sleep 600")))
    async with asyncio.timeout(10):
        lines = engine.follow_logs(WEB)
        assert [await anext(lines), await anext(lines)] == ["first", "second"]
    await inside(engine, "test -t 1 < /dev/null || readlink /proc/1/fd/1")


async def test_without_an_init_process_the_command_is_the_first_process(engine: DockerEngine) -> None:
    await engine.create(a_spec(init=False))
    assert await inside(engine, "cat /proc/1/comm") == "sleep"
    await engine.create(a_spec(PEER))
    assert await inside(engine, "cat /proc/1/comm", PEER) != "sleep"


async def test_logs_go_where_the_file_says_with_its_options(engine: DockerEngine, docker: Docker) -> None:
    await engine.create(a_spec(logging=Logging(options=(("max-file", "7"),))))
    shown = await docker.containers.container(engine._containers[WEB][0]).show()
    config = shown["HostConfig"]["LogConfig"]
    assert config == {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "7"}}
    await engine.create(a_spec(PEER, logging=Logging("none")))
    shown = await docker.containers.container(engine._containers[PEER][0]).show()
    assert shown["HostConfig"]["LogConfig"]["Type"] == "none"


async def test_what_this_engine_is_too_old_for_is_refused_before_anything_is_made(engine: DockerEngine) -> None:
    if await engine._api.version() >= (1, 45):
        pytest.skip("this engine knows subpaths")
    with pytest.raises(LacksCapabilityError, match=r"1\.45"):
        await engine.create(a_spec(mounts=(Mount(MountType.VOLUME, "/d", "data", subpath="part"),)))
    assert await engine.list() == []


# Pods


def a_pod(**said: Any) -> InstanceSpec:
    side = ContainerTemplate(BUSYBOX, ("sh", "-c", "echo tide > /index.html; exec httpd -f -p 8000 -h /"))
    return a_spec(companions=(Companion("side", replace(side, **said)),))


async def test_containers_of_a_pod_share_their_network_and_are_one_instance(engine: DockerEngine) -> None:
    assert Capability.PODS in engine.capabilities
    await engine.create(a_pod(isolation=Isolation(pid="service:web")))
    (seen,) = await engine.list()
    assert seen.id == WEB
    assert seen.state is ContainerState.RUNNING
    assert await inside(engine, f"{ASK} 127.0.0.1 8000") == "tide"
    assert seen == await engine.get(WEB)
    assert (await engine.usage([WEB]))[WEB].pids >= 2
    await engine.delete(WEB, 0)
    assert await engine.list() == []


async def test_a_pod_of_which_one_container_ended_has_ended(engine: DockerEngine) -> None:
    await engine.create(a_pod(command=("sh", "-c", "exit 3")))
    # Not by events: the engine tells of an end before its list shows it.
    async with asyncio.timeout(10):
        while True:
            (seen,) = await engine.list()
            if seen.state is ContainerState.EXITED:
                break
            await asyncio.sleep(0.05)
    assert (seen.exit_code, seen.detail) == (3, "side: exited with 3")


async def test_a_pod_that_can_not_be_made_whole_leaves_nothing(engine: DockerEngine, docker: Docker) -> None:
    with pytest.raises(EngineError):
        await engine.create(a_pod(command=("no-such-program",), init=False))
    assert await engine.list() == []
    label = f'{{"label": ["springtide.installation={engine._names.installation}"]}}'
    assert await docker.containers.list(all=True, filters=label) == []


async def test_a_pod_pauses_resumes_and_is_completed_as_a_whole(engine: DockerEngine, docker: Docker) -> None:
    await engine.create(a_pod())
    await engine.pause(WEB)
    seen = await engine.get(WEB)
    assert seen is not None
    assert seen.state is ContainerState.PAUSED
    await engine.resume(WEB)
    await docker.containers.container(engine._containers[WEB][1]).delete(force=True)
    half = await engine.get(WEB)
    assert half is not None
    assert half.state is ContainerState.CREATED
    await engine.create(a_pod())
    whole = await engine.get(WEB)
    assert whole is not None
    assert whole.state is ContainerState.RUNNING
    assert await inside(engine, f"{ASK} 127.0.0.1 8000") == "tide"


SLOW = ("sh", "-c", "mkdir /www; echo tide > /www/index.html; sleep 1; exec httpd -f -p 8000 -h /www")
IMPATIENT = ("sh", "-c", f"{ASK} 127.0.0.1 8000 || exit 7; exec sleep 600")


def a_waiting_pod(check: Healthcheck) -> InstanceSpec:
    side = Companion("side", ContainerTemplate(BUSYBOX, IMPATIENT), waits_for=("web",))
    return a_spec(command=SLOW, healthcheck=check, companions=(side,))


@pytest.mark.parametrize("probe", [ExecProbe(("wget", "-qO-", "http://127.0.0.1:8000/")), HttpProbe(8000, "/")])
async def test_a_container_that_waits_for_another_starts_once_that_is_healthy(
    engine: DockerEngine, probe: ExecProbe | HttpProbe
) -> None:
    spec = a_waiting_pod(Healthcheck(probe, interval_seconds=5, timeout_seconds=2))
    for _ in range(2):
        await engine.create(spec)
        seen = await engine.get(WEB)
        assert seen is not None
        assert seen.state is ContainerState.RUNNING
    async with asyncio.timeout(10):
        assert await anext(engine.follow_logs(WEB, companion="side")) == "tide"


async def test_a_pod_whose_container_waits_in_vain_is_not_left(engine: DockerEngine) -> None:
    never = Healthcheck(ExecProbe(("false",)), interval_seconds=0.1, timeout_seconds=1, retries=1)
    with pytest.raises(EngineError, match="side of tide-web-1 waits for web, which isn't healthy"):
        await engine.create(a_waiting_pod(never))
    assert await engine.list() == []
