"""The patient's inbox and the desk: what is shown, what is safe, what a click does."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.clinics import KNEE_CLINIC, LILL_TOLVAN, TOLVAN
from sandbox.pages import swedish
from sandbox.pages.patient import offered_times
from sandbox.pages.shelf import safe_html
from shared.booking.messages import BookingDetails
from tests.inbox_api import ReaderInMemory, a_message
from tests.polling import eventually
from tests.sandbox_pages import Visitor
from tests.sandbox_world import RunningWorld, running_world

BOOKING_ID = "desk-1"
FIELDS = {
    "subject_of_care": TOLVAN,
    "healthcare_facility_name": KNEE_CLINIC.name,
    "startTimeInclusive": "20991203090000",
    "endTimeExclusive": "20991203093000",
}


@pytest.fixture(scope="module")
def module_world() -> Iterator[RunningWorld]:
    with running_world() as running:
        yield running


@pytest.fixture
def world(module_world: RunningWorld) -> RunningWorld:
    module_world.control("DELETE", "/bookings")
    module_world.control("DELETE", "/index/entries")
    return module_world


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    Visitor.close_all()


def visitor(world: RunningWorld, *messages: Any) -> Visitor:
    return Visitor(ReaderInMemory(messages), world.addresses.control)


def about_the_booking(**values: Any) -> Any:
    booking = {
        "source_system": KNEE_CLINIC.source_system,
        "logical_address": KNEE_CLINIC.unit,
        "booking_id": BOOKING_ID,
    }
    return a_message(**{"starts": "20991203090000", **booking, **values})


def entries(world: RunningWorld) -> Any:
    return world.control("GET", "/index/entries")


def test_nobody_reads_without_having_chosen_who_they_are(world: RunningWorld) -> None:
    answer = visitor(world).get("/inkorg")
    assert answer.url.path == "/inkorg/vem"
    assert "Tolvan Tolvansson" in answer.text
    assert TOLVAN not in answer.text


def test_a_list_shows_what_is_unread_and_opening_reads_it(world: RunningWorld) -> None:
    reader = ReaderInMemory([a_message(1), a_message(2, read=True)])
    page = Visitor(reader, world.addresses.control)
    listed = page.log_in(TOLVAN)
    assert listed.url.path == "/inkorg"
    assert listed.text.count("Oläst") == 1
    assert "Ett oläst meddelande" in listed.text
    assert "Torsdag" not in listed.text
    assert "torsdag 3 december 2026 kl. 09.00" in listed.text
    opened = page.get("/inkorg/messageb")
    assert "<p>Du har en bokad tid.</p>" in opened.text
    assert reader.marked == ["messageb"]
    page.get("/inkorg/messagec")
    assert reader.marked == ["messageb"], "what is read already is not marked again"


def test_nobody_reads_what_is_anothers(world: RunningWorld) -> None:
    page = visitor(world, a_message())
    page.log_in(LILL_TOLVAN)
    assert "inga meddelanden" in page.get("/inkorg").text
    for path in ("/inkorg/messageb", "/inkorg/messageb/kalender", "/inkorg/messageb/cancel"):
        assert page.get(path).status_code == 404


def test_older_messages_are_a_click_away(world: RunningWorld) -> None:
    many = [a_message(number, id=f"m{number:02}") for number in range(25)]
    page = visitor(world, *many)
    first = page.log_in(TOLVAN).text
    assert first.count('class="letter unread"') == 20
    older = first.partition('href="/inkorg?efter=')[2].partition('"')[0]
    rest = page.get(f"/inkorg?efter={older}").text
    assert rest.count('class="letter unread"') == 5
    assert "hx-get" not in rest, "older pages do not change under a reader"


def test_the_calendar_file_is_handed_on(world: RunningWorld) -> None:
    page = visitor(world, a_message())
    page.log_in(TOLVAN)
    answer = page.get("/inkorg/messageb/kalender")
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.text.startswith("BEGIN:VCALENDAR")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (BookingDetails(starts="20991203090000", rebook_allowed=True), ["Boka om"]),
        (BookingDetails(starts="20991203090000", cancel_allowed=True), ["Avboka"]),
        (
            BookingDetails(rebook_allowed=True, cancel_allowed=True),
            ["Boka en tid", "Tacka nej"],
        ),
    ],
)
def test_what_can_be_done_is_a_button(
    world: RunningWorld, state: BookingDetails, shown: list[str]
) -> None:
    page = visitor(world, about_the_booking(state=state, starts=state.starts))
    page.log_in(TOLVAN)
    text = page.get("/inkorg/messageb").text
    names = ["Boka om", "Avboka", "Boka en tid", "Tacka nej"]
    assert [name for name in names if f">{name}</a>" in text] == shown


def test_a_message_that_was_overtaken_says_so(world: RunningWorld) -> None:
    page = visitor(world, a_message(superseded_by="messagec"))
    page.log_in(TOLVAN)
    text = page.get("/inkorg/messageb").text
    assert 'href="/inkorg/messagec"' in text
    assert "Avboka" not in text


def test_to_cancel_changes_the_booking_system_and_the_index(world: RunningWorld) -> None:
    world.control("PUT", f"/bookings/{KNEE_CLINIC.unit}/{BOOKING_ID}", FIELDS)
    page = visitor(world, about_the_booking())
    page.log_in(TOLVAN)
    done = page.post("/inkorg/messageb/cancel", {}, "/inkorg/messageb/cancel")
    assert "Du har avbokat" in done.text
    assert world.control("GET", "/bookings") == []


def test_to_rebook_moves_the_booking_to_a_time_that_was_offered(world: RunningWorld) -> None:
    world.control("PUT", f"/bookings/{KNEE_CLINIC.unit}/{BOOKING_ID}", FIELDS)
    page = visitor(world, about_the_booking())
    page.log_in(TOLVAN)
    refused = page.post("/inkorg/messageb/rebook", {"time": "1"}, "/inkorg/messageb/rebook")
    assert refused.status_code == 404
    time = offered_times(datetime.now(UTC))[1]
    done = page.post("/inkorg/messageb/rebook", {"time": time}, "/inkorg/messageb/rebook")
    assert "Du har bokat om" in done.text
    [booking] = world.control("GET", "/bookings")
    assert booking["startTimeInclusive"] == time
    [entry] = eventually(lambda: entries(world))
    assert entry["mostRecentContent"] == time


def test_the_desk_books_moves_and_removes(world: RunningWorld) -> None:
    page = visitor(world)
    fields = {
        "resident": page.shelf.people.with_number(TOLVAN).id,
        "unit": KNEE_CLINIC.unit,
        "form": "timed_call",
        "date": "2099-12-03",
        "clock": "09:00",
    }
    booked = page.post("/book", fields, "/")
    assert "Bokat hos Ortopedmottagningen" in booked.text
    [booking] = world.control("GET", "/bookings")
    assert booking["startTimeInclusive"] == "20991203090000"
    assert booking["isInvitation"] == "true"
    row = {"unit": KNEE_CLINIC.unit, "booking": booking["bookingId"]}
    page.post("/move", row, "/")
    [booking] = world.control("GET", "/bookings")
    assert booking["startTimeInclusive"] == "20991210090000"
    page.post("/remove", row, "/")
    assert world.control("GET", "/bookings") == []


def test_the_desk_breaks_a_booking_system_and_mends_it(world: RunningWorld) -> None:
    page = visitor(world)
    unit = {"unit": KNEE_CLINIC.unit}
    assert "svarar fel" in page.post("/spoil", {**unit, "kind": "fault"}, "/").text
    assert world.control("GET", "/faults")
    page.post("/mend", unit, "/")
    assert not world.control("GET", "/faults")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/book", {"unit": "SE1-X", "form": "booking"}),
        ("/book", {"unit": KNEE_CLINIC.unit, "form": "booking", "date": "x", "clock": ""}),
        ("/move", {"unit": KNEE_CLINIC.unit, "booking": "nosuch"}),
        ("/spoil", {"unit": KNEE_CLINIC.unit, "kind": "fire"}),
        ("/mend", {"unit": "../index"}),
    ],
)
def test_what_the_desk_does_not_offer_is_refused(
    world: RunningWorld, path: str, fields: dict[str, str]
) -> None:
    page = visitor(world)
    resident = page.shelf.people.with_number(TOLVAN).id
    assert page.post(path, {"resident": resident, **fields}, "/").status_code == 404


@pytest.mark.parametrize("path", ["/book", "/remove", "/inkorg/vem", "/inkorg/messageb/cancel"])
def test_a_form_of_another_site_does_nothing(world: RunningWorld, path: str) -> None:
    page = visitor(world, about_the_booking())
    page.log_in(TOLVAN)
    for fields in ({}, {"csrf": ""}, {"csrf": "guessed"}, {"csrf": "å"}):
        assert page.client.post(path, data=fields).status_code == 403


def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(world: RunningWorld) -> None:
    page = visitor(world, a_message(), about_the_booking(number=2))
    page.log_in(TOLVAN)
    for path in ("/", "/inkorg", "/inkorg/vem", "/inkorg/messageb", "/inkorg/messagec/cancel"):
        answer = page.get(path)
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "://" not in answer.text
        assert " style=" not in answer.text
        assert " onclick" not in answer.text
        assert '<html lang="sv">' in answer.text
        assert answer.text.count("<h1") == answer.text.count("<main") == 1
        assert TOLVAN not in answer.text


def test_what_does_not_answer_is_said_in_words() -> None:
    answer = Visitor(ReaderInMemory(), control_url="http://127.0.0.1:9").get("/")
    assert answer.status_code == 503
    assert "går inte att nå" in answer.text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src="https://evil.example/x" onerror="alert(1)">',
        '<p style="position:fixed">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<iframe src="https://evil.example"></iframe>',
        '<form action="/inkorg/lamna"><button>x</button></form>',
        '<svg onload="alert(1)"></svg>',
        '<p id="main" class="skip">x</p>',
    ],
)
def test_hostile_html_is_made_harmless(hostile: str) -> None:
    clean = safe_html(hostile)
    for word in ("script", "evil", "style", "data:", "<form", "<svg", "id=", "class=", "alert"):
        assert word not in clean


def test_what_the_composer_writes_stays() -> None:
    html = "<h2>A</h2><dl><dt>B</dt><dd>C</dd></dl><ul><li>D<br>E</li></ul>"
    assert safe_html(html) == html
    assert 'href="https://www.1177.se/"' in safe_html('<a href="https://www.1177.se/">x</a>')


def test_times_are_swedish() -> None:
    assert swedish.day("2026-07-01T06:00:00+00:00") == "onsdag 1 juli 2026"
    assert swedish.clock("2026-07-01T06:05:00+00:00") == "kl. 08.05"
    assert swedish.short_day("1999-12-31T23:30:00+00:00") == "1 januari 2000"
