"""The line to one Docker Engine: which address, which time-outs, and how its failures read."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from springtide.model.errors import EngineError

OLDEST_API = (1, 41)
CALL_SECONDS = 60.0
CONNECT_SECONDS = 5.0
ENDLESS = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
UNREACHABLE = 900
"""The status that aiodocker gives to a request that never reached the engine."""

NOT_FOUND = 404
CONFLICT = 409


class DockerApi:
    """aiodocker with errors in sentences; connects anew whenever the engine is back.

    ``host`` is a ``unix://`` or ``tcp://`` address; ``None`` takes DOCKER_HOST, else the usual sockets.
    """

    def __init__(self, host: str | None) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or _usual_socket()
        self._client: Docker | None = None
        self._version: tuple[int, ...] | None = None

    @property
    def client(self) -> Docker:
        """aiodocker's client, made on first use because it needs the running event loop."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine, so that its cgroup files can be read."""
        return self.host.startswith("unix://")

    async def check(self) -> None:
        """Raise EngineError with a remedy where the engine doesn't answer or is too old."""
        version = await self.version()
        if version < OLDEST_API:
            raise EngineError(
                f"The Docker Engine at {self.host} speaks API {dotted(version)}; "
                f"{dotted(OLDEST_API)} is the oldest that will do.",
                remedy="Upgrade it to Docker 20.10 or later.",
            )

    async def close(self) -> None:
        client, self._client, self._version = self._client, None, None
        if client is not None:
            await client.close()

    @contextmanager
    def call(self, doing: str, *, tolerate: Collection[int] = ()) -> Iterator[None]:
        """Turn failures of the calls within into EngineError; statuses in ``tolerate`` count as success."""
        try:
            yield
        except DockerError as error:
            if error.status == UNREACHABLE:
                raise self._unreachable(error) from error
            if error.status not in tolerate:
                raise EngineError(
                    f"The Docker Engine could not {doing}: {error.message.strip().rstrip('.')} ({error.status})."
                ) from error
        except TimeoutError as error:
            raise EngineError(
                f"The Docker Engine at {self.host} took more than {CALL_SECONDS:.0f} s to {doing}.",
                remedy="See whether it is overloaded or hangs: docker info.",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    @asynccontextmanager
    async def stream(self, path: str, parameters: Mapping[str, str], doing: str) -> AsyncIterator[aiohttp.StreamReader]:
        """An answer without end, its connection closed on leaving (aiodocker's own streams stay open)."""
        client = self.client
        with self.call(doing):
            url = self.url(path)
            async with client.session.get(url, params=dict(parameters), timeout=ENDLESS) as response:
                await raise_failure(response)
                yield response.content

    def url(self, path: str) -> str:
        """Where to ask for what aiodocker has no call for, in the oldest API that will do."""
        return f"{self.client.docker_host}/v{dotted(OLDEST_API)}/{path}"

    async def version(self) -> tuple[int, ...]:
        """The newest API that the engine speaks; asked once a connection."""
        if self._version is None:
            with self.call("ask for its version"):
                self._version = api_version(str((await self.client.version())["ApiVersion"]))
        return self._version

    @property
    def machine_address(self) -> str:
        """Where the engine's machine is reached: this one, or that of its address."""
        return "127.0.0.1" if self.is_local else urlsplit(self.host).hostname or "127.0.0.1"

    def _connect(self) -> Docker:
        if not self.host.startswith("unix://"):
            return Docker(url=self.host, timeout=call_timeout())
        # A bounded pool would let stops that wait for their grace hold back starts: hence no limit.
        connector = aiohttp.UnixConnector(self.host.removeprefix("unix://"), limit=0)
        session = aiohttp.ClientSession(connector=connector, timeout=call_timeout())
        return OwningDocker(url="http://localhost", session=session, connector=connector, timeout=call_timeout())

    def _unreachable(self, error: Exception) -> EngineError:
        denied = "Permission denied" in str(error)
        return EngineError(
            f"No Docker Engine answers at {self.host}{' (permission denied)' if denied else ''}.",
            remedy="Add yourself to the group docker and log in again."
            if denied
            else "Start it (service docker start), or set DOCKER_HOST to one that runs.",
        )


def api_version(text: str) -> tuple[int, ...]:
    """``1.41`` as figures that can be compared."""
    return tuple(int(part) for part in text.split("."))


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


async def raise_failure(response: aiohttp.ClientResponse) -> None:
    """What the engine refused, as aiodocker would raise it."""
    if response.status >= 400:
        text = await response.text()
        try:
            message = str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            message = text.strip() or str(response.reason)
        raise DockerError(response.status, message)


class OwningDocker(Docker):
    """A client that also closes the session it was given."""

    async def close(self) -> None:
        await super().close()
        await self.session.close()


def call_timeout(expected_seconds: float = 0.0) -> aiohttp.ClientTimeout:
    """How long a call may take that is expected to take so long; a hanging engine becomes an error."""
    return aiohttp.ClientTimeout(total=expected_seconds + CALL_SECONDS, sock_connect=CONNECT_SECONDS)


def label_filter(labels: Mapping[str, str], **others: list[str]) -> dict[str, list[str]]:
    """The ``filters`` parameter that selects what carries all of these labels."""
    return {"label": [f"{key}={value}" for key, value in labels.items()], **others}


def decoded(line: bytes) -> dict[str, Any]:
    """One line of a JSON stream."""
    value: dict[str, Any] = json.loads(line)
    return value


def _usual_socket() -> str:
    rootless = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent")) / "docker.sock"
    return f"unix://{rootless}" if rootless.is_socket() else "unix:///var/run/docker.sock"
