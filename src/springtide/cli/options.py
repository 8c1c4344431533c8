"""Options that many commands share, and how a command finds its control plane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from springtide.cli.client import Client, NoControlPlaneError
from springtide.cli.homes import home_at

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="SPRINGTIDE_HOME", help="Where the control plane keeps its state. [~/.springtide]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def client_of(home: Path | None) -> Client:
    """The client of the control plane that runs on this home. Raises NoControlPlaneError."""
    place = home_at(home)
    running = place.running()
    if running is None:
        raise NoControlPlaneError(f"No control plane runs on {place.path}.", remedy="Start it: springtide up")
    return Client(running.url)
