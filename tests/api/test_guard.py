"""The API asks for no password on loopback, so pages of other sites must not reach it."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("host", ["localhost:7070", "127.0.0.1:7070", "[::1]:7070", "node7", "web.localhost:8080"])
async def test_local_names_and_addresses_are_answered(api: httpx.AsyncClient, host: str) -> None:
    assert (await api.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7070", "localhost.evil.example", "127.0.0.1.evil.example"]
)
async def test_a_name_that_somebody_else_gives_out_is_refused(api: httpx.AsyncClient, host: str) -> None:
    answer = await api.get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "not-local")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:9999", "null", "http://[", ""])
async def test_a_write_from_another_sites_page_is_refused(api: httpx.AsyncClient, origin: str) -> None:
    answer = await api.post("/apps/feed/services/web/scale", json={"count": 9}, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["remedy"]) == (400, "Use the command line.")


async def test_a_write_from_its_own_page_is_accepted(api: httpx.AsyncClient) -> None:
    headers = {"Origin": "http://localhost"}
    assert (await api.post("/apps/feed/services/web/scale", json={"count": 2}, headers=headers)).status_code == 200


async def test_a_body_that_is_not_declared_as_json_is_refused(api: httpx.AsyncClient) -> None:
    """A page of another site may send plain text without asking the browser first."""
    answer = await api.post(
        "/apps/feed/services/web/scale", content=b'{"count": 9}', headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 422
