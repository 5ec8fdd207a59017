"""What became of each change at each stage: written in batches, found by ids and digests."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, text

from shared.store.direct import DirectConnection
from shared.store.engine import Database
from shared.store.statements import json_of
from shared.store.tables import trace_step

CORRELATION_LENGTH = 100
#: Among so many steps the latest notification of a booking system is looked for.
_LATEST_STEPS = 20_000

_table = trace_step.c
_COLUMNS = [column for column in trace_step.c if column.name != "id"]
_NAMES = ", ".join(column.name for column in _COLUMNS)
_WRITE = insert(trace_step)
#: A batch as one parameter: row by row, client and server take several times as long.
_WRITE_JSON = text(
    f"INSERT INTO trace_step ({_NAMES})"  # noqa: S608 - names of our own columns
    f" SELECT {_NAMES} FROM json_populate_recordset(NULL::trace_step, CAST(:rows AS json))"
)


class TraceStep(NamedTuple):
    """What one stage made of a change, or the filter of a whole notification.

    `booking` and `patient` are keyed digests (`shared.booking.digests`). A tuple, since one is made
    of every message: a frozen dataclass takes five times as long.
    """

    at: datetime
    stage: str
    outcome: str  # as the metric `budkavle_outcomes_total` has it
    reason: str
    attempt: int
    notification_id: str
    change_id: str  # of a step about the whole notification: the notification's id
    received_at: datetime
    until: datetime | None = None
    correlation_id: str | None = None
    source_system: str | None = None
    booking: str | None = None
    patient: str | None = None
    message_id: str | None = None
    channel: str | None = None


class TraceStore:
    """All methods raise `DatabaseUnavailable`. Steps are returned in the order of their times."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, steps: Sequence[TraceStep]) -> None:
        if not steps:
            return
        rows = [step._asdict() for step in steps]
        with self._database.single() as connection:
            if isinstance(connection, DirectConnection):
                connection.execute(_WRITE_JSON, {"rows": json_of(rows)})
            else:
                connection.execute(_WRITE, rows)

    def of_patient(self, patient: str, booking: str | None = None) -> list[TraceStep]:
        """By the patient's digest, or only those about one booking, by its digest."""
        found = _table.patient == patient
        return self._read(found if booking is None else and_(found, _table.booking == booking))

    def of_notifications(self, notification_ids: Iterable[str]) -> list[TraceStep]:
        """Also of the parts in which a large notification was stored (`id.pb`)."""
        found = [
            or_(_table.notification_id == name, _table.notification_id.startswith(f"{name}.p"))
            for name in notification_ids
        ]
        return self._read(or_(*found)) if found else []

    def notifications_with(self, correlation_id: str) -> list[str]:
        """The notifications of which a request with this correlation id told."""
        found = select(_table.notification_id).where(
            _table.correlation_id == correlation_id[:CORRELATION_LENGTH]
        )
        with self._database.reading() as connection:
            return sorted(set(connection.execute(found).scalars()))

    def last_notifications(self) -> dict[str, datetime]:
        """When ingest took the latest notification of each system, by its upper-case HSA-id.

        Only the latest steps are looked at, so that it costs the same however many there are.
        """
        newest = select(func.coalesce(func.max(_table.id), 0)).scalar_subquery()
        wanted = (
            select(_table.source_system, func.max(_table.received_at))
            .where(_table.id > newest - _LATEST_STEPS, _table.source_system.is_not(None))
            .group_by(_table.source_system)
        )
        with self._database.reading() as connection:
            return {source: at for source, at in connection.execute(wanted)}  # noqa: C416

    def _read(self, condition: ColumnElement[bool]) -> list[TraceStep]:
        rows: Any = select(*_COLUMNS).where(condition).order_by(_table.at, _table.id)
        with self._database.reading() as connection:
            return [TraceStep(**row) for row in connection.execute(rows).mappings()]
