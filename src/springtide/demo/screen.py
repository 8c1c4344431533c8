"""The demo in the terminal: a line a second while it runs, and the summary at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from springtide.demo.story import APPS, Scene
from springtide.demo.timeline import Moment
from springtide.load.report import LoadProgress

BLOCKS = 17
COLOURS = {"own": "green", "shared": "cyan", "borrowed": "yellow", "cloud": "magenta"}


class Screen:
    """Writes to one console; nothing here is read by programs (``--json`` is)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._scene: Scene | None = None

    def say(self, text: str) -> None:
        self._console.print(text)

    def show(self, second: float, scene: Scene, moment: Moment | None, loads: Mapping[str, LoadProgress]) -> None:
        """One line: what is offered, what stands on which rung, what was lost."""
        if scene is not self._scene:
            self._scene = scene
            self._console.print(f"\n[bold]{scene.name}[/bold]: {scene.tells}")
        if moment is not None:
            lost = sum(load.so_far.failed for load in loads.values())
            shed = sum(load.so_far.shed for load in loads.values())
            columns = "  ".join(_column(app, moment, loads) for app in APPS)
            self._console.print(f"{second:4.0f} s  {columns}  lost {lost} shed {shed}", soft_wrap=True)

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """The figures that matter, and the phases."""
        phases = Table(title="Phases", title_justify="left")
        for name in ("name", "start", "requests", "failed", "shed", "p50_ms", "p95_ms"):
            phases.add_column(name, justify="left" if name == "name" else "right")
        for phase in summary["phases"]:
            phases.add_row(*(_cell(value) for value in phase.values()))
        self._console.print()
        self._console.print(phases)
        for line in _lines(summary):
            self._console.print(line, soft_wrap=True)


def _column(app: str, moment: Moment, loads: Mapping[str, LoadProgress]) -> str:
    """``redpacket 12/15 ████████████       300/s``: ready of wanted, a block an instance, the rate offered."""
    service, load = moment.services.get(app), loads.get(app)
    if service is None:
        return app
    blocks = "".join(f"[{COLOURS[rung]}]{'█' * count}[/]" for rung, count in service.rungs.items())
    padding = " " * max(0, BLOCKS - sum(service.rungs.values()))
    return f"{app} {service.ready:2}/{service.wanted:<2} {blocks}{padding} {load.rps if load else 0:3.0f}/s"


def _cell(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _lines(summary: Mapping[str, Any]) -> list[str]:
    cloud, spike, reclaim, starts = (summary[key] for key in ("cloud", "spike", "reclaim", "starts"))
    used = "; ".join(f"{app}: {', '.join(rungs)}" for app, rungs in summary["rungs_used"].items())
    return [
        f"{summary['requests_total']} requests: {summary['requests_failed']} lost, {summary['requests_shed']} shed.",
        f"Rungs used, in order: {used}.",
        f"Capacity for the spike: {_ready(spike['capacity_ready_seconds'])}. "
        f"The owner's own machines, reclaimed: {_ready(reclaim['owner_ready_seconds'])}.",
        f"From grant to ready: {_start(starts['resumed'], 'resumed from standby')}, "
        f"{_start(starts['started'], 'started cold')} (medians).",
        f"Cloud: {cloud['nodes_peak']} machines at the peak, {cloud['nodes_end']} at the end, "
        f"{cloud['spend']:.6f} {cloud['currency']}; {summary['home']['moves']} instances came home.",
        f"Dashboard: {summary['dashboard_url']}",
    ]


def _start(seen: Mapping[str, Any], how: str) -> str:
    took = f" in {seen['ready_seconds']:.2f} s" if seen["count"] else ""
    return f"{seen['count']} {how}{took}"


def _ready(seconds: float | None) -> str:
    return "never ready" if seconds is None else f"ready after {seconds:.1f} s"
