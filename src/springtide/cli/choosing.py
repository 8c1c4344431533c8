"""Which instance is meant where a service is named."""

from __future__ import annotations

from typing import Any

from springtide.cli.client import Client
from springtide.cli.names import choose_service
from springtide.cli.state import service_ids
from springtide.model.errors import RefusedError

RUNNING = "running"


def choose_containers(client: Client, name: str, container: str = "") -> list[tuple[str, str]]:
    """Each container of the instance of this name, or of all of a service, with its instance's id.

    With ``container``, only those of that name. Raises UnknownNameError, RefusedError.
    """
    fitting = _fitting(client, name)
    all_of_them = [(each["id"], own) for each in fitting for own in each["containers"]]
    chosen = [(id, own) for id, own in all_of_them if container in ("", own)]
    if all_of_them and not chosen:
        names = ", ".join(dict.fromkeys(own for _, own in all_of_them))
        raise RefusedError(f"{name} has no container {container!r}.", remedy=f"It has: {names}.", code="unknown")
    return chosen


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
