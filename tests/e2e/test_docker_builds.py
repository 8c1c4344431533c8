"""Images built by a real engine: what is asked for is in them, and what is to stay out of them isn't."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiodocker import Docker

from springtide.engines.base import InstanceSpec
from springtide.engines.docker import DockerEngine
from springtide.model.builds import BuildSecret, BuildSpec
from springtide.model.confinement import Ulimit
from springtide.model.errors import EngineError, LacksCapabilityError
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.workloads import Template
from tests.builders import amount
from tests.real_engine import BUSYBOX, a_docker_engine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

APP = AppName("tide")
WEB = InstanceId("tide-web-1")
HUSH = BuildSecret.of("key", b"hush\x00" + os.urandom(300_000))
"""More than a connection takes at once."""


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with a_docker_engine(APP) as engine:
        yield engine


@pytest.fixture
async def docker() -> AsyncIterator[Docker]:
    async with Docker(url="unix:///var/run/docker.sock") as docker:
        yield docker


def a_build(folder: Path, dockerfile: str = "", **said: Any) -> BuildSpec:
    """A build of this folder from the small base image, with these lines after ``FROM``."""
    if dockerfile:
        (folder / "Dockerfile").write_text(f"FROM {BUSYBOX}\n{dockerfile}\n")
    return BuildSpec(folder, **said)


async def inside(engine: DockerEngine, image: str, command: str) -> str:
    """What a command says in an instance of the image."""
    template = Template(image, ("sleep", "600"), network_mode="none")
    spec = InstanceSpec(WEB, APP, ServiceId("tide/web"), RevisionId("1"), NodeId("n"), template, amount())
    await engine.create(spec)
    said = await engine.exec(WEB, ("sh", "-c", command), 5)
    await engine.delete(WEB, 0)
    assert said.exit_code == 0, said.output
    return said.output


async def test_an_image_is_pinned_by_its_id_and_leaves_out_what_is_ignored(
    engine: DockerEngine, docker: Docker, tmp_path: Path
) -> None:
    (tmp_path / ".dockerignore").write_text("*.secret\n")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.secret").write_text("b")
    spec = a_build(tmp_path, "ARG WORD\nCOPY . /files\nRUN echo $WORD > /word", arguments=(("WORD", "tide"),))
    image = await engine.build(spec)
    assert image.startswith("sha256:")
    assert await engine.resolve_image(image) == image
    assert (await inside(engine, image, "ls /files; cat /word")).split() == ["Dockerfile", "a.txt", "tide"]
    labels = (await docker.images.inspect(image))["Config"]["Labels"]
    assert labels == {"springtide.installation": engine._names.installation}
    assert await engine.build(spec) == image, "nothing has changed, so nothing is restarted"


async def test_a_dockerfile_may_have_ignored_files_of_its_own(engine: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    image = await engine.build(a_build(tmp_path, "COPY . /files"))
    assert (await inside(engine, image, "ls /files")).split() == ["Dockerfile", "Dockerfile.dockerignore", "a"]


async def test_a_build_ends_at_its_target(engine: DockerEngine, tmp_path: Path) -> None:
    lines = f"RUN echo first > /stage\nFROM {BUSYBOX} AS second\nRUN echo second > /stage"
    (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX} AS first\n{lines}\n")
    stages = [await engine.build(BuildSpec(tmp_path, target=target)) for target in ("first", "second", "")]
    assert [await inside(engine, image, "cat /stage") for image in stages] == ["first\n", "second\n", "second\n"]
    with pytest.raises(EngineError, match="third"):
        await engine.build(BuildSpec(tmp_path, target="third"))


async def test_a_secret_is_there_while_a_step_reads_it_and_nowhere_afterwards(
    engine: DockerEngine, docker: Docker, tmp_path: Path
) -> None:
    mount = "--mount=type=secret,id=key,required=true"
    # The engine keeps steps by what they say, not by what their secrets hold: hence a word that is new each time.
    step = f"RUN {mount} : {os.urandom(8).hex()} && md5sum < /run/secrets/key > /sum"
    spec = a_build(tmp_path, step, secrets=(HUSH,))
    image = await engine.build(spec)
    expected = f"{hashlib.md5(HUSH.content).hexdigest()}  -\n"
    assert await inside(engine, image, "cat /sum; ls /run/secrets 2>/dev/null || true") == expected
    history = await docker.images.history(image)
    assert "hush" not in f"{history}{await docker.images.inspect(image)}"
    assert HUSH.content[5:60] not in await everything_in(docker, image)


async def everything_in(docker: Docker, image: str) -> bytes:
    """All files of all layers of an image, one after the other, and its configuration."""
    found = b""
    async with docker.images.export_image(image) as exported:
        whole = await exported.read()
    with tarfile.open(fileobj=BytesIO(whole)) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            found += content.read() if content is not None else b""
    assert len(found) > 10_000
    return found


async def test_a_secret_that_the_file_does_not_give_is_named(engine: DockerEngine, tmp_path: Path) -> None:
    spec = a_build(tmp_path, "RUN --mount=type=secret,id=other,required=true cat /run/secrets/other", secrets=(HUSH,))
    with pytest.raises(EngineError, match="other"):
        await engine.build(spec)


async def test_labels_tags_and_a_dockerfile_as_text_are_as_asked(
    engine: DockerEngine, docker: Docker, tmp_path: Path
) -> None:
    tag = f"{engine._names.installation}/shop:1"
    spec = BuildSpec(
        tmp_path,
        dockerfile_text=f"FROM {BUSYBOX}\nRUN echo tide > /word\n",
        labels=(("owner", "feed"),),
        tags=(tag,),
    )
    image = await engine.build(spec)
    assert await inside(engine, image, "cat /word") == "tide\n"
    shown = await docker.images.inspect(tag)
    assert shown["Id"] == image
    assert shown["Config"]["Labels"]["owner"] == "feed"


async def test_a_dockerfile_may_lie_outside_the_directory(engine: DockerEngine, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "page").write_text("tide")
    (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX}\nCOPY . /files\n")
    for dockerfile in ("../Dockerfile", str(tmp_path / "Dockerfile")):
        image = await engine.build(BuildSpec(folder, dockerfile))
        assert "page" in await inside(engine, image, "ls /files")


async def test_steps_have_the_hosts_and_the_network_asked_for(engine: DockerEngine, tmp_path: Path) -> None:
    lines = "RUN grep gauge /etc/hosts > /hosts; ls /sys/class/net > /links"
    hosts = (("gauge", "10.1.2.3"),)
    alone = await engine.build(a_build(tmp_path, lines, network="none", extra_hosts=hosts))
    said = await inside(engine, alone, "cat /hosts /links")
    assert "10.1.2.3" in said
    assert "eth0" not in said


async def test_without_cache_every_step_runs_again(engine: DockerEngine, tmp_path: Path) -> None:
    spec = a_build(tmp_path, "RUN cat /proc/sys/kernel/random/uuid > /once")
    first, cached = [await engine.build(spec) for _ in range(2)]
    assert cached == first
    assert await engine.build(a_build(tmp_path, no_cache=True)) != first


async def test_limits_of_steps_hold_by_whichever_builder_knows_them(engine: DockerEngine, tmp_path: Path) -> None:
    lines = "RUN df /dev/shm | awk 'NR==2 {print $2}' > /shm; ulimit -n > /files"
    spec = a_build(tmp_path, lines, shm_size_bytes=2**21, ulimits=(Ulimit("nofile", 200, 300),), labels=(("a", "b"),))
    image = await engine.build(spec)
    assert await inside(engine, image, "cat /shm /files") == "2048\n200\n"
    if await engine._api.version() < (1, 42):
        with pytest.raises(LacksCapabilityError, match="together"):
            await engine.build(a_build(tmp_path, shm_size_bytes=2**21, secrets=(HUSH,)))


async def test_a_failed_build_shows_its_last_lines(engine: DockerEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nearly there") as failed:
        await engine.build(a_build(tmp_path, "RUN echo nearly there && exit 3"))
    assert "exit 3" in failed.value.sentence
    with pytest.raises(EngineError, match="no-such-file"):
        await engine.build(a_build(tmp_path, "COPY no-such-file /"))
    with pytest.raises(EngineError, match=r"nothing can be built"):
        await engine.build(BuildSpec(tmp_path, "Other"))
    with pytest.raises(EngineError, match=r"nearly there"):
        await engine.build(a_build(tmp_path, "RUN echo nearly there && exit 3", shm_size_bytes=2**21))
