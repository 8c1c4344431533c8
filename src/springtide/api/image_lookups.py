"""Looking up many images at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from springtide.api.wire_apps import FoundImagesWire
from springtide.engines.base import Engine
from springtide.model.builds import Pull
from springtide.model.errors import ImageMissingError

AT_ONCE = 8


async def find_images(engine: Engine, references: Iterable[str], pull: Pull) -> FoundImagesWire:
    """Each once, a few at a time. Raises ImageMissingError, the first by name, unless nothing may be pulled.

    Where all are to be pulled, one that can't be stays as the engine has it, and a notice says so.
    """
    turns, names, notices = asyncio.Semaphore(AT_ONCE), sorted(set(references)), list[str]()

    async def find(name: str) -> str | None:
        async with turns:
            try:
                return await engine.resolve_image(name, pull)
            except ImageMissingError as error:
                if pull is Pull.NEVER:
                    return None
                if pull is Pull.MISSING:
                    raise
                present = await engine.resolve_image(name, Pull.NEVER)
                notices.append(f"{name} stays as the engine has it: {error.sentence}")
                return present

    found = await asyncio.gather(*(find(name) for name in names), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    images = {name: each for name, each in zip(names, found, strict=True) if not isinstance(each, BaseException)}
    return FoundImagesWire(images=images, notices=sorted(notices))
