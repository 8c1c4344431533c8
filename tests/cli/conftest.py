"""A terminal on a quiet fleet, and one on a high tide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from springtide.model.record import FLEET_ID, Change, Kind
from tests.api.platforms import HandMadePlatform, a_high_tide, a_platform
from tests.builders import a_fleet, amount
from tests.cli.terminals import Terminal, a_terminal

PLAIN_FLEET = a_fleet(defaults=amount(100, 64))


@pytest.fixture
async def platform() -> HandMadePlatform:
    """Its nodes count no processes, so neither do services that reserve none."""
    platform = await a_platform()
    await platform.write(Change(Kind.FLEET, FLEET_ID, PLAIN_FLEET))
    return platform


@pytest.fixture
async def terminal(platform: HandMadePlatform, tmp_path: Path) -> AsyncIterator[Terminal]:
    async with a_terminal(platform, tmp_path / "home") as terminal:
        yield terminal


@pytest.fixture
async def tide() -> HandMadePlatform:
    return await a_high_tide()


@pytest.fixture
async def at_tide(tide: HandMadePlatform, tmp_path: Path) -> AsyncIterator[Terminal]:
    async with a_terminal(tide, tmp_path / "home") as terminal:
        yield terminal
