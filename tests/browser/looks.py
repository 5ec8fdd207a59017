"""What every page must keep to, as a browser sees it."""

from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

MOST_BYTES = 100_000
WIDTHS = (390, 768, 1440)
SCHEMES = ("light", "dark")


class Watched:
    """A page in a browser of its own; what it loads and complains of is written down."""

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base = base
        self.loaded: list[str] = []
        self.complaints: list[str] = []
        usual = {"locale": "sv-SE", "viewport": {"width": 390, "height": 844}}
        self.context = browser.new_context(base_url=base, **{**usual, **options})
        self.context.set_default_timeout(60_000)
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.loaded.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def check(self) -> None:
        """No violation that axe finds, nothing wider than the window, nothing from elsewhere."""
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()
        wider = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{self.page.url} is {wider} px wider than the window"
        assert {urlsplit(url).netloc for url in self.loaded} == {urlsplit(self.base).netloc}
        assert self.complaints == []

    def bytes_of(self, path: str) -> int:
        """What a page and all it loads weigh on the wire, the first time."""
        sizes: list[int] = []

        def add(response: Any) -> None:
            sizes.append(int(response.headers.get("content-length", 0)))

        self.page.on("response", add)
        self.page.goto(path, wait_until="networkidle")
        self.page.remove_listener("response", add)
        return sum(sizes)
