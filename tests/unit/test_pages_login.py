"""Who may see the pages: logins, roles, sessions, proxies. The provider is a real one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.web.app import PAGES
from console.web.settings import PagesSettings
from console.web.site import Site, open_site
from console.web.visits import Page
from shared.base.errors import WrongSettings
from tests.login_provider import login_provider, settings_of
from tests.pages import Browser, settings_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with login_provider() as address:
        yield address


@pytest.fixture
def site(issuer: str, tmp_path: Path) -> Iterator[Site]:
    with closing(open_site(settings_in(tmp_path, **settings_of(issuer)))) as found:
        yield found


def log_in(browser: Browser, name: str, page: str = "/live") -> Any:
    """As a person does it: asks for a page, logs in at the provider, and comes back."""
    to_provider = browser.client.get(page, follow_redirects=False)
    assert to_provider.status_code == 303
    to_provider = browser.client.get(to_provider.headers["location"], follow_redirects=False)
    back = httpx.post(to_provider.headers["location"], data={"sub": name})
    return browser.client.get(back.headers["location"])


def test_a_login_leads_back_to_the_page_that_was_asked_for(site: Site) -> None:
    browser = Browser(site)
    answer = log_in(browser, "vera-viewer", "/sources")
    assert answer.url.path == "/sources"
    assert "vera-viewer" in answer.text
    assert "No login is set up" not in answer.text


def test_without_a_login_no_page_is_shown(site: Site) -> None:
    for page in (each for each in PAGES if isinstance(each, Page)):
        ask = Browser(site).client.request(page.method, page.path, follow_redirects=False)
        assert ask.status_code == 303, page.path
        assert ask.headers["location"].startswith("/login")


def test_who_has_no_role_sees_nothing(site: Site) -> None:
    browser = Browser(site)
    answer = log_in(browser, "nils-nobody")
    assert answer.status_code == 403
    assert "you have no role" in answer.text
    assert browser.client.get("/live", follow_redirects=False).status_code == 303


def test_a_viewer_may_not_act(site: Site) -> None:
    browser = Browser(site)
    log_in(browser, "vera-viewer")
    assert browser.get("/sources").status_code == 200
    assert "Activate another system" not in browser.get("/sources").text
    assert browser.get("/sources/activate").status_code == 403
    token = {"csrf": browser.token("/live")}
    for page in (each for each in PAGES if isinstance(each, Page) and each.role != "viewer"):
        address = page.path.replace("{id}", "x")
        refused = browser.client.request(page.method, address, data=token)
        assert refused.status_code == 403, page.path
        assert "your role does not allow this" in refused.text


def test_an_operator_may_act(site: Site) -> None:
    browser = Browser(site)
    log_in(browser, "otto-operator")
    assert browser.get("/sources/activate").status_code == 200


def test_a_token_of_another_session_is_refused(site: Site) -> None:
    one, other = Browser(site), Browser(site)
    log_in(one, "otto-operator")
    log_in(other, "otto-operator")
    foreign = one.token("/live")
    assert other.client.post("/sources/pause", data={"csrf": foreign}).status_code == 403


def test_a_logout_ends_the_session_even_for_a_kept_cookie(site: Site) -> None:
    browser = Browser(site)
    log_in(browser, "vera-viewer")
    kept = dict(browser.client.cookies)
    answer = browser.post("/logout", {}, page="/live")
    assert "You are logged out" in answer.text
    browser.client.cookies.update(kept)
    assert browser.client.get("/live", follow_redirects=False).status_code == 303


def test_a_forged_cookie_is_nobody(site: Site) -> None:
    browser = Browser(site)
    log_in(browser, "vera-viewer")
    (name, value), *_ = browser.client.cookies.items()
    browser.client.cookies.clear()
    browser.client.cookies.set(name, "x" + value[1:])
    assert browser.client.get("/live", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("limit", ["console_session_idle_minutes", "console_session_hours"])
def test_a_session_ends_by_itself(issuer: str, limit: str, tmp_path: Path) -> None:
    short = {limit: 1e-6}
    with closing(open_site(settings_in(tmp_path, **settings_of(issuer), **short))) as site:
        browser = Browser(site)
        log_in(browser, "vera-viewer")
        assert browser.client.get("/live", follow_redirects=False).status_code == 303


def test_an_answer_to_a_login_that_nobody_began_is_refused(site: Site) -> None:
    answer = Browser(site).get("/login/back?code=abc&state=def")
    assert answer.status_code == 403
    assert "The login failed" in answer.text


def test_a_provider_that_is_away_is_a_page_of_ours(tmp_path: Path) -> None:
    away = settings_of("http://localhost:1")
    with closing(open_site(settings_in(tmp_path, **away))) as site:
        answer = Browser(site).get("/login")
    assert answer.status_code == 403
    assert "does not answer" in answer.text


PROXY = {
    "console_proxies": ("192.0.2.7",),
    "console_proxy_user_header": "X-User",
    "console_proxy_roles_header": "X-Groups",
    "console_url": "https://budkavle.example.se",
    "console_role_operator": ("budkavle-drift",),
}
NAMED = {"X-User": "otto", "X-Groups": "staff, budkavle-drift"}


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("192.0.2.7", NAMED, 200),
        ("192.0.2.7", {**NAMED, "X-Groups": "staff"}, 403),
        ("192.0.2.7", {"X-Groups": "budkavle-drift"}, 403),
        ("192.0.2.8", NAMED, 403),
        ("127.0.0.1", NAMED, 403),
    ],
)
def test_only_a_named_proxy_is_believed(
    peer: str, headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    with closing(open_site(settings_in(tmp_path, **PROXY))) as site:
        answer = Browser(site, peer=(peer, 5), headers=headers).get("/sources/activate")
    assert answer.status_code == status
    if status == 200:
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-budkavle=")
        assert {"httponly", "secure", "samesite=lax"} <= set(cookie.lower().split("; "))
        assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"console_bind": "0.0.0.0:8090"}, "BUDKAVLE_CONSOLE_BIND"),
        ({"console_oidc_issuer": "https://login.example.se"}, "BUDKAVLE_CONSOLE_URL"),
        ({"console_proxies": "192.0.2.7"}, "BUDKAVLE_CONSOLE_PROXY_USER_HEADER"),
        ({"console_session_key": "short"}, "BUDKAVLE_CONSOLE_SESSION_KEY"),
        (
            {"console_oidc_issuer": "https://login.example.se", "console_proxies": "192.0.2.7"},
            "set one of them",
        ),
    ],
)
def test_settings_that_would_let_anyone_in_are_refused(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(WrongSettings, match=named):
        PagesSettings(**wrong)
