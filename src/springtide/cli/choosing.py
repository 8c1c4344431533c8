"""Which instance is meant where a service is named."""

from __future__ import annotations

from typing import Any

from springtide.cli.client import Client
from springtide.cli.names import choose_service
from springtide.cli.state import service_ids
from springtide.model.errors import RefusedError

RUNNING = "running"


def choose_instances(client: Client, name: str) -> list[str]:
    """The instance of this name, or all of a service. Raises UnknownNameError, RefusedError."""
    return [each["id"] for each in _fitting(client, name)]


def choose_running(client: Client, name: str) -> str:
    """The instance of this name, or of a service the first that is ready, else that runs. Raises RefusedError too."""
    fitting = _fitting(client, name)
    running = [each for each in fitting if each["id"] == name or each["container"] == RUNNING]
    if not running:
        raise RefusedError(f"No instance of {name} runs.", remedy=f"See why: springtide why {name}", code="not-running")
    ready_first = sorted(running, key=lambda each: (each["readiness"] != "ready", each["id"]))
    return str(ready_first[0]["id"])


def _fitting(client: Client, name: str) -> list[dict[str, Any]]:
    instances: list[dict[str, Any]] = client.get("instances")
    if named := [each for each in instances if each["id"] == name]:
        return named
    known = {each["service"] for each in instances} | service_ids(client.get("services"))
    service = choose_service(name, known)
    return [each for each in instances if each["service"] == service]
