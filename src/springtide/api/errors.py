"""Failures as JSON: a code for programs, a sentence with the figures, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from springtide.api.wire import ErrorWire
from springtide.model.errors import (
    AdapterError,
    ImageMissingError,
    InputError,
    RefusedError,
    SpringtideError,
    StaleReadError,
    StoreError,
    UnknownNameError,
)

STATUS_OF_ERROR: tuple[tuple[type[SpringtideError], int], ...] = (
    (UnknownNameError, 404),
    (ImageMissingError, 404),
    (InputError, 422),
    (RefusedError, 409),
    (StaleReadError, 409),
    (StoreError, 503),
    (AdapterError, 503),
)
"""The first that fits counts."""

_CODE_OF_STATUS = {404: "unknown", 405: "method-not-allowed", 413: "too-large"}

_DESCRIPTIONS: dict[int, str] = {
    400: "The body isn't JSON, or the request comes from elsewhere.",
    404: "Nothing has this name; the remedy says what comes near.",
    409: "A valid wish that can't be granted.",
    422: "The request is wrong at a place that the sentence names.",
    503: "The record or an adapter doesn't answer now; ask again.",
}


def declared_errors() -> dict[int | str, dict[str, Any]]:
    """The refusals that every route declares: JSON, also where the route's own answer is text or a stream."""
    schema = ErrorWire.model_json_schema()
    return {
        status: {"description": description, "content": {"application/json": {"schema": schema}}}
        for status, description in _DESCRIPTIONS.items()
    }


def answer_errors(app: FastAPI) -> None:
    """Answer every failure in one form."""
    app.add_exception_handler(SpringtideError, _answer_springtide_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Nothing of this kind has this name; says what comes near, else what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or _with_same_ending(name, names)
    if near:
        remedy = f"Did you mean {_either(near)}?"
    elif names:
        remedy = f"There is {', '.join(names[:10])}{' and more' if len(names) > 10 else ''}."
    else:
        remedy = f"There is no {kind} yet."
    return UnknownNameError(f"There is no {kind} {name!r}.", remedy=remedy)


def wrong(app: str, key: str, sentence: str) -> InputError:
    """An app that was sent contradicts itself at this key."""
    return InputError(sentence, file=f"app {app}", key=key, remedy="Deploy it from a Compose file.")


def _with_same_ending(name: str, names: list[str]) -> list[str]:
    ending = name.rpartition("/")[2]
    return [each for each in names if each.rpartition("/")[2] == ending or each.partition("/")[0] == name][:3]


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def status_of(error: SpringtideError) -> int:
    return next((status for kind, status in STATUS_OF_ERROR if isinstance(error, kind)), 500)


def error_wire(error: SpringtideError) -> ErrorWire:
    sentence = error.sentence if not isinstance(error, InputError) else str(error).removesuffix(error.remedy).rstrip()
    return ErrorWire(code=error.code, sentence=sentence, remedy=error.remedy)


def _answer(status: int, wire: ErrorWire, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(wire.model_dump(), status_code=status, headers=headers)


async def _answer_springtide_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, SpringtideError):
        raise error
    return _answer(status_of(error), error_wire(error))


async def _answer_validation_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first, *rest = error.errors()
    place = ".".join(str(part) for part in first["loc"]) or "the request"
    more = f" {len(rest)} more such mistakes follow." if rest else ""
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    wire = ErrorWire(code="bad-input", sentence=f"{place}: {message}.{more}", remedy="/openapi.json has the form.")
    return _answer(422, wire)


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    what = f"{request.method} {request.url.path}"
    sentence = f"There is no {what}." if error.status_code in (404, 405) else f"{what}: {error.detail}"
    code = _CODE_OF_STATUS.get(error.status_code, "bad-request")
    wire = ErrorWire(code=code, sentence=sentence, remedy="/docs lists what there is.")
    return _answer(error.status_code, wire, dict(error.headers) if error.headers else None)
