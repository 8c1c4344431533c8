"""``exec`` and ``cp``: what goes in and comes out of instances, by the rules that people know."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from springtide.engines.simulated_machine import SimulatedContainer
from springtide.model.identifiers import InstanceId
from tests.api.platforms import HandMadePlatform, a_container
from tests.cli.terminals import Terminal

WEB = InstanceId("feed-web-1")


@pytest.fixture
async def container(tide: HandMadePlatform) -> SimulatedContainer:
    """``feed-web-1``, with a few files."""
    a_container(tide, tide.record.placements[WEB], [])
    container = tide.engine.machine_state.containers[WEB]
    container.files |= {"/etc/web.conf": b"tide", "/srv/a/1": b"one", "/srv/a/deep/2": b"\xff\x00"}
    return container


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder


async def test_output_and_exit_code_of_a_command_are_passed_on(
    at_tide: Terminal, container: SimulatedContainer
) -> None:
    said = await at_tide.type("exec", WEB, "echo", "--high", "tide")
    assert (said.code, said.out) == (0, "--high tide\n")
    assert (await at_tide.type("exec", WEB, "false")).code == 1


async def test_dashes_may_part_the_command_from_the_rest(at_tide: Terminal, container: SimulatedContainer) -> None:
    said = await at_tide.type("exec", WEB, "--", "echo", "--", "tide")
    assert (said.code, said.out) == (0, "-- tide\n")


async def test_standard_input_is_passed_on_to_its_end(at_tide: Terminal, container: SimulatedContainer) -> None:
    given = bytes(range(256)) * 1000
    said = await at_tide.type("exec", "-T", WEB, "cat", given=given)
    assert (said.code, said.raw) == (0, given)


async def test_a_command_in_what_does_not_run_is_refused_with_the_reason(
    at_tide: Terminal, container: SimulatedContainer, tide: HandMadePlatform
) -> None:
    tide.engine.machine_state.exit(WEB, 1)
    said = await at_tide.type("exec", WEB, "true")
    assert said.code == 1
    assert "not running" in said.err
    said = await at_tide.type("exec", "feed-web-77", "true")
    assert (said.code, "feed-web-77" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("source", "destination", "files"),
    [
        ("/etc/web.conf", ".", {"web.conf": b"tide"}),
        ("/etc/web.conf", "new.conf", {"new.conf": b"tide"}),
        ("/srv/a", ".", {"a/1": b"one", "a/deep/2": b"\xff\x00"}),
        ("/srv/a/", "b", {"b/1": b"one", "b/deep/2": b"\xff\x00"}),
        ("/srv/a/.", ".", {"1": b"one", "deep/2": b"\xff\x00"}),
        ("srv/a/1", "here", {"here": b"one"}),
    ],
)
async def test_copies_come_out_as_docker_cp_would_bring_them(
    at_tide: Terminal, container: SimulatedContainer, desk: Path, source: str, destination: str, files: dict[str, bytes]
) -> None:
    said = await at_tide.type("cp", f"{WEB}:{source}", f"{desk}/{destination}")
    assert said.code == 0, said.err
    assert {str(each.relative_to(desk)): each.read_bytes() for each in desk.rglob("*") if each.is_file()} == files


@pytest.mark.parametrize(
    ("source", "destination", "files"),
    [
        ("word", "/srv", {"/srv/word": b"new"}),
        ("word", "/srv/other", {"/srv/other": b"new"}),
        ("word", "/etc/web.conf", {"/etc/web.conf": b"new"}),
        ("folder", "/srv", {"/srv/folder/in": b"deep"}),
        ("folder", "/srv/made", {"/srv/made/in": b"deep"}),
        ("folder/.", "/srv", {"/srv/in": b"deep"}),
    ],
)
async def test_copies_go_in_as_docker_cp_would_bring_them(
    at_tide: Terminal, container: SimulatedContainer, desk: Path, source: str, destination: str, files: dict[str, bytes]
) -> None:
    before = dict(container.files)
    (desk / "word").write_text("new")
    (desk / "folder").mkdir()
    (desk / "folder" / "in").write_text("deep")
    said = await at_tide.type("cp", f"{desk}/{source}", f"{WEB}:{destination}")
    assert said.code == 0, said.err
    assert container.files == {**before, **files}


async def test_a_tar_goes_through_standard_output_and_input(at_tide: Terminal, container: SimulatedContainer) -> None:
    said = await at_tide.type("cp", f"{WEB}:/srv/a", "-")
    with tarfile.open(fileobj=io.BytesIO(said.raw)) as tar:
        assert {each.name for each in tar if each.isfile()} == {"a/1", "a/deep/2"}
    said = await at_tide.type("cp", "-", f"{WEB}:/etc", given=said.raw)
    assert said.code == 0, said.err
    assert container.files["/etc/a/deep/2"] == b"\xff\x00"


@pytest.mark.parametrize(
    ("source", "destination", "told"),
    [
        (f"{WEB}:/nowhere", ".", "There is no /nowhere"),
        (f"{WEB}:/srv/a", "missing/deeper", "mkdir -p"),
        (f"{WEB}:/srv/a", "word", "is a file"),
        ("word", f"{WEB}:/missing/deeper", "mkdir -p"),
        ("folder", f"{WEB}:/etc/web.conf", "is a file"),
        ("gone", f"{WEB}:/srv", "There is no"),
        ("word", "folder", "One of the two"),
        (f"{WEB}:/srv", f"{WEB}:/etc", "One of the two"),
    ],
)
async def test_what_can_not_be_copied_is_said_and_nothing_changes(
    at_tide: Terminal, container: SimulatedContainer, desk: Path, source: str, destination: str, told: str
) -> None:
    before = dict(container.files)
    (desk / "word").write_text("new")
    (desk / "folder").mkdir()
    here = [each if each.startswith(WEB) else f"{desk}/{each}" for each in (source, destination)]
    said = await at_tide.type("cp", *here)
    assert said.code == 1
    assert told in said.err
    assert container.files == before
    assert (desk / "word").read_text() == "new"
