"""`budkavle inbox`: what a patient was told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.booking.identity import BookingKey
from shared.booking.inbox import HistoryWindow, InboxMessage, MessageKind
from shared.booking.messages import BookingDetails
from shared.store.engine import open_database
from shared.store.inbox import Inbox
from shared.store.migrate import migrate
from tests.command_line import CommandLine

TOLVAN = "191212121212"
NOON = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
BOOKING = BookingKey(
    source_system="SE-TIDBOK", logical_address="SE-unit", booking_id="b1", patient=TOLVAN
)
CALENDAR = "BEGIN:VCALENDAR\r\nSUMMARY:Besök\r\nEND:VCALENDAR\r\n"


def message(
    message_id: str, revision: int, kind: MessageKind, subject: str, calendar: str | None
) -> InboxMessage:
    return InboxMessage(
        id=message_id,
        key=BOOKING,
        revision=revision,
        kind=kind,
        state=BookingDetails(starts="20261203090000"),
        calendar_uid="uid",
        received_at=NOON,
        fetched_at=NOON,
        created_at=NOON + timedelta(minutes=revision),
        notification_id="notification",
        change_id="notification-a",
        subject=subject,
        body_text="Du har en tid [bokad] på Knämottagningen.\n\x1b[31mVälkommen!",
        body_html="<p>Du har en tid på Knämottagningen, som ligger på våning 3 i hus B.</p>",
        calendar=calendar,
    )


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    command_line = CommandLine(tmp_path, monkeypatch)
    migrate(command_line.database_url)
    database = open_database(command_line.database_url)
    with Inbox(database).locked([HistoryWindow(BOOKING, (), NOON)]) as [bookings]:
        bookings.write(message("aa", 1, MessageKind.TIMED_CALL, "Kallelse", CALENDAR))
        bookings.write(message("bb", 2, MessageKind.CANCELLATION, "Avbokad tid", None))
    database.close()
    return command_line


def test_messages_are_listed_newest_first(budkavle: CommandLine) -> None:
    listed = budkavle.json("inbox", "list", TOLVAN)
    assert [(one["id"], one["kind"], one["subject"]) for one in listed] == [
        ("bb", "cancellation", "Avbokad tid"),
        ("aa", "timed_call", "Kallelse"),
    ]
    assert listed[1]["starts"] == "20261203090000"
    assert listed[1]["created_at"] == "2026-11-25T11:01:00+00:00"


def test_the_table_is_in_swedish_time_and_names_no_patient(budkavle: CommandLine) -> None:
    table = budkavle.out("inbox", "list", TOLVAN)
    assert "2026-11-25 12:01" in table
    assert "timed call" in table
    assert TOLVAN not in table


def test_an_empty_inbox_is_no_failure(budkavle: CommandLine) -> None:
    assert budkavle.out("inbox", "list", "201212121212") == "No messages.\n"
    assert budkavle.json("inbox", "list", "201212121212") == []


def test_a_message_is_shown_as_the_patient_reads_it(budkavle: CommandLine) -> None:
    shown = budkavle.out("inbox", "show", "aa")
    assert "Du har en tid [bokad] på Knämottagningen.\n" in shown
    assert "Välkommen!" in shown
    assert "Kallelse" in shown


def test_no_escape_code_reaches_the_operators_terminal(budkavle: CommandLine) -> None:
    assert "\x1b" not in budkavle.out("inbox", "show", "aa")


def test_its_html_comes_unbroken(budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert budkavle.out("inbox", "show", "aa", "--html") == (
        "<p>Du har en tid på Knämottagningen, som ligger på våning 3 i hus B.</p>"
    )


def test_its_calendar_file_comes_byte_for_byte(budkavle: CommandLine) -> None:
    result = budkavle.run("inbox", "show", "aa", "--calendar")
    assert result.stdout_bytes.decode() == CALENDAR


def test_everything_of_it_as_json(budkavle: CommandLine) -> None:
    shown = budkavle.json("inbox", "show", "aa")
    assert (shown["calendar"], shown["revision"], shown["read"]) == (CALENDAR, 1, False)
    assert shown["text"].startswith("Du har en tid")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["zz"], 1),
        (["bb", "--calendar"], 1),
        (["aa", "--html", "--calendar"], 2),
        (["aa", "--html", "--json"], 2),
    ],
)
def test_what_cannot_be_shown(budkavle: CommandLine, arguments: list[str], code: int) -> None:
    result = budkavle.run("inbox", "show", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
