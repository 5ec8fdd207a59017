"""The page of booking systems: what it shows, and what operators do there."""

from pathlib import Path
from typing import Any

import pytest

from shared.base.clock import utcnow
from shared.store.actions import ActionLog
from shared.store.sources import SourceRegister
from shared.store.unknown_sources import UnknownSources
from tests.pages import Browser, browsing

HSA_ID = "SE2321000016-TB01"
ACTIVATE = "/sources/activate"
FIELDS = {
    "hsa_id": HSA_ID,
    "name": "Region Exempel Tidbok",
    "calls_per_second": "1,5",
    "calls_in_flight": "3",
    "note": "ordered by the region",
}


def post(browser: Browser, address: str, **fields: Any) -> Any:
    return browser.post(address, {**FIELDS, **fields}, page=ACTIVATE)


def actions(browser: Browser) -> list[tuple[str, str, str, str]]:
    found = ActionLog(browser.site.database).list_latest(most=10)
    return [(each.action, each.subject, each.why, each.outcome) for each in found]


def test_a_system_is_activated_with_a_note(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        answer = post(browser, "/sources/add")
        assert "Saved. In force within 5 seconds." in answer.text
        assert "Region Exempel Tidbok" in answer.text
        [source] = SourceRegister(browser.site.database).list_all("qa")
        assert (source.calls_per_second, source.calls_in_flight) == (1.5, 3)
        assert actions(browser) == [
            ("source add", f"{HSA_ID} in qa", "ordered by the region", "added")
        ]


def test_a_system_is_paused_resumed_and_deactivated(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        post(browser, "/sources/add")
        assert "Paused" in post(browser, "/sources/pause").text
        assert "Resume" in browser.get(f"/sources/system/{HSA_ID.lower()}").text
        assert "asked again" in post(browser, "/sources/resume").text
        assert post(browser, "/sources/resume").status_code == 404
        assert "Deactivated." in post(browser, "/sources/remove", sure="yes").text
        assert SourceRegister(browser.site.database).list_all("qa") == []
        assert [each[0] for each in actions(browser)] == [
            *("source remove", "source resume", "source pause", "source add")
        ]


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("/sources/add", {"note": "  "}),
        ("/sources/add", {"calls_per_second": "many"}),
        ("/sources/add", {"calls_in_flight": "0"}),
        ("/sources/add", {"hsa_id": ""}),
        ("/sources/remove", {}),
        ("/sources/pause", {"note": ""}),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    address: str, wrong: dict[str, str], tmp_path: Path
) -> None:
    with browsing(tmp_path) as browser:
        post(browser, "/sources/add")
        before = SourceRegister(browser.site.database).list_all()
        assert post(browser, address, **wrong).status_code == 400
        assert SourceRegister(browser.site.database).list_all() == before
        assert len(actions(browser)) == 1


def test_a_system_that_sends_and_is_not_activated_has_a_button(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        UnknownSources(browser.site.database).add({"SE2321000016-TB99": 7}, "qa", utcnow())
        page = browser.get("/sources").text
        assert "SE2321000016-TB99" in page
        assert 'href="/sources/activate?id=SE2321000016-TB99"' in page
        form = browser.get("/sources/activate?id=SE2321000016-TB99").text
        assert 'value="SE2321000016-TB99"' in form


def test_what_a_system_is_called_cannot_become_markup(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        page = post(browser, "/sources/add", name="<script>alert(1)</script>").text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_a_system_that_shows_changes_late_says_when_it_last_did(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        post(browser, "/sources/add")
        assert "late" not in browser.get(f"/sources/system/{HSA_ID}").text
        register = SourceRegister(browser.site.database)
        register.set_lagged({HSA_ID: utcnow()}, "qa")
        assert "Last showed a change late" in browser.get(f"/sources/system/{HSA_ID}").text


def test_an_unknown_system_has_no_page(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        assert browser.get("/sources/system/nobody").status_code == 404
