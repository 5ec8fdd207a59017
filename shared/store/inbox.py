"""The inbox on a database: what was announced, and how far each booking has been judged.

One transaction at a time judges a patient's bookings at one source, so two composers never judge a
booking, or a removal and the creation that replaces it, at the same time. On PostgreSQL this is
done by advisory locks: one statement, and no row needed. On SQLite there is one writer at a time.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    RowMapping,
    Select,
    and_,
    bindparam,
    or_,
    select,
    text,
    update,
)

from shared.booking.identity import BookingKey, hsa_key
from shared.booking.inbox import (
    AnnouncedElsewhere,
    Announcement,
    Awaiting,
    HistoryWindow,
    InboxMessage,
    MessageKind,
    PendingChange,
    Watermark,
)
from shared.booking.messages import BookingDetails
from shared.store.direct import Single
from shared.store.engine import Database
from shared.store.pending_changes import pending_changes, without_judged
from shared.store.statements import among, execute_rows, insert_rows
from shared.store.tables import booking_watermark as watermarks
from shared.store.tables import inbox_message as messages

_ANNOUNCEMENT_COLUMNS = (
    messages.c.id,
    messages.c.source_system,
    messages.c.logical_address,
    messages.c.booking_id,
    messages.c.patient,
    messages.c.revision,
    messages.c.kind,
    messages.c.state,
    messages.c.calendar_uid,
    messages.c.received_at,
    messages.c.fetched_at,
    messages.c.created_at,
    messages.c.notification_id,
    messages.c.change_id,
)
_MESSAGE_COLUMNS = (
    *_ANNOUNCEMENT_COLUMNS,
    messages.c.subject,
    messages.c.body_text,
    messages.c.body_html,
    messages.c.calendar,
    messages.c.read,
)

_WATERMARK_COLUMNS = [field.name for field in fields(Watermark)]

_LOCK = text("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(:numbers AS bigint[])) AS n")
_HELD = select(messages.c.id).where(among(messages.c.id, "wanted"))


class Inbox:
    """Every patient's inbox. Methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def locked(self, windows: Sequence[HistoryWindow]) -> Iterator[list["StoredBookings"]]:
        """What is known within each of `windows`, no two of the same patient and source; one
        transaction.

        What is written is stored at the end of the context; an error leaves nothing of it.
        """
        with self._database.quick() as connection:
            _lock(connection, windows)
            several = _read(connection, windows)
            yield several
            _store(connection, several)

    def list_for(self, patient: str) -> list[InboxMessage]:
        """The patient's messages, newest first."""
        mine = messages.c.patient == patient.upper()
        order = messages.c.created_at.desc(), messages.c.revision.desc()
        return self._read(select(*_MESSAGE_COLUMNS).where(mine).order_by(*order))

    def get(self, message_id: str) -> InboxMessage | None:
        return next(iter(self.by_ids([message_id])), None)

    def by_ids(self, message_ids: Sequence[str]) -> list[InboxMessage]:
        """Those of `message_ids` that exist, in no order."""
        return self._read(select(*_MESSAGE_COLUMNS).where(messages.c.id.in_(message_ids)))

    def held(self, message_ids: Collection[str]) -> set[str]:
        """Those of these messages that are there: a failover may take back what was committed."""
        with self._database.single() as connection:
            return set(connection.execute(_HELD, {"wanted": list(message_ids)}).scalars())

    def mark_read(self, message_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(
                update(messages).where(messages.c.id == message_id).values(read=True)
            )

    def _read(self, query: Select[Any]) -> list[InboxMessage]:
        with self._database.begin() as connection:
            return [_message(row) for row in connection.execute(query).mappings()]


class StoredBookings:
    """What is known within one history window, and what is to be written."""

    def __init__(self, window: HistoryWindow) -> None:
        self.window = window
        self.watermarks: list[Watermark] = []
        self.same_id_elsewhere: list[Watermark] = []
        self.announced_elsewhere: dict[str, AnnouncedElsewhere] = {}
        self.pending: list[PendingChange] = []
        self.pending_elsewhere: list[PendingChange] = []
        self.announcements: list[Announcement] = []
        self.written: list[InboxMessage] = []
        self.carried_over: list[tuple[Announcement, BookingKey, BookingDetails]] = []
        self.changed: list[Watermark] = []

    def write(self, message: InboxMessage) -> None:
        self.written.append(message)

    def carry_over(
        self, announcement: Announcement, booking: BookingKey, details: BookingDetails
    ) -> None:
        """Change `announcement` to be about `booking`, which is as `details` say."""
        self.carried_over.append((announcement, booking, details))

    def set_watermark(self, watermark: Watermark) -> None:
        self.changed.append(watermark)

    def take(self, watermark: Watermark | None, pending: Sequence[PendingChange]) -> None:
        """Add what is known of one booking, if it is within the window."""
        if watermark:
            self._take_watermark(watermark, has_pending=bool(pending))
        for change in pending:
            if change.patient_bookings == self.window.patient_bookings:
                self.pending.append(change)
            elif change.same_id == self.window.same_id:
                self.pending_elsewhere.append(change)

    def _take_watermark(self, watermark: Watermark, *, has_pending: bool) -> None:
        same_id = watermark.same_id == self.window.same_id
        if watermark.patient_bookings != self.window.patient_bookings:
            self.same_id_elsewhere += [watermark] if same_id else []
            return
        is_late = watermark.received_at >= self.window.since
        is_open = watermark.awaiting is not None or has_pending
        if is_late or same_id or is_open or watermark.booking in self.window.digests:
            self.watermarks.append(watermark)

    def take_announced_elsewhere(
        self, booking: str, unit: str, patient: str, received_at: datetime
    ) -> None:
        """`booking` (a digest), which may have the same id, was announced for what ingest took
        then."""
        if not any(each.booking == booking for each in self.same_id_elsewhere):
            return
        before = self.announced_elsewhere.get(booking)
        if before is None or before.received_at < received_at:
            key = self.window.booking.replaced(logical_address=unit, patient=patient)
            self.announced_elsewhere[booking] = AnnouncedElsewhere(key, received_at)

    def take_announcement(self, announcement: Announcement, watermarked: set[str]) -> None:
        """Add `announcement`, if it is within the window or about a booking `watermarked`."""
        is_late = announcement.received_at >= self.window.since
        if is_late or announcement.booking in {*watermarked, *self.window.digests}:
            self.announcements.append(announcement)


_ELSEWHERE = select(
    messages.c.booking, messages.c.logical_address, messages.c.patient, messages.c.received_at
).where(among(messages.c.booking, "of"))

#: By `BookingKey.patient_bookings`.
_Several = Mapping[str, StoredBookings]


def _lock(connection: Single, windows: Sequence[HistoryWindow]) -> None:
    """Each patient's bookings, and each id: it may stand under two person numbers. In one order
    everywhere, so that no two transactions wait for each other."""
    if connection.dialect.name == "postgresql":
        keys = {key for window in windows for key in (window.patient_bookings, window.same_id)}
        numbers = [int.from_bytes(bytes.fromhex(key)[:8], signed=True) for key in keys]
        connection.execute(_LOCK, {"numbers": sorted(numbers)})


def _read(connection: Single, windows: Sequence[HistoryWindow]) -> list[StoredBookings]:
    several = {window.patient_bookings: StoredBookings(window) for window in windows}
    values: dict[str, Any] = {
        "patient_bookings": list(several),
        "same_ids": [window.same_id for window in windows],
        "bookings": [booking for window in windows for booking in window.digests],
        "since": min(window.since for window in windows),
    }
    of_id = {window.same_id: several[window.patient_bookings] for window in windows}
    for row in connection.execute(_watermarks_query(), values).mappings():
        watermark, pending = _watermark(row), [*pending_changes(row)]
        concerned = several.get(row["patient_bookings"]), of_id.get(row["same_id"])
        for each in {bookings for bookings in concerned if bookings}:
            each.take(watermark, pending)
    if elsewhere := [mark.booking for each in several.values() for mark in each.same_id_elsewhere]:
        for announced in connection.execute(_ELSEWHERE, {"of": elsewhere}):
            for each in several.values():
                each.take_announced_elsewhere(*announced)
    # Every announced booking has a watermark, so without one there is nothing to read.
    watermarked = {mark.booking for each in several.values() for mark in each.watermarks}
    if watermarked:
        values["bookings"] = list({*values["bookings"], *watermarked})
        _read_announcements(connection, several, values, watermarked)
    return list(several.values())


def _read_announcements(
    connection: Single, several: _Several, values: Mapping[str, Any], watermarked: set[str]
) -> None:
    keys = [each.window.booking for each in several.values()]
    whose = {
        "patients": list({key.patient.upper() for key in keys}),
        "source_systems": list({hsa_key(key.source_system) for key in keys}),
    }
    for row in connection.execute(_announcements_query(), {**values, **whose}).mappings():
        announcement = _announcement(row)
        if bookings := several.get(announcement.key.patient_bookings):
            bookings.take_announcement(announcement, watermarked)


def _store(connection: Single, several: Sequence[StoredBookings]) -> None:
    for announcement, booking, details in (one for each in several for one in each.carried_over):
        state = details.model_dump(exclude_defaults=True)
        values = {**_key_values(booking), "state": state, "carried_over": announcement.id}
        connection.execute(_carry_over(), values)
    written = [_message_values(message) for each in several for message in each.written]
    newest = {mark.booking: mark for each in several for mark in each.changed}
    # In the order in which the filter writes, too: no two of them deadlock.
    changed = [_watermark_values(newest[booking]) for booking in sorted(newest)]
    dialect = connection.dialect.name
    if dialect == "postgresql" and written and changed:
        execute_rows(connection, _write_all(), messages=written, watermarks=changed)
        return
    if written:
        execute_rows(connection, _write(dialect), messages=written)
    if changed:
        execute_rows(connection, _set_watermark(dialect), watermarks=changed)


@cache
def _watermarks_query() -> Select[Any]:
    column = watermarks.c
    matters = or_(
        among(column.booking, "bookings"),
        column.awaiting.is_not(None),
        column.removal_pending_at.is_not(None),
        column.creation_pending_at.is_not(None),
        column.received_at >= bindparam("since"),
    )
    of_patients = among(column.patient_bookings, "patient_bookings")
    same_ids = among(column.same_id, "same_ids")
    return select(watermarks).where(or_(and_(of_patients, matters), same_ids))


@cache
def _announcements_query() -> Select[Any]:
    matters = or_(
        among(messages.c.booking, "bookings"),
        messages.c.received_at >= bindparam("since"),
    )
    return select(*_ANNOUNCEMENT_COLUMNS).where(
        among(messages.c.patient, "patients"),
        among(messages.c.source_system, "source_systems"),
        matters,
    )


@cache
def _carry_over() -> Any:
    named = ("booking", "source_system", "logical_address", "booking_id", "patient", "state")
    return (
        update(messages)
        .where(messages.c.id == bindparam("carried_over"))
        .values({name: bindparam(name) for name in named})
    )


@cache
def _write(dialect: str) -> Any:
    return insert_rows(messages, messages.columns.keys(), dialect, "messages")


@cache
def _write_all() -> Any:
    """Both in one round trip."""
    return _set_watermark("postgresql").add_cte(_write("postgresql").cte("written"))


@cache
def _set_watermark(dialect: str) -> Any:
    """A pending change is so no longer, once it or a newer one is judged."""
    statement = insert_rows(watermarks, _WATERMARK_COLUMNS, dialect, "watermarks")
    new: dict[str, Any] = {name: statement.excluded[name] for name in _WATERMARK_COLUMNS}
    new |= without_judged(watermarks.c, statement.excluded.received_at)
    return statement.on_conflict_do_update(index_elements=[watermarks.c.booking], set_=new)


def _watermark(row: RowMapping) -> Watermark | None:
    """None where no change of the booking was judged."""
    if row["fetched_at"] is None:
        return None
    values = {name: row[name] for name in _WATERMARK_COLUMNS}
    values["awaiting"] = Awaiting(row["awaiting"]) if row["awaiting"] else None
    values["held"] = BookingDetails(**row["held"]) if row["held"] else None
    return Watermark(**values)


def _watermark_values(watermark: Watermark) -> dict[str, Any]:
    held = watermark.held.model_dump(exclude_defaults=True) if watermark.held else None
    values = {name: getattr(watermark, name) for name in _WATERMARK_COLUMNS}
    return {**values, "held": held}


def _announcement_values(row: RowMapping) -> dict[str, Any]:
    values: dict[str, Any] = dict(row)
    key = {name: values.pop(name) for name in BookingKey.model_fields}
    values["key"] = BookingKey(**key)
    values["kind"] = MessageKind(row["kind"])
    values["state"] = BookingDetails(**row["state"])
    return values


def _announcement(row: RowMapping) -> Announcement:
    return Announcement(**_announcement_values(row))


def _message(row: RowMapping) -> InboxMessage:
    return InboxMessage(**_announcement_values(row))


def _key_values(booking: BookingKey) -> dict[str, Any]:
    return {
        "booking": booking.digest,
        "source_system": hsa_key(booking.source_system),
        "logical_address": booking.logical_address,
        "booking_id": booking.booking_id,
        "patient": booking.patient.upper(),
    }


def _message_values(message: InboxMessage) -> dict[str, Any]:
    same = {name: getattr(message, name) for name in _SAME_NAME}
    return {
        **same,
        **_key_values(message.key),
        "starts": message.state.starts,
        "state": message.state.model_dump(exclude_defaults=True),
    }


#: As plain texts: JSON takes many times as long to write with SQLAlchemy's names.
_SAME_NAME = {str(column.name) for column in _MESSAGE_COLUMNS} - {*BookingKey.model_fields, "state"}
