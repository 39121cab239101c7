"""A visitor with a browser, on a phone and at a desk, in the light and in the dark. Screenshots go to build/."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from foundation_testing.postgres import Cluster, free_port, skip_or_fail
from tests.servers import ROOT, Answers, Process, models

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS") or ROOT / "build" / "screenshots")
SCHEMES = ("light", "dark")
WIDTHS = {"phone": (390, 844), "desk": (1280, 800)}
EVERY = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]
PASSWORD = "four words in line"
PATIENCE_MILLISECONDS = 60_000
"""Long: the machine may be busy with other tests."""


@pytest.fixture(scope="session")
def chromium() -> Path:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        skip_or_fail("no browser is installed: apt install chromium")
    assert found is not None
    return Path(found)


@pytest.fixture
def assistant(process: Callable[..., Process], cluster: Cluster, database: str, ollama: Answers) -> Process:
    environment = {**cluster.environment(database), "OLLAMA_BASE_URL": ollama.url}
    return process(environment).wait_until_up()


@pytest.fixture
def guarded(process: Callable[..., Process], cluster: Cluster, database: str, ollama: Answers) -> Process:
    """Return the application with a password, as where others can reach it."""
    environment = {**cluster.environment(database), "OLLAMA_BASE_URL": ollama.url, "ACCESS_PASSWORD": PASSWORD}
    return process(environment).wait_until_up()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """Yield one browser for all tests, with an empty profile of its own."""
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, chromium_sandbox=False, timeout=PATIENCE_MILLISECONDS
        )
        yield made
        await made.close()


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> None:
    """Start the servers that a test asks for; what asks for this one ends before they do."""
    for name in {"assistant", "guarded"} & set(request.fixturenames):
        request.getfixturevalue(name)


@pytest_asyncio.fixture(params=[("phone", "light")], ids="-".join, loop_scope="module")
async def page(request: pytest.FixtureRequest, browser: Browser, servers: None) -> AsyncIterator[Page]:
    """Yield a page of one width and scheme.

    It must load nothing from elsewhere, and no script or policy may complain. It ends before the servers that the test
    has: what asks for something each few seconds would complain of their end.
    """
    name, scheme = request.param
    width, height = WIDTHS[name]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=name == "phone"
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    made = await context.new_page()
    complaints: list[str] = []
    made.on("console", lambda line: complaints.append(line.text) if line.type in {"error", "warning"} else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on(
        "request",
        lambda asked: complaints.append(asked.url) if not asked.url.startswith("http://127.0.0.1:") else None,
    )
    yield made
    await context.close()
    # What was refused, or did not answer, is what the tests try; the browser and htmx note it.
    expected = ("status of 4", "status of 5", "htmx:", "ERR_CONNECTION_REFUSED")
    assert [line for line in complaints if not any(words in line for words in expected)] == []


async def shoot(page: Page, request: pytest.FixtureRequest, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    which = re.sub(r".*\[(.*)\]", r"\1", request.node.name)
    await page.screenshot(path=SCREENSHOTS / f"{name}-{which}.png", full_page=True, timeout=PATIENCE_MILLISECONDS)


async def fits(page: Page) -> bool:
    """Return whether nothing sticks out at the side."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize(
    "page", [(width, scheme) for width in WIDTHS for scheme in SCHEMES], ids="-".join, indirect=True
)
async def test_a_visitor_opens_the_dashboard_saves_a_setting_tests_a_connection_and_reads_the_badge(
    page: Page, assistant: Process, ollama: Answers, request: pytest.FixtureRequest
) -> None:
    await page.goto(assistant.url)
    badge = page.locator("#health-status [data-service=llm] .badge")
    await expect(badge).to_have_text("ok")
    assert await fits(page)
    await shoot(page, request, "dashboard")

    await page.get_by_role("link", name="Go to Config →").click()
    await page.get_by_label("Event name").fill("Summer fair")
    await page.get_by_label("Event date").fill("2027-06-19")
    await page.get_by_label("Event location").fill("Wijkcentrum De Brug, Amsterdam")
    await page.get_by_label("Event offerings").fill("electronics, clothing, bikes")
    await page.get_by_label("Model", exact=True).fill("phi3")
    await page.get_by_label("LLM endpoint").fill("nonsense")
    await page.get_by_role("button", name="Save").click()
    field = page.locator(".field.wrong")
    await expect(field.locator(".error")).to_contain_text("LLM endpoint must be an address")
    await expect(page.get_by_label("Event name")).to_have_value("Summer fair")
    assert await fits(page)
    await shoot(page, request, "config-wrong")

    await page.get_by_label("LLM endpoint").fill(f"http://127.0.0.1:{free_port()}")
    test = page.locator(".test", has=page.locator("#llm-result"))
    await test.get_by_role("button").click()
    await expect(page.locator("#llm-result .badge")).to_have_text("unreachable")
    await page.get_by_label("LLM endpoint").fill(ollama.url)
    await test.get_by_role("button").click()
    await expect(page.locator("#llm-result .badge")).to_have_text("ok")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".notice")).to_have_text("Saved.")
    await expect(page.get_by_label("LLM endpoint")).to_have_value(ollama.url)
    await expect(page.get_by_label("Event date")).to_have_value("2027-06-19")
    assert await fits(page)
    await shoot(page, request, "config-saved")

    await page.get_by_role("navigation").get_by_role("link", name="Dashboard").click()
    await expect(page.get_by_role("heading", name="Summer fair")).to_be_visible()
    await expect(page.get_by_text("Wijkcentrum De Brug, Amsterdam")).to_be_visible()
    assert await page.locator(".chips li").all_text_contents() == ["electronics", "clothing", "bikes"]
    ollama.body = json.dumps({"response": "Come to the Summer fair!\n\nBring your bike."})
    await page.get_by_role("button", name="Draft an announcement").click()
    await expect(page.locator(".draft")).to_contain_text("Bring your bike.")
    assert await fits(page)
    await shoot(page, request, "dashboard-draft")


@pytest.mark.parametrize("page", [("phone", "light"), ("desk", "dark")], ids="-".join, indirect=True)
async def test_what_needs_the_model_is_disabled_with_the_reason_while_it_is_away_and_comes_back_by_itself(
    page: Page, assistant: Process, ollama: Answers, request: pytest.FixtureRequest
) -> None:
    await page.goto(f"{assistant.url}/config")
    await page.get_by_label("Model", exact=True).fill("mistral")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".notice")).to_have_text("Saved.")
    await page.goto(assistant.url)
    button, reason = page.get_by_role("button", name="Draft an announcement"), page.locator("#draft-why")
    await expect(button).to_be_disabled()
    await expect(reason).to_be_hidden()
    await page.locator(".tip").focus()
    await expect(reason).to_be_visible()
    await expect(reason).to_contain_text("ollama pull mistral")
    async with page.expect_response(f"{assistant.url}/draft"):
        """What is asked for every 10 seconds takes this one's place."""
    await page.wait_for_timeout(500)
    await expect(page.locator(".tip")).to_be_focused()
    await expect(reason).to_be_visible()
    await expect(page.locator("[data-service=llm] .badge")).to_have_text("model_not_found")
    assert await fits(page)
    await shoot(page, request, "dashboard-no-model")
    ollama.body = models("mistral:latest")
    await expect(button).to_be_enabled()
    ollama.status = 500
    await expect(button).to_be_disabled()
    await page.locator(".tip").hover()
    await expect(reason).to_have_text("The language model is unreachable.")
    # All else works as before.
    await page.goto(f"{assistant.url}/config")
    await page.get_by_label("Event name").fill("Without a model")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".notice")).to_have_text("Saved.")


@pytest.mark.parametrize("page", [("phone", "light"), ("desk", "light")], ids="-".join, indirect=True)
async def test_a_visitor_signs_in_and_out(page: Page, guarded: Process, request: pytest.FixtureRequest) -> None:
    await page.goto(f"{guarded.url}/config")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await page.get_by_label("Password").fill("not this one here")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("That is not the password.")
    assert await fits(page)
    await shoot(page, request, "sign-in-wrong")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Config")).to_be_visible()
    assert await fits(page)
    await shoot(page, request, "config-signed-in")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("page", [("desk", "light")], ids="-".join, indirect=True)
async def test_a_page_that_is_open_when_its_session_ends_leads_to_signing_in(page: Page, guarded: Process) -> None:
    await page.goto(guarded.url)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-service=db] .badge")).to_have_text("ok")
    await page.context.clear_cookies()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("page", [("phone", "dark"), ("desk", "light")], ids="-".join, indirect=True)
async def test_the_banner_comes_and_goes_by_itself_while_a_page_is_open(
    page: Page, assistant: Process, ollama: Answers, request: pytest.FixtureRequest
) -> None:
    await page.goto(f"{assistant.url}/status")
    await expect(page.locator("[data-service=llm] .badge")).to_have_text("ok")
    await expect(page.locator(".banner")).to_have_count(0)
    ollama.status = 500
    await expect(page.locator(".banner")).to_contain_text("AI features unavailable — LLM unreachable")
    await expect(page.locator("[data-service=llm] .badge")).to_have_text("unreachable")
    assert await fits(page)
    await shoot(page, request, "health-degraded")
    ollama.status = 200
    await expect(page.locator(".banner")).to_have_count(0)


@pytest.mark.parametrize("page", [("desk", "dark")], ids="-".join, indirect=True)
async def test_the_page_for_an_address_without_anything_leads_back(
    page: Page, assistant: Process, request: pytest.FixtureRequest
) -> None:
    await page.goto(f"{assistant.url}/nothing-here")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await shoot(page, request, "not-found")
    await page.get_by_role("link", name="Go to the dashboard").click()
    await expect(page.locator("#health-status")).to_be_visible()


async def test_everything_can_be_reached_by_keyboard_and_touched_with_a_thumb(page: Page, assistant: Process) -> None:
    await page.goto(f"{assistant.url}/config")
    for control in await page.locator("main input:visible, main button:visible, nav a").all():
        box = await control.bounding_box()
        assert box is not None
        assert box["height"] >= 44, await control.evaluate("node => node.outerHTML")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


async def test_when_the_application_is_gone_the_page_says_so(page: Page, assistant: Process) -> None:
    await page.goto(f"{assistant.url}/config")
    assistant.stop()
    await page.locator(".test", has=page.locator("#db-result")).get_by_role("button").click()
    await expect(page.locator("#db-result")).to_contain_text("The application does not answer")
