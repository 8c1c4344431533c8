"""Start a control plane in the background, wait until it answers, end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from springtide.cli.client import Client
from springtide.cli.homes import POLL_SECONDS, Home, Ports, RunningPlane
from springtide.cli.serving import CAUSE
from springtide.model.errors import PortTakenError, RefusedError, SpringtideError

READY_SECONDS = 30.0
END_SECONDS = 15.0
LOG_LINES = 12


class StartFailedError(SpringtideError):
    """The control plane ended, or never answered; ``evidence`` is the end of its log."""

    code = "start-failed"

    def __init__(
        self, sentence: str, *, remedy: str = "", code: str | None = None, evidence: tuple[str, ...] = ()
    ) -> None:
        super().__init__(sentence, remedy=remedy, code=code)
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Start:
    """One start: on which home, where it listens, and with which fleet."""

    home: Home
    ports: Ports
    fleet_file: Path | None = None

    def check_ports(self) -> None:
        """Raises RefusedError or PortTakenError where the ports can't be had."""
        if self.ports.api == self.ports.ingress:
            raise RefusedError(
                f"Port {self.ports.api} can't serve both the API and the traffic.",
                remedy="Choose another --port or --ingress-port.",
            )
        require_free_port(self.ports.api, "--port")

    def check_fleet(self) -> None:
        """Raises FleetFileError with line, key and remedy."""
        if self.fleet_file is not None:
            from springtide.formats.fleet import load_fleet

            load_fleet(self.fleet_file)

    def run(self) -> RunningPlane:
        """Start in the background and wait until it answers. Raises StartFailedError and what the checks raise."""
        self.check_ports()
        self.home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.home.log_file.open("ab") as log:
            begun_at = log.tell()
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home.path,
                start_new_session=True,
            )
        try:
            self.check_fleet()  # meanwhile the control plane imports; it touches nothing for as long as this takes
        except SpringtideError:
            process.kill()
            process.wait()
            raise
        return self._wait(process, begun_at)

    def _command(self) -> list[str]:
        words = [sys.executable, "-P", "-m", "springtide.cli.serving", str(self.home.path)]
        words += [str(self.ports.api), str(self.ports.ingress)]
        return words + ([str(self.fleet_file.absolute())] if self.fleet_file else [])

    def _wait(self, process: subprocess.Popen[bytes], begun_at: int) -> RunningPlane:
        deadline = time.monotonic() + READY_SECONDS
        client = Client(f"http://127.0.0.1:{self.ports.api}")
        while process.poll() is None:
            running = self.home.running()
            if running is not None and running.pid == process.pid and client.answers():
                return running
            if time.monotonic() > deadline:
                process.terminate()
                raise self._failure(f"The control plane didn't answer within {READY_SECONDS:g} s.", begun_at)
            time.sleep(POLL_SECONDS)
        raise self._failure(f"The control plane ended with code {process.returncode} as it started.", begun_at)

    def _failure(self, sentence: str, begun_at: int) -> StartFailedError:
        """What the control plane said itself, where it did; else the end of its log as evidence."""
        with self.home.log_file.open("rb") as log:
            log.seek(begun_at)
            lines = log.read().decode(errors="replace").splitlines()
        causes = [line.removeprefix(CAUSE) for line in lines if line.startswith(CAUSE)]
        if causes:
            code, cause, remedy = json.loads(causes[-1])
            if code == PortTakenError.code:
                remedy = "Stop that program, or choose another port with --ingress-port."
            return StartFailedError(cause, remedy=remedy, code=code)
        return StartFailedError(sentence, remedy=f"See {self.home.log_file}.", evidence=tuple(lines[-LOG_LINES:]))


def require_free_port(port: int, option: str) -> None:
    """Raises PortTakenError where another program listens on this port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise RefusedError(
                f"Only root may listen on port {port}.", remedy=f"Choose 1024 or above with {option}."
            ) from error
        except OSError as error:
            raise PortTakenError(
                f"Another program listens on port {port}.", remedy=f"Stop it, or choose another port with {option}."
            ) from error


def end_plane(home: Home, running: RunningPlane) -> None:
    """End a control plane; what it runs keeps running. Raises RefusedError where it may not be ended."""
    try:
        os.kill(running.pid, signal.SIGTERM)
        if not home.wait_until_ended(END_SECONDS):
            os.kill(running.pid, signal.SIGKILL)
            home.wait_until_ended(END_SECONDS)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise RefusedError(
            f"The control plane (pid {running.pid}) is another user's.", remedy="End it as that user, or as root."
        ) from error
