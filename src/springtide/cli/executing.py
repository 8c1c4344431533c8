"""``exec``: a command in an instance, with its input, its output and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Thread
from typing import Annotated, Any

import typer

from springtide.api.frames import FrameKind
from springtide.cli.choosing import choose_running
from springtide.cli.client import ApiError, Client
from springtide.cli.group import CommandError
from springtide.cli.options import HomeOption, client_of
from springtide.cli.transfers import CHUNK_BYTES, Talk, talk

ContainerOption = Annotated[
    str, typer.Option("--container", help="Which container, where the instance is a pod; else its first.")
]


def add_commands(app: typer.Typer) -> None:
    as_it_is = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command("exec", context_settings=as_it_is)(execute)


def execute(
    name: Annotated[str, typer.Argument(metavar="SERVICE|INSTANCE", help="web, feed/web, or feed-web-3.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND…", help="The command and its words.")],
    no_tty: Annotated[bool, typer.Option("-T", "--no-tty", help="No terminal, even where there is one.")] = False,
    user: Annotated[str, typer.Option("-u", "--user", help="As whom: a name or number, :GROUP after it.")] = "",
    working_dir: Annotated[str, typer.Option("-w", "--workdir", help="In which directory.")] = "",
    environment: Annotated[list[str] | None, typer.Option("-e", "--env", help="NAME=value; may be repeated.")] = None,
    container: ContainerOption = "",
    home: HomeOption = None,
) -> None:
    """Run a command in an instance; of a service, in the first that is ready. Its exit code is this one's.

    What comes on standard input is passed on.
    """
    client = client_of(home)
    instance = choose_running(client, name)
    command = command[1:] if command[0] == "--" and len(command) > 1 else command
    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    query = {"command": command, "env": environment, "user": user, "working_dir": working_dir, "tty": tty}
    with (
        talk(client, "instances", instance, "exec", "stream", container=container, **query) as talking,
        _raw_terminal(talking) if tty else nullcontext(),
    ):
        code = _converse(client, talking)
    raise typer.Exit(code)


def _converse(client: Client, talking: Talk) -> int:
    """Pass input and output on until the command has ended; its exit code."""
    Thread(target=_pass_input_on, args=(talking,), daemon=True).start()
    for kind, content in talking.frames(client):
        match kind:
            case FrameKind.OUTPUT:
                _write(sys.stdout, content)
            case FrameKind.ERROR_OUTPUT:
                _write(sys.stderr, content)
            case FrameKind.EXIT_CODE:
                return int(content)
            case FrameKind.FAILURE:
                said = json.loads(content)
                raise ApiError(said["sentence"], remedy=said["remedy"], code=said["code"])
    raise CommandError("The control plane broke off before the command ended.", remedy="See: springtide status")


def _pass_input_on(talking: Talk) -> None:
    while data := _read_input():
        talking.send(FrameKind.INPUT, data)
    talking.send(FrameKind.END_OF_INPUT)


def _read_input() -> bytes:
    """What has come. By descriptor where there is one: a thread that waits in a buffered reader hinders the end."""
    try:
        return os.read(sys.stdin.fileno(), CHUNK_BYTES)
    except (OSError, ValueError):
        pass
    try:
        return sys.stdin.buffer.read(CHUNK_BYTES)
    except (OSError, ValueError):
        return b""


def _write(stream: Any, content: bytes) -> None:
    stream.buffer.write(content)
    stream.flush()


@contextmanager
def _raw_terminal(talking: Talk) -> Iterator[None]:
    """Keys go to the command one by one, Ctrl-C too; its terminal is as large as this one."""
    import termios
    import tty

    def tell_size(*_: object) -> None:
        size = shutil.get_terminal_size()
        talking.send(FrameKind.SIZE, f"{size.lines} {size.columns}".encode())

    before = termios.tcgetattr(sys.stdin.fileno())
    watched = signal.signal(signal.SIGWINCH, tell_size)
    try:
        tty.setraw(sys.stdin.fileno())
        tell_size()
        yield
    finally:
        signal.signal(signal.SIGWINCH, watched)
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
