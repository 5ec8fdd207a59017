"""By clicks alone, on a relay that really runs: a clinic calls, the patient reads and declines."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console.demo.relay import Relay
from console.stack import IMPATIENT, Stack
from sandbox.clinics import KNEE_CLINIC
from tests.browser.looks import Watched

#: From a click at the desk to the message in the inbox.
_SOON = 30_000


@pytest.mark.timeout(180)
def test_what_the_desk_books_is_read_and_answered_in_the_inbox(
    browser: Browser, tmp_path: Path
) -> None:
    stack = Stack(tmp_path, settings=IMPATIENT)
    relay = Relay(stack.environment)
    relay.set_up()
    relay.activate(KNEE_CLINIC.source_system, "Region Exempel Tidbok")
    relay.close()
    with stack:
        inbox = stack.serve_inbox()
        desk = Watched(browser, stack.sandbox["pages"]).page
        patient = Watched(browser, stack.sandbox["pages"]).page
        log_in(patient, inbox)
        call(desk)
        expect(patient.get_by_text("Kallelse att boka tid")).to_be_visible(timeout=_SOON)
        decline(patient)
        ended = patient.get_by_role("link").filter(has_text="Kallelsen gäller inte längre")
        expect(ended).to_be_visible(timeout=_SOON)
        ended.click()
        expect(patient.get_by_role("heading", level=1)).to_contain_text("gäller inte längre")
        move_a_visit(desk, patient)


def log_in(patient: Page, inbox: str) -> None:
    patient.goto(inbox)
    patient.get_by_role("button", name="Lill-Tolvan").click()
    expect(patient.get_by_text("Du har inga meddelanden.")).to_be_visible()


def call(desk: Page, form: str = "Kallelse att boka tid") -> None:
    desk.goto("/")
    desk.get_by_label("Patient", exact=True).select_option("Lill-Tolvan Tolvansson")
    desk.get_by_label("Mottagning", exact=True).select_option(KNEE_CLINIC.name)
    desk.get_by_label("Som", exact=True).select_option(form)
    desk.get_by_role("button", name="Boka", exact=True).click()
    expect(desk.get_by_text("Bokat hos")).to_be_visible()


def decline(patient: Page) -> None:
    patient.get_by_role("link").filter(has_text="Kallelse att boka tid").click()
    patient.get_by_role("link", name="Tacka nej").click()
    patient.get_by_role("button", name="Ja, tacka nej").click()
    expect(patient.get_by_text("Du har tackat nej")).to_be_visible()


def move_a_visit(desk: Page, patient: Page) -> None:
    """The desk moves; the patient is told both times."""
    call(desk, "Bokad tid")
    patient.goto("/inkorg")
    expect(patient.get_by_role("link").filter(has_text="Bokad tid")).to_be_visible(timeout=_SOON)
    desk.get_by_role("button", name="Flytta en vecka").click()
    moved = patient.get_by_role("link").filter(has_text="Ändrad tid")
    expect(moved).to_be_visible(timeout=_SOON)
    moved.click()
    expect(patient.get_by_text("Tidigare tid")).to_be_visible()
