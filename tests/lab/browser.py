"""A browser for tests of pages: Chromium without a window, with an empty profile of its own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence

from playwright.sync_api import Page, expect, sync_playwright

from tests.lab.support import skip_or_fail
from toolchain import apt

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
]
PATIENCE_MILLISECONDS = 60_000
"""Long: the machine may be busy with other tests."""


def program() -> str:
    """Chromium; installed where it is missing and may be."""
    if not (found := _found()) and apt.can_install():
        apt.install("chromium", "fonts-dejavu-core")
        found = _found()
    return found or skip_or_fail("no browser is installed: apt install chromium")


def _found() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextlib.contextmanager
def page(host: str, address: str, expected: Sequence[str] = ()) -> Iterator[Page]:
    """Yield a page in which `host` is found at `address` (`IP:port`).

    What its scripts complain of fails the test, but for lines that hold one of `expected`.
    """
    rule = f"--host-resolver-rules=MAP {host} {address}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(), args=[*FLAGS, rule], chromium_sandbox=False, timeout=PATIENCE_MILLISECONDS
        )
        try:
            expect.set_options(timeout=PATIENCE_MILLISECONDS)
            context = browser.new_context()
            context.set_default_timeout(PATIENCE_MILLISECONDS)
            made = context.new_page()
            complaints: list[str] = []
            made.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
            made.on("pageerror", lambda error: complaints.append(str(error)))
            yield made
        finally:
            browser.close()
    # Whether somebody is signed in is asked first, and answered with 401 where nobody is. These pages come over http,
    # over which one header of the pages has no effect, as the browser says.
    known = ("status of 401", "Cross-Origin-Opener-Policy header has been ignored", *expected)
    unexpected = [line for line in complaints if not any(words in line for words in known)]
    assert unexpected == [], unexpected
