"""The stage: a control plane of the demo's own, with the sample app deployed for both teams."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from springtide.demo.story import APPS, REPLICAS_WHEN_FROZEN
from springtide.model.errors import RefusedError
from springtide.temporary import TemporaryPlane

STANDBY_SECONDS, LOOK_SECONDS = 20.0, 0.2
EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "tide"


class Stage:
    """Everything the story needs, for as long as it lasts."""

    def __init__(self, home: Path | None, *, keep: bool, freeze: bool) -> None:
        if not EXAMPLES.is_dir():
            raise RefusedError(
                f"The demo's sample app isn't at {EXAMPLES}.", remedy="Run the demo from a checkout of the project."
            )
        self._plane = TemporaryPlane(EXAMPLES / "fleet.yaml", home=home, keep=keep)
        self._freeze = freeze
        self._stack = AsyncExitStack()
        self.app_urls: dict[str, str] = {}

    @property
    def api_url(self) -> str:
        return self._plane.api_url

    async def __aenter__(self) -> Stage:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._plane)
            for app in APPS:
                self.app_urls[app] = (await self._plane.deploy(EXAMPLES / f"{app}.compose.yaml"))[0]
            await self._all_stand_by()
            if self._freeze:
                for app in APPS:
                    await self._plane.command("scale", f"{app}/web={REPLICAS_WHEN_FROZEN}")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _all_stand_by(self) -> None:
        """Wait until as many stand by as the apps wish, or for as long as that may take."""
        for _ in range(round(STANDBY_SECONDS / LOOK_SECONDS)):
            standing = [each["standby"] for each in await self.get("services") if each["standby"]]
            if all(each["paused"] >= each["wished"] for each in standing):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def get(self, path: str) -> Any:
        """Ask the control plane's API."""
        return await self._plane.get(path)
