"""What all pages have in common: headers, roles, forms, languages."""

import re
from pathlib import Path

import pytest

from console.state import TEXTS
from console.web.app import PAGES
from console.web.login import own_path
from console.web.site import NAVIGATION, open_site
from console.web.visits import Page
from shared.web.headers import HEADERS
from shared.web.texts import Texts, language_of
from tests.pages import Browser, browsing, settings_in

TEMPLATES = Path(__file__).parents[2] / "console" / "web" / "templates"
TEXTS_FOLDER = TEMPLATES.parent / "texts"


def addresses() -> list[str]:
    """Those that are asked for without anything more."""
    return [
        page.path
        for page in PAGES
        if isinstance(page, Page) and page.method == "GET" and "{" not in page.path
    ]


@pytest.mark.parametrize("address", addresses())
def test_every_page_answers_in_both_languages(address: str, tmp_path: Path) -> None:
    for language in ("sv", "en"):
        with browsing(tmp_path, language=language) as browser:
            answer = browser.get(address)
            assert answer.status_code == 200, answer.text
            if answer.headers["content-type"].startswith("text/html"):
                assert f'<html lang="{language}">' in answer.text
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_the_navigation_leads_to_pages() -> None:
    assert {f"/{name}" for name in NAVIGATION} <= set(addresses())


@pytest.mark.parametrize(
    "forbidden", ["<style", "style=", "<script>", " onclick", "|safe", "| safe"]
)
def test_nothing_stands_inline_in_a_template(forbidden: str) -> None:
    assert [file.name for file in TEMPLATES.glob("*.html") if forbidden in file.read_text()] == []


def test_a_form_without_its_token_changes_nothing(tmp_path: Path) -> None:
    posts = [page.path for page in PAGES if isinstance(page, Page) and page.method == "POST"]
    with browsing(tmp_path) as browser:
        for address in posts:
            answer = browser.client.post(address.replace("{id}", "x"), data={"note": "because"})
            assert answer.status_code == 403, address


def test_an_unknown_address_is_a_page_of_ours(tmp_path: Path) -> None:
    with browsing(tmp_path, language="sv-SE,sv;q=0.9,en;q=0.8") as browser:
        answer = browser.get("/191212121212")
    assert answer.status_code == 404
    assert "Här finns ingen sida." in answer.text
    assert "1912" not in answer.text


def test_a_host_that_is_not_this_machine_is_refused(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        answer = browser.client.get("/live", headers={"Host": "evil.example"})
    assert answer.status_code == 403


def test_nobody_from_elsewhere_is_let_in(tmp_path: Path) -> None:
    site = open_site(settings_in(tmp_path))
    answer = Browser(site, peer=("192.0.2.1", 5)).get("/live")
    site.close()
    assert answer.status_code == 403


def test_every_text_has_both_languages_and_says_what_lacks_one(tmp_path: Path) -> None:
    (tmp_path / "page.toml").write_text('title = { sv = "Titel" }')
    with pytest.raises(ValueError, match=r"page.toml: title"):
        Texts(tmp_path)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("sv-SE,sv;q=0.9,en;q=0.8", "sv"),
        ("en-GB,en;q=0.9,sv;q=0.8", "en"),
        ("de, sv;q=0.5", "sv"),
        ("de", "en"),
        ("", "en"),
        ("en;q=0, sv;q=0.1", "sv"),
        ("sv;q=x", "en"),
    ],
)
def test_the_browser_chooses_the_language(header: str, language: str) -> None:
    assert language_of(header) == language


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example", "/\\evil", "", "x"])
def test_a_login_leads_to_our_own_pages_alone(address: str) -> None:
    assert own_path(address) == "/"


def test_a_login_leads_back_to_the_page_that_was_asked_for() -> None:
    assert own_path("/dead/groups") == "/dead/groups"


def test_troubles_say_in_english_what_the_command_says() -> None:
    texts = Texts(TEXTS_FOLDER)
    english = {
        name.removeprefix("troubles."): texts.translate("en")(name)
        for name in texts
        if name.startswith("troubles.")
    }
    assert english == TEXTS


def test_every_text_a_template_names_is_there() -> None:
    texts = Texts(TEXTS_FOLDER)
    named = {
        name
        for file in TEMPLATES.glob("*.html")
        for name in re.findall(r"""\bt\(["']([\w.]+\w)["'][,)]""", file.read_text())
    }
    assert len(named) > 100
    assert named - {*texts} == set()
