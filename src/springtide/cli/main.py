"""The command ``springtide``: every subject's commands in one program."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from springtide import __version__
from springtide.cli import apps, copying, executing, fleet, outlook, platform, stage, state, streams, teams, why
from springtide.cli.group import CommandGroup

MANY_OBJECTS = 100_000
ABOUT = """Springtide runs containers on your own machines first, the shared pool next, rented machines
last, and home again.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 rolled back, 4 inconclusive or timed out."""


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="springtide",
        cls=CommandGroup,
        help=ABOUT,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_about)
    for subject in (platform, apps, outlook, state, why, streams, executing, copying, fleet, teams, stage):
        subject.add_commands(app)
    return app


def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=lambda wish: _tell_version(wish), is_eager=True)
    ] = False,
) -> None:
    pass


def _tell_version(wish: bool) -> None:
    if wish:
        typer.echo(f"springtide {__version__}")
        raise typer.Exit


def run() -> None:
    """The entry point of the console script."""
    # A command is short and what it imports stays: looking for garbage in it costs a tenth of its time.
    gc.set_threshold(MANY_OBJECTS, 20, 20)
    build_app()()
