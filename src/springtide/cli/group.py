"""How every command fails: one sentence with its remedy, evidence where there is some, and an exit code."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from springtide.model.errors import InputError, SpringtideError

JSON_WISH = "springtide.json"


class ExitCode(IntEnum):
    """What a command's end means to programs."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    ROLLED_BACK = 3
    TIMED_OUT = 4


class CommandError(SpringtideError):
    """A failure of a command itself, with what was seen and the exit code that tells it."""

    code = "failed"

    def __init__(
        self,
        sentence: str,
        *,
        remedy: str = "",
        code: str | None = None,
        evidence: tuple[str, ...] = (),
        exit_code: ExitCode = ExitCode.FAILED,
    ) -> None:
        super().__init__(sentence, remedy=remedy, code=code)
        self.evidence = evidence
        self.exit_code = exit_code


class CommandGroup(TyperGroup):
    """Turns every refusal into words on standard error; as JSON where ``--json`` was asked for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[JSON_WISH] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SpringtideError as error:
            tell(error, as_json=bool(ctx.meta.get(JSON_WISH)))
            raise typer.Exit(getattr(error, "exit_code", ExitCode.FAILED)) from error
        except BrokenPipeError:
            # Whoever read the output has gone (`| head`): nothing is left to say, not even at exit.
            sys.stdout = None
            raise typer.Exit(ExitCode.DONE) from None


def tell(error: SpringtideError, *, as_json: bool) -> None:
    """Cause, evidence, next step."""
    evidence: tuple[str, ...] = getattr(error, "evidence", ())
    cause = str(error).removesuffix(error.remedy).rstrip() if isinstance(error, InputError) else error.sentence
    if as_json:
        said = {"code": error.code, "sentence": cause, "remedy": error.remedy, "evidence": list(evidence)}
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False), err=True)
        return
    typer.echo(f"error: {cause}", err=True)
    for line in evidence:
        typer.echo(f"  {line}", err=True)
    if error.remedy:
        typer.echo(f"next: {error.remedy}", err=True)
