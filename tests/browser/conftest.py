"""One Chromium for each module: Playwright holds the thread's event loop while it is open."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.services.chromium import chromium

#: Milliseconds. A machine that runs other tests beside these is slow, not broken.
_PATIENCE = 30_000
expect.set_options(timeout=_PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened
