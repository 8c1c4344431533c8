"""A machine for those who type commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machines import Machine, free_port
from tests.real_engine import make_base_images


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    make_base_images()
    machine = Machine(tmp_path / "home", free_port(), free_port())
    try:
        yield machine
    finally:
        machine.springtide("down", "--volumes")
