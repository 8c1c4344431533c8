"""The few calls of the Docker Engine's API that set-up and clean need; standard library only.

The docker command isn't used: some distributions pack it apart from the engine.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.parse
from dataclasses import dataclass
from typing import Any

from base_image import API, UnixConnection

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"


class DockerHttpError(Exception):
    """The engine doesn't answer, or refuses; ``status`` is 0 where it doesn't answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


def engine_address() -> str:
    """Where the engine is asked for: DOCKER_HOST, a rootless engine's socket, else the usual one."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    rootless = os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "docker.sock")
    return f"unix://{rootless}" if os.path.exists(rootless) else DEFAULT_ADDRESS


@dataclass(frozen=True)
class DockerHttp:
    """One engine at ``address`` (unix:// or tcp://)."""

    address: str

    def answers(self) -> bool:
        try:
            self.call("GET", "/_ping")
        except DockerHttpError as error:
            return error.status != 0
        return True

    def call(self, method: str, path: str, **query: Any) -> Any:
        """The decoded answer. Raises DockerHttpError for no answer and for any status from 400 on."""
        text = urllib.parse.urlencode({k: v if isinstance(v, str) else json.dumps(v) for k, v in query.items()})
        connection = self._connection()
        try:
            connection.request(method, f"{API}{path}?{text}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise DockerHttpError(f"No Docker Engine answers at {self.address} ({error}).") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise DockerHttpError(body.decode(errors="replace").strip(), response.status)
        return json.loads(body) if body.startswith((b"{", b"[")) else body.decode(errors="replace")

    def _connection(self) -> http.client.HTTPConnection:
        url = urllib.parse.urlsplit(self.address)
        if url.scheme == "unix":
            return UnixConnection(url.path)
        return http.client.HTTPConnection(url.hostname or "localhost", url.port or 2375, timeout=300)
