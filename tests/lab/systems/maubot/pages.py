"""What an operator does in maubot's own web page, through the tunnel, in a real browser."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.lab import browser
from tests.lab.systems.maubot.stack import ADMIN_PASSWORD

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
HOME = "http://localhost/_matrix/maubot/"


@contextlib.contextmanager
def opened(tunnel: str) -> Iterator[Page]:
    """Open a browser that finds maubot at the tunnel's near end."""
    # It asks for the way to open an editor on the machine, which is switched off.
    with browser.page("localhost", tunnel, expected=["status of 404"]) as page:
        yield page


def load(page: Page) -> float:
    """Load the page anew, with nothing kept from before; seconds until somebody can type a name."""
    page.context.clear_cookies()
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    begun = time.monotonic()
    page.goto(HOME)
    page.get_by_placeholder("Username").fill("admin")
    return time.monotonic() - begun


def log_in(page: Page) -> None:
    """Log in as the admin."""
    page.get_by_placeholder("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log in").click()


def shows(page: Page, name: str, entries: list[str], pictures: Path) -> None:
    """See each of the entries at a size of SIZES, and take a picture."""
    width, height = SIZES[name]
    page.set_viewport_size({"width": width, "height": height})
    if name == "phone":
        page.locator(".topbar").click()  # the list is behind a button there
    for entry in entries:
        expect(page.get_by_text(entry, exact=True).first).to_be_in_viewport()
    page.screenshot(path=pictures / f"{name}.png")
    if name == "phone":
        page.locator(".topbar").click()


def open_entry(page: Page, kind: str, name: str) -> None:
    """Go to an entry of the list, as `instance` and its name."""
    page.locator(f"a[href$='/{kind}/{name}']").click()


def switch(page: Page, label: str, *, on: bool) -> None:
    """Set a switch of the entry that is open, and save."""
    found = page.locator(".entry", has=page.get_by_text(label, exact=True)).locator(".switch")
    expect(found).to_have_attribute("data-active", str(not on).lower())
    found.click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".entry.changed")).to_have_count(0)


def upload(page: Page, archive: Path) -> None:
    """Upload a plugin."""
    page.locator("a[href$='/new/plugin']").click()
    page.locator("input.file-selector").set_input_files(archive)


def open_log(page: Page) -> None:
    """Open the log of the entry that is shown."""
    page.locator(".buttons", has_text="View logs").last.get_by_text("View logs").click()
    page.locator(".log .row").first.wait_for()


def log_lines(page: Page) -> list[str]:
    """Return the lines of the log that is open so far, each with time, severity, origin and text."""
    return page.locator(".log .row").all_inner_texts()
