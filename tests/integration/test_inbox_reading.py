"""What a patient reads, on both databases: order, pages, marks, and who else is not held up."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from shared.booking.identity import BookingKey
from shared.booking.inbox import Announcement, HistoryWindow, MessageKind
from shared.booking.messages import BookingDetails
from shared.store.engine import Database, open_database
from shared.store.inbox import Inbox
from shared.store.inbox_reading import InboxReader
from shared.store.migrate import migrate
from shared.store.statements import insert_if_absent
from shared.store.tables import inbox_message
from tests.inbox_rows import ROW

PATIENT, OTHER_PATIENT = "191212121212", "201212121212"
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    migrate(database_url)
    with closing(open_database(database_url)) as opened:
        yield opened


def write(database: Database, message_id: str, **values: Any) -> None:
    usual = {"id": message_id, "booking": message_id, "calendar_uid": f"{message_id}@budkavle"}
    with database.begin() as connection:
        insert_if_absent(connection, inbox_message, {**ROW, **usual, **values})


def all_pages(reader: InboxReader, limit: int, patient: str = PATIENT) -> list[list[str]]:
    pages, after = [], None
    while True:
        page = reader.page(patient, limit=limit, after=after)
        pages.append([message.id for message in page.messages])
        if not page.has_more:
            return pages
        after = page.messages[-1].position


def test_pages_hold_every_message_once_newest_first(database: Database) -> None:
    for number, name in enumerate("abcde"):
        write(database, name, created_at=NOON + timedelta(microseconds=number))
    write(database, "other", patient=OTHER_PATIENT)
    reader = InboxReader(database)
    assert all_pages(reader, 2) == [["e", "d"], ["c", "b"], ["a"]]
    assert all_pages(reader, 5) == [["e", "d", "c", "b", "a"]]
    assert reader.page(PATIENT, limit=2).unread == 5
    assert all_pages(reader, 2, "19121212p212") == [[]]


def test_messages_of_one_moment_have_one_order(database: Database) -> None:
    """A cancellation and what takes its place are written at once."""
    for name, revision in [("b", 1), ("a", 1), ("c", 0), ("d", 2)]:
        write(database, name, revision=revision, created_at=NOON)
    assert all_pages(InboxReader(database), 1) == [["d"], ["b"], ["a"], ["c"]]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    moments=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    removed=st.sets(st.integers(0, 11)),
)
def test_what_stays_is_read_once_whatever_goes_and_comes(
    postgres_url: str, moments: list[int], limit: int, removed: set[int]
) -> None:
    migrate(postgres_url)
    with closing(open_database(postgres_url)) as database:
        with database.begin() as connection:
            connection.execute(inbox_message.delete())
        for number, moment in enumerate(moments):
            write(database, f"m{number}", created_at=NOON + timedelta(seconds=moment))
        _read_while_it_changes(database, limit, {f"m{number}" for number in removed})


def _read_while_it_changes(database: Database, limit: int, removed: set[str]) -> None:
    reader, read = InboxReader(database), list[str]()
    all_of_them = [name for page in all_pages(reader, 100) for name in page]
    page = reader.page(PATIENT, limit=limit)
    read += [message.id for message in page.messages]
    write(database, "new", created_at=NOON + timedelta(hours=1))
    with database.begin() as connection:
        connection.execute(inbox_message.delete().where(inbox_message.c.id.in_(removed)))
    while page.has_more:
        page = reader.page(PATIENT, limit=limit, after=page.messages[-1].position)
        read += [message.id for message in page.messages]
    assert len(read) == len(set(read))
    assert set(all_of_them) - removed <= set(read) <= set(all_of_them)


def test_a_message_is_its_patients_alone(database: Database) -> None:
    write(database, "mine", calendar="BEGIN:VCALENDAR")
    reader = InboxReader(database)
    message = reader.message(PATIENT, "mine")
    assert message is not None
    assert (message.kind, message.has_calendar) == (MessageKind.BOOKING_CONFIRMATION, True)
    assert reader.calendar(PATIENT, "mine") == "BEGIN:VCALENDAR"
    for read in (reader.message, reader.calendar):
        assert read(OTHER_PATIENT, "mine") is None
    assert not reader.mark_read(OTHER_PATIENT, "mine")
    assert reader.page(PATIENT, limit=1).unread == 1


def test_a_later_message_about_the_visit_supersedes(database: Database) -> None:
    same = {"calendar_uid": "visit@budkavle"}
    write(database, "first", **same, revision=1, booking="old")
    write(database, "second", **same, revision=2, booking="new")
    write(database, "third", **same, revision=3, booking="new")
    write(database, "elsewhere", revision=9)
    reader = InboxReader(database)
    found = {name: reader.message(PATIENT, name) for name in ("first", "second", "third")}
    assert {name: one and one.superseded_by for name, one in found.items()} == {
        "first": "third",
        "second": "third",
        "third": None,
    }


def test_a_mark_is_made_once_and_stays(database: Database) -> None:
    write(database, "a")
    write(database, "b")
    reader = InboxReader(database)
    assert reader.mark_read(PATIENT, "a")
    assert reader.mark_read(PATIENT, "a")
    assert not reader.mark_read(PATIENT, "nosuch")
    page = reader.page(PATIENT, limit=5)
    assert {message.id: message.read for message in page.messages} == {"a": True, "b": False}
    assert page.unread == 1


def test_a_mark_survives_what_the_composer_writes_at_the_same_time(database: Database) -> None:
    """The composer carries a booking over to a new id, and the patient reads meanwhile."""
    key = BookingKey(
        source_system="SE1-S", logical_address="SE1-U", booking_id="B1", patient=PATIENT
    )
    write(database, "a", booking=key.digest)
    new = key.replaced(booking_id="B2")
    with Inbox(database).locked([HistoryWindow(key, (), NOON)]) as [bookings]:
        if database.has_clock:
            assert InboxReader(database).mark_read(PATIENT, "a")
        bookings.carry_over(_announced(key), new, BookingDetails())
    assert InboxReader(database).mark_read(PATIENT, "a")
    message = InboxReader(database).message(PATIENT, "a")
    assert message is not None
    assert (message.booking_id, message.read) == ("B2", True)


def test_under_a_new_person_number_the_message_is_read_by_that_alone(database: Database) -> None:
    key = BookingKey(
        source_system="SE1-S", logical_address="SE1-U", booking_id="B1", patient=PATIENT
    )
    write(database, "a", booking=key.digest, read=True)
    with Inbox(database).locked([HistoryWindow(key, (), NOON)]) as [bookings]:
        new = key.replaced(patient=OTHER_PATIENT)
        bookings.carry_over(_announced(key), new, BookingDetails())
    reader = InboxReader(database)
    assert reader.message(PATIENT, "a") is None
    message = reader.message(OTHER_PATIENT, "a")
    assert message is not None
    assert message.read


def _announced(key: BookingKey) -> Announcement:
    return Announcement(
        id="a",
        key=key,
        revision=0,
        kind=MessageKind.BOOKING_CONFIRMATION,
        state=BookingDetails(),
        calendar_uid="",
        received_at=NOON,
        fetched_at=NOON,
        created_at=NOON,
        notification_id="n",
        change_id="c",
    )


def test_readers_do_not_wait_for_a_writer_of_the_sqlite_file(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/budkavle.sqlite3"
    migrate(url)
    with closing(open_database(url)) as database:
        write(database, "a", read=True)
        reader = InboxReader(database)
        with closing(sqlite3.connect(tmp_path / "budkavle.sqlite3", timeout=0)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert reader.page(PATIENT, limit=5).unread == 0
            assert reader.message(PATIENT, "a")
            assert reader.mark_read(PATIENT, "a"), "it is read already: nothing is written"
            writer.rollback()


def test_everything_goes_by_indexes(database: Database) -> None:
    """An empty table would be scanned by PostgreSQL: it is forbidden to, unless it must."""
    write(database, "a")
    asked: list[tuple[str, Any]] = []
    with recorded(asked):
        reader = InboxReader(database)
        page = reader.page(PATIENT, limit=1)
        reader.page(PATIENT, limit=1, after=page.messages[0].position)
        reader.message(PATIENT, "a")
        reader.calendar(PATIENT, "a")
        reader.mark_read(PATIENT, "a")
    assert len(asked) == 8
    with database.begin() as connection:
        for statement, values in asked:
            plan = explained(connection, statement, values, on_server=database.has_clock)
            assert not re.search("Seq Scan|SCAN (inbox_message|later)", plan), plan


@contextmanager
def recorded(asked: list[tuple[str, Any]]) -> Iterator[None]:
    def record(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.extend([] if statement.startswith("BEGIN") else [(statement, values)])

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def explained(connection: Any, statement: str, values: Any, *, on_server: bool) -> str:
    if on_server:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    word = "EXPLAIN" if on_server else "EXPLAIN QUERY PLAN"
    return "\n".join(map(str, connection.exec_driver_sql(f"{word} {statement}", values)))
