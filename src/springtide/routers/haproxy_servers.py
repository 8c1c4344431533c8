"""Which runtime commands bring one worker's servers to what the table says: a pure function."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.routers.base import Endpoint
from springtide.routers.haproxy_configuration import Backend, server_terms
from springtide.routers.haproxy_statistics import Rows, ServerRow


def plan_server_commands(backends: Iterable[Backend], rows: Rows) -> tuple[str, ...]:
    """Commands for a worker that shows ``rows``; none when it has arrived.

    A backend that the worker doesn't have (it is older than the service) is passed over.
    """
    commands: list[str] = []
    for backend in backends:
        row = rows.get(backend.name)
        if row is None:
            continue
        wanted = {str(each.instance): each for each in backend.endpoints}
        for name, endpoint in wanted.items():
            commands += _commands_for_endpoint(backend, endpoint, row.servers.get(name))
        for name in row.servers.keys() - wanted.keys():
            commands += _commands_to_remove(f"{backend.name}/{name}")
    return tuple(commands)


def _commands_for_endpoint(backend: Backend, endpoint: Endpoint, server: ServerRow | None) -> list[str]:
    name = f"{backend.name}/{endpoint.instance}"
    if server is None:
        if not endpoint.accepting:
            return []
        terms = server_terms(backend, endpoint).partition(" ")[2]
        return [f"add server {name} {terms}", f"set server {name} state ready"]
    commands = []
    if server.address != backend.address(endpoint):
        commands.append(f"set server {name} addr {endpoint.address} port {backend.target_port}")
    if endpoint.accepting and not server.is_accepting:
        commands.append(f"set server {name} state ready")
    if not endpoint.accepting and not server.status.startswith("DRAIN"):
        commands.append(f"set server {name} state drain")
    return commands


def _commands_to_remove(name: str) -> list[str]:
    return [f"set server {name} state maint", f"shutdown sessions server {name}", f"del server {name}"]
