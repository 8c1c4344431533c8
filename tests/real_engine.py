"""A real Docker Engine for tests: they lack it where none answers; swept clean of what the test made."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from springtide.engines.docker import DockerEngine
from springtide.model.errors import EngineError
from springtide.model.identifiers import AppName
from tests.required import Tool, lacks

BUSYBOX = "springtide/busybox:1"
PYTHON = "springtide/python:3"
REPOSITORY = Path(__file__).resolve().parent.parent


@asynccontextmanager
async def a_docker_engine(*apps: str) -> AsyncIterator[DockerEngine]:
    """An engine of a fresh installation; its containers, the networks of ``apps`` and its images go at the end."""
    engine = DockerEngine(f"test-{uuid.uuid4().hex[:8]}")
    try:
        await engine.start()
    except EngineError as error:
        await engine.close()
        lacks(Tool.DOCKER_ENGINE, str(error))
    make_base_images()
    try:
        yield engine
    finally:
        for instance in await engine.list():
            await engine.delete(instance.id, 0)
        for app in apps:
            await engine.delete_networks(AppName(app))
        await engine.delete_images()
        await engine.close()


def make_base_images() -> None:
    """Make the images that tests run, unless the engine has them."""
    script = REPOSITORY / "scripts" / "base_image.py"
    subprocess.run([sys.executable, str(script), "--work", str(REPOSITORY / "build" / "base-image")], check=True)
