"""Whom the API answers. It listens on loopback and asks for no password, so other web pages must not reach it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from springtide.api.wire import ErrorWire

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class LocalOnly:
    """Refuses requests for names of the public internet, and writes that another site's page sends.

    A page of another site could otherwise have its own name resolve to this machine (DNS
    rebinding), or post to it, from the browser of whoever looks at it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", "localhost"), headers.get("origin")
        refusal = None
        if not is_local_name(host_name(host)):
            refusal = _refusal(f"The API isn't reached as {host!r}.", "Use localhost or an address.")
        elif origin is not None and scope["method"] not in _READS and urlsplit_host(origin) != host:
            refusal = _refusal(f"A page of {origin!r} may not write here.", "Use the command line.")
        await (refusal or self._app)(scope, receive, send)


def host_name(host: str) -> str:
    """The Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host


def is_local_name(name: str) -> bool:
    """An address, a name without a dot, or a name under ``localhost``: none that somebody else can give out."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name.rstrip(".") or name.rstrip(".").endswith(".localhost")
    return True


def urlsplit_host(origin: str) -> str:
    """Host and port of an origin; empty for ``null``."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _refusal(sentence: str, remedy: str) -> JSONResponse:
    wire = ErrorWire(code="not-local", sentence=sentence, remedy=remedy)
    return JSONResponse(wire.model_dump(), status_code=400)
