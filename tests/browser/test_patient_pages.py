"""The patient's inbox and the desk in Chromium: on a phone, on a desk, with large text, in the
dark, with a keyboard, and without JavaScript.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from sandbox.clinics import TOLVAN
from shared.stage.side_port import SidePort
from tests.browser.looks import MOST_BYTES, SCHEMES, WIDTHS, Watched
from tests.inbox_api import ReaderInMemory, a_message, client_of
from tests.sandbox_world import running_world

PATHS = ("/", "/inkorg", "/inkorg/messageb", "/inkorg/messagec/rebook", "/inkorg/messagec/cancel")
_HTML = (
    "<p>Du är kallad till ett besök.</p><dl><dt>Mottagning</dt><dd>Ögonmottagningen Sjöstad</dd>"
    "<dt>Tid</dt><dd>torsdag 3 december 2026 kl. 09.00–09.30</dd></dl>"
    "<h2>Information från mottagningen</h2><h3>Förberedelser</h3><ul><li>Ät inget.</li></ul>"
    '<p><a href="https://www.1177.se/" rel="noopener noreferrer">Läs mer på 1177.se</a></p>'
)


class Served:
    """The pages on the read API with a few messages, which a test may change."""

    def __init__(self, base: str, reader: ReaderInMemory) -> None:
        self.base = base
        self.reader = reader

    def visit(self, browser: Browser, **options: Any) -> Watched:
        """Logged in as Tolvan."""
        watched = Watched(browser, self.base, **options)
        watched.page.goto("/inkorg")
        watched.page.get_by_role("button", name="Tolvan Tolvansson").first.click()
        expect(watched.page.get_by_role("heading", name="Meddelanden")).to_be_visible()
        return watched


@pytest.fixture
def served() -> Iterator[Served]:
    long_name = "Kallelse: Öron-, näs- och halsmottagningen Universitetssjukhuset Södra"
    reader = ReaderInMemory(
        [
            a_message(1, read=True, superseded_by="messagec", body_html=_HTML),
            a_message(2, body_html=_HTML, starts="20991203090000"),
            a_message(3, subject=long_name, starts="", body_html=_HTML),
        ]
    )
    app: Any = client_of(reader).app
    api = SidePort("inbox", ("127.0.0.1", 0), app, max_connections=50)
    api.start()
    try:
        with running_world(sandbox_inbox_url=api.url) as world:
            yield Served(world.addresses.pages.rstrip("/"), reader)
    finally:
        api.stop()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_and_fits(
    browser: Browser, served: Served, width: int, scheme: str
) -> None:
    window = {"width": width, "height": 900}
    watched = served.visit(browser, viewport=window, color_scheme=scheme)
    for path in PATHS:
        watched.page.goto(path)
        watched.check()


def test_four_times_as_large_text_needs_no_scrolling_sideways(
    browser: Browser, served: Served
) -> None:
    """1280 px at 400 % is a window of 320 CSS pixels (WCAG 2.2, 1.4.10)."""
    watched = served.visit(browser, viewport={"width": 320, "height": 256})
    for path in PATHS:
        watched.page.goto(path)
        watched.check()


def test_twice_as_large_letters_fit_on_a_phone(browser: Browser, served: Served) -> None:
    watched = served.visit(browser, viewport={"width": 390, "height": 844})
    for path in PATHS:
        watched.page.goto(path)
        watched.page.evaluate("document.styleSheets[0].insertRule('html{font-size:200%}')")
        watched.check()


def test_a_screen_reader_finds_its_way(browser: Browser, served: Served) -> None:
    page = served.visit(browser).page
    assert page.locator("html").get_attribute("lang") == "sv"
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("listitem")).to_have_count(3)
    name = "Oläst Bokad tid: Ögonmottagningen Sjöstad"
    link = page.get_by_role("link").filter(has_text="Bokad tid").first
    assert name.split()[0] in link.inner_text()
    page.goto("/inkorg/messagec")
    levels = page.locator("main :is(h1, h2, h3)").evaluate_all("all => all.map(h => h.tagName)")
    assert levels == ["H1", "H2", "H3", "H2"]


def test_the_keyboard_is_enough(browser: Browser, served: Served) -> None:
    page = served.visit(browser).page
    page.goto("/inkorg")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Hoppa till innehållet"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_be_visible()


def test_everything_works_without_javascript(browser: Browser, served: Served) -> None:
    page = served.visit(browser, java_script_enabled=False).page
    page.get_by_role("link", name="Bokad tid").first.click()
    expect(page.get_by_role("heading", name="Det här kan du göra")).to_be_visible()
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Lägg till i kalendern").click()
    assert downloaded.value.suggested_filename == "besok.ics"
    page.get_by_role("link", name="Avboka").click()
    expect(page.get_by_role("button", name="Ja, avboka")).to_be_visible()
    page.get_by_role("link", name="Nej, gå tillbaka").click()
    page.get_by_role("link", name="Alla meddelanden").click()
    page.get_by_role("button", name="Logga ut").click()
    expect(page.get_by_role("heading", name="Vem är du?")).to_be_visible()


def test_a_new_message_appears_by_itself(browser: Browser, served: Served) -> None:
    watched = served.visit(browser)
    served.reader.messages.insert(0, a_message(9, subject="Alldeles nytt"))
    expect(watched.page.get_by_text("Alldeles nytt")).to_be_visible(timeout=10_000)
    watched.check()


def test_pages_are_light_and_their_addresses_name_nobody(browser: Browser, served: Served) -> None:
    for path in PATHS:
        watched = served.visit(browser)
        assert 0 < watched.bytes_of(path) < MOST_BYTES
        assert not [url for url in watched.loaded if TOLVAN in url]


def test_what_a_message_smuggles_in_does_not_run(browser: Browser, served: Served) -> None:
    hostile = (
        '<script>document.title="x"</script><img src=x onerror=\'document.title="x"\'><p>Hej</p>'
    )
    served.reader.messages.insert(0, a_message(8, body_html=hostile))
    watched = served.visit(browser)
    watched.page.goto("/inkorg/messagei")
    expect(watched.page.get_by_text("Hej")).to_be_visible()
    assert watched.page.title() != "x"
    watched.check()
