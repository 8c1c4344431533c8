"""One platform and one client a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.platforms import HandMadePlatform, a_high_tide, a_platform
from tests.api.serving import called


@pytest.fixture
async def platform() -> HandMadePlatform:
    return await a_platform()


@pytest.fixture
async def api(platform: HandMadePlatform) -> AsyncIterator[httpx.AsyncClient]:
    async with called(platform) as client:
        yield client


@pytest.fixture
async def tide() -> HandMadePlatform:
    return await a_high_tide()


@pytest.fixture
async def tide_api(tide: HandMadePlatform) -> AsyncIterator[httpx.AsyncClient]:
    async with called(tide) as client:
        yield client
