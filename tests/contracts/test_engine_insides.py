"""What every engine promises about volumes, files and commands of instances, run on each adapter."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from springtide.engines.base import Capability, Command, OutputStream, refuse_what_is_lacking
from springtide.model.errors import EngineError, LacksCapabilityError
from springtide.model.mounts import FileMount, Mount, MountType, VolumeDefinition
from springtide.model.networks import Attachment, NetworkDefinition, PublishedPort
from springtide.model.workloads import Companion, ContainerTemplate, Template
from tests.contracts.test_engines import APP, WEB, Subject, a_spec, subject

__all__ = ["subject"]

DATA = VolumeDefinition("data")
IN_DATA = Mount(MountType.VOLUME, "/data", "data")
KEY = FileMount.of("key", "/run/secrets/key", b"hush", is_secret=True)


async def test_a_named_volume_goes_when_nothing_uses_it_any_more(subject: Subject) -> None:
    spec = a_spec(subject, mounts=(IN_DATA,))
    for _ in range(2):
        await subject.engine.ensure_volume(APP, DATA)
    await subject.engine.create(spec)
    with pytest.raises(EngineError, match="in use"):
        await subject.engine.delete_volumes(APP)
    await subject.engine.delete(WEB, 0)
    for _ in range(2):
        await subject.engine.delete_volumes(APP)


async def test_what_is_external_and_missing_is_named(subject: Subject) -> None:
    for ensuring in (
        subject.engine.ensure_network(APP, NetworkDefinition("x", external_name="theirs-alone")),
        subject.engine.ensure_volume(APP, VolumeDefinition("x", external_name="theirs-alone")),
    ):
        with pytest.raises(EngineError, match="theirs-alone"):
            await ensuring


@pytest.mark.parametrize(
    ("template", "capability"),
    [
        (Template("", mounts=(IN_DATA,)), Capability.VOLUMES),
        (Template("", mounts=(Mount(MountType.BIND, "/x", "/x"),)), Capability.BINDS),
        (Template("", files=(KEY,)), Capability.FILES),
        (Template("", companions=(Companion("side", ContainerTemplate("")),)), Capability.PODS),
        (Template("", attachments=(Attachment("default", ipv4_address="10.0.0.2"),)), Capability.FIXED_ADDRESSES),
        (Template("", network_mode="host"), Capability.NETWORK_MODES),
        (Template("", ports=(PublishedPort(53),)), Capability.HOST_PORTS),
        (Template("", companions=(Companion("side", ContainerTemplate("", files=(KEY,))),)), Capability.FILES),
    ],
)
async def test_what_an_engine_lacks_is_refused(subject: Subject, template: Template, capability: Capability) -> None:
    spec = replace(a_spec(subject), template=template)
    refuse_what_is_lacking(spec, subject.engine.capabilities)
    with pytest.raises(LacksCapabilityError, match=capability):
        refuse_what_is_lacking(spec, subject.engine.capabilities - {capability})


async def test_files_are_put_in_and_read_out(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject, files=(KEY,)))
    assert await content_of(subject, "/run/secrets/key") == {"key": b"hush"}
    status = await subject.engine.path_status(WEB, "/run/secrets/key")
    assert status is not None
    assert (status.name, status.is_directory, status.size_bytes, status.mode) == ("key", False, 4, 0o444)
    folder = await subject.engine.path_status(WEB, "/run/secrets")
    assert folder is not None
    assert folder.is_directory
    assert await subject.engine.path_status(WEB, "/run/nothing") is None


async def test_folders_are_copied_in_and_out_with_what_is_in_them(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject, files=(KEY,)))
    await subject.engine.write_files(WEB, "/run/secrets", chunks_of({"sub/a": b"1", "sub/b": b"\xff" * 100_000}))
    assert await content_of(subject, "/run/secrets/sub") == {"sub/a": b"1", "sub/b": b"\xff" * 100_000}
    await subject.engine.write_files(WEB, "/run/secrets", chunks_of({"sub/a": b"2"}))
    assert await content_of(subject, "/run/secrets/sub/a") == {"a": b"2"}


async def test_what_is_not_there_can_not_be_copied(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    with pytest.raises(EngineError, match="/nowhere"):
        await content_of(subject, "/nowhere")
    with pytest.raises(EngineError, match="/nowhere"):
        await subject.engine.write_files(WEB, "/nowhere", chunks_of({"a": b""}))
    with pytest.raises(EngineError, match="tide-web-9"):
        await subject.engine.path_status(type(WEB)("tide-web-9"), "/")


async def test_a_command_can_be_talked_with(subject: Subject) -> None:
    await subject.engine.create(a_spec(subject))
    running = await subject.engine.run(WEB, Command(("cat",), has_input=True))
    try:
        await running.write(b"tide\n")
        output = running.output()
        assert await anext(output) == (OutputStream.OUT, b"tide\n")
        await running.end_input()
        assert [each async for each in output] == []
        assert await running.exit_code() == 0
    finally:
        await running.close()


@pytest.mark.parametrize(("words", "said", "code"), [(("echo", "tide"), b"tide\n", 0), (("false",), b"", 1)])
async def test_a_command_without_input_ends_by_itself(
    subject: Subject, words: tuple[str, ...], said: bytes, code: int
) -> None:
    await subject.engine.create(a_spec(subject))
    running = await subject.engine.run(WEB, Command(words))
    assert b"".join([data async for _, data in running.output()]) == said
    assert await running.exit_code() == code
    await running.close()


async def content_of(subject: Subject, path: str) -> dict[str, bytes]:
    archive = b"".join([chunk async for chunk in subject.engine.read_files(WEB, path)])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {each.name: tar.extractfile(each) for each in tar if each.isfile()}
        return {name: content.read() for name, content in files.items() if content is not None}


async def chunks_of(files: dict[str, bytes]) -> AsyncIterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(mode="w", fileobj=buffer) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    data = buffer.getvalue()
    for start in range(0, len(data), 30_000):
        yield data[start : start + 30_000]
