"""One HAProxy with its directory: started, loaded with backends, asked, ended."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from springtide.model.errors import PortTakenError, RouterError
from springtide.routers.haproxy_configuration import (
    WAITING_ROOM,
    Backend,
    Place,
    render_configuration,
    render_hosts,
    structure_digest,
)
from springtide.routers.haproxy_process import (
    HaproxyProcess,
    connections_allowed,
    find_binary,
    require_free_port,
    supports_lua,
    wait_for_exit,
)
from springtide.routers.haproxy_servers import plan_server_commands
from springtide.routers.haproxy_socket import MasterSocket, Processes
from springtide.routers.haproxy_statistics import SHOW_BACKENDS_AND_SERVERS, Rows, parse_statistics

_LONGEST_SOCKET_PATH = 90
"""The kernel allows 107 bytes; HAProxy appends its process id and more while it binds."""
_RELOAD_SECONDS = 5.0
_POLL_SECONDS = 0.01
_SERVER_ROUNDS = 50

_DIGEST = re.compile(r"^description: springtide-(\w+)", re.MULTILINE | re.IGNORECASE)
_PORT = re.compile(r"^port-(\d+),FRONTEND", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the worker in charge has loaded: the structure's digest, and services' own ports."""

    digest: str
    ports: frozenset[int]


class HaproxyDaemon:
    """Everything that is done to HAProxy, one thing a method; when to do it is the router's."""

    def __init__(self, place: Place, binary: Path) -> None:
        self.place = place
        self.master = MasterSocket(place.directory / "master.sock")
        self._process = HaproxyProcess(binary, place.directory, place.configuration, self.master.path)
        self._master_pid: int | None = None

    @classmethod
    async def prepare(cls, directory: Path, bind: str, port: int, binary: Path | None) -> HaproxyDaemon:
        """Make the directory ready, and find the program. Raises RouterError."""
        found = binary or find_binary()
        place = Place(directory, bind, port, connections_allowed(), has_lua=await supports_lua(found))
        daemon = cls(place, found)
        if len(str(daemon.master.path)) > _LONGEST_SOCKET_PATH:
            raise RouterError(
                f"The path {daemon.master.path} is too long for a socket.", remedy="Choose a shorter home directory."
            )
        directory.mkdir(parents=True, exist_ok=True)
        place.waiting_room.write_text(WAITING_ROOM)
        return daemon

    async def running(self) -> Processes | None:
        """Its processes; ``None`` where it isn't running."""
        try:
            found = await self.master.processes()
        except RouterError:
            return None
        if not found.workers or not self._process.owns(found.master):
            return None
        self._master_pid = found.master
        return found

    def is_alive(self) -> bool:
        """Whether the HAProxy that was started or adopted still exists, answering or not."""
        return self._master_pid is not None and self._process.owns(self._master_pid)

    async def launch(self, backends: tuple[Backend, ...], patience_seconds: float = 0.0) -> None:
        """Start it, once the ingress port is free. Raises PortTakenError when patience is over."""
        await self._await_free_port(patience_seconds)
        self._write_configuration(backends)
        await self._process.launch()
        self._master_pid = await self._await_worker(besides=frozenset(), failed_before=0)

    async def prepare_reload(self, backends: tuple[Backend, ...]) -> None:
        """Write another structure. Raises RouterError where HAProxy refuses it; nothing has changed then."""
        self._write_configuration(backends)
        await self._process.check_configuration()

    async def reload(self) -> None:
        """Load what was prepared; the old worker finishes what it has.

        Raises RouterError, and goes on as before, where HAProxy can't.
        """
        before = await self.master.processes()
        await self.master.reload()
        await self._await_worker(frozenset(before.workers), before.failed_reloads)

    async def loaded(self) -> Loaded:
        """The structure that new requests meet."""
        text = await self.master.ask_worker(await self._worker_in_charge(), ("show info", "show stat -1 1 -1"))
        digest = _DIGEST.search(text)
        return Loaded(digest[1] if digest else "", frozenset(int(port) for port in _PORT.findall(text)))

    def digest(self, backends: tuple[Backend, ...]) -> str:
        """What ``loaded`` shows once these backends are loaded."""
        return structure_digest(backends, self.place)

    async def rows(self, pid: int) -> Rows:
        """A worker's backends and servers; empty where it has just ended."""
        return parse_statistics(await self.master.ask_worker(pid, (SHOW_BACKENDS_AND_SERVERS,)))

    async def bring_servers(self, backends: tuple[Backend, ...]) -> None:
        """Send the worker in charge what it lacks, and look again, until it lacks nothing.

        Older workers take no such commands; they hand every new request to the one in charge.
        A removed server's last connections take a moment to end; one that still has some after
        half a second gets no traffic, and the next call removes it.
        """
        commands: tuple[str, ...] = ()
        answers = ""
        for number in range(_SERVER_ROUNDS):
            in_charge = await self._worker_in_charge()
            commands = plan_server_commands(backends, await self.rows(in_charge))
            if not commands:
                return
            answers = await self.master.ask_worker(in_charge, commands)
            await asyncio.sleep(_POLL_SECONDS if number else 0)
        refused = [each for each in commands if not each.startswith(("shutdown", "del")) and not each.endswith("maint")]
        if refused:
            raise RouterError(f"HAProxy doesn't do {refused[0]!r}: {' '.join(answers.split())[:300]}")

    async def wait_for_exit(self) -> None:
        """Return when the master has ended; its workers end with it."""
        if self._master_pid is not None:
            await wait_for_exit(self._master_pid)

    async def end(self) -> None:
        """End it, with whatever it is serving; ending what has ended succeeds."""
        await self._process.end()

    async def _await_free_port(self, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                return require_free_port(self.place.bind, self.place.port)
            except PortTakenError:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(_POLL_SECONDS)

    async def _await_worker(self, besides: frozenset[int], failed_before: int) -> int:
        """Wait for a worker that is none of ``besides`` and answers; returns the master's process id."""
        deadline = time.monotonic() + _RELOAD_SECONDS
        while time.monotonic() < deadline:
            now: Processes | None = None
            with suppress(RouterError):
                now = await self.master.processes()
            if now is not None and now.failed_reloads > failed_before:
                raise RouterError("HAProxy could not load its new configuration; it serves with the old one.")
            if now is not None and set(now.workers[:1]) - besides and await self._answers(now.workers[0]):
                return now.master
            await asyncio.sleep(_POLL_SECONDS)
        raise RouterError(
            f"HAProxy had no new worker process within {_RELOAD_SECONDS:g} s.",
            remedy="See haproxy.log in the router's directory.",
        )

    async def _worker_in_charge(self) -> int:
        workers = (await self.master.processes()).workers
        if not workers:
            raise RouterError("HAProxy has no worker process at this moment.", remedy="Try again.")
        return workers[0]

    async def _answers(self, pid: int) -> bool:
        """Whether the worker answers."""
        return bool(await self.master.ask_worker(pid, ("show info",)))

    def _write_configuration(self, backends: tuple[Backend, ...]) -> None:
        try:
            self.place.hosts.write_text(render_hosts(backends))
            self.place.configuration.write_text(render_configuration(backends, self.place))
        except OSError as error:
            raise RouterError(f"HAProxy's configuration can't be written: {error}.", remedy="Make room.") from error
