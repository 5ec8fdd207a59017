"""Finds and removes expired rows, and never one that is still needed.

=====================  ======================================================================
table                  a row is expired when, counted from its own moment
=====================  ======================================================================
`inbox_message`        no message about its booking was written, or announces a time, lately
`notice`               it is not being sent, and no order for it could be obeyed any more
`booking_watermark`    no removal is awaited, and no message about its booking is left
`source_system_log`    it is old
`operator_action`      it is old
`trace_step`           it is old
`source_slot`          the slot passed a day ago
=====================  ======================================================================

The messages about one booking are removed together, since the latest is the known state of the
booking: if it were removed first, an earlier one would count as the state. A notice keeps a
repeated order from being sent twice, so it stays while an order for its message may still come. A
watermark puts fetches in order; the composer refuses what was fetched before the oldest ones
(`composer.handler`).

Contact preferences stay until they are removed. Activated systems, too. Processes that have ended
and systems that are not activated are removed by the stores that write them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    true,
)

from shared.booking.inbox import Awaiting
from shared.booking.notices import NoticeStatus
from shared.booking.times import wall_text
from shared.store.engine import Database
from shared.store.tables import (
    booking_watermark,
    inbox_message,
    notice,
    operator_action,
    source_slot,
    source_system_log,
    trace_step,
)

_SLOT_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionLimits:
    """How long rows are kept. None: for ever."""

    inbox: timedelta | None
    notices: timedelta | None
    watermarks: timedelta
    source_log: timedelta | None
    actions: timedelta | None
    trace: timedelta


@dataclass(frozen=True, slots=True)
class Expired:
    """The expired rows of one table. `key` is indexed; rows that share it go together."""

    table: Table
    key: Column[Any]
    condition: ColumnElement[bool]
    kept: timedelta
    #: Whether rows expire in the order of `key`, so that the first one that stays ends the walk.
    in_order: bool = False


def expired_rows(limits: RetentionLimits, now: datetime) -> Sequence[Expired]:
    """What has expired by `now`, in the order of removal."""
    found = [
        _watermarks(limits.watermarks, limits.inbox, now),
        _trace_steps(limits.trace, now),
        _slots(now),
    ]
    if limits.notices is not None:
        found.insert(0, _notices(limits.notices, limits.inbox, now))
    if limits.inbox is not None:
        found.insert(0, _messages(limits.inbox, now))
    if limits.source_log is not None:
        found.append(_source_log(limits.source_log, now))
    if limits.actions is not None:
        found.append(_actions(limits.actions, now))
    return found


class Retention:
    """Counts and removes expired rows. Methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, *, batch: int = 1000) -> None:
        self._database = database
        self._batch = batch

    def count(self, expired: Expired) -> int:
        """How many rows `remove` would remove, after the tables before this one."""
        counted = select(func.count()).select_from(expired.table).where(expired.condition)
        with self._database.begin() as connection:
            return connection.execute(counted).scalar_one()

    def remove(self, expired: Expired) -> int:
        """Remove the expired rows; how many there were.

        It reads the table by its key in batches, each in a transaction of its own, so that nobody
        waits for it long and it can be stopped at any time.
        """
        removed = 0
        beyond: ColumnElement[bool] = true()
        while True:
            end_of_batch = select(expired.key).where(beyond).order_by(expired.key)
            with self._database.begin() as connection:
                end = connection.execute(end_of_batch.offset(self._batch - 1).limit(1)).scalar()
                batch = beyond if end is None else and_(beyond, expired.key <= end)
                gone = connection.execute(delete(expired.table).where(batch, expired.condition))
                removed += gone.rowcount
            if end is None or (expired.in_order and not gone.rowcount):
                return removed
            beyond = expired.key > end


def _messages(kept: timedelta, now: datetime) -> Expired:
    booking = inbox_message.c.booking
    return Expired(inbox_message, booking, ~_messages_stay(booking, kept, now), kept)


def _messages_stay(
    booking: ColumnElement[str], kept: timedelta | None, now: datetime
) -> ColumnElement[bool]:
    """Whether there are messages about `booking` that are kept."""
    about = inbox_message.alias()
    return exists().where(about.c.booking == booking, _is_recent(about.c, kept, now))


def _is_recent(message: Any, kept: timedelta | None, now: datetime) -> ColumnElement[bool]:
    """Written, or about a time, that is not yet `kept` ago; also a time that lies ahead."""
    if kept is None:
        return true()
    return or_(message.created_at >= now - kept, message.starts >= wall_text(now - kept))


def _notices(kept: timedelta, inbox: timedelta | None, now: datetime) -> Expired:
    message = inbox_message.alias()
    may_be_ordered_again = exists().where(
        message.c.id == notice.c.message_id,
        or_(message.c.starts == "", message.c.starts >= wall_text(now - kept)),
        _messages_stay(message.c.booking, inbox, now),
    )
    old = and_(notice.c.updated_at < now - kept, notice.c.status != NoticeStatus.SENDING)
    return Expired(notice, notice.c.id, and_(old, ~may_be_ordered_again), kept)


def _watermarks(kept: timedelta, inbox: timedelta | None, now: datetime) -> Expired:
    row = booking_watermark.c
    is_old = [
        or_(each.is_(None), each < now - kept)
        for each in (
            row.fetched_at,
            row.received_at,
            row.removal_pending_at,
            row.creation_pending_at,
        )
    ]
    is_open = row.awaiting == Awaiting.REMOVAL  # a creation that is noted and never judged goes
    unused = and_(is_open.is_not(True), ~_messages_stay(row.booking, inbox, now))
    return Expired(booking_watermark, row.booking, and_(*is_old, unused), kept)


def _slots(now: datetime) -> Expired:
    past = source_slot.c.next_slot < now - _SLOT_KEPT
    return Expired(source_slot, source_slot.c.hsa_key, past, _SLOT_KEPT)


def _trace_steps(kept: timedelta, now: datetime) -> Expired:
    step = trace_step.c
    return Expired(trace_step, step.id, step.at < now - kept, kept, in_order=True)


def _source_log(kept: timedelta, now: datetime) -> Expired:
    entry = source_system_log.c
    return Expired(source_system_log, entry.id, entry.at < now - kept, kept)


def _actions(kept: timedelta, now: datetime) -> Expired:
    row = operator_action.c
    return Expired(operator_action, row.id, row.at < now - kept, kept, in_order=True)
