"""Removing apps and ending everything, in the order in which nothing is lost or left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from springtide.cli.client import ApiError, Client
from springtide.cli.group import CommandError, ExitCode
from springtide.cli.homes import Home, Ports, RunningPlane
from springtide.cli.starting import Start, end_plane
from springtide.model.errors import EngineError

Progress = Callable[[str], None]
LOOK_SECONDS = 0.2
NOT_FOUND = 404


def remove_app(client: Client, name: str, timeout_seconds: float, tell: Progress, *, volumes: bool = False) -> None:
    """Delete an app and wait until nothing of it is left; its volumes stay unless asked for.

    Raises ApiError where there is no such app; with ``volumes`` what it left behind goes all the same.
    """
    try:
        client.send("DELETE", "apps", name)
    except ApiError as error:
        if not volumes or error.status != NOT_FOUND:
            raise
    _wait_until_gone(lambda: _left_of_app(client, name), timeout_seconds, tell)
    if volumes:
        client.send("DELETE", "apps", name, "volumes")


def end_everything(home: Home, timeout_seconds: float, tell: Progress, *, volumes: bool = False) -> list[str]:
    """Delete all apps, wait until instances and rented nodes are gone, end control plane and router.

    Volumes of the apps stay unless they are asked for.

    A control plane that isn't running is started first: only it knows how to drain what it left.
    Returns the names of the apps.
    """
    running = home.running() or _start_again(home, tell)
    client = Client(running.url)
    names = [each["name"] for each in client.get("apps")]
    for name in names:
        _delete(client, name)
    _wait_until_gone(lambda: _left(client), timeout_seconds, tell)
    for name in names if volumes else ():
        client.send("DELETE", "apps", name, "volumes")
    end_plane(home, running)
    asyncio.run(_end_adapters(home, running.ingress_port))
    home.state_file.unlink(missing_ok=True)
    return names


def _start_again(home: Home, tell: Progress) -> RunningPlane:
    tell("The control plane isn't running; starting it to remove what it left.")
    last = home.last_known()
    ports = Ports(int(last.url.rpartition(":")[2]), last.ingress_port) if last else Ports()
    return Start(home, ports).run()


def _delete(client: Client, name: str) -> None:
    try:
        client.send("DELETE", "apps", name)
    except ApiError as error:
        if error.status != NOT_FOUND:  # gone meanwhile
            raise


def _wait_until_gone(left: Callable[[], str], timeout_seconds: float, tell: Progress) -> None:
    """Wait until ``left`` says nothing; tell it whenever it changes."""
    deadline, said = time.monotonic() + timeout_seconds, ""
    while now_left := left():
        if now_left != said:
            tell(f"waiting for {now_left}")
            said = now_left
        if time.monotonic() > deadline:
            raise CommandError(
                f"After {timeout_seconds:g} s this is left: {now_left}.",
                remedy="Wait longer with --timeout, or see: springtide events",
                code="timeout",
                exit_code=ExitCode.TIMED_OUT,
            )
        time.sleep(LOOK_SECONDS)


def _left_of_app(client: Client, name: str) -> str:
    instances = sum(each["app"] == name for each in client.get("instances"))
    apps = sum(each["name"] == name for each in client.get("apps"))
    return _counts(instances, 0, apps)


def _left(client: Client) -> str:
    status: dict[str, Any] = client.get("status")
    rented = sum(node["rental"] is not None for pool in status["pools"] for node in pool["nodes"])
    return _counts(len(client.get("instances")), rented, len(client.get("apps")))


def _counts(instances: int, rented: int, apps: int) -> str:
    named = ((instances, "instance"), (rented, "rented node"), (apps, "app"))
    return ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in named if count)


async def _end_adapters(home: Home, ingress_port: int) -> None:
    """End the router and remove the images that were built for this installation."""
    from springtide.app import installation_id
    from springtide.engines.docker import DockerEngine
    from springtide.routers.haproxy import HaproxyRouter

    await HaproxyRouter(home.path / "haproxy", port=ingress_port).stop()
    engine = DockerEngine(installation_id(home.path))
    try:
        await engine.delete_images()
    except EngineError as error:
        raise CommandError(f"Images that were built here may be left: {error.sentence}", remedy=error.remedy) from error
    finally:
        await engine.close()
