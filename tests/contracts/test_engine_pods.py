"""What every engine that has pods promises of their containers, run on each adapter."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import pytest

from springtide.engines.base import Command, InstanceSpec
from springtide.model.errors import EngineError, ImageMissingError
from springtide.model.mounts import FileMount
from springtide.model.observations import ContainerState
from springtide.model.workloads import Companion, ContainerTemplate
from tests.contracts.test_engine_insides import chunks_of
from tests.contracts.test_engines import MISSING_IMAGE, WEB, Subject, a_spec, subject, until

__all__ = ["subject"]

SIDE = "side"
SPEAKS = ("sh", "-c", "echo side; exec sleep 600")


def a_pod(subject: Subject, **overrides: Any) -> InstanceSpec:
    side = ContainerTemplate(**{"image": subject.image, "command": SPEAKS, **overrides})
    return a_spec(subject, companions=(Companion(SIDE, side),))


async def test_a_pod_is_one_instance(subject: Subject) -> None:
    await subject.engine.create(a_pod(subject))
    (seen,) = await subject.engine.list()
    assert (seen.id, seen.state) == (WEB, ContainerState.RUNNING)
    await subject.engine.delete(WEB, 0)
    assert await subject.engine.list() == []


async def test_each_container_has_a_log_of_its_own(subject: Subject) -> None:
    await subject.engine.create(a_pod(subject))
    subject.speak(WEB)
    for companion, first_line in (("", "first"), (SIDE, "side")):
        lines = cast("Any", subject.engine.follow_logs(WEB, companion=companion))
        async with aclosing(lines):
            assert await anext(lines) == first_line
    assert await subject.engine.logs(WEB, companion=SIDE) == "side\n"
    assert await subject.engine.logs(WEB, tail=0, companion=SIDE) == ""


async def test_each_container_has_files_of_its_own(subject: Subject) -> None:
    key = FileMount.of("key", "/run/secrets/key", b"hush", is_secret=True)
    await subject.engine.create(a_pod(subject, files=(key,)))
    assert await subject.engine.path_status(WEB, "/run/secrets/key") is None
    assert await subject.engine.path_status(WEB, "/run/secrets/key", SIDE) is not None
    await subject.engine.write_files(WEB, "/run/secrets", chunks_of({"other": b"1"}), SIDE)
    assert await subject.engine.path_status(WEB, "/run/secrets/other") is None
    assert [chunk async for chunk in subject.engine.read_files(WEB, "/run/secrets/other", SIDE)]


async def test_commands_run_in_the_container_that_is_named(subject: Subject) -> None:
    await subject.engine.create(a_pod(subject))
    running = await subject.engine.run(WEB, Command(("echo", "tide"), companion=SIDE))
    assert b"".join([data async for _, data in running.output()]) == b"tide\n"
    await running.close()


async def test_a_container_that_a_pod_lacks_is_named(subject: Subject) -> None:
    await subject.engine.create(a_pod(subject))
    with pytest.raises(EngineError, match="no container other"):
        await subject.engine.logs(WEB, companion="other")
    with pytest.raises(EngineError, match="no container other"):
        await subject.engine.run(WEB, Command(("true",), companion="other"))
    with pytest.raises(EngineError, match="no container other"):
        await subject.engine.path_status(WEB, "/", "other")


async def test_a_pod_ends_with_its_first_container_and_is_made_whole_again(subject: Subject) -> None:
    await subject.engine.create(a_pod(subject))
    await subject.kill(WEB)
    assert (await until(subject.engine, WEB, ContainerState.EXITED)).exit_code == 137
    await subject.engine.create(a_pod(subject))
    assert (await until(subject.engine, WEB, ContainerState.RUNNING)).exit_code is None


async def test_a_pod_of_which_an_image_is_missing_leaves_nothing(subject: Subject) -> None:
    with pytest.raises(ImageMissingError):
        await subject.engine.create(a_pod(subject, image=MISSING_IMAGE))
    assert await subject.engine.list() == []
    await subject.engine.create(replace(a_pod(subject), template=a_spec(subject).template))
