#!/usr/bin/env python3
"""See to it that a Docker Engine answers, and end the one that was started for it.

    scripts/engine.py start     use the engine that answers, else (as root) install and start one
    scripts/engine.py stop      end the engine that start started, and nothing else
    scripts/engine.py address   print where the engine is asked for

An engine of our own keeps everything in build/engine and listens on the usual socket. SPRINGTIDE_BUILD
names another build folder.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docker_http import DockerHttp, engine_address
from engine_traces import note_before

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30
STOP_SECONDS = 40
PACKAGES = ("docker.io", "iptables")
LONGEST_EXEC_ROOT = 60
"""Sockets lie below it, and the kernel takes no socket path of more than 107 bytes."""


class EngineSetUpError(Exception):
    """No engine answers and none can be started; the text says why and what to do."""


def build_folder() -> Path:
    return Path(os.environ.get("SPRINGTIDE_BUILD") or ROOT / "build").resolve()


@dataclass(frozen=True)
class OwnEngine:
    """The dockerd that set-up starts where no engine answers and no systemd runs."""

    folder: Path

    @property
    def pid_file(self) -> Path:
        return self.folder / "dockerd.pid"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    @property
    def exec_root(self) -> Path:
        note = self.folder / "exec-root"
        return Path(note.read_text().strip()) if note.exists() else self.folder / "exec"

    def pid(self) -> int | None:
        """The pid of our dockerd; None where it doesn't run or the pid is another program's by now."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if str(self.pid_file) in command_line(pid) else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises EngineSetUpError with the log's last lines."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if len(str(self.exec_root)) > LONGEST_EXEC_ROOT:
            (self.folder / "exec-root").write_text(tempfile.mkdtemp(prefix="springtide-engine-", dir="/run"))
        note_before(self.folder / "before.json")
        self.pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_it_answers(process)

    def _command(self) -> list[str]:
        settings = {
            "--data-root": self.folder / "data",
            "--exec-root": self.exec_root,
            "--pidfile": self.pid_file,
            "--host": engine_address(),
        }
        return [find_dockerd() or "dockerd", *(f"{key}={value}" for key, value in settings.items())]

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not DockerHttp(engine_address()).answers():
            if process.poll() is not None:
                raise EngineSetUpError(f"dockerd ended with code {process.returncode}. {self._last_lines()}")
            if time.monotonic() > deadline:
                self.stop()
                raise EngineSetUpError(f"dockerd didn't answer within {START_SECONDS} s. {self._last_lines()}")
            time.sleep(0.1)

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-12:]
        return "\n".join([f"The last lines of {self.log}:", *(f"  {line}" for line in lines)])

    def stop(self) -> bool:
        """End it, its containers, its containerd and its mounts; whether there was anything to end."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            if not has_ended(pid, STOP_SECONDS):
                os.kill(pid, signal.SIGKILL)
        left = list(self._processes())
        for each in left:
            os.kill(each, signal.SIGKILL)
        for each in left:
            has_ended(each, 5)
        self._unmount()
        self.pid_file.unlink(missing_ok=True)
        return pid is not None or bool(left)

    def _processes(self) -> Iterator[int]:
        """What an engine that was killed leaves behind: its containerd and the shims of its containers."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                line = command_line(int(entry.name))
                if "containerd" in line and str(self.exec_root) + "/" in line:
                    yield int(entry.name)

    def _unmount(self) -> None:
        roots = (f"{self.folder}/", f"{self.exec_root}/")
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in sorted((each for each in points if each.startswith(roots)), reverse=True):
            subprocess.run(["umount", "--lazy", point], check=True)


def own_engine() -> OwnEngine:
    return OwnEngine(build_folder() / "engine")


def command_line(pid: int) -> str:
    """The program's words, joined; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def has_ended(pid: int, timeout_seconds: float) -> bool:
    """Wait for a program to end; whether it did."""
    deadline = time.monotonic() + timeout_seconds
    while command_line(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def find_dockerd() -> str | None:
    return shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin")


def start() -> None:
    """Raises EngineSetUpError."""
    address = engine_address()
    if DockerHttp(address).answers():
        return
    if os.environ.get("DOCKER_HOST"):
        raise EngineSetUpError(f"DOCKER_HOST is {address}, and no Docker Engine answers there. Start it, or unset it.")
    if os.geteuid() != 0:
        raise EngineSetUpError(why_an_ordinary_user_has_no_engine(address))
    if find_dockerd() is None:
        print(f"set-up: installing {' '.join(PACKAGES)}", flush=True)
        done = subprocess.run([ROOT / "scripts/packages.sh", "install", *PACKAGES], check=False)
        if done.returncode:
            raise EngineSetUpError(f"The packages {' '.join(PACKAGES)} could not be installed.")
    if Path("/run/systemd/system").is_dir():
        start_service()
    else:
        own_engine().start()
        print(f"set-up: started a Docker Engine that keeps everything in {own_engine().folder}")


def why_an_ordinary_user_has_no_engine(address: str) -> str:
    path = Path(address.removeprefix("unix://"))
    if path.is_socket() and not os.access(path, os.W_OK):
        return (
            f"A Docker Engine listens at {path}, but you may not use it. "
            f"As root: usermod -aG docker {getpass.getuser()}; then log in again."
        )
    install = "apt-get install docker.io" if find_dockerd() is None else "service docker start"
    return (
        f"No Docker Engine answers at {address}, and only root can start one. As root: {install}; "
        "usermod -aG docker YOU; then log in again. Or set DOCKER_HOST to an engine that runs."
    )


def start_service() -> None:
    """Start the distribution's own service, and note that it was us."""
    done = subprocess.run(["systemctl", "start", "docker"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineSetUpError(f"systemctl start docker failed: {done.stderr.strip()} See: journalctl -u docker")
    note = build_folder() / "setup/started-service"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.touch()
    deadline = time.monotonic() + START_SECONDS
    while not DockerHttp(engine_address()).answers():
        if time.monotonic() > deadline:
            raise EngineSetUpError(f"docker.service didn't answer within {START_SECONDS} s. See: journalctl -u docker")
        time.sleep(0.1)


def stop() -> None:
    if own_engine().stop():
        print("stopped the Docker Engine that set-up had started")


def main() -> int:
    actions = {"start": start, "stop": stop, "address": lambda: print(engine_address())}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        actions[sys.argv[1]]()
    except EngineSetUpError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
