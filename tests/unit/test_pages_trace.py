"""Traces, messages, reports, actions and previews as pages."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from console.web.site import open_site
from shared.base.clock import utcnow
from shared.store.actions import Action, ActionLog
from shared.store.traces import TraceStep, TraceStore
from tests.inbox_messages import one_message
from tests.pages import Browser, browsing, settings_in
from tests.polling import eventually

TOLVAN = "191212121212"
NOBODY_ELSE = {
    "console_proxies": ("192.0.2.7",),
    "console_proxy_user_header": "X-User",
    "console_proxy_roles_header": "X-Roles",
    "console_url": "http://localhost",
}


def message_in(browser: Browser) -> str:
    url = browser.site.settings.database_url.get_secret_value()
    return one_message(url, patient=TOLVAN)


def actions(browser: Browser) -> list[Action]:
    return ActionLog(browser.site.database).list_latest(most=20)


def test_a_change_is_found_by_an_id_and_shown_as_a_timeline(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        now = utcnow()
        steps = [
            TraceStep(now, "filter", "publish", "", 1, "note", "note-a", now, source_system="SE-A"),
            TraceStep(now, "fetcher", "dead", "source_fault", 9, "note", "note-a", now),
        ]
        TraceStore(browser.site.database).write(steps)
        page = browser.post("/trace/found", {"name": "note-a"}, page="/trace").text
        assert "Change note-a" in page
        assert "It is a dead letter of the fetcher: source fault." in page
        assert "attempt 9" in page
        assert actions(browser) == []


def test_who_looks_for_a_person_says_why_and_is_recorded(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        message_in(browser)
        fields = {"name": "19121212-1212"}
        refused = browser.post("/trace/found", fields, page="/trace")
        assert refused.status_code == 400
        assert actions(browser) == []
        answer = browser.post("/trace/found", {**fields, "note": "she rang"}, page="/trace")
        assert "Change notification-a" in answer.text
        assert "1212" not in str(answer.url)
        assert TOLVAN not in answer.text
        [seen] = actions(browser)
        assert (seen.action, seen.why) == ("reveal trace", "she rang")
        assert TOLVAN not in seen.subject


def test_a_message_is_shown_as_the_patient_reads_it_and_that_is_recorded(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        fields = {"message": message_in(browser)}
        assert browser.post("/trace/message", fields, page="/trace").status_code == 400
        page = browser.post("/trace/message", {**fields, "note": "complaint"}, page="/trace").text
        assert "<p>Du har en tid.</p>" in page
        [seen] = actions(browser)
        assert (seen.action, seen.why) == ("reveal message", "complaint")


@pytest.mark.parametrize(("role", "status"), [("operator", 403), ("privacy", 200)])
def test_only_the_role_privacy_may_see_a_patient(role: str, status: int, tmp_path: Path) -> None:
    with closing(open_site(settings_in(tmp_path, **NOBODY_ELSE))) as site:
        headers = {"X-User": "someone", "X-Roles": role}
        browser = Browser(site, peer=("192.0.2.7", 5), headers=headers)
        fields = {"message": message_in(browser), "name": TOLVAN, "note": "because"}
        for address in ("/trace/found", "/trace/message"):
            assert browser.post(address, fields, page="/trace").status_code == status
        assert len(actions(browser)) == (2 if status == 200 else 0)


def test_searches_have_a_rate(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        token = {"csrf": browser.token("/trace"), "name": "x"}
        answers = [browser.client.post("/trace/found", data=token).status_code for _ in range(12)]
    assert answers[:10] == [200] * 10
    assert answers[-1] == 429


def test_a_report_is_shown_and_downloaded(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        message_in(browser)
        asked = "since=2026-11-01&until=2099-01-01"
        eventually(lambda: "SE-TIDBOK" in browser.get(f"/report?{asked}").text)
        csv = browser.get(f"/report.csv?{asked}")
        assert csv.headers["content-type"].startswith("text/csv")
        assert "SE-TIDBOK,messages,booking_confirmation,1" in csv.text


def test_a_report_since_no_time_says_so(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        assert browser.get("/report?since=yesterday-ish").status_code == 400


def test_actions_are_chosen_by_kind_and_by_who(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        log = ActionLog(browser.site.database)
        log.record("dead park", by="otto", subject="fetcher", outcome="3 dead letters")
        log.record("source add", by="vera", subject="SE-A in qa", outcome="added")
        assert "SE-A in qa" not in browser.get("/actions?kind=dead").text
        assert "3 dead letters" not in browser.get("/actions?by=vera").text
        assert "3 dead letters" in browser.get("/actions").text


def test_every_kind_of_message_has_a_preview_beside_the_region_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = tmp_path / "region"
    region.mkdir()
    (region / "cancellation.subject.txt").write_text("Tiden är borttagen")
    monkeypatch.setenv("BUDKAVLE_COMPOSER_TEMPLATES", str(region))
    with browsing(tmp_path) as browser:
        page = browser.get("/preview?kind=cancellation").text
    assert "Tiden är borttagen" in page
    assert "The region&#39;s templates" in page


def test_a_session_s_searches_come_back_with_time() -> None:
    from shared.web.rates import RateLimit
    from tests.booking_samples import HandClock

    clock = HandClock()
    limit = RateLimit(burst=2, spacing=timedelta(seconds=3), clock=clock)
    assert [limit.takes("a") for _ in range(3)] == [True, True, False]
    assert limit.takes("b")
    clock.forward(3)
    assert limit.takes("a")
