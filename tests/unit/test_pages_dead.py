"""The pages of dead letters: groups, letters, and what operators do about them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.base.ids import new_id
from shared.store.actions import ActionLog
from tests.dead_letters import SECRET, TOLVAN, bury, change, letter
from tests.pages import Browser, browsing
from tests.polling import eventually


def filled(browser: Browser, count: int = 3) -> None:
    with browser.site.broker() as broker:
        letters = (letter(new_id(), change(), reason="source_timed_out") for _ in range(count))
        bury(broker, "fetcher", *letters)


def group_page(browser: Browser, place: str = "dead") -> str:
    eventually(lambda: "/dead/group/" in browser.get(f"/dead?in={place}").text)
    found = re.search(r'"(/dead/group/[^"]+)"', browser.get(f"/dead?in={place}").text)
    assert found
    return found[1].replace("&amp;", "&")


def hidden_fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))


def act(browser: Browser, name: str, page: str, **fields: Any) -> str:
    """Send the form of `page`, and wait until what it began has ended; the address of the job."""
    form = hidden_fields(browser.get(page).text)
    answer = browser.client.post(f"/dead/{name}", data={**form, "note": "mended", **fields})
    assert answer.status_code == 200, answer.text
    address = answer.url.path
    job = browser.site.jobs.find(address.rpartition("/")[2])
    assert job is not None
    eventually(lambda: job.ended)
    return address


def counts(browser: Browser) -> Counter[str]:
    with browser.site.broker() as broker:
        found = {state.stage: state for state in broker.states()}["fetcher"]
    return Counter(dead=found.dead, parked=found.parked, discarded=found.discarded)


def test_letters_that_are_alike_stand_together(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser)
        page = browser.get(group_page(browser)).text
        assert "3 of fetcher: source_timed_out" in page
        assert page.count("/dead/letter/") == 3


def test_a_letter_shows_its_history_and_nothing_of_the_patient(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser, 1)
        address = re.search(r'"(/dead/letter/[^"]+)"', browser.get(group_page(browser)).text)
        assert address
        page = browser.get(address[1]).text
        assert "source_timed_out" in page
        assert "(hidden)" in page
        assert TOLVAN not in page
        assert SECRET not in page


def test_parked_letters_come_back_by_undo(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser)
        job = act(browser, "park", group_page(browser))
        assert counts(browser) == Counter(parked=3)
        answer = browser.post(f"{job}/undo", {}, page=job)
        undone = browser.site.jobs.find(answer.url.path.rpartition("/")[2])
        assert undone is not None
        eventually(lambda: undone.ended)
        assert counts(browser) == Counter(dead=3)
        done = ActionLog(browser.site.database).list_latest(most=10)
        assert [each.action for each in done] == ["dead restore"] * 2 + ["dead park"] * 2


def test_undo_brings_back_what_its_own_job_moved_and_no_more(tmp_path: Path) -> None:
    """Two jobs of one operator with the same note, as of somebody in a hurry."""
    with browsing(tmp_path) as browser:
        filled(browser, 1)
        first = act(browser, "park", group_page(browser))
        filled(browser, 1)
        act(browser, "park", group_page(browser))
        assert counts(browser) == Counter(parked=2)
        answer = browser.post(f"{first}/undo", {}, page=first)
        undone = browser.site.jobs.find(answer.url.path.rpartition("/")[2])
        assert undone is not None
        eventually(lambda: undone.ended)
        assert counts(browser) == Counter(parked=1, dead=1)


def test_discarding_is_confirmed_and_later_letters_are_left(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser, 1)
        page = group_page(browser)
        form = hidden_fields(browser.get(page).text)
        unsure = browser.client.post("/dead/discard", data={**form, "note": "mended"})
        assert unsure.status_code == 400
        act(browser, "discard", page, sure="yes", at="2000-01-01T00:00:00+00:00")
        assert counts(browser) == Counter(dead=1)
        act(browser, "discard", page, sure="yes")
        assert counts(browser) == Counter(discarded=1)


def test_what_was_parked_is_restored(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser, 2)
        act(browser, "park", group_page(browser))
        act(browser, "restore", group_page(browser, "parked"))
        assert counts(browser) == Counter(dead=2)


def test_a_replay_is_followed_and_recorded(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser, 2)
        job = act(browser, "replay", group_page(browser), canary="0")
        page = browser.get(job).text
        assert "Done" in page
        assert counts(browser)["dead"] == 0
        [ended, _] = ActionLog(browser.site.database).list_latest(most=2)
        assert (ended.action, ended.why) == ("dead replay", "mended")
        assert ended.outcome.startswith("replayed 2")


@pytest.mark.parametrize("wrong", [{"canary": "many"}, {"rate": "quick"}, {"note": " "}])
def test_a_replay_that_is_not_understood_replays_nothing(
    wrong: dict[str, str], tmp_path: Path
) -> None:
    with browsing(tmp_path) as browser:
        filled(browser, 1)
        form = hidden_fields(browser.get(group_page(browser)).text)
        answer = browser.client.post("/dead/replay", data={**form, "note": "mended", **wrong})
        assert answer.status_code == 400
        assert counts(browser) == Counter(dead=1)


def test_a_form_that_names_no_letters_means_none(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        filled(browser, 1)
        form = hidden_fields(browser.get(group_page(browser)).text)
        everything = {**form, "group": "", "letter": "", "note": "mended"}
        assert browser.client.post("/dead/replay", data=everything).status_code == 400
        assert counts(browser) == Counter(dead=1)


def test_what_there_is_not_has_no_page(tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        for address in ("/dead/letter/none", "/dead/group/none", "/dead/job/none"):
            eventually(lambda a=address: browser.get(a).status_code == 404)
