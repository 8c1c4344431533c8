"""The tide page in a real browser, against a real server on loopback."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect
from playwright.async_api import Error as PlaywrightError

from springtide.model.fleet import Team
from springtide.model.identifiers import InstanceId, NodeId, PoolName, TeamName
from springtide.model.observations import MachineState
from springtide.model.placements import Eviction, PlacementState
from springtide.model.record import FLEET_ID, Change, Kind
from springtide.model.workloads import ScalePolicy
from tests.api.platforms import FEED, HandMadePlatform, a_high_tide, a_sample, placed
from tests.api.serving import served
from tests.builders import a_pool
from tests.required import Tool, lacks

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MILLISECONDS = 30_000
"""Both cores may be busy with other tests."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        lacks(Tool.CHROMIUM, "install the distribution's package chromium")
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page on which any error of its own scripts fails the test."""
    page = await browser.new_page(viewport={"width": 1440, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: print(f"failed: {request.url}: {request.failure}"))  # shown with a failure
    page.on("console", lambda message: print(f"console: {message.text}"))
    yield page
    assert errors == []


@pytest.fixture
async def tide() -> HandMadePlatform:
    return await a_high_tide(datetime.now(UTC))


async def test_the_page_shows_services_rungs_pools_and_events(page: Page, tide: HandMadePlatform) -> None:
    async with served(tide) as address:
        await visit(page, address)
        card = page.get_by_role("article", name="redpacket/web")
        await expect(page.locator("#link-text")).to_have_text("Live")
        await expect(card.locator(".ready")).to_have_text("14 ready of 15 wanted")
        await expect(card.locator(".readout")).to_contain_text("6 own, 4 shared, 2 borrowed, 3 cloud")
        await expect(card.locator("[data-figure='Requests']")).to_have_text("31,912")
        await expect(card.locator("[data-figure='Shed']")).to_have_text("41")
        await expect(card.locator("[data-figure='95% under']")).to_have_text("187 ms")
        await expect(card.get_by_role("link")).to_have_attribute("href", "http://redpacket.localhost:8080")
        await expect(page.locator("#figure-spend")).to_have_text("0.0090 EUR")
        await expect(page.locator("#figure-rented")).to_have_text("3")
        await expect(page.get_by_role("article", name="Pool feed").locator(".tile:not(.free)")).to_have_count(7)
        await expect(page.locator(".tile.leaving[title*='redpacket-web-12']")).to_have_text("12")
        await expect(page.locator(".tile.starting[title*='redpacket-web-15']")).to_have_class(re.compile("cloud"))
        await expect(page.locator(".node[data-state=booting] .node-note")).to_have_text("boots")
        first = page.locator("#events li").first
        await expect(first).to_contain_text("burst-3 is rented from rented for redpacket/web")
        await expect(page.locator("#events li")).to_have_count(7)


async def test_the_charts_show_every_rung_in_its_colour(page: Page, tide: HandMadePlatform) -> None:
    async with served(tide) as address:
        await visit(page, address)
        await expect(page.locator("#link-text")).to_have_text("Live")
        chart = page.get_by_role("article", name="redpacket/web").locator("canvas").first
        await expect(chart).to_be_visible()
        drawn = await page.wait_for_function(
            """() => {
                const canvas = document.querySelector("[aria-label='redpacket/web'] canvas");
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                const style = getComputedStyle(document.documentElement);
                const found = {};
                for (const rung of ["own", "shared", "borrowed", "cloud"]) {
                    const hex = style.getPropertyValue(`--${rung}`).trim();
                    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
                    found[rung] = 0;
                    for (let i = 0; i < pixels.length; i += 4)
                        if (pixels[i] === r && pixels[i + 1] === g && pixels[i + 2] === b) found[rung] += 1;
                }
                return Math.min(...Object.values(found)) > 200 && found;
            }"""
        )
        areas = await drawn.json_value()
        assert areas["own"] > areas["shared"] > areas["borrowed"]


async def test_what_happens_is_shown_as_it_happens(page: Page, tide: HandMadePlatform) -> None:
    async with served(tide) as address:
        await visit(page, address)
        card = page.get_by_role("article", name="redpacket/web")
        await expect(card.locator(".ready-count")).to_have_text("14")
        tide.see(tide.record.placements[InstanceId("redpacket-web-15")])
        await expect(card.locator(".ready-count")).to_have_text("15")
        await tide.say("redpacket-web-12 has drained.", code="drained")
        await expect(page.locator("#events li").first).to_contain_text("redpacket-web-12 has drained.")
        gone = tide.record.placements[InstanceId("redpacket-web-12")]
        await tide.write(Change(Kind.PLACEMENT, gone.instance, None))
        await expect(page.locator(".tile[title*='redpacket-web-12']")).to_have_count(0)


async def test_a_page_that_was_loaded_in_parts_loads_again(page: Page, tide: HandMadePlatform) -> None:
    dropped: list[str] = []

    async def drop_once(route: Route) -> None:
        if dropped:
            await route.continue_()
            return
        dropped.append(route.request.url)
        await route.abort("connectionreset")

    await page.route("**/web/charts.js", drop_once)
    async with served(tide) as address:
        await visit(page, address)
        await expect(page.locator("#link-text")).to_have_text("Live")
    assert len(dropped) == 1


async def test_a_click_and_a_key_open_why_in_sentences(page: Page, tide: HandMadePlatform) -> None:
    async with served(tide) as address:
        await visit(page, address)
        why = page.get_by_role("dialog")
        button = page.get_by_role("button", name="redpacket/web")
        await button.click()
        await expect(why).to_contain_text("redpacket/web wants 15 and has 15 (6 own, 4 shared, 2 borrowed, 3 cloud)")
        await expect(why).to_contain_text("redpacket-web-15 on burst-2: starting, GET /healthz: connection refused.")
        await expect(why).to_contain_text("redpacket-web-12: It must leave, since its owner reclaims the capacity")
        await page.keyboard.press("Escape")
        await expect(why).to_be_hidden()
        await expect(button).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(why).to_be_visible()


async def test_the_page_says_that_the_control_plane_is_away_and_goes_on_by_itself(
    page: Page, tide: HandMadePlatform
) -> None:
    port = free_port()
    async with served(tide, port) as address:
        await visit(page, address)
        await expect(page.locator("#link-text")).to_have_text("Live")
    await expect(page.locator("#banner")).to_contain_text("The control plane doesn't answer")
    stopping = replace(tide.record.placements[InstanceId("feed-web-1")], state=PlacementState.STOPPING)
    await tide.write(*placed(stopping))
    await tide.say("Something happened while nobody listened.")
    async with served(tide, port):
        await expect(page.locator("#link-text")).to_have_text("Live")
        await expect(page.locator("#banner")).to_be_hidden()
        await expect(page.locator("#events li").first).to_contain_text("Something happened while nobody listened.")
        await expect(page.locator("#events li")).to_have_count(8)
        await expect(page.locator(".tile[title*='feed-web-1:']")).to_have_class(re.compile("leaving"))


async def test_nothing_jumps_while_machines_come_and_go(page: Page, tide: HandMadePlatform) -> None:
    async with served(tide) as address:
        await visit(page, address)
        await expect(page.locator(".node[data-state=booting]")).to_have_count(1)
        places = await boxes(page)
        view = next(iter(tide.index.clouds.values()))
        ready = tuple(replace(machine, state=MachineState.READY) for machine in view.machines)
        tide.index = replace(tide.index, clouds={view.cloud: replace(view, machines=ready)})
        samples = [a_sample(tide.moment + timedelta(seconds=second / 2), 0) for second in range(1, 5)]
        tide.samples = [*tide.samples, *samples]
        moved = replace(
            tide.record.placements[InstanceId("redpacket-web-12")], node=NodeId("burst-3"), pool=PoolName("burst")
        )
        await tide.write(*placed(moved))
        await expect(page.locator(".node[data-state=booting]")).to_have_count(0)
        await expect(page.locator(".node[aria-label*='Node burst-3'] .tile:not(.free)")).to_have_count(1)
        assert await boxes(page) == places


@pytest.mark.parametrize("width", [390, 768, 1280])
async def test_the_page_fits_the_screen_sideways(page: Page, tide: HandMadePlatform, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    async with served(tide) as address:
        await visit(page, address)
        await expect(page.locator("#link-text")).to_have_text("Live")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_an_empty_fleet_says_how_to_begin(page: Page) -> None:
    async with served(HandMadePlatform(datetime.now(UTC))) as address:
        await visit(page, address)
        await expect(page.locator("#services-empty")).to_be_visible()
        await expect(page.locator("#services-empty")).to_contain_text("springtide deploy")


async def test_the_page_loads_nothing_from_elsewhere(page: Page, tide: HandMadePlatform) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    async with served(tide) as address:
        await visit(page, address)
        await expect(page.locator("#link-text")).to_have_text("Live")
        await asyncio.sleep(0.2)
        assert asked
        assert [url for url in asked if not url.startswith(address)] == []


async def visit(page: Page, address: str) -> None:
    """Open the page; a browser drops what it loads when an interface of the machine, a container's say, changes."""
    for _ in range(9):
        try:
            await page.goto(address)
            return
        except PlaywrightError as error:
            if "ERR_NETWORK_CHANGED" not in error.message:
                raise
    await page.goto(address)


async def boxes(page: Page) -> object:
    """Where every card and every node stands."""
    return await page.evaluate(
        """() => [...document.querySelectorAll(".card, .node, .events")]
            .map((each) => each.getBoundingClientRect()).map((box) => [box.x, box.y, box.width, box.height])"""
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


async def test_the_page_shows_shares_and_who_waits_for_what_and_who_leaves_for_whom(
    page: Page, tide: HandMadePlatform
) -> None:
    service = replace(tide.record.services[FEED], scale=ScalePolicy(9, 9))
    guest = tide.record.placements[InstanceId("redpacket-web-11")]
    notice = Eviction("fair-share", tide.moment, None, None, FEED, "youngest")
    await tide.write(Change(Kind.SERVICE, FEED, service), *placed(replace(guest, eviction=notice)))
    tide.explain()
    async with served(tide) as address:
        await visit(page, address)
        share = page.locator("#shares .share", has_text="redpacket")
        await expect(share.locator(".share-part")).to_have_text("75% of cpu")
        await expect(share.locator(".share-own")).to_have_text("own: 300m of 300m cpu")
        await expect(share.get_by_role("img")).to_have_attribute("aria-label", re.compile("fair: 50%, by weight 1"))
        reasons = page.locator("#reasons")
        await expect(reasons).to_contain_text("own: pool feed has 300m cpu of 300m cpu in use")
        await expect(reasons).to_contain_text(
            "redpacket-web-11 leaves feed-2, since its team uses more than its fair share for feed/web; "
            "chosen since it is the youngest."
        )
        await reasons.get_by_role("button", name="feed/web").click()
        await expect(page.locator("#why-body")).to_contain_text("Last decided")
        await expect(page.locator("#why-body")).to_contain_text("feed/web wants 4 instead of 3")


@pytest.mark.parametrize("width", [400, 1440])
async def test_forty_teams_fit_beside_the_rest_and_news_moves_nothing(
    page: Page, tide: HandMadePlatform, width: int
) -> None:
    fleet = tide.record.fleet
    names = [f"team-{n}-with-a-rather-long-name" for n in range(38)]
    more = tuple(Team(TeamName(name), 1 + n % 3) for n, name in enumerate(names))
    pools = tuple(a_pool(name, name) for name in names)
    fleet = replace(fleet, teams=(*fleet.teams, *more), pools=(*fleet.pools, *pools))
    await tide.write(Change(Kind.FLEET, FLEET_ID, fleet))
    tide.explain()
    await page.set_viewport_size({"width": width, "height": 900})
    async with served(tide) as address:
        await visit(page, address)
        await expect(page.locator("#shares .share")).to_have_count(40)
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        before = await page.locator(".pools").bounding_box()
        service = replace(tide.record.services[FEED], scale=ScalePolicy(30, 30))
        await tide.write(Change(Kind.SERVICE, FEED, service))
        tide.explain()
        await expect(page.locator("#reasons")).to_contain_text("feed/web")
        assert await page.locator(".pools").bounding_box() == before
