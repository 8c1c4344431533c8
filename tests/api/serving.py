"""The API under test: called in the process, or served on loopback where answers must stream."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from springtide.api.platform import Platform
from springtide.api.server import create_api


@asynccontextmanager
async def called(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls the API without a network, under its prefix."""
    transport = httpx.ASGITransport(create_api(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as client:
        yield client


@asynccontextmanager
async def served(platform: Platform, port: int = 0) -> AsyncIterator[str]:
    """The API's address on loopback while it is served."""
    listening = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(create_api(platform), log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()
