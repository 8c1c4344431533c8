#!/usr/bin/env python3
"""Stop and remove what set-up, demo and tests left running or in an engine; touch nothing of anybody else's.

Ours are: programs that work on a home inside the build folder, what carries the label of such a home's
installation, the base images that were made here, and the engine that was started here. Exit code 3: our
engine has other people's containers, so it was left running. Prints lines ``keep PACKAGE`` for packages
that are in use.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from docker_http import DockerHttp, DockerHttpError, engine_address
from engine import OwnEngine, build_folder, command_line, has_ended, own_engine
from engine_traces import remove_traces

LABEL = "springtide.installation"
NOT_FOUND = 404


def main() -> int:
    build = build_folder()
    stop_programs(build)
    docker = DockerHttp(engine_address())
    if docker.answers():
        for installation in installations(build):
            remove_installation(docker, installation)
    engine = own_engine()
    if engine.pid() is not None and (others := docker.call("GET", "/containers/json", all="1")):
        names = ", ".join(sorted(each["Names"][0].lstrip("/") for each in others))
        say(f"left the engine in {engine.folder} running, because it has containers of others: {names}")
        return 3
    if engine.pid() is None and docker.answers():
        remove_base_images(docker, build / "setup/images")
    remove_engine(engine)
    stop_service(build / "setup/started-service", docker)
    return 0


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def stop_programs(build: Path) -> None:
    """End control planes and HAProxies that work on a home inside the build folder."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        pids = list(programs_in(build))
        for pid in pids:
            os.kill(pid, sign)
        if all(has_ended(pid, 10) for pid in pids):
            return


def programs_in(build: Path) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        words = command_line(int(entry.name)).split(" ")
        is_ours = any("springtide" in word or Path(word).name == "haproxy" for word in words[:4])
        if is_ours and any(word.removeprefix("unix@").startswith(f"{build}/") for word in words):
            yield int(entry.name)


def installations(build: Path) -> list[str]:
    """The ids of the installations whose homes lie in the build folder."""
    files = [path for path in build.rglob("installation") if path.is_file()] if build.is_dir() else []
    return sorted({path.read_text().strip() for path in files} - {""})


def remove_installation(docker: DockerHttp, installation: str) -> None:
    """Remove its containers, then its networks, then its images."""
    ours = {"label": [f"{LABEL}={installation}"]}
    for container in docker.call("GET", "/containers/json", all="1", filters=ours):
        remove(docker, f"/containers/{container['Id']}", force="1", v="1")
    for network in docker.call("GET", "/networks", filters=ours):
        remove(docker, f"/networks/{network['Id']}")
    for image in docker.call("GET", "/images/json", filters=ours):
        remove(docker, f"/images/{image['Id']}", force="1")


def remove_base_images(docker: DockerHttp, made: Path) -> None:
    """Untag the images that set-up made; one that a container still uses is left, and said."""
    for name in sorted(set(made.read_text().split())) if made.exists() else []:
        remove(docker, f"/images/{name}")


def remove(docker: DockerHttp, path: str, **query: str) -> None:
    try:
        docker.call("DELETE", path, **query)
    except DockerHttpError as error:
        if error.status != NOT_FOUND:
            say(f"could not remove {path.lstrip('/')}: {error}")


def remove_engine(engine: OwnEngine) -> None:
    if engine.stop():
        say("stopped the Docker Engine that set-up had started")
    note = engine.folder / "before.json"
    if not note.exists():
        return
    if other_engines():
        say("another Docker Engine runs, so bridges and firewall rules stay")
    else:
        remove_traces(note)
        Path(engine_address().removeprefix("unix://")).unlink(missing_ok=True)
    if engine.exec_root.parent == Path("/run"):
        shutil.rmtree(engine.exec_root, ignore_errors=True)
    shutil.rmtree(engine.folder)


def other_engines() -> list[int]:
    """Every dockerd that runs; ours has been stopped by now."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if Path(command_line(pid).split(" ")[0]).name == "dockerd"]


def stop_service(note: Path, docker: DockerHttp) -> None:
    """Stop the distribution's service where set-up started it and nobody else uses it; else keep its packages."""
    if note.exists() and docker.answers():
        others = docker.call("GET", "/containers/json", all="1")
        if not others:
            subprocess.run(["systemctl", "stop", "docker.socket", "docker"], check=True)
        else:
            say(f"left docker.service running, because it has {len(others)} containers of others")
    if other_engines():
        print("keep docker.io")


if __name__ == "__main__":
    sys.exit(main())
