"""Traces and reports on both databases, and the commands that read them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from console.report import csv_of, moment
from console.trace_answers import answer_of
from shared.base.clock import utcnow
from shared.booking.digests import KeyedDigests
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.reports import Period, Reports
from shared.store.retention import Retention, expired_rows
from shared.store.tables import inbox_message, notice
from shared.store.trace_lives import Lives
from shared.store.traces import TraceStep, TraceStore
from tests.command_line import CommandLine
from tests.integration.test_retention import LIMITS

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATIENT, OTHER = "191212121212", "201212121212"
KEY = "a key of the tests, long enough to be one"
DIGESTS = KeyedDigests(KEY)

_numbers = count(1)


def step(change: str, stage: str, outcome: str, reason: str = "", **values: Any) -> TraceStep:
    booking_id = values.pop("booking_id", "b1")
    found: dict[str, Any] = {
        "at": NOW,
        "attempt": 1,
        "received_at": NOW - HOUR,
        "source_system": "SE-A",
        "booking": DIGESTS.booking(PATIENT, booking_id),
        "patient": DIGESTS.patient(PATIENT),
        **values,
    }
    notification = change.partition("-")[0]
    return TraceStep(
        stage=stage,
        outcome=outcome,
        reason=reason,
        change_id=change,
        notification_id=notification,
        **found,
    )


def write_message(
    database: Database, name: str, change: str, *, taken: float = 1, hours: float = 0, **values: Any
) -> None:
    """A message of `hours` ago, `taken` seconds after ingest had the notification."""
    created = NOW - hours * HOUR
    row = {
        "id": name,
        "booking": name,
        "revision": next(_numbers),
        "patient": PATIENT,
        "source_system": "SE-A",
        "logical_address": "SE-U",
        "booking_id": "b1",
        "kind": "booking_confirmation",
        "subject": "",
        "body_text": "",
        "body_html": "",
        "calendar_uid": "",
        "starts": "20270101080000",
        "state": {"starts": "20270101080000"},
        "received_at": created - timedelta(seconds=taken),
        "fetched_at": created,
        "created_at": created,
        "notification_id": change.partition("-")[0],
        "change_id": change,
        "read": False,
        **values,
    }
    with database.begin() as connection:
        connection.execute(insert(inbox_message), row)


def write_notice(database: Database, message: str, channel: str, status: str) -> None:
    row = {
        "id": f"{message}-{channel}",
        "message_id": message,
        "channel": channel,
        "recipient": "r",
        "status": status,
        "detail": "",
        "created_at": NOW,
        "updated_at": NOW,
    }
    with database.begin() as connection:
        connection.execute(insert(notice), row)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    migrate(database_url)
    database = open_database(database_url)
    yield database
    database.close()


class TestLives:
    def test_a_patient_is_found_by_digest_and_a_booking_among_the_others(
        self, database: Database
    ) -> None:
        store, lives = TraceStore(database), Lives(database, DIGESTS)
        store.write(
            [
                step("n-a", "filter", "publish"),
                step("n-b", "filter", "drop", "not_activated", booking_id="b2"),
                step("n-c", "filter", "publish", patient=DIGESTS.patient(OTHER)),
            ]
        )
        assert [life.change_id for life in lives.of_patient(PATIENT)] == ["n-a", "n-b"]
        (found,) = lives.of_patient(PATIENT, "b2")
        assert found.change_id == "n-b"
        assert found.received_at == NOW - HOUR

    def test_steps_come_in_the_order_of_their_times_with_message_and_notices(
        self, database: Database
    ) -> None:
        written = step("n-a", "composer", "publish", "booking_confirmation", message_id="m")
        waits = step("n-a", "fetcher", "postpone", "rate_limited", at=NOW - HOUR, until=NOW)
        TraceStore(database).write([written, waits])
        write_message(database, "m", "n-a")
        write_notice(database, "m", "sms", "accepted")
        (life,) = Lives(database, DIGESTS).of_id("m")
        assert life.steps == (waits, written)
        assert life.message is not None
        assert [each.channel for each in life.notices] == ["sms"]
        assert "sms was taken by the provider" in answer_of(life).text

    def test_ids_of_all_kinds_lead_to_it(self, database: Database) -> None:
        known = {"correlation_id": "correlation"}
        TraceStore(database).write(
            [
                step("n-a", "filter", "publish", **known),
                step("n-a", "fetcher", "publish"),
                step("n.pb-c", "filter", "publish"),
                step("nother-a", "filter", "publish"),
            ]
        )
        lives = Lives(database, DIGESTS)
        assert [life.change_id for life in lives.of_id("n")] == ["n-a", "n.pb-c"]
        assert [life.change_id for life in lives.of_id("n-a")] == ["n-a"]
        assert [life.change_id for life in lives.of_id("correlation")] == ["n-a", "n.pb-c"]
        assert lives.of_id("unknown") == []

    def test_without_steps_the_inbox_says_what_it_knows(self, database: Database) -> None:
        write_message(database, "m", "n-a")
        for digests in (None, DIGESTS):
            (life,) = Lives(database, digests).of_patient(PATIENT)
            assert (life.steps, life.source_system) == ((), "SE-A")
            assert "Told in the inbox" in answer_of(life).text

    def test_without_a_key_steps_are_found_by_the_message(self, database: Database) -> None:
        none = {"booking": None, "patient": None}
        TraceStore(database).write(
            [step("n-a", "filter", "publish", **none), step("n-b", "filter", "publish", **none)]
        )
        write_message(database, "m", "n-a")
        (life,) = Lives(database, None).of_patient(PATIENT)
        assert (life.change_id, len(life.steps)) == ("n-a", 1)


class TestReports:
    PERIOD = Period(NOW - 24 * HOUR, NOW + HOUR)

    def test_every_system_has_its_figures(self, database: Database) -> None:
        TraceStore(database).write(
            [
                step("n-a", "filter", "publish"),
                step("n-a", "filter", "publish"),  # delivered twice
                step("n-b", "filter", "drop", "not_activated", source_system="SE-B"),
                step("n-c", "filter", "publish"),
                step("n-a", "fetcher", "retry", "source_timed_out"),
                step("n-a", "fetcher", "retry", "source_timed_out"),
                step("n-c", "composer", "drop", "unchanged"),
                step("n-d", "fetcher", "dead", "reply_mismatch"),
                step("old-a", "filter", "publish", at=NOW - 25 * HOUR),
            ]
        )
        for number in range(100):
            write_message(database, f"m{number}", f"n-{number}", taken=number, hours=1)
        write_message(database, "old", "old-a", hours=30)
        write_message(database, "read", "r-a", taken=1, hours=20, read=True)
        write_message(database, "unread", "u-a", taken=1, hours=20, kind="open_call")
        write_notice(database, "m0", "sms", "accepted")
        write_notice(database, "m1", "email", "uncertain")
        a, b = Reports(database).of(self.PERIOD, unread_after=12 * HOUR)
        assert (a.source, a.received) == ("SE-A", 2)
        assert a.dropped == {"composer unchanged": 1}
        assert a.dead == {"fetcher reply_mismatch": 1}
        assert a.failed_calls == {"source_timed_out": 2}
        assert a.messages == {"booking_confirmation": 101, "open_call": 1}
        assert a.notices == {"sms accepted": 1, "email uncertain": 1, "none": 100}
        assert (a.p50_seconds, a.p95_seconds) == (49, 94)
        assert a.unread == 1
        assert (b.source, b.received, b.dropped) == ("SE-B", 1, {"filter not_activated": 1})
        assert b.p50_seconds is None
        assert [*Reports(database).unread(self.PERIOD, unread_after=12 * HOUR)] == ["unread"]
        (alone,) = Reports(database).of(self.PERIOD, unread_after=HOUR, source="SE-B")
        assert alone == b

    def test_a_line_for_each_figure(self, database: Database) -> None:
        TraceStore(database).write([step("n-b", "filter", "drop", "not_activated")])
        lines = csv_of(Reports(database).of(self.PERIOD, unread_after=HOUR)).splitlines()
        assert lines[0] == "source,figure,detail,value"
        assert "SE-A,received,,1" in lines
        assert "SE-A,dropped,filter not_activated,1" in lines


def test_old_steps_are_purged_in_batches_and_the_rest_is_not_walked(database: Database) -> None:
    store = TraceStore(database)
    old = {"at": NOW - timedelta(days=31)}
    store.write([step(f"n-{number}", "filter", "publish", **old) for number in range(7)])
    store.write([step("n-x", "filter", "publish", at=NOW - timedelta(days=29))])
    (expired,) = (each for each in expired_rows(LIMITS, NOW) if each.table.name == "trace_step")
    assert Retention(database, batch=3).remove(expired) == 7
    assert [each.change_id for each in store.of_notifications(["n"])] == ["n-x"]


class TestCommands:
    @pytest.fixture
    def budkavle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
        line = CommandLine(tmp_path, monkeypatch)
        migrate(line.database_url)
        return line

    @pytest.fixture
    def filled(self, budkavle: CommandLine) -> CommandLine:
        budkavle.set("LOG_KEY", KEY)
        database = open_database(budkavle.database_url)
        drop = step("n-b", "filter", "drop", "not_activated", at=utcnow())
        TraceStore(database).write([drop])
        database.close()
        return budkavle

    def test_it_says_at_the_end_why_nothing_was_told(self, filled: CommandLine) -> None:
        said = filled.out("trace", "19121212-1212", "--booking", "b1")
        assert said.rstrip().endswith("The booking system was not activated in this environment.")
        assert "1212-1212" not in said
        (found,) = filled.json("trace", "n-b")["changes"]
        assert found["answer"]["reason"] == "not_activated"

    def test_what_is_not_known_ends_with_1_and_names_the_missing_key(
        self, budkavle: CommandLine
    ) -> None:
        asked = budkavle.run("trace", PATIENT)
        assert asked.exit_code == 1
        assert "without BUDKAVLE_LOG_KEY" in asked.stderr
        assert PATIENT not in asked.output

    def test_digests_are_printed_for_a_search_in_the_log(self, filled: CommandLine) -> None:
        assert filled.json("trace", "--digest", PATIENT, "b1", "b2") == [
            {"booking": name, "digest": DIGESTS.booking(PATIENT, name)} for name in ("b1", "b2")
        ]

    def test_without_a_key_there_are_no_digests(self, budkavle: CommandLine) -> None:
        asked = budkavle.run("trace", "--digest", PATIENT, "b1")
        assert asked.exit_code == 2
        assert "BUDKAVLE_LOG_KEY is not set" in asked.stderr

    def test_a_report_as_table_and_as_csv(self, filled: CommandLine) -> None:
        assert "1 filter not_activated" in filled.out("report", "--since", "1d")
        assert "SE-A,received,,1" in filled.out("report", "--since", "1d", "--csv")
        assert filled.json("report", "--since", "1d", "--unread") == []
        assert filled.run("report", "--since", "1d", "--source", "SE-X").exit_code == 1
        assert filled.run("report", "--since", "yesterday").exit_code == 2


def test_moments_are_swedish_time_or_so_long_ago() -> None:
    assert moment("2026-11-01") == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert moment("2026-07-01T08:00") == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert abs(moment("2h") - (utcnow() - 2 * HOUR)) < timedelta(minutes=1)
