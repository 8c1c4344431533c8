"""The control plane dies at every boundary between intent, effect and record; the next one puts things right."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders import a_service
from tests.controllers.stage import ROUTES, Stage

pytestmark = pytest.mark.looptime

SERVICES = [a_service("feed/web", 2, routes=ROUTES), a_service("redpacket/web", 2, routes=ROUTES)]


async def play(stage: Stage) -> None:
    """A burst into the cloud, an owner's return, the ebb and a removal: every kind of step at least once.

    The world goes on like this whether or not a control plane lives.
    """
    await asyncio.sleep(1)
    await stage.scale("redpacket/web", 13)
    await asyncio.sleep(6)
    await stage.scale("feed/web", 7)
    await asyncio.sleep(6)
    await stage.scale("feed/web", 2)
    await stage.scale("redpacket/web", 2)
    await asyncio.sleep(8)
    await stage.remove("feed")
    await asyncio.sleep(10)


async def crossings() -> list[str]:
    """The names of all boundaries that the play crosses when nobody dies."""
    async with Stage(services=SERVICES) as stage:
        await play(stage)
        return stage.boundaries.names


async def test_the_play_crosses_every_kind_of_boundary() -> None:
    kinds = {name.rpartition(" ")[0] or name for name in await crossings()}
    effects = {"create", "delete", "rent", "return", "network", "clearing"}
    expected = {f"{moment} {effect}" for moment in ("before", "after") for effect in effects}
    assert expected <= kinds
    assert {name for name in await crossings() if name.endswith(("commit", "routes"))}


@pytest.mark.timeout(900)
async def test_killed_at_every_boundary_nothing_is_doubled_orphaned_or_lost() -> None:
    count = len(await crossings())
    assert count > 100
    for fatal in range(1, count + 1):
        await _die_at(fatal)


async def _die_at(fatal: int) -> None:
    stage = Stage(services=SERVICES)
    stage.boundaries.fatal = fatal
    async with stage:
        playing = asyncio.create_task(play(stage))
        dead = asyncio.create_task(stage.boundaries.died.wait())
        await asyncio.wait({playing, dead}, return_when=asyncio.FIRST_COMPLETED)
        where = stage.boundaries.names[-1]
        if dead.done():
            await stage.replace_dead()
        await playing
        dead.cancel()
        await _ends_well(stage, f"killed at {fatal}: {where}")


async def _ends_well(stage: Stage, where: str) -> None:
    try:
        await stage.reaches(redpacket=2)
        await stage.until(stage.is_tidy)
        await stage.until(lambda: _is_cleared(stage))
    except AssertionError as error:
        error.add_note(where)
        raise


async def _is_cleared(stage: Stage) -> bool:
    record = await stage.record()
    networks = {str(app) for app, _ in stage.machine.networks}
    return set(record.apps) == {"redpacket"} and networks == {"redpacket"} and not await stage.machines()
