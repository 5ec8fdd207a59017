"""The changes that the filter passed on and the composer has not judged yet, beside the watermarks.

They are stored before they are published, so that a change is known when any other one of its
patient is judged, however long its own booking system takes to answer.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.dialects import postgresql, sqlite

from shared.booking.inbox import PendingChange
from shared.store.engine import Database
from shared.store.tables import booking_watermark


class PendingChanges:
    """Of each booking the newest one; but a creation takes no pending removal's place."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, changes: Iterable[PendingChange]) -> None:
        """Does nothing about a change of which this or a newer one was judged.

        Raises `DatabaseUnavailable`.
        """
        ordered = sorted(changes, key=lambda each: (each.booking, each.received_at))
        if not ordered:
            return
        with self._database.begin() as connection:
            rows = [_values(change) for change in ordered]
            connection.execute(_add(connection.dialect.name), rows)


@cache
def _add(dialect: str) -> Any:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(booking_watermark)
    row, new = booking_watermark.c, statement.excluded
    is_newer = or_(row.pending_at.is_(None), row.pending_at < new.pending_at)
    is_stronger = or_(row.pending_removal.is_not(True), new.pending_removal)
    is_not_judged = or_(row.received_at.is_(None), row.received_at < new.pending_at)
    pending = ("pending_at", "pending_removal", "pending_notification_id")
    return statement.on_conflict_do_update(
        index_elements=[row.booking],
        set_={name: new[name] for name in pending},
        where=and_(is_newer, is_stronger, is_not_judged),
    )


def _values(change: PendingChange) -> dict[str, Any]:
    return {
        "booking": change.booking,
        "patient_bookings": change.patient_bookings,
        "same_id": change.same_id,
        "pending_at": change.received_at,
        "pending_removal": change.is_removal,
        "pending_notification_id": change.notification_id,
    }
