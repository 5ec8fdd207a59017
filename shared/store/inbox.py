"""The inbox on a database: what patients were told, and how far each booking has been judged.

One circle (`shared.booking.inbox`) is judged by one transaction at a time, so that two composers
never judge a booking, or a removal and the creation that takes its place, side by side. On
PostgreSQL advisory locks on the circles see to it: one statement, and no row needed. On SQLite
every transaction is alone anyway.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    bindparam,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from shared.booking.identity import BookingKey, hsa_key
from shared.booking.inbox import Awaiting, InboxMessage, Mark, MessageKind, Scope, Told, circle_of
from shared.booking.messages import BookingDetails
from shared.store.engine import Database
from shared.store.tables import booking_watermark as marks
from shared.store.tables import inbox_message as messages

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

_LOCK = text("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(:numbers AS bigint[])) AS n")
_WRITE = insert(messages)


class Inbox:
    """Every patient's inbox. Methods raise `DatabaseUnavailable` when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def locked(self, scopes: Sequence[Scope]) -> Iterator[list["StoredCircle"]]:
        """What is known of each of `scopes`, which are of circles of their own; one transaction.

        What is written is stored at the end of the context; an error leaves nothing of it.
        """
        with self._database.begin() as connection:
            _lock(connection, {scope.circle for scope in scopes})
            circles = _read(connection, scopes)
            yield circles
            _store(connection, circles)

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
    """What is known within one scope, and what is to be written."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.bookings = {booking.digest for booking in scope.bookings}
        self.marks: list[Mark] = []
        self.told: list[Told] = []
        self.written: list[InboxMessage] = []
        self.carried: list[tuple[Told, BookingKey]] = []
        self.changed_marks: list[Mark] = []

    def write(self, message: InboxMessage) -> None:
        self.written.append(message)

    def carry_over(self, told: Told, booking: BookingKey) -> None:
        """Let `told` be about `booking` from now on."""
        if told.booking != booking.digest:
            self.carried.append((told, booking))

    def set_mark(self, mark: Mark) -> None:
        self.changed_marks.append(mark)

    def take_mark(self, mark: Mark) -> None:
        """Know `mark`, if it is within the scope; of the circle it is."""
        late = mark.received_at >= self.scope.since
        if late or mark.awaiting or mark.booking in self.bookings:
            self.marks.append(mark)

    def take_told(self, told: Told, marked: set[str]) -> None:
        """Know `told`, if it is within the scope or about one of the bookings `marked`."""
        late = told.received_at >= self.scope.since
        if late or told.booking in marked or told.booking in self.bookings:
            self.told.append(told)


def _lock(connection: Connection, circles: Iterable[str]) -> None:
    """In one order everywhere, so that no two transactions wait for each other."""
    if connection.dialect.name == "postgresql":
        numbers = [int.from_bytes(bytes.fromhex(circle)[:8], signed=True) for circle in circles]
        connection.execute(_LOCK, {"numbers": sorted(numbers)})


def _read(connection: Connection, scopes: Sequence[Scope]) -> list[StoredCircle]:
    circles = {scope.circle: StoredCircle(scope) for scope in scopes}
    values: dict[str, Any] = {
        "circles": list(circles),
        "bookings": [booking for circle in circles.values() for booking in circle.bookings],
        "since": min(scope.since for scope in scopes),
    }
    for row in connection.execute(_marks_query(), values).mappings():
        circles[row["circle"]].take_mark(_mark(row))
    # Of what was told there is always a mark, so without marks nobody need ask.
    marked = {mark.booking for circle in circles.values() for mark in circle.marks}
    if marked:
        values["bookings"] = list({*values["bookings"], *marked})
        _read_told(connection, circles, values, marked)
    return list(circles.values())


def _read_told(
    connection: Connection,
    circles: Mapping[str, StoredCircle],
    values: Mapping[str, Any],
    marked: set[str],
) -> None:
    keys = [circle.scope.bookings[0] for circle in circles.values()]
    whose = {
        "patients": list({key.patient.upper() for key in keys}),
        "source_systems": list({hsa_key(key.source_system) for key in keys}),
    }
    for row in connection.execute(_told_query(), {**values, **whose}).mappings():
        told = _told(row)
        if circle := circles.get(circle_of(told.key)):
            circle.take_told(told, marked)


def _store(connection: Connection, circles: Sequence[StoredCircle]) -> None:
    for told, booking in (carried for circle in circles for carried in circle.carried):
        connection.execute(
            update(messages).where(messages.c.id == told.id).values(_key_values(booking))
        )
    if written := [_message_values(message) for circle in circles for message in circle.written]:
        connection.execute(_WRITE, written)
    if changed := [_mark_values(mark) for circle in circles for mark in circle.changed_marks]:
        connection.execute(_set_mark(connection.dialect.name), changed)


@cache
def _marks_query() -> Select[Any]:
    matters = or_(
        marks.c.booking.in_(bindparam("bookings", expanding=True)),
        marks.c.awaiting.is_not(None),
        marks.c.received_at >= bindparam("since"),
    )
    return select(marks).where(marks.c.circle.in_(bindparam("circles", expanding=True)), matters)


@cache
def _told_query() -> Select[Any]:
    matters = or_(
        messages.c.booking.in_(bindparam("bookings", expanding=True)),
        messages.c.received_at >= bindparam("since"),
    )
    return select(*_TOLD_COLUMNS).where(
        messages.c.patient.in_(bindparam("patients", expanding=True)),
        messages.c.source_system.in_(bindparam("source_systems", expanding=True)),
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
