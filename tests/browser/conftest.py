"""One Chromium for each module: Playwright holds the thread's event loop while it is open."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.services.chromium import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened
