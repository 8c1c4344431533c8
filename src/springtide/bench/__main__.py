"""``python -m springtide.bench [NAME ...] [--rounds N]``: measure, and write ``build/bench/NAME.json``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from springtide.bench import at_rest, deploy, load_step, planner, reclaim, scale_out, standby
from springtide.bench.report import Bench, describe_machine, show

BENCHES: dict[str, Callable[[Path, int], Awaitable[Bench]]] = {
    "scale_out": scale_out.run,
    "standby": standby.run,
    "deploy": deploy.run,
    "load_step": load_step.run,
    "reclaim": reclaim.run,
    "at_rest": at_rest.run,
    "planner": planner.run,
}


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which to run; all by default: {', '.join(BENCHES)}.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("build/bench"),
) -> None:
    """Measure, print the tables, and write one JSON file a bench."""
    unknown = sorted(set(names or ()) - BENCHES.keys())
    if unknown:
        raise typer.BadParameter(f"There is no bench {', '.join(unknown)}. There are {', '.join(BENCHES)}.")
    print(describe_machine())
    for name in names or BENCHES:
        bench = asyncio.run(_run(BENCHES[name], out / "ground" / name, rounds))
        print(f"\n{name}: {bench.write(out)}\n{show(bench.rows())}", flush=True)


async def _run(bench: Callable[[Path, int], Awaitable[Bench]], folder: Path, rounds: int) -> Bench:
    return await bench(folder, rounds)


if __name__ == "__main__":
    typer.run(main)
