"""The line of slots of each source system, shared by all fetchers."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Interval, bindparam, case, select
from sqlalchemy.dialects import postgresql, sqlite

from shared.store.engine import Database
from shared.store.tables import Instant, source_slot

_next = source_slot.c.next_slot
_fresh_end = bindparam("fresh_end", type_=Instant())

# Built once: building a statement costs more than running it.
_ADVANCE = (
    postgresql.insert(source_slot)
    .values(hsa_key=bindparam("key"), next_slot=_fresh_end)
    .on_conflict_do_update(
        index_elements=[source_slot.c.hsa_key],
        set_={
            "next_slot": case(
                (
                    _next > bindparam("not_before", type_=Instant()),
                    _next.op("+")(bindparam("span", type_=Interval())),
                ),
                else_=_fresh_end,
            )
        },
    )
    .returning(_next)
)

_READ = select(_next).where(source_slot.c.hsa_key == bindparam("key"))
_insert = sqlite.insert(source_slot).values(
    hsa_key=bindparam("key"), next_slot=bindparam("end", type_=Instant())
)
_WRITE = _insert.on_conflict_do_update(
    index_elements=[source_slot.c.hsa_key], set_={"next_slot": _insert.excluded.next_slot}
)


class SourceSlots:
    """Reserves stretches of a source's line; two reservations never overlap."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, hsa_key: str, *, not_before: datetime, span: timedelta) -> datetime:
        """Take the next `span` of the line that begins at `not_before` or later; its beginning.

        Nobody gets a slot before `not_before` after this. Raises `DatabaseUnavailable`.
        """
        with self._database.single() as connection:
            single = connection.dialect.name == "postgresql"
            advance = _advance if single else _advance_sqlite
            return advance(connection, hsa_key, not_before, span) - span


def _advance(
    connection: Connection, hsa_key: str, not_before: datetime, span: timedelta
) -> datetime:
    """In one statement; processes that come at once wait for each other on the row."""
    values = {"key": hsa_key, "not_before": not_before, "span": span}
    end: datetime = connection.execute(
        _ADVANCE, {**values, "fresh_end": not_before + span}
    ).scalar_one()
    return end


def _advance_sqlite(
    connection: Connection, hsa_key: str, not_before: datetime, span: timedelta
) -> datetime:
    """SQLite cannot add to a time, but the transaction holds the write lock from its start."""
    former: datetime | None = connection.execute(_READ, {"key": hsa_key}).scalar()
    end = max(former or not_before, not_before) + span
    connection.execute(_WRITE, {"key": hsa_key, "end": end})
    return end
