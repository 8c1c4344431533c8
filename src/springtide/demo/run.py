"""Running the demo: set the stage, play the story, sum up, and take the stage down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from springtide.demo.screen import Screen
from springtide.demo.stage import Stage
from springtide.demo.story import APPS, phases_of, scene_at
from springtide.demo.summary import Facts, summarise_demo
from springtide.demo.timeline import Moment, Timeline
from springtide.load.generator import LoadRun
from springtide.load.plan import LoadPlan
from springtide.load.report import LoadProgress

CALM_SECONDS = 30.0
"""How long the end may take until everything rented is back."""
SHED_SHARE_ALLOWED = 0.01
LOST_SHARE_WHEN_FROZEN = 0.2


def run_demo(*, json_file: Path | None, keep: bool, freeze: bool, home: Path | None) -> int:
    """Run the demo and return its exit code: 0 where it showed what it should, else 1.

    Raises SpringtideError where the stage can't be set.
    """
    screen = Screen(Console(highlight=False))
    summary = asyncio.run(_run(screen, Stage(home, keep=keep, freeze=freeze)))
    screen.summarise(summary)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(summary, indent=2) + "\n")
    problems = _frozen_problems(summary) if freeze else problems_of(summary)
    for problem in problems:
        screen.say(f"[red]{problem}[/red]")
    return 1 if problems else 0


def problems_of(summary: dict[str, Any]) -> list[str]:
    """What the demo promises and didn't keep, in sentences."""
    checks = [
        (summary["requests_failed"] == 0, f"{summary['requests_failed']} requests were lost; none may be."),
        (
            summary["requests_shed"] < SHED_SHARE_ALLOWED * summary["requests_total"],
            f"{summary['requests_shed']} of {summary['requests_total']} requests were shed: 1% or more.",
        ),
        (summary["requests_total"] >= 20_000, f"Only {summary['requests_total']} requests were sent."),
        (summary["cloud"]["nodes_peak"] >= 1, "Nothing was rented."),
        (summary["cloud"]["nodes_end"] == 0, f"{summary['cloud']['nodes_end']} machines are still rented."),
        (len(summary["rungs_used"]["redpacket"]) == 4, "redpacket didn't use all four rungs."),
        (summary["starts"]["resumed"]["count"] >= 1, "Nobody was resumed from standby."),
        (summary["home"]["moves"] >= 1, "Nothing came home."),
        (summary["reclaim"]["owner_ready_seconds"] is not None, "feed didn't get its own machines back."),
    ]
    return [sentence for kept, sentence in checks if not kept]


def _frozen_problems(summary: dict[str, Any]) -> list[str]:
    """Without scaling the same traffic must hurt, or the demo proves nothing."""
    hurt = summary["requests_failed"] + summary["requests_shed"]
    if hurt > LOST_SHARE_WHEN_FROZEN * summary["requests_total"]:
        return []
    return [f"Only {hurt} of {summary['requests_total']} requests were lost or shed without scaling: 20% or less."]


async def _run(screen: Screen, stage: Stage) -> dict[str, Any]:
    screen.say("Starting a control plane, building and deploying the sample app for two teams …")
    async with stage:
        screen.say(f"Watch it at {stage.api_url}/")
        screen.say("A block is an instance: [green]own[/], [cyan]shared[/], [yellow]borrowed[/], [magenta]cloud[/].")
        timeline, begun_at = Timeline(stage), datetime.now(UTC)
        loads = await _play(screen, stage, timeline)
        await timeline.wait_until(_is_calm, CALM_SECONDS)
        status = await stage.get("status")
        return summarise_demo(
            Facts(
                timeline=timeline,
                loads=loads,
                events=await stage.get("events?last=1000"),
                leases_end=await stage.get("leases"),
                spend_micros=status["spend_micros"],
                currency=status["currency"],
                begun_at=begun_at,
                dashboard_url=f"{stage.api_url}/",
            )
        )


async def _play(screen: Screen, stage: Stage, timeline: Timeline) -> dict[str, LoadRun]:
    """Send both apps their traffic, and watch."""
    progress: dict[str, LoadProgress] = {}
    loads = {app: LoadRun(LoadPlan(stage.app_urls[app], phases_of(app)), _keeper(progress, app)) for app in APPS}
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(timeline.follow())
        showing = group.create_task(_show(screen, timeline, progress))
        await asyncio.gather(*(load.run() for load in loads.values()))
        watching.cancel()
        showing.cancel()
    return loads


def _keeper(progress: dict[str, LoadProgress], app: str) -> Callable[[LoadProgress], None]:
    def keep(latest: LoadProgress) -> None:
        progress[app] = latest

    return keep


async def _show(screen: Screen, timeline: Timeline, progress: dict[str, LoadProgress]) -> None:
    while True:
        last = timeline.moments[-1] if timeline.moments else None
        screen.show(timeline.second, scene_at(timeline.second), last, progress)
        await asyncio.sleep(1)


def _is_calm(moment: Moment) -> bool:
    at_home = all(set(service.rungs) <= {"own"} for service in moment.services.values())
    return moment.rented_nodes == 0 and at_home
