"""What is old goes, what still matters stays however old it is; on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from shared.booking.times import wall_text
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.retention import Retention, RetentionLimits, expired_rows
from shared.store.tables import (
    booking_watermark,
    contact_preference,
    inbox_message,
    metadata,
    notice,
    operator_action,
    source_slot,
    source_system,
    source_system_log,
)
from tests.command_line import CommandLine

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LIMITS = RetentionLimits(
    inbox=100 * DAY,
    notices=50 * DAY,
    watermarks=10 * DAY,
    source_log=500 * DAY,
    actions=400 * DAY,
    trace=30 * DAY,
)
PATIENT = "191212121212"

_revisions = count(1)


def ago(days: float) -> datetime:
    return NOW - days * DAY


def starts(days: float) -> str:
    """Wall time of a visit so many days ago; ahead, when they are negative."""
    return wall_text(ago(days))


class Rows:
    """A database in which a test puts rows under names, and sees whose are left."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.retention = Retention(database, batch=3)

    def message(self, name: str, *, days: float, starts: str, booking: str | None = None) -> None:
        values = {
            "id": name,
            "booking": booking or name,
            "revision": next(_revisions),
            "patient": PATIENT,
            "source_system": "SE-A",
            "logical_address": "SE-U",
            "booking_id": "b",
            "kind": "booking_confirmation",
            "subject": "",
            "body_text": "",
            "body_html": "",
            "calendar_uid": "",
            "starts": starts,
            "state": {},
            "notification_id": "n",
            "change_id": "c",
            "read": False,
        }
        moments = dict.fromkeys(("received_at", "fetched_at", "created_at"), ago(days))
        self._insert(inbox_message, {**values, **moments})

    def notice(self, name: str, *, days: float, message: str = "none", status: str) -> None:
        values = {"id": name, "message_id": message, "channel": name[:5], "status": status}
        moments = {"created_at": ago(days), "updated_at": ago(days)}
        self._insert(notice, {**values, **moments, "recipient": "r", "detail": ""})

    def mark(self, name: str, *, days: float, awaiting: str | None = None) -> None:
        moments = {"fetched_at": ago(days), "received_at": ago(days)}
        digests = {"booking": name, "patient_bookings": "c", "same_id": "i"}
        values = {**digests, "notification_id": "n", "gone": True, "awaiting": awaiting}
        self._insert(booking_watermark, {**values, **moments})

    def purge(self, limits: RetentionLimits = LIMITS) -> dict[str, int]:
        """How many rows of each table went; exactly those that a count foretold."""
        work = expired_rows(limits, NOW)
        foretold = {expired.table.name: self.retention.count(expired) for expired in work}
        removed = {expired.table.name: self.retention.remove(expired) for expired in work}
        assert removed == foretold
        return {table: rows for table, rows in removed.items() if rows}

    def left(self, table: Table) -> set[Any]:
        key = next(iter(table.primary_key))
        with self.database.begin() as connection:
            return set(connection.execute(select(key)).scalars())

    def _insert(self, table: Table, values: dict[str, Any]) -> None:
        with self.database.begin() as connection:
            connection.execute(insert(table), values)


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    migrate(database_url)
    database = open_database(database_url)
    yield Rows(database)
    database.close()


def test_a_message_goes_when_it_and_its_visit_are_long_past(rows: Rows) -> None:
    rows.message("long past", days=101, starts=starts(101))
    rows.message("open call", days=101, starts="")
    rows.message("written lately", days=99, starts=starts(99))
    rows.message("visit lately", days=300, starts=starts(99))
    rows.message("visit ahead", days=300, starts=starts(-30))
    assert rows.purge() == {"inbox_message": 2}
    assert rows.left(inbox_message) == {"written lately", "visit lately", "visit ahead"}


def test_the_messages_about_a_booking_go_together(rows: Rows) -> None:
    """A booking that was moved to an earlier time: its past ends with its last trace."""
    rows.message("first", booking="moved", days=400, starts=starts(50))
    rows.message("second", booking="moved", days=390, starts=starts(150))
    rows.message("old", booking="told anew", days=400, starts=starts(380))
    rows.message("new", booking="told anew", days=20, starts=starts(-10))
    assert rows.purge() == {}
    for number in range(7):  # more than one batch holds
        rows.message(f"{number}", booking="past", days=400, starts=starts(300))
    assert rows.purge() == {"inbox_message": 7}
    assert rows.left(inbox_message) == {"first", "second", "old", "new"}


def test_a_mark_stays_while_something_is_awaited_or_known_of_its_booking(rows: Rows) -> None:
    rows.mark("old", days=11)
    rows.mark("lately", days=9)
    rows.mark("awaited", days=11, awaiting="removal")
    rows.mark("noted", days=11, awaiting="creation")
    rows.mark("told", days=99)
    rows.message("message", booking="told", days=99, starts=starts(99))
    assert rows.purge() == {"booking_watermark": 2}
    assert rows.left(booking_watermark) == {"lately", "awaited", "told"}


def test_a_mark_goes_with_the_last_message_about_its_booking(rows: Rows) -> None:
    rows.mark("told", days=101)
    rows.message("message", booking="told", days=101, starts=starts(101))
    assert rows.purge() == {"booking_watermark": 1, "inbox_message": 1}


def test_a_notice_stays_while_its_order_could_be_obeyed_again(rows: Rows) -> None:
    rows.message("visit ahead", days=60, starts=starts(-30))
    rows.message("visit past", days=60, starts=starts(55))
    rows.message("open call", days=60, starts="")
    rows.message("expired", days=101, starts="")
    for message in ("visit ahead", "visit past", "open call", "expired", "none"):
        rows.notice(f"of {message}", days=51, message=message, status="accepted")
    rows.notice("lately", days=49, status="delivered")
    assert rows.purge() == {"inbox_message": 1, "notice": 3}
    assert rows.left(notice) == {"of visit ahead", "of open call", "lately"}


def test_a_notice_that_is_being_sent_stays_and_one_that_waits_in_vain_goes(rows: Rows) -> None:
    for status in ("pending", "sending", "uncertain", "rejected", "failed"):
        rows.notice(status, days=51, status=status)
    assert rows.purge() == {"notice": 4}
    assert rows.left(notice) == {"sending"}


def test_for_ever_is_for_ever(rows: Rows) -> None:
    rows.message("ancient", days=9999, starts=starts(9999))
    rows.mark("ancient", days=9999)
    rows.mark("unknown", days=9999)
    rows.notice("sms", days=9999, status="accepted")
    forever = replace(LIMITS, inbox=None, notices=None, source_log=None)
    assert rows.purge(forever) == {"booking_watermark": 1}
    assert rows.left(booking_watermark) == {"ancient"}


def test_the_register_and_the_choices_of_patients_stay(rows: Rows) -> None:
    old = ago(9999)
    system = {"hsa_key": "SE-A", "environment": "qa"}
    rows._insert(
        source_system,
        {
            **system,
            "hsa_id": "SE-a",
            "name": "a",
            "calls_per_second": 1,
            "calls_in_flight": 1,
            "activated_by": "anna",
            "activated_at": old,
        },
    )
    for at in (ago(501), ago(499)):
        entry = {"action": "added", "by": "anna", "at": at, "details": {}}
        rows._insert(source_system_log, {**system, **entry})
    rows._insert(source_slot, {"hsa_key": "SE-A", "next_slot": ago(2), "reserved_at": old})
    rows._insert(source_slot, {"hsa_key": "SE-B", "next_slot": ago(0.5), "reserved_at": old})
    choice = {"patient": PATIENT, "channel": "sms", "address": "+46701740605"}
    rows._insert(contact_preference, {**choice, "updated_at": old})
    assert rows.purge() == {"source_system_log": 1, "source_slot": 1}
    assert rows.left(source_system) == {"SE-A"}
    assert rows.left(source_slot) == {"SE-B"}
    assert rows.left(contact_preference) == {PATIENT}


def test_the_log_of_actions_is_kept_by_its_own_setting(rows: Rows) -> None:
    words = dict.fromkeys(("by", "action", "subject", "why", "outcome"), "x")
    for days in (401, 399):
        rows._insert(operator_action, {**words, "run": f"r{days}", "at": ago(days)})
    assert rows.purge() == {"operator_action": 1}
    with rows.database.begin() as connection:
        assert connection.scalars(select(operator_action.c.run)).all() == ["r399"]


def test_every_table_has_been_thought_of() -> None:
    kept_until_removed = {"source_system", "contact_preference"}
    cleaned_by_its_writers = {"stage_process", "unknown_source"}
    purged = {expired.table.name for expired in expired_rows(LIMITS, NOW)}
    others = kept_until_removed | cleaned_by_its_writers
    assert purged | others == set(metadata.tables)


def test_the_command_counts_and_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budkavle = CommandLine(tmp_path, monkeypatch)
    migrate(budkavle.database_url)
    database = open_database(budkavle.database_url)
    Rows(database).message("ancient", days=4000, starts="")
    budkavle.set("RETAIN_WATERMARK_DAYS", "7")

    def told(*options: str) -> dict[str, tuple[int, int]]:
        return {
            each["table"]: (each["kept_days"], each["rows"])
            for each in budkavle.json("purge", *options)
        }

    assert told("--dry-run")["inbox_message"] == (730, 1)
    assert "to remove" in budkavle.out("purge", "--dry-run")
    assert told()["inbox_message"] == (730, 1)
    assert told()["inbox_message"] == (730, 0)
    assert told()["booking_watermark"] == (7, 0)
    assert "removed" in budkavle.out("purge")
    budkavle.set("RETAIN_INBOX_DAYS", "0")
    assert "inbox_message" not in told()
    database.close()
