"""The program itself: help, versions, homes, starts that fail, and a control plane that isn't there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from springtide import __version__
from springtide.cli import homes
from springtide.cli.homes import Home, Ports, RunningPlane
from springtide.model.errors import RefusedError
from tests.cli.terminals import Terminal


@pytest.fixture
def lonely(tmp_path: Path) -> Terminal:
    """A terminal on a home where nothing runs."""
    return Terminal(tmp_path / "home")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_help_imports_neither_tables_nor_servers() -> None:
    code = "import springtide.cli.main, sys; springtide.cli.main.build_app(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"rich.table", "fastapi", "sqlalchemy", "aiohttp", "pydantic", "alembic", "ruamel.yaml"})


def test_the_version_is_the_packages(lonely: Terminal) -> None:
    assert lonely.run("--version").out == f"springtide {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [("status",), ("ps",), ("why", "web"), ("scale", "web=1"), ("events", "-f"), ("down", "feed")],
    ids=" ".join,
)
def test_without_a_control_plane_one_sentence_says_how_to_start_it(lonely: Terminal, words: tuple[str, ...]) -> None:
    said = lonely.run(*words)
    assert said.code == 1
    assert said.err == f"error: No control plane runs on {lonely.home}.\nnext: Start it: springtide up\n"


def test_errors_are_json_for_programs(lonely: Terminal) -> None:
    said = lonely.run("status", "--json")
    assert json.loads(said.err)["code"] == "no-control-plane"
    assert said.out == ""


def test_wrong_usage_is_exit_code_2(lonely: Terminal) -> None:
    assert lonely.run("scale").code == 2
    assert lonely.run("nonsense").code == 2


def test_down_where_nothing_runs_and_nothing_is_left_succeeds(lonely: Terminal) -> None:
    said = lonely.run("down")
    assert (said.code, said.out) == (0, f"No control plane runs on {lonely.home}.\n")


def test_a_state_file_whose_process_is_gone_is_no_running_control_plane(lonely: Terminal) -> None:
    with Home(lonely.home).occupied(Ports(1, 2)):
        assert Home(lonely.home).running() == RunningPlane(os.getpid(), "http://127.0.0.1:1", 2)
    assert Home(lonely.home).running() is None
    assert Home(lonely.home).last_known() == RunningPlane(os.getpid(), "http://127.0.0.1:1", 2)
    assert lonely.run("ps").code == 1


def test_a_home_is_one_control_planes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "LOCK_PATIENCE_SECONDS", 0.05)
    home = Home(tmp_path)
    with (
        home.occupied(Ports(1, 2)),
        pytest.raises(RefusedError, match="Another control plane runs"),
        home.occupied(Ports()),
    ):
        pass
    assert home.last_known() == RunningPlane(os.getpid(), "http://127.0.0.1:1", 2)


def test_up_twice_says_that_it_runs_already(tmp_path: Path) -> None:
    with Home(tmp_path).occupied(Ports(7171, 8181)):
        said = Terminal(tmp_path).run("up")
    assert said.code == 0
    assert said.out == f"Springtide runs already at http://127.0.0.1:7171 (pid {os.getpid()}).\n"


def test_up_with_another_fleet_while_it_runs_says_how_to_change_it(tmp_path: Path) -> None:
    with Home(tmp_path).occupied(Ports(7171, 8181)):
        said = Terminal(tmp_path).run("up", "--fleet", "fleet.yaml")
    assert said.code == 1
    assert "springtide down --keep" in said.err


def test_up_on_a_taken_port_says_so(lonely: Terminal, taken_port: int) -> None:
    said = lonely.run("up", "--port", str(taken_port))
    assert said.code == 1
    assert f"Another program listens on port {taken_port}." in said.err
    assert "--port" in said.err


def test_up_on_one_port_for_both_is_refused(lonely: Terminal) -> None:
    assert "can't serve both" in lonely.run("up", "--port", "7100", "--ingress-port", "7100").err


def test_up_with_a_wrong_fleet_file_names_file_and_line(lonely: Terminal, free_port: int) -> None:
    lonely.home.mkdir()
    fleet = lonely.home / "fleet.yaml"
    fleet.write_text("teams:\n  feed: {}\npools:\n  feed: {team: nobody}\n")
    said = lonely.run("up", "--fleet", str(fleet), "--port", str(free_port))
    assert said.code == 1
    assert f"error: {fleet}:" in said.err
    assert "next:" in said.err
    assert Home(lonely.home).running() is None


def test_a_control_plane_that_can_not_start_says_why(
    lonely: Terminal, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{lonely.home}/none.sock")
    said = lonely.run("up", "--port", str(free_port), "--json")
    failure = json.loads(said.err)
    assert said.code == 1
    assert failure["code"] == "engine"
    assert "No Docker Engine answers at" in failure["sentence"]
    assert "DOCKER_HOST" in failure["remedy"]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
