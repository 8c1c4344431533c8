"""``load``, ``demo`` and ``bench``: traffic, the tide on stage, measurements."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from springtide.cli.options import HomeOption, JsonOption
from springtide.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from springtide.load import LoadProgress, LoadReport, Outcome


def add_commands(app: typer.Typer) -> None:
    app.command()(load)
    app.command()(demo)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench)


def load(
    url: Annotated[str, typer.Argument(help="http://feed.localhost:8080/")],
    rps: Annotated[str, typer.Option("--rps", help="Requests a second: 200, or 50..400 for a ramp.")],
    duration: Annotated[str, typer.Option("--for", help="30s, 2m, 1h.")] = "30s",
    post_share: Annotated[float, typer.Option("--post-share", min=0, max=1, help="The share of POSTs.")] = 0.0,
    timeout: Annotated[str, typer.Option("--timeout", help="A request unanswered for so long has failed.")] = "2s",
    as_json: JsonOption = False,
) -> None:
    """Send traffic on time, whatever becomes of it: open loop, keep-alive, no retries."""
    import uvloop

    from springtide.load import LoadPlan, RatePhase, parse_duration, parse_rate, run_load

    first, last = parse_rate(rps)
    plan = LoadPlan(
        url=url,
        phases=(RatePhase("load", parse_duration(duration), first, last),),
        post_share=post_share,
        timeout_seconds=parse_duration(timeout),
    )

    async def run() -> LoadReport:
        return await run_load(plan, lambda progress: typer.echo(_progress_line(progress), err=True))

    report = uvloop.run(run())
    if as_json:
        print_json({**asdict(report), "lost": _lost(report.outcome)})
    else:
        _print_report(report)


def _lost(outcome: Outcome) -> int:
    return outcome.shed + outcome.failed


def _progress_line(progress: LoadProgress) -> str:
    last, lost = progress.last, _lost(progress.so_far)
    latency = f"p95 {last.p95_ms:.0f} ms" if last.p95_ms is not None else "no answer"
    return f"{progress.elapsed_seconds:4.0f} s  {progress.rps:.0f}/s  {last.ok} ok, {latency}, {lost} lost so far"


def _print_report(report: LoadReport) -> None:
    outcome = report.outcome
    kinds = [("ok", outcome.ok), ("shed (503)", outcome.shed), *outcome.failures]
    rows = [(kind, f"{count}", f"{100 * count / max(1, outcome.total):.2f}%") for kind, count in kinds]
    print_table(("OUTCOME", ">REQUESTS", ">SHARE"), [*rows, ("all", f"{outcome.total}", "")], nothing="")
    if outcome.p50_ms is not None:
        typer.echo(f"\np50 {outcome.p50_ms:.1f} ms, p95 {outcome.p95_ms:.1f} ms, p99 {outcome.p99_ms:.1f} ms")
    if report.late:
        typer.echo(
            f"{report.late} requests left late, by up to {report.max_lag_ms:.0f} ms: this machine is busy, "
            "so latencies say more about it than about the service."
        )


def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the summary to this file.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    freeze: Annotated[bool, typer.Option("--freeze", help="The same traffic, and a fleet that doesn't scale.")] = False,
    home: HomeOption = None,
) -> None:
    """Show the tide: two teams, a shared pool, a cloud, real containers and real traffic."""
    from springtide.demo import run_demo

    raise typer.Exit(run_demo(json_file=json_file, keep=keep, freeze=freeze, home=home))


def bench(ctx: typer.Context) -> None:
    """Measure against the figures and the peers; results in build/bench."""
    import runpy
    import sys

    sys.argv = ["springtide.bench", *ctx.args]
    runpy.run_module("springtide.bench", run_name="__main__", alter_sys=True)
