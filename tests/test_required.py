"""A tool that is missing skips tests only where set-up couldn't have brought it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.required import REQUIRED, Tool, lacks

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("tool", Tool)
def test_a_missing_tool_that_is_required_fails_the_test(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, " ".join(Tool))
    with pytest.raises(pytest.fail.Exception, match=f"{tool} is missing.*install it"):
        lacks(tool, "install it")


@pytest.mark.parametrize("required", [None, "", "docker-engine compose-go haproxy"])
def test_a_missing_tool_that_is_not_required_skips_the_test(
    required: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    if required is not None:
        monkeypatch.setenv(REQUIRED, required)
    with pytest.raises(pytest.skip.Exception, match="chromium is missing: install it"):
        lacks(Tool.CHROMIUM, "install it")


def test_a_requirement_that_no_test_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "chrome")
    with pytest.raises(ValueError, match="chrome"):
        lacks(Tool.CHROMIUM, "install it")


@pytest.mark.parametrize(
    ("user_id", "expected"), [(0, set(Tool)), (1000, {Tool.DOCKER_ENGINE, Tool.COMPOSE_GO})], ids=["root", "a user"]
)
def test_make_test_requires_what_its_set_up_brings(user_id: int, expected: set[Tool]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", REQUIRED)}
    command = ["make", "--no-print-directory", "--dry-run", "test", f"USER_ID={user_id}"]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    line = next(line for line in run.stdout.splitlines() if " pytest " in line)
    required = line.partition(f'{REQUIRED}="')[2].partition('"')[0]
    assert {Tool(word) for word in required.split()} == expected
