"""The inbox on a database: what patients were told, and how far each booking has been judged.

One circle (`shared.inbox`) is judged by one transaction at a time, so that two composers never
judge a booking, or a removal and the creation that takes its place, side by side. On PostgreSQL an
advisory lock on the circle sees to it: one statement, no row needed, and no order of locking to
keep. On SQLite every transaction is alone anyway.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from shared.database.engine import Database
from shared.database.tables import booking_watermark as marks
from shared.database.tables import inbox_message as messages
from shared.identity import BookingKey, hsa_key
from shared.inbox import Awaiting, InboxMessage, Mark, MessageKind, Told, circle_of
from shared.messages import BookingDetails

_TOLD_COLUMNS = (
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
    *_TOLD_COLUMNS,
    messages.c.subject,
    messages.c.body_text,
    messages.c.body_html,
    messages.c.calendar,
    messages.c.read,
)

_LOCK = select(func.pg_advisory_xact_lock(bindparam("number")))
_WRITE = insert(messages)


class Inbox:
    """Every patient's inbox. Methods raise `DatabaseUnavailable` when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def locked(self, bookings: Sequence[BookingKey], since: datetime) -> Iterator["StoredCircle"]:
        """The circle of `bookings`, one or two that share it, in a transaction of its own.

        It holds all about `bookings`, all that is awaited, and all about notifications that
        ingest took after `since`. Committed at the end of the context; an error undoes it all.
        """
        with self._database.begin() as connection:
            _lock(connection, circle_of(bookings[0]))
            yield StoredCircle(connection, bookings, since)

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

    def mark_read(self, message_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(
                update(messages).where(messages.c.id == message_id).values(read=True)
            )

    def _read(self, query: Select[Any]) -> list[InboxMessage]:
        with self._database.begin() as connection:
            return [_message(row) for row in connection.execute(query).mappings()]


class StoredCircle:
    """What is known of one circle, within the transaction that judges one of its bookings."""

    def __init__(
        self, connection: Connection, bookings: Sequence[BookingKey], since: datetime
    ) -> None:
        self._connection = connection
        digests = [booking.digest for booking in bookings]
        values = {
            "circle": circle_of(bookings[0]),
            "one": digests[0],
            "other": digests[-1],
            "since": since,
        }
        found = connection.execute(_marks_query(), values)
        self.marks = [_mark(row) for row in found.mappings()]
        self.told = self._read_told(bookings[0], digests, since) if self.marks else []

    def _read_told(self, booking: BookingKey, digests: list[str], since: datetime) -> list[Told]:
        """Of what was told there is always a mark, so without marks nobody need ask."""
        values = {
            "patient": booking.patient.upper(),
            "source_system": hsa_key(booking.source_system),
            "bookings": list({*digests, *(mark.booking for mark in self.marks)}),
            "since": since,
        }
        found = self._connection.execute(_told_query(), values)
        return [_told(row) for row in found.mappings()]

    def write(self, message: InboxMessage) -> None:
        self._connection.execute(_WRITE, _message_values(message))

    def carry_over(self, told: Told, booking: BookingKey) -> None:
        """Let `told` be about `booking` from now on."""
        if told.booking == booking.digest:
            return
        self._connection.execute(
            update(messages).where(messages.c.id == told.id).values(_key_values(booking))
        )

    def set_mark(self, mark: Mark) -> None:
        self._connection.execute(_set_mark(self._connection.dialect.name), _mark_values(mark))


def _lock(connection: Connection, circle: str) -> None:
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(bytes.fromhex(circle)[:8], signed=True)
        connection.execute(_LOCK, {"number": number})


@cache
def _marks_query() -> Select[Any]:
    matters = or_(
        marks.c.booking.in_([bindparam("one"), bindparam("other")]),
        marks.c.awaiting.is_not(None),
        marks.c.received_at >= bindparam("since"),
    )
    return select(marks).where(marks.c.circle == bindparam("circle"), matters)


@cache
def _told_query() -> Select[Any]:
    matters = or_(
        messages.c.booking.in_(bindparam("bookings", expanding=True)),
        messages.c.received_at >= bindparam("since"),
    )
    return select(*_TOLD_COLUMNS).where(
        messages.c.patient == bindparam("patient"),
        messages.c.source_system == bindparam("source_system"),
        matters,
    )


@cache
def _set_mark(dialect: str) -> Any:
    """INSERT … ON CONFLICT DO UPDATE, which both databases know in the same form."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(marks)
    new = {column.name: statement.excluded[column.name] for column in marks.c}
    return statement.on_conflict_do_update(index_elements=[marks.c.booking], set_=new)


def _mark(row: RowMapping) -> Mark:
    values: dict[str, Any] = dict(row)
    values["awaiting"] = Awaiting(row["awaiting"]) if row["awaiting"] else None
    return Mark(**values)


def _mark_values(mark: Mark) -> dict[str, Any]:
    return {column.name: getattr(mark, column.name) for column in marks.c}


def _told_values(row: RowMapping) -> dict[str, Any]:
    values: dict[str, Any] = dict(row)
    key = {name: values.pop(name) for name in BookingKey.model_fields}
    values["key"] = BookingKey(**key)
    values["kind"] = MessageKind(row["kind"])
    values["state"] = BookingDetails(**row["state"])
    return values


def _told(row: RowMapping) -> Told:
    return Told(**_told_values(row))


def _message(row: RowMapping) -> InboxMessage:
    return InboxMessage(**_told_values(row))


def _key_values(booking: BookingKey) -> dict[str, Any]:
    return {
        "booking": booking.digest,
        "source_system": hsa_key(booking.source_system),
        "logical_address": booking.logical_address,
        "booking_id": booking.booking_id,
        "patient": booking.patient.upper(),
    }


def _message_values(message: InboxMessage) -> dict[str, Any]:
    same = {column.name: getattr(message, column.name) for column in _SAME_NAME}
    return {
        **same,
        **_key_values(message.key),
        "starts": message.state.starts,
        "state": message.state.model_dump(exclude_defaults=True),
    }


_SAME_NAME = [
    column for column in _MESSAGE_COLUMNS if column.name not in {*BookingKey.model_fields, "state"}
]
