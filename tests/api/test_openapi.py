"""The description and the behaviour agree, whatever is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from springtide.api.server import create_api
from tests.api.platforms import a_high_tide

API = create_api(asyncio.run(a_high_tide()))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
schema = schemathesis.openapi.from_asgi("/openapi.json", API).exclude(path_regex="stream$")


@schema.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=CHECKS)


def test_every_route_says_what_it_is_for() -> None:
    operations: dict[str, dict[str, Any]] = {
        f"{method} {path}": operation
        for path, methods in API.openapi()["paths"].items()
        for method, operation in methods.items()
    }
    assert len([name for name in operations if "/api/v1/" in name]) == 33
    assert [name for name, operation in operations.items() if not operation.get("description")] == []
    assert [name for name, operation in operations.items() if "503" not in operation["responses"]] == []
