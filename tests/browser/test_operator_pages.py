"""The operator's pages in Chromium: by clicks, with and without JavaScript, for everybody."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Response, expect

from console.web.app import PAGES, build_app
from console.web.site import Site, open_site
from console.web.visits import Page as OwnPage
from shared.base.clock import utcnow
from shared.base.ids import new_id
from shared.stage.side_port import SidePort
from shared.store.actions import ActionLog
from shared.store.processes import StageProcess, StageProcesses
from shared.store.sources import SourceRegister, SourceSystem
from shared.store.unknown_sources import UnknownSources
from tests.browser.looks import MOST_BYTES, SCHEMES, WIDTHS, Watched
from tests.dead_letters import bury, change, letter
from tests.login_provider import login_provider, settings_of
from tests.pages import settings_in
from tests.services.ports import free_port

pytestmark = pytest.mark.slow

Serve = Callable[..., tuple[Site, str]]

ADDRESSES = [
    page.path
    for page in PAGES
    if isinstance(page, OwnPage)
    and page.method == "GET"
    and "{" not in page.path
    and not page.path.endswith(".csv")
]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves the pages on `port`, by default a free one; the site, and its address."""
    with ExitStack() as stack:

        def start(port: int = 0, **settings: Any) -> tuple[Site, str]:
            port = port or free_port()
            site = stack.enter_context(closing(open_site(settings_in(tmp_path, **settings))))
            server = SidePort("pages", ("127.0.0.1", port), build_app(site), max_connections=100)
            stack.callback(server.stop)
            server.start()
            return site, f"http://localhost:{port}"

        yield start


def fill(site: Site) -> None:
    """A little of everything that the pages show."""
    with site.broker() as broker:
        letters = [letter(new_id(), change(), reason="source_timed_out") for _ in range(30)]
        bury(broker, "fetcher", *letters)
    source = SourceSystem(
        hsa_id="SE2321000016-TB01",
        name="Region Exempel Tidbok",
        environment="qa",
        calls_per_second=1,
        calls_in_flight=2,
        activated_by="otto",
        activated_at=utcnow(),
    )
    SourceRegister(site.database).add(source)
    UnknownSources(site.database).add({"SE2321000016-TB99": 7}, "qa", utcnow())
    ActionLog(site.database).record("dead park", by="otto", subject="fetcher", outcome="3 letters")
    beat(site, handled=60)


def beat(site: Site, handled: int) -> None:
    report = {"ready": {"broker": True}, "handled": handled, "faults": 0, "seconds": 60}
    breaker = {"source": "SE2321000016-TB02", "reason": "source_timed_out"}
    now = utcnow()
    breaker |= {"opened_at": now.isoformat(), "next_probe": now.isoformat()}
    process = StageProcess(
        "one", "fetcher", "host", 7, "0.1.0", "qa", now, now, report | {"breakers": [breaker]}
    )
    StageProcesses(site.database).beat(process)


def opened(
    browser: Browser, address: str, *, width: int = 1440, scheme: str = "light", **options: Any
) -> Watched:
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    watched = Watched(browser, address, locale="en-GB", **look, **options)
    watched.page.set_default_timeout(20_000)
    return watched


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_for_everybody_small_and_asks_nobody_else(
    serve: Serve, browser: Browser, width: int, scheme: str
) -> None:
    site, address = serve()
    fill(site)
    for path in [*ADDRESSES, "/sources/system/SE2321000016-TB01"]:
        watched = opened(browser, address, width=width, scheme=scheme)
        sizes: list[int] = []
        watched.page.on("response", lambda each, sizes=sizes: sizes.append(size_of(each)))
        watched.page.goto(path)
        watched.page.wait_for_selector("[hx-get]", state="detached")  # what was read meanwhile
        watched.check()
        assert sum(sizes) < MOST_BYTES, path
        watched.context.close()


def size_of(response: Response) -> int:
    return int(response.headers.get("content-length", 0))


def test_the_picture_moves_by_itself(serve: Serve, browser: Browser) -> None:
    site, address = serve()
    fill(site)
    watched = opened(browser, address)
    page = watched.page
    page.goto(f"{address}/live")
    arrow = page.locator(".stages > li").nth(2).locator(".flow")
    expect(arrow).to_have_text("1/s")
    beat(site, handled=1800)
    expect(arrow).to_have_text("30/s")
    watched.context.close()


def test_without_javascript_a_system_is_activated_and_paused(
    serve: Serve, browser: Browser
) -> None:
    site, address = serve()
    fill(site)
    watched = opened(browser, address, java_script_enabled=False)
    page = watched.page
    page.goto(f"{address}/sources")
    page.get_by_role("link", name="Activate SE2321000016-TB99").click()
    page.get_by_label("Name").fill("Norrby Bokning")
    page.get_by_label("Why?").fill("ordered by the region")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.get_by_role("link", name="Norrby Bokning").click()
    panel = page.get_by_role("region", name="Pause")
    panel.get_by_label("Why?").fill("they asked for it")
    panel.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    watched.context.close()
    [latest, *_] = ActionLog(site.database).list_latest(most=1)
    assert (latest.action, latest.why) == ("source pause", "they asked for it")


def test_a_replay_with_canary_is_seen_and_stopped(serve: Serve, browser: Browser) -> None:
    """Nobody handles what is replayed: its outcome stays unknown until the operator stops."""
    site, address = serve()
    fill(site)
    watched = opened(browser, address)
    page = watched.page
    page.goto(f"{address}/dead")
    page.get_by_role("link", name="source_timed_out").click()
    panel = page.get_by_role("region", name="Replay")
    panel.get_by_label("Try first with").fill("3")
    panel.get_by_label("Why?").fill("the source is well again")
    panel.get_by_role("button", name="Replay").click()
    expect(page.locator(".figures .first dd")).to_have_text("3")
    watched.check()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    watched.context.close()
    with site.broker() as broker:
        [fetcher] = [state for state in broker.states() if state.stage == "fetcher"]
    assert fetcher.dead == 27


def test_parked_letters_are_brought_back(serve: Serve, browser: Browser) -> None:
    site, address = serve()
    fill(site)
    watched = opened(browser, address)
    page = watched.page
    page.goto(f"{address}/dead")
    page.get_by_role("link", name="source_timed_out").click()
    watched.check()
    panel = page.get_by_role("region", name="Park")
    panel.get_by_label("Why?").fill("until Monday")
    panel.get_by_role("button", name="Park").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".figures .first dd")).to_have_text("30")
    watched.context.close()


def test_people_log_in_and_out_by_their_own_provider(serve: Serve, browser: Browser) -> None:
    with login_provider() as issuer:
        port = free_port()
        values = {**settings_of(issuer), "console_url": f"http://localhost:{port}"}
        _, address = serve(port, **values)
        watched = opened(browser, address)
        page = watched.page
        page.goto(f"{address}/sources")
        page.get_by_role("button", name="otto-operator").click()
        expect(page.get_by_text("otto-operator")).to_be_visible()
        assert page.url == f"{address}/sources"
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_text("You are logged out.")).to_be_visible()
        assert [each for each in watched.complaints if "Content Security" in each] == []
        watched.context.close()
