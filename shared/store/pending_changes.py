"""The changes that the filter passed on and the composer has not judged yet, beside the watermarks.

They are stored before they are published, so that a change is known when any other one of its
patient is judged, however long its own booking system takes to answer.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, and_, case, func, null, or_

from shared.base.batches import once_each
from shared.booking.inbox import PendingChange
from shared.store.engine import Database
from shared.store.statements import execute_rows, insert_rows
from shared.store.tables import booking_watermark


class Kind(NamedTuple):
    """The columns of a pending change."""

    at: str  # when ingest took it
    request: str  # its notification's id


REMOVAL = Kind("removal_pending_at", "removal_pending_request")
CREATION = Kind("creation_pending_at", "creation_pending_request")
_COLUMNS = ("booking", "patient_bookings", "same_id", "unit", *REMOVAL, *CREATION)


class PendingChanges:
    """Of each booking the removal and the creation that began its present state.

    An Update that the index sends again says nothing new, and must not hide when the booking came
    or went, nor with which request.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, changes: Iterable[PendingChange]) -> None:
        """Does nothing about a change of which this or a newer one was judged.

        Raises `DatabaseUnavailable`.
        """
        if not (ordered := sorted(changes, key=lambda each: (each.booking, each.received_at))):
            return
        # One INSERT can change each booking's row once.
        several = once_each(ordered, lambda change: (change.booking,))
        with self._database.single() if len(several) < 2 else self._database.quick() as connection:
            for batch in several:
                rows = [_values(change) for change in batch]
                execute_rows(connection, _add(connection.dialect.name), changes=rows)


@cache
def _add(dialect: str) -> Any:
    statement = insert_rows(booking_watermark, _COLUMNS, dialect, "changes")
    row, new = booking_watermark.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[row.booking],
        set_={
            **_taken(row, new, REMOVAL, CREATION),
            **_taken(row, new, CREATION, REMOVAL),
        },
        where=or_(
            row.received_at.is_(None),
            row.received_at < func.coalesce(new[REMOVAL.at], new[CREATION.at]),
        ),
    )


def _taken(row: Any, new: Any, kind: Kind, opposite: Kind) -> dict[str, Any]:
    """The columns of `kind`: of `new`, where it has any, and they come first since the opposite."""
    ours, theirs, between = row[kind.at], new[kind.at], row[opposite.at]
    is_of_next_state = and_(ours < between, between < theirs)
    is_earlier = and_(theirs < ours, or_(between.is_(None), between < theirs))
    is_first = or_(ours.is_(None), is_of_next_state, is_earlier)
    return {
        name: case((and_(theirs.is_not(None), is_first), new[name]), else_=row[name])
        for name in kind
    }


def _values(change: PendingChange) -> dict[str, Any]:
    kind = REMOVAL if change.is_removal else CREATION
    return {
        "booking": change.booking,
        "patient_bookings": change.patient_bookings,
        "same_id": change.same_id,
        "unit": change.unit,
        **dict.fromkeys((*REMOVAL, *CREATION)),
        kind.at: change.received_at,
        kind.request: change.notification_id,
    }


def pending_changes(row: RowMapping) -> Iterator[PendingChange]:
    """What is pending in a row of `booking_watermark`."""
    for kind in (REMOVAL, CREATION):
        if row[kind.at] is not None:
            yield PendingChange(
                booking=row["booking"],
                patient_bookings=row["patient_bookings"],
                same_id=row["same_id"],
                unit=row["unit"],
                is_removal=kind is REMOVAL,
                received_at=row[kind.at],
                notification_id=row[kind.request],
            )


def without_judged(row: Any, received_at: Any) -> dict[str, Any]:
    """What is still pending once a change that ingest took at `received_at` is judged."""
    return {
        name: case((row[kind.at] <= received_at, null()), else_=row[name])
        for kind in (REMOVAL, CREATION)
        for name in kind
    }
