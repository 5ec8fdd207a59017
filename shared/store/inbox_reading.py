"""What a patient, or whoever reads for the patient, reads of the inbox and marks as read.

Every query names the patient and goes by the index on patient and time. A mark changes one column
of one row, which the composer never changes, in a statement of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    select,
    tuple_,
    update,
)

from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails
from shared.store.engine import Database
from shared.store.tables import inbox_message

_message = inbox_message.c
_later = inbox_message.alias("later")


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a message in its patient's list, which falls by these values in this order."""

    created_at: datetime
    revision: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHead:
    """What a list shows of a message."""

    id: str
    kind: MessageKind
    subject: str
    created_at: datetime
    revision: int
    starts: str  # Swedish wall time, YYYYMMDDhhmmss; "" for an open call
    read: bool
    has_calendar: bool

    @property
    def position(self) -> Position:
        return Position(self.created_at, self.revision, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableMessage(MessageHead):
    """A whole message. `superseded_by`: the id of the newest later one about the same visit."""

    body_text: str
    body_html: str
    state: BookingDetails
    source_system: str
    logical_address: str
    booking_id: str
    superseded_by: str | None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Some of a patient's messages, newest first, and whether older ones follow."""

    messages: Sequence[MessageHead]
    has_more: bool
    unread: int  # of all the patient's messages


class InboxReader:
    """Methods raise `DatabaseUnavailable`. `patient`: the person number, in any case."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, patient: str, *, limit: int, after: Position | None = None) -> MessagePage:
        """At most `limit` messages, those that follow `after` in the list."""
        values: dict[str, Any] = {"whose": patient.upper(), "limit": limit + 1}
        if after:
            values |= {name: getattr(after, name) for name in _ORDER}
        query = _page_query(is_first=after is None)
        with self._database.reading() as connection:
            heads = [_head(row) for row in connection.execute(query, values).mappings()]
            unread: int = connection.execute(_UNREAD, values).scalar_one()
        return MessagePage(heads[:limit], len(heads) > limit, unread)

    def message(self, patient: str, message_id: str) -> ReadableMessage | None:
        """None when the patient has no such message."""
        with self._database.reading() as connection:
            row = connection.execute(_MESSAGE, _names(patient, message_id)).mappings().first()
        return _readable(row) if row else None

    def calendar(self, patient: str, message_id: str) -> str | None:
        """The message's calendar file; None when there is no such message, or it has none."""
        with self._database.reading() as connection:
            found: str | None = connection.execute(_CALENDAR, _names(patient, message_id)).scalar()
            return found

    def mark_read(self, patient: str, message_id: str) -> bool:
        """Whether the patient has that message, which is read now.

        One that was read already is not written again.
        """
        names = _names(patient, message_id)
        with self._database.reading() as connection:
            read = connection.execute(_IS_READ, names).scalar()
        if read is False:
            with self._database.begin() as connection:
                connection.execute(_MARK_READ, names)
        return read is not None


def _names(patient: str, message_id: str) -> dict[str, Any]:
    return {"whose": patient.upper(), "message": message_id}


_ORDER = ("created_at", "revision", "id")
_HEAD_COLUMNS = (
    *(_message[name] for name in (*_ORDER, "kind", "subject", "starts", "read")),
    _message.calendar.is_not(None).label("has_calendar"),
)
_OF_PATIENT = _message.patient == bindparam("whose")
_THE_MESSAGE = and_(_message.id == bindparam("message"), _OF_PATIENT)
_ABOUT_THE_SAME_VISIT = and_(
    _later.c.patient == _message.patient,
    _later.c.calendar_uid == _message.calendar_uid,  # it is kept through rebookings
    _later.c.revision > _message.revision,
)
_SUPERSEDED_BY = (
    select(_later.c.id)
    .where(_ABOUT_THE_SAME_VISIT)
    .order_by(_later.c.revision.desc())
    .limit(1)
    .scalar_subquery()
    .label("superseded_by")
)
_BODY_COLUMNS = tuple(
    _message[name]
    for name in (
        *("body_text", "body_html", "state"),
        *("source_system", "logical_address", "booking_id"),
    )
)
_MESSAGE = select(*_HEAD_COLUMNS, *_BODY_COLUMNS, _SUPERSEDED_BY).where(_THE_MESSAGE)
_CALENDAR = select(_message.calendar).where(_THE_MESSAGE)
_IS_READ = select(_message.read).where(_THE_MESSAGE)
_UNREAD = select(func.count()).where(_OF_PATIENT, _message.read.is_(False))
_MARK_READ = update(inbox_message).where(_THE_MESSAGE).values(read=True)


@cache
def _page_query(*, is_first: bool) -> Select[Any]:
    order = [_message[name] for name in _ORDER]
    query = select(*_HEAD_COLUMNS).where(_OF_PATIENT)
    if not is_first:
        place = [bindparam(name, type_=_message[name].type) for name in _ORDER]
        # The first condition is one that the index serves, whatever is made of the second.
        query = query.where(_message.created_at <= place[0], tuple_(*order) < tuple_(*place))
    return query.order_by(*(column.desc() for column in order)).limit(bindparam("limit"))


def _head(row: RowMapping) -> MessageHead:
    return MessageHead(**_values(row))


def _readable(row: RowMapping) -> ReadableMessage:
    return ReadableMessage(**{**_values(row), "state": BookingDetails(**row["state"])})


def _values(row: RowMapping) -> dict[str, Any]:
    return {**row, "kind": MessageKind(row["kind"])}
