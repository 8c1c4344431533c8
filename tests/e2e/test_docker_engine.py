"""What only a real Docker Engine can show: hardening, names on networks, memory limits, other people's things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiodocker import Docker

from springtide.engines.base import InstanceSpec
from springtide.engines.docker import DockerEngine
from springtide.engines.docker_api import decoded
from springtide.engines.docker_usage import CgroupFiles, usage_of_statistics
from springtide.model.builds import BuildSpec
from springtide.model.errors import EngineError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.networks import NetworkDefinition
from springtide.model.observations import ContainerState, EngineInstance
from springtide.model.resources import Resources
from springtide.model.workloads import HttpProbe, Limits, TcpProbe, Template
from tests.real_engine import BUSYBOX, REPOSITORY, a_docker_engine

pytestmark = pytest.mark.engine

TIDE, OTHER = AppName("tide"), AppName("other")
WAIT = ("sleep", "600")
MIB = 2**20


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with a_docker_engine(TIDE, OTHER) as engine:
        for app in (TIDE, OTHER):
            await engine.ensure_network(app, NetworkDefinition("default"))
        yield engine


@pytest.fixture
async def docker() -> AsyncIterator[Docker]:
    async with Docker(url="unix:///var/run/docker.sock") as docker:
        yield docker


def a_spec(name: str = "tide-web-1", app: AppName = TIDE, **overrides: Any) -> InstanceSpec:
    template = Template(**{"image": BUSYBOX, "command": WAIT, "aliases": ("web",), **overrides})
    reserved = Resources.of(cpu_millis=50, memory_bytes=32 * MIB)
    service = ServiceId(f"{app}/web")
    return InstanceSpec(InstanceId(name), app, service, RevisionId("1"), NodeId("n"), template, reserved)


async def inspected(docker: Docker, id: str) -> Any:
    (row,) = await docker.containers.list(all=True, filters=f'{{"label": ["springtide.instance={id}"]}}')
    return await row.show()


async def until(engine: DockerEngine, id: str, state: ContainerState) -> EngineInstance:
    async with asyncio.timeout(20):
        while True:
            instance = await engine.get(InstanceId(id))
            if instance is not None and instance.state is state:
                return instance
            await asyncio.sleep(0.05)


async def until_passing(engine: DockerEngine, id: str, probe: HttpProbe | TcpProbe) -> EngineInstance:
    """The instance once it passes the probe."""
    instance = await until(engine, id, ContainerState.RUNNING)
    async with asyncio.timeout(20):
        while True:
            if (await engine.probe(instance, probe, 1)).passed:
                return instance
            await asyncio.sleep(0.05)


async def test_instances_are_hardened_and_limited(engine: DockerEngine, docker: Docker) -> None:
    await engine.create(a_spec(limits=Limits(memory_bytes=48 * MIB, pids=20, cpu_millis=500)))
    shown = await inspected(docker, "tide-web-1")
    host = shown["HostConfig"]
    assert host["Init"] is True
    assert host["CapDrop"] == ["ALL"]
    assert {"CAP_NET_RAW", "NET_RAW", "CAP_SYS_ADMIN", "SYS_ADMIN", "MKNOD"}.isdisjoint(host["CapAdd"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Privileged"] is False
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (48 * MIB, 48 * MIB, 20)
    assert (host["NanoCpus"], host["CpuShares"]) == (500_000_000, 51)
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"]["Config"]["max-size"]
    assert shown["Config"]["Hostname"] == "tide-web-1"


async def test_the_kernel_sees_the_hardening(engine: DockerEngine) -> None:
    await engine.create(a_spec())
    id = InstanceId("tide-web-1")
    status = (await engine.exec(id, ("cat", "/proc/1/status"), 5)).output
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapBnd"], 16).bit_count() == 7
    assert (await engine.exec(id, ("cat", "/proc/1/comm"), 5)).output.strip() in ("docker-init", "tini")


async def test_limits_have_defaults_from_what_is_reserved(engine: DockerEngine, docker: Docker) -> None:
    await engine.create(a_spec())
    host = (await inspected(docker, "tide-web-1"))["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["NanoCpus"]) == (32 * MIB, 128, 0)


async def test_a_service_name_resolves_to_all_its_instances_and_only_within_its_app(engine: DockerEngine) -> None:
    await engine.create(a_spec("tide-web-1"))
    await engine.create(a_spec("tide-web-2"))
    await engine.create(a_spec("other-api-1", OTHER, aliases=("api",)))
    addresses = {each.address for each in await engine.list() if each.id.startswith("tide")}
    answer = await engine.exec(InstanceId("tide-web-1"), ("nslookup", "web"), 10)
    assert addresses <= set(answer.output.replace("\n", " ").split())
    assert (await engine.exec(InstanceId("tide-web-1"), ("nslookup", "tide-web-2"), 10)).exit_code == 0
    assert (await engine.exec(InstanceId("other-api-1"), ("nslookup", "web"), 10)).exit_code != 0


async def test_apps_do_not_reach_one_another(engine: DockerEngine) -> None:
    await engine.create(a_spec("tide-web-1", command=("httpd", "-f", "-p", "8000")))
    await engine.create(a_spec("tide-web-2"))
    await engine.create(a_spec("other-api-1", OTHER))
    server = await until_passing(engine, "tide-web-1", TcpProbe(8000))
    reach = ("sh", "-c", f"nc -w 2 {server.address} 8000 </dev/null")
    assert (await engine.exec(InstanceId("tide-web-2"), reach, 10)).exit_code == 0
    assert (await engine.exec(InstanceId("other-api-1"), reach, 10)).exit_code != 0


async def test_on_two_networks_the_address_is_that_of_the_first(engine: DockerEngine, docker: Docker) -> None:
    await engine.ensure_network(TIDE, NetworkDefinition("back"))
    await engine.create(a_spec(networks=("default", "back")))
    seen = await until(engine, "tide-web-1", ContainerState.RUNNING)
    networks = (await inspected(docker, "tide-web-1"))["NetworkSettings"]["Networks"]
    first = next(value for name, value in networks.items() if name.endswith("-tide-default"))
    assert len(networks) == 2
    assert seen.address == first["IPAddress"]
    assert all("web" in each["Aliases"] for each in networks.values())


async def test_an_instance_that_ran_out_of_memory_says_so(engine: DockerEngine) -> None:
    await engine.create(a_spec(command=("sh", "-c", "x=$(yes | head -c 200000000); echo $x")))
    seen = await until(engine, "tide-web-1", ContainerState.EXITED)
    assert seen.detail == "out of memory"


async def test_the_stop_signal_comes_first_and_the_kill_after_the_grace(engine: DockerEngine) -> None:
    stops_well = "trap 'echo goodbye; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    await engine.create(a_spec(command=("sh", "-c", stops_well)))
    lines = engine.follow_logs(InstanceId("tide-web-1"))
    assert await anext(lines) == "up"
    deletion = asyncio.create_task(engine.delete(InstanceId("tide-web-1"), 10))
    assert await anext(lines) == "goodbye"
    await deletion
    await engine.create(a_spec(command=("sh", "-c", "trap '' TERM; while :; do sleep 1; done")))
    async with asyncio.timeout(8):
        await engine.delete(InstanceId("tide-web-1"), 1)
    assert await engine.list() == []


async def test_foreign_containers_and_other_installations_are_not_seen(engine: DockerEngine, docker: Docker) -> None:
    foreign = await docker.containers.create(
        {"Image": BUSYBOX, "Cmd": list(WAIT), "Labels": {"springtide.instance": "tide-web-1"}},
        name=f"foreign-{engine._names.installation}",
    )
    try:
        await foreign.start()
        async with a_docker_engine(TIDE) as second:
            assert await second.list() == []
            await second.delete(InstanceId("tide-web-1"), 0)
            await second.delete_networks(TIDE)
        assert await engine.list() == []
        await engine.delete(InstanceId("tide-web-1"), 0)
        assert await engine.usage([InstanceId("tide-web-1")]) == {}
        assert (await foreign.show())["State"]["Running"] is True
    finally:
        await foreign.delete(force=True)


async def test_a_taken_container_name_is_refused_and_left_alone(engine: DockerEngine, docker: Docker) -> None:
    name = f"springtide-{engine._names.installation}-tide-web-1"
    foreign = await docker.containers.create({"Image": BUSYBOX, "Cmd": list(WAIT)}, name=name)
    try:
        with pytest.raises(EngineError, match=name):
            await engine.create(a_spec())
        assert (await foreign.show())["State"]["Status"] == "created"
    finally:
        await foreign.delete(force=True)


async def test_the_control_groups_say_what_the_api_says(engine: DockerEngine) -> None:
    await engine.create(a_spec())
    id = InstanceId("tide-web-1")
    await engine.pause(id)
    (container,) = engine._containers[id]
    read = CgroupFiles().usage(container)
    async with engine._api.stream(f"containers/{container}/stats", {"stream": "0"}, "measure") as answer:
        asked = usage_of_statistics(decoded(await answer.read()))
    assert read is not None
    assert asked is not None
    # The neighbours on a network speak on while an instance is paused: what it receives may grow between the looks.
    assert read.received_bytes <= asked.received_bytes
    assert replace(read, received_bytes=0) == replace(asked, received_bytes=0)


async def test_an_engine_that_is_not_there_is_named_with_a_remedy(tmp_path: Path) -> None:
    engine = DockerEngine("test", docker_host=f"unix://{tmp_path}/docker.sock")
    for call in (engine.start(), engine.list(), engine.create(a_spec()), engine.delete(InstanceId("x"), 0)):
        with pytest.raises(EngineError, match=r"docker\.sock") as refused:
            await call
        assert "Start it" in refused.value.remedy
    with pytest.raises(EngineError):
        await anext(engine.watch())
    await engine.close()


async def test_an_engine_that_comes_back_is_used_again_by_the_same_object(tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"
    engine = DockerEngine("test-away", docker_host=f"unix://{socket}")
    for _ in range(2):
        with pytest.raises(EngineError):
            await engine.list()
        async with ALine(socket):
            assert await engine.list() == []
            changes = engine.watch()
            lost = asyncio.ensure_future(anext(changes, None))
            await asyncio.sleep(0.2)
        assert await asyncio.wait_for(asyncio.gather(lost, return_exceptions=True), 5)
    await engine.close()


async def test_a_container_that_somebody_runs_from_a_built_image_is_no_instance(
    engine: DockerEngine, docker: Docker, tmp_path: Path
) -> None:
    changes = engine.watch()
    first = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.2)
    (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN true\n")
    image = await engine.build(BuildSpec(tmp_path))
    by_hand = await docker.containers.run({"Image": image, "Cmd": list(WAIT)})
    try:
        assert await engine.list() == []
        await engine.create(a_spec())
        assert await first == "tide-web-1"
    finally:
        await by_hand.delete(force=True)


async def test_the_sample_app_becomes_ready_within_its_reservation(engine: DockerEngine) -> None:
    image = await engine.build(BuildSpec(REPOSITORY / "examples" / "tide"))
    await engine.create(a_spec(image=image, command=None))
    seen = await until_passing(engine, "tide-web-1", HttpProbe(8000, "/healthz"))
    used = (await engine.usage([seen.id]))[seen.id]
    assert used.memory_bytes < 25 * MIB
    assert (await engine.exec(seen.id, ("id", "-u"), 5)).output == "1000\n"


class ALine:
    """A socket that leads to the real engine for as long as it is entered: the engine, gone and back."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.writers: list[asyncio.StreamWriter] = []
        self.copies: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> None:
        self.server = await asyncio.start_unix_server(self.serve, self.socket)

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()
        for copy in self.copies:
            copy.cancel()
        await asyncio.gather(*self.copies, return_exceptions=True)
        self.socket.unlink(missing_ok=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection("/var/run/docker.sock")
        self.writers += [writer, engine_writer]
        for source, sink in ((reader, engine_writer), (engine_reader, writer)):
            self.copies.add(asyncio.create_task(copy_bytes(source, sink)))


async def copy_bytes(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()


async def test_whoever_looks_at_the_news_of_an_end_sees_that_it_has_ended(engine: DockerEngine) -> None:
    """The engine tells of an end before its lists show it; nothing is told after that."""
    ids = [f"tide-web-{number}" for number in range(1, 31)]
    seen: dict[str, ContainerState] = {}
    news = engine.watch()

    async def look() -> None:
        async for id in news:
            instance = await engine.get(id)
            seen[id] = instance.state if instance is not None else ContainerState.CREATED
            if list(seen.values()).count(ContainerState.EXITED) == len(ids):
                return

    looking = asyncio.create_task(look())
    await asyncio.gather(*(engine.create(a_spec(id, command=("true",))) for id in ids))
    await asyncio.wait({looking}, timeout=8)
    looking.cancel()
    assert [id for id in ids if seen[id] is not ContainerState.EXITED] == []
