"""HTTP to a running control plane, with the standard library alone: the whole client imports in 20 ms.

::

    ApiError               the control plane refused, or failed; code, sentence and remedy are its own
    NoControlPlaneError    nothing answers; the remedy is ``springtide up``
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from springtide.model.errors import SpringtideError

PREFIX = "/api/v1"
READ_TIMEOUT_SECONDS = 30.0
SILENCE_TIMEOUT_SECONDS = 60.0
"""A stream says something at least every 15 s; one that is silent for four times as long is dead."""


class ApiError(SpringtideError):
    """The control plane's own refusal; ``status`` is HTTP's."""

    def __init__(self, sentence: str, *, remedy: str = "", code: str | None = None, status: int = 0) -> None:
        super().__init__(sentence, remedy=remedy, code=code)
        self.status = status


class NoControlPlaneError(SpringtideError):
    code = "no-control-plane"


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event."""

    event: str
    data: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """One control plane at ``url``. Every method raises ApiError or NoControlPlaneError."""

    url: str

    def get(self, *path: str, **query: Any) -> Any:
        """The decoded JSON at this path; each part of the path is quoted."""
        return json.loads(self._ask("GET", path, query))

    def text(self, *path: str, **query: Any) -> str:
        return self._ask("GET", path, query).decode(errors="replace")

    def send(self, method: str, *path: str, body: Any = None, timeout_seconds: float | None = None) -> Any:
        """PUT, POST or DELETE; the decoded JSON answer. ``None`` waits as long as it takes (builds, pulls)."""
        return json.loads(self._ask(method, path, {}, body, timeout_seconds))

    def follow(self, *path: str, last_event_id: str = "", **query: Any) -> Iterator[Message]:
        """Messages of a stream as they come, until the server ends it."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_event_id} if last_event_id else {})}
        with closing(self._connection(SILENCE_TIMEOUT_SECONDS)) as connection:
            response = self._exchange(connection, "GET", _target(path, query), None, headers)
            try:
                yield from _messages(line.decode().rstrip("\r\n") for line in response)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable() from error

    def answers(self) -> bool:
        """Whether the control plane is up."""
        try:
            with closing(self._connection(2.0)) as connection:
                self._exchange(connection, "GET", "/healthz", None, {})
        except (NoControlPlaneError, ApiError):
            return False
        return True

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, Any],
        body: Any = None,
        timeout_seconds: float | None = READ_TIMEOUT_SECONDS,
    ) -> bytes:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        content = json.dumps(body).encode() if body is not None else None
        with closing(self._connection(timeout_seconds)) as connection:
            response = self._exchange(connection, method, _target(path, query), content, headers)
            return response.read()

    def _connection(self, timeout_seconds: float | None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout_seconds)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
        except TimeoutError as error:
            raise ApiError(f"{method} {target} took longer than {connection.timeout:g} s.", code="timeout") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable() from error
        if response.status >= 400:
            raise _refusal(response.status, response.read())
        return response

    def _unreachable(self) -> NoControlPlaneError:
        return NoControlPlaneError(f"No control plane answers at {self.url}.", remedy="Start it: springtide up")


def _target(path: tuple[str, ...], query: Mapping[str, Any]) -> str:
    words = urlencode({key: value for key, value in query.items() if value is not None})
    return f"{PREFIX}/{'/'.join(quote(part, safe='') for part in path)}{'?' + words if words else ''}"


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        said = json.loads(body)
        return ApiError(said["sentence"], remedy=said["remedy"], code=said["code"], status=status)
    except (ValueError, KeyError, TypeError):
        words = body.decode(errors="replace").strip()[:300]
        return ApiError(f"The control plane answered {status}: {words}", code="internal", status=status)


def _messages(lines: Iterator[str]) -> Iterator[Message]:
    """Server-sent events, as in the HTML standard, section 9.2.6."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield Message(fields.get("event", "message"), fields["data"], fields.get("id", ""))
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in fields:
            fields["data"] += f"\n{value}"
        elif name:
            fields[name] = value
