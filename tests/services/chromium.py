"""Chromium, Debian's, driven by Playwright. It reaches loopback alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.services.hosts import find_programs

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic"),
    *("--no-first-run", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


@contextmanager
def chromium(**options: Any) -> Iterator[Browser]:
    """A headless browser. Raises `NoService` where it is missing and may not be installed."""
    program = find_programs("chromium", (), ("chromium",))["chromium"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*_FLAGS], headless=True, **options
        )
        try:
            yield browser
        finally:
            browser.close()
