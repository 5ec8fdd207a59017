"""The calendar file that goes with a message about a time (RFC 5545)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import icalendar
import pytest

from composer.calendar_file import Entry, calendar_file
from tests.unit.composer_world import CALL, LATER, OPEN_CALL, VISIT, World, but, key

WRITTEN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
A = key("A")


def unfolded(text: str) -> list[str]:
    return text.replace("\r\n ", "").split("\r\n")


def calendar_of(world: World) -> list[str]:
    return unfolded(world.newest.calendar or "")


def test_a_visit() -> None:
    assert unfolded(calendar_file([Entry("uid@budkavle", 2, VISIT)], WRITTEN)) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Budkavle//Inbox//SV",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        "UID:uid@budkavle",
        "SEQUENCE:2",
        "DTSTAMP:20261102T080000Z",
        "DTSTART:20261203T080000Z",
        "DTEND:20261203T083000Z",
        'ORGANIZER;CN="Ögonmottagningen Sjöstad":invalid:nomail',
        "SUMMARY:Ögonmottagningen Sjöstad\\, Anna Berg",
        "LOCATION:Ögonmottagningen Sjöstad",
        "STATUS:CONFIRMED",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


@pytest.mark.parametrize(
    ("starts", "ends", "lines"),
    [
        ("20270701090000", "", ["DTSTART:20270701T070000Z"]),
        (
            "20270328013000",
            "20270328033000",
            ["DTSTART:20270328T003000Z", "DTEND:20270328T013000Z"],
        ),
        (
            "20271031013000",
            "20271031033000",
            ["DTSTART:20271030T233000Z", "DTEND:20271031T023000Z"],
        ),
        (
            "20261231233000",
            "20270101003000",
            ["DTSTART:20261231T223000Z", "DTEND:20261231T233000Z"],
        ),
        ("20261203090000", "20261203090000", ["DTSTART:20261203T080000Z"]),
        ("20261203090000", "20261203080000", ["DTSTART:20261203T080000Z"]),
        ("20261203090000", "nonsense", ["DTSTART:20261203T080000Z"]),
    ],
)
def test_times_are_instants_and_ends_make_sense(starts: str, ends: str, lines: list[str]) -> None:
    entry = Entry("u", 1, but(VISIT, starts=starts, ends=ends))
    found = unfolded(calendar_file([entry], WRITTEN))
    assert [line for line in found if line.startswith(("DTSTART", "DTEND"))] == lines


def test_lines_are_folded_between_characters() -> None:
    details = but(VISIT, unit_name="Öron, näsa; hals\\" * 20, performer_name="")
    text = calendar_file([Entry("u", 1, details)], WRITTEN)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    assert "LOCATION:" + "Öron\\, näsa\\; hals\\\\" * 20 in unfolded(text)


def test_a_name_cannot_add_lines() -> None:
    details = but(VISIT, unit_name="x\r\nATTENDEE:mailto:y")
    found = unfolded(calendar_file([Entry("u", 1, details)], WRITTEN))
    assert not any(line.startswith("ATTENDEE") for line in found)


def test_a_moved_visit_updates_the_entry() -> None:
    world = World()
    world.create(A, VISIT)
    first = calendar_of(world)
    world.create(A, LATER)
    second = calendar_of(world)
    assert first[5] == second[5]
    assert (first[6], second[6]) == ("SEQUENCE:1", "SEQUENCE:2")
    assert "DTSTART:20261210T123000Z" in second


def test_a_cancelled_visit_cancels_the_entry() -> None:
    world = World()
    world.create(A, VISIT)
    uid = calendar_of(world)[5]
    world.remove(A)
    world.pass_time()
    lines = calendar_of(world)
    assert {"METHOD:CANCEL", uid, "SEQUENCE:2", "STATUS:CANCELLED"} <= set(lines)


def test_a_call_that_lost_its_time_cancels_the_entry() -> None:
    world = World()
    world.create(A, but(VISIT, is_call_letter=True))
    world.create(A, OPEN_CALL)
    lines = calendar_of(world)
    assert {"METHOD:CANCEL", "DTSTART:20261203T080000Z", "STATUS:CANCELLED"} <= set(lines)


def test_an_open_call_has_no_calendar() -> None:
    world = World()
    world.create(A, OPEN_CALL)
    assert world.newest.calendar is None


def read(world: World) -> icalendar.Calendar:
    return icalendar.Calendar.from_ical(world.newest.calendar or "")


STORIES: dict[str, Callable[[World], object]] = {
    "new": lambda world: world.create(A, VISIT),
    "moved": lambda world: (world.create(A, VISIT), world.create(A, LATER)),
    "cancelled": lambda world: (world.create(A, VISIT), world.remove(A), world.pass_time()),
    "no time any more": lambda world: (world.create(A, CALL), world.create(A, OPEN_CALL)),
    "no names": lambda world: world.create(A, but(VISIT, unit_name="", performer_name="")),
    "odd names": lambda world: world.create(A, but(VISIT, unit_name='Öga; "öra", näsa: \\ hals')),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_file_is_as_rfc_5546_wants_it(story: Callable[[World], object]) -> None:
    """Sections 3.2.1 and 3.2.5: what a published and what a cancelled event must hold."""
    world = World()
    story(world)
    calendar = read(world)
    assert calendar["METHOD"] in ("PUBLISH", "CANCEL")
    assert calendar["VERSION"] == "2.0"
    events = calendar.walk("VEVENT")
    assert events
    for event in events:
        assert not event.errors
        for name in ("UID", "DTSTAMP", "DTSTART", "ORGANIZER", "SUMMARY", "SEQUENCE"):
            assert name in event, name
        assert "ATTENDEE" not in event
        assert str(event["ORGANIZER"]).startswith("invalid:")
        assert event["STATUS"] == "CANCELLED" or calendar["METHOD"] == "PUBLISH"


def test_a_unit_without_a_name_is_not_named_by_its_hsa_id() -> None:
    for name in ("", VISIT.unit, VISIT.unit.lower()):
        world = World()
        world.create(A, but(VISIT, unit_name=name, performer_name="", care_type_name=""))
        assert VISIT.unit.upper() not in (world.newest.calendar or "").upper()
        assert VISIT.unit.upper() not in world.newest.body_text.upper() + world.newest.subject
        [event] = read(world).walk("VEVENT")
        assert str(event["SUMMARY"]) == "Besök i vården"


@pytest.mark.parametrize(
    ("starts", "ends", "minutes", "shown"),
    [
        ("20271031023000", "20271031021500", 45, "02.30–02.15"),  # into the doubled hour again
        ("20271031013000", "20271031023000", 60, "01.30–02.30"),
        ("20270328023000", "20270328030000", 30, "02.30–03.00"),  # in the hour that is missing
        ("20270328023000", "20270328031500", 45, "02.30–03.15"),
        ("20270328023000", "20270328100000", 390, "02.30–10.00"),  # 10.00 is 10.00
        ("20271031023000", "20271031031500", 45, "02.30–03.15"),  # from the doubled hour
        ("20270328013000", "20270328033000", 60, "01.30–03.30"),
    ],
)
def test_the_length_is_true_when_summer_time_begins_and_ends(
    starts: str, ends: str, minutes: int, shown: str
) -> None:
    world = World()
    world.create(A, but(VISIT, starts=starts, ends=ends))
    [event] = read(world).walk("VEVENT")
    assert event.end - event.start == timedelta(minutes=minutes)
    assert shown in world.newest.body_text
