"""Logs and images: what only the engine knows."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from springtide.model.identifiers import InstanceId
from tests.api.platforms import HandMadePlatform, a_container
from tests.api.serving import served


@pytest.fixture
def talking(platform: HandMadePlatform) -> HandMadePlatform:
    """``feed-web-1`` has written three lines."""
    a_container(platform, platform.record.placements[InstanceId("feed-web-1")], ["one", "two", "three"])
    return platform


async def test_logs_are_the_last_lines_as_text(api: httpx.AsyncClient, talking: HandMadePlatform) -> None:
    answer = await api.get("/instances/feed-web-1/logs?tail=2")
    assert (answer.text, answer.headers["content-type"]) == ("two\nthree\n", "text/plain; charset=utf-8")


async def test_logs_of_an_unknown_instance_suggest_the_near_ones(api: httpx.AsyncClient) -> None:
    answer = await api.get("/instances/feed-web-9/logs")
    assert answer.status_code == 404
    assert answer.json()["remedy"] == "Did you mean feed-web-3, feed-web-2 or feed-web-1?"


async def test_logs_of_an_instance_that_the_engine_lost_are_a_503(api: httpx.AsyncClient) -> None:
    answer = await api.get("/instances/feed-web-2/logs")
    assert (answer.status_code, answer.json()["code"]) == (503, "engine")


async def test_followed_logs_come_line_by_line_and_say_when_they_end(talking: HandMadePlatform) -> None:
    container = talking.engine.machine_state.containers[InstanceId("feed-web-1")]
    async with (
        served(talking) as address,
        httpx.AsyncClient(base_url=address, timeout=5) as client,
        client.stream("GET", "/api/v1/instances/feed-web-1/logs/stream?tail=1") as answer,
    ):
        lines = answer.aiter_lines()
        seen: list[str] = []
        async for line in lines:
            seen += [line] if line.startswith(("event", "data")) else []
            if line == "data: three":
                container.log.append("four")
            if line == "data: four":
                talking.engine.machine_state.remove(InstanceId("feed-web-1"))
    assert seen == ["event: line", "data: three", "event: line", "data: four", "event: end", "data: "]


async def test_a_follower_of_an_instance_that_the_engine_lost_gets_the_sentence(platform: HandMadePlatform) -> None:
    async with served(platform) as address, httpx.AsyncClient(base_url=address, timeout=5) as client:
        text = (await client.get("/api/v1/instances/feed-web-2/logs/stream")).text
    assert "event: failure" in text
    assert "There is no instance feed-web-2 on the engine." in text


async def test_an_image_is_built_from_a_directory(api: httpx.AsyncClient, tmp_path: Path) -> None:
    answer = await api.post("/images/build", json={"context": str(tmp_path), "arguments": [["A", "1"]]})
    assert answer.status_code == 200
    assert answer.json()["image"].startswith("sha256:")


async def test_a_secret_that_is_not_in_base_64_is_refused_and_not_shown(api: httpx.AsyncClient, tmp_path: Path) -> None:
    answer = await api.post(
        "/images/build", json={"context": str(tmp_path), "secrets": [{"id": "a", "encoded": "h?sh"}]}
    )
    assert answer.status_code == 422
    assert "h?sh" not in answer.text


@pytest.mark.parametrize("context", ["/nowhere/at/all", "relative", "/\0"])
async def test_a_build_without_a_directory_is_refused(api: httpx.AsyncClient, context: str) -> None:
    answer = await api.post("/images/build", json={"context": context})
    assert answer.status_code == 422
    assert "is no directory of this machine." in answer.json()["sentence"]


async def test_an_image_is_resolved_to_what_never_changes(api: httpx.AsyncClient) -> None:
    answer = await api.post("/images/resolve", json={"reference": "nginx:1"})
    assert answer.json()["image"].startswith("sha256:")


async def test_a_missing_image_is_a_404_with_its_remedy(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    platform.engine.machine_state.missing_images.add("nginx:9")
    answer = await api.post("/images/resolve", json={"reference": "nginx:9"})
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "image-missing",
        "sentence": "The image nginx:9 isn't on the engine.",
        "remedy": "Build it, or correct its name.",
    }


async def test_an_engine_that_does_not_answer_is_a_503(api: httpx.AsyncClient, platform: HandMadePlatform) -> None:
    platform.engine.lose_connection()
    answer = await api.post("/images/resolve", json={"reference": "nginx:1"})
    assert (answer.status_code, answer.json()["code"]) == (503, "engine")


async def test_many_images_are_found_at_once_and_none_is_pulled_where_that_is_asked(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    platform.engine.machine_state.unpulled_images.add("far:1")
    answer = await api.post("/images/find", json={"references": ["near:1", "far:1", "near:1"], "pull": "never"})
    images = answer.json()["images"]
    assert images["near:1"].startswith("sha256:")
    assert images["far:1"] is None
    assert (await api.post("/images/find", json={"references": ["far:1"]})).json()["images"]["far:1"] is not None


async def test_an_image_that_is_nowhere_refuses_the_whole_look_up(
    api: httpx.AsyncClient, platform: HandMadePlatform
) -> None:
    platform.engine.machine_state.missing_images.add("none:1")
    answer = await api.post("/images/find", json={"references": ["near:1", "none:1"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "image-missing")
