"""Debian's Chromium, driven by Playwright. It is installed when missing, as the servers are."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.services.hosts import find_programs

#: Nothing that asks anybody on the network unasked; no sandbox, since tests run as root in CI.
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic"),
    *("--no-first-run", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises `NoService`, which says what to install."""
    program = find_programs("chromium", (), ("chromium",))["chromium"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_FLAGS])
        try:
            yield browser
        finally:
            browser.close()
