"""A home: the folder where one control plane keeps its state, and what is known of the one that runs on it.

``HOME/control-plane.json`` says where it listens; the lock on ``HOME/control-plane.lock``, which its
process holds for as long as it lives, says whether it runs. The kernel drops the lock with the process,
so that a pid which has become another program's is never mistaken for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from springtide.model.errors import RefusedError

POLL_SECONDS = 0.02
LOCK_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a control plane listens for its API, and where its router listens for traffic."""

    api: int = 7070
    ingress: int = 8080


@dataclass(frozen=True, slots=True)
class RunningPlane:
    """What a running control plane has written about itself."""

    pid: int
    url: str
    ingress_port: int


@dataclass(frozen=True, slots=True)
class Home:
    """One home; ``path`` is absolute."""

    path: Path

    @property
    def state_file(self) -> Path:
        return self.path / "control-plane.json"

    @property
    def log_file(self) -> Path:
        return self.path / "control-plane.log"

    @property
    def lock_file(self) -> Path:
        return self.path / "control-plane.lock"

    @property
    def may_have_left_something(self) -> bool:
        """Whether a control plane ran here since everything was last removed."""
        return self.state_file.exists()

    def running(self) -> RunningPlane | None:
        """The control plane that runs on this home, once it has said where; else ``None``."""
        return self.last_known() if self._is_locked() else None

    def last_known(self) -> RunningPlane | None:
        """What the last control plane here said of itself, running or not."""
        try:
            return RunningPlane(**json.loads(self.state_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def wait_until_ended(self, timeout_seconds: float) -> bool:
        """Wait until no control plane runs here; whether that came true."""
        deadline = time.monotonic() + timeout_seconds
        while self._is_locked():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    @contextmanager
    def occupied(self, ports: Ports) -> Iterator[None]:
        """Hold the home as this process's own. Raises RefusedError where another control plane has it."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(descriptor)
            plane = RunningPlane(os.getpid(), f"http://127.0.0.1:{ports.api}", ports.ingress)
            beside = self.state_file.with_suffix(".new")
            beside.write_text(json.dumps(asdict(plane)))
            beside.replace(self.state_file)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS  # somebody may just be looking whether it is held
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise RefusedError(f"Another control plane runs on {self.path}.", remedy="springtide status")
            time.sleep(POLL_SECONDS)

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self.lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def home_at(path: Path | None) -> Home:
    """The home that was named, else ``~/.springtide``."""
    return Home((path or Path.home() / ".springtide").expanduser().absolute())
