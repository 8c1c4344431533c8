"""HTTP to a running control plane, with the standard library alone: the whole client imports in 20 ms.

::

    ApiError               the control plane refused, or failed; code, sentence and remedy are its own
    NoControlPlaneError    nothing answers; the remedy is ``springtide up``
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
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
        with closing(self.connection(SILENCE_TIMEOUT_SECONDS)) as connection:
            response = self.exchange(connection, "GET", path, query, None, headers)
            with self.reaching():
                yield from _messages(line.decode().rstrip("\r\n") for line in response)

    def answers(self) -> bool:
        """Whether the control plane is up."""
        try:
            with closing(self.connection(2.0)) as connection:
                with self.reaching():
                    connection.request("GET", "/healthz")
                self.answer(connection)
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
        with closing(self.connection(timeout_seconds)) as connection:
            return self.exchange(connection, method, path, query, content, headers).read()

    # For whoever sends or reads a body as it comes

    def connection(self, timeout_seconds: float | None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout_seconds)

    def target(self, path: tuple[str, ...], query: Mapping[str, Any]) -> str:
        """Path and query as they stand in a request; a list is said once for each of its values."""
        words = urlencode({key: value for key, value in query.items() if value is not None}, doseq=True)
        return f"{PREFIX}/{'/'.join(quote(part, safe='') for part in path)}{'?' + words if words else ''}"

    def exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, Any],
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> http.client.HTTPResponse:
        """Send a whole request; the answer, its body unread."""
        target = self.target(path, query)
        with self.reaching(f"{method} {target}", connection.timeout):
            connection.request(method, target, body, dict(headers))
        return self.answer(connection, f"{method} {target}")

    def answer(self, connection: http.client.HTTPConnection, asked: str = "The answer") -> http.client.HTTPResponse:
        """The answer to what was sent. Raises ApiError where it is a refusal."""
        with self.reaching(asked, connection.timeout):
            response = connection.getresponse()
            refused = response.read() if response.status >= 400 else None
        if refused is not None:
            raise _refusal(response.status, refused)
        return response

    @contextmanager
    def reaching(self, asked: str = "The control plane", timeout_seconds: float | None = None) -> Iterator[None]:
        """Failures of the connection within as NoControlPlaneError, a time-out as ApiError."""
        try:
            yield
        except TimeoutError as error:
            waited = "too long" if timeout_seconds is None else f"longer than {timeout_seconds:g} s"
            raise ApiError(f"{asked} took {waited}.", code="timeout") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable() from error

    def _unreachable(self) -> NoControlPlaneError:
        return NoControlPlaneError(f"No control plane answers at {self.url}.", remedy="Start it: springtide up")


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
