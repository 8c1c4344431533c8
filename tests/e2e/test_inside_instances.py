"""``exec`` and ``cp`` through API and command line, in real containers."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import anyio.to_thread
import pytest

from springtide.engines.base import InstanceSpec
from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.networks import NetworkDefinition
from springtide.model.resources import Resources
from springtide.model.workloads import Companion, ContainerTemplate, Template
from tests.api.platforms import a_high_tide
from tests.cli.terminals import Terminal, a_terminal
from tests.real_engine import BUSYBOX, a_docker_engine

pytestmark = pytest.mark.engine

WEB = InstanceId("feed-web-1")
FEED = AppName("feed")
WAIT = ("sleep", "600")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """One whose control plane has a real engine, on which ``feed-web-1`` runs, a pod."""
    tide = await a_high_tide()
    async with a_docker_engine(FEED) as engine:
        await engine.ensure_network(FEED, NetworkDefinition("default"))
        template = Template(BUSYBOX, WAIT, companions=(Companion("side", ContainerTemplate(BUSYBOX, WAIT)),))
        reserved = Resources.of(cpu_millis=50, memory_bytes=32 * 2**20)
        service = ServiceId("feed/web")
        await engine.create(InstanceSpec(WEB, FEED, service, RevisionId("1"), NodeId("n"), template, reserved))
        served: Any = tide
        served.engine = engine
        async with a_terminal(served, tmp_path / "home") as terminal:
            yield terminal


async def test_input_output_errors_and_exit_code_pass_through(terminal: Terminal) -> None:
    given = os.urandom(3_000_000)
    said = await terminal.type("exec", "-T", WEB, "cat", given=given)
    assert (said.code, said.raw == given) == (0, True)
    said = await terminal.type("exec", "-T", WEB, "sh", "-c", "echo out; echo error >&2; exit 7")
    assert (said.code, said.out, said.err) == (7, "out\n", "error\n")


async def test_user_directory_and_environment_are_as_asked(terminal: Terminal) -> None:
    wish = ("-u", "1000:1001", "-w", "/tmp", "-e", "WORD=spring tide", "-e", "EMPTY=")
    said = await terminal.type("exec", "-T", *wish, WEB, "sh", "-c", "id -u; id -g; pwd; echo $WORD; echo ${EMPTY-no}")
    assert said.out.splitlines() == ["1000", "1001", "/tmp", "spring tide", ""]


async def test_what_reads_no_input_ends_although_more_would_come(terminal: Terminal) -> None:
    said = await terminal.type("exec", "-T", WEB, "sh", "-c", "exec 0<&-; echo done", given=b"x" * 2_000_000)
    assert (said.code, said.out) == (0, "done\n")


async def test_a_missing_program_and_a_missing_companion_are_said(terminal: Terminal) -> None:
    said = await terminal.type("exec", "-T", WEB, "no-such-program")
    assert said.code != 0
    assert "no-such-program" in said.out + said.err
    said = await terminal.type("exec", "-T", "--container", "nobody", WEB, "true")
    assert (said.code, "nobody" in said.err) == (1, True)


async def test_at_a_terminal_the_command_has_one_of_the_same_size(terminal: Terminal) -> None:
    script = 'until [ "$(stty size)" = "33 101" ]; do sleep 0.05; done; test -t 0 && test -t 1 && stty size'
    assert "33 101" in await anyio.to_thread.run_sync(typed_at_a_terminal, terminal.home, script)


def typed_at_a_terminal(home: Path, script: str) -> str:
    """What a person at a terminal of 33 rows and 101 columns sees."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    command = [sys.executable, "-m", "springtide", "exec", "--home", str(home), WEB, "sh", "-c", script]
    environment = {key: value for key, value in os.environ.items() if key not in ("LINES", "COLUMNS")}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as program:
        os.close(theirs)
        seen = b""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the other end has closed
                break
            seen += data
        assert program.wait(20) == 0, seen
    os.close(ours)
    return seen.decode()


async def test_folders_go_in_and_come_out_unchanged(terminal: Terminal, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "large").write_bytes(os.urandom(5_000_000))
    (source / "deep" / "script").write_text("#!/bin/sh\necho tide\n")
    (source / "deep" / "script").chmod(0o755)
    (source / "link").symlink_to("deep/script")
    assert (await terminal.type("cp", str(source), f"{WEB}:/srv")).code == 0
    said = await terminal.type("exec", "-T", WEB, "sh", "-c", "stat -c '%u %a' /srv/deep/script; /srv/link")
    assert said.out == "0 755\ntide\n"
    back = tmp_path / "back"
    assert (await terminal.type("cp", f"{WEB}:/srv", str(back))).code == 0
    assert (back / "large").read_bytes() == (source / "large").read_bytes()
    assert (back / "link").readlink() == Path("deep/script")
    assert (back / "deep" / "script").stat().st_mode & 0o777 == 0o755


async def test_copies_of_a_companion_are_its_own(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "word").write_text("tide")
    assert (await terminal.type("cp", "--container", "side", str(tmp_path / "word"), f"{WEB}:/word")).code == 0
    said = await terminal.type("exec", "-T", "--container", "side", WEB, "cat", "/word")
    assert said.out == "tide"
    said = await terminal.type("cp", f"{WEB}:/word", str(tmp_path / "other"))
    assert (said.code, "/word" in said.err) == (1, True)


async def test_a_tar_passes_through_standard_input_and_output(terminal: Terminal) -> None:
    said = await terminal.type("cp", f"{WEB}:/etc", "-")
    assert said.code == 0
    assert (await terminal.type("exec", "-T", WEB, "mkdir", "/copy")).code == 0
    assert (await terminal.type("cp", "-", f"{WEB}:/copy", given=said.raw)).code == 0
    listed = await terminal.type(
        "exec", "-T", WEB, "sh", "-c", "ls /etc | sort > /a; ls /copy/etc | sort > /b; cmp /a /b"
    )
    assert listed.code == 0, listed.out
