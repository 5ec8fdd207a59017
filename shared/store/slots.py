"""The slots of each source system's rate limit, shared by all fetchers."""

from datetime import datetime, timedelta

from sqlalchemy import Interval, and_, bindparam, case, select
from sqlalchemy.dialects import postgresql, sqlite

from shared.base.clock import CLOCK_TOLERANCE, is_of_the_future
from shared.store.direct import Single
from shared.store.engine import Database
from shared.store.tables import Instant, source_slot

_next = source_slot.c.next_slot
_reserved_at = source_slot.c.reserved_at
_fresh_end = bindparam("fresh_end", type_=Instant())
_now = bindparam("now", type_=Instant())

# Built once: building a statement costs more than running it.
_ADVANCE = (
    postgresql.insert(source_slot)
    .values(hsa_key=bindparam("key"), next_slot=_fresh_end, reserved_at=_now)
    .on_conflict_do_update(
        index_elements=[source_slot.c.hsa_key],
        set_={
            "next_slot": case(
                (
                    and_(
                        _next > bindparam("not_before", type_=Instant()),
                        _reserved_at <= bindparam("credible", type_=Instant()),
                    ),
                    _next.op("+")(bindparam("span", type_=Interval())),
                ),
                else_=_fresh_end,
            ),
            "reserved_at": _now,
        },
    )
    .returning(_next)
)

_READ = select(_next, _reserved_at).where(source_slot.c.hsa_key == bindparam("key"))
_insert = sqlite.insert(source_slot).values(
    hsa_key=bindparam("key"), next_slot=bindparam("end", type_=Instant()), reserved_at=_now
)
_WRITE = _insert.on_conflict_do_update(
    index_elements=[source_slot.c.hsa_key],
    set_={
        "next_slot": _insert.excluded.next_slot,
        "reserved_at": _insert.excluded.reserved_at,
    },
)


class SourceSlots:
    """Reserves spans of a source's slots; two reservations never overlap.

    A reservation made later than `now` came from a wrong clock and is ignored. Otherwise a process
    whose clock is six hours ahead would block a source for six hours. How far ahead a slot lies is
    no criterion: 25,000 changes at one call a second take slots for seven hours.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(
        self, hsa_key: str, *, now: datetime, not_before: datetime, span: timedelta
    ) -> datetime:
        """Reserve the next `span` that begins at `not_before` or later; its beginning.

        No later reservation begins before `not_before`. Raises `DatabaseUnavailable`.
        """
        with self._database.single() as connection:
            single = connection.dialect.name == "postgresql"
            advance = _advance if single else _advance_sqlite
            return advance(connection, hsa_key, now, not_before, span) - span


def _advance(
    connection: Single, hsa_key: str, now: datetime, not_before: datetime, span: timedelta
) -> datetime:
    """Reserve by one statement; concurrent processes wait for the lock of the row."""
    values = {
        "key": hsa_key,
        "now": now,
        "credible": now + CLOCK_TOLERANCE,
        "not_before": not_before,
        "span": span,
        "fresh_end": not_before + span,
    }
    end: datetime = connection.execute(_ADVANCE, values).scalar_one()
    return end


def _advance_sqlite(
    connection: Single, hsa_key: str, now: datetime, not_before: datetime, span: timedelta
) -> datetime:
    """Reserve by two statements: SQLite cannot add to a time, but the write lock is held."""
    former = connection.execute(_READ, {"key": hsa_key}).one_or_none()
    credible = former is not None and not is_of_the_future(former.reserved_at, now)
    first = max(former.next_slot, not_before) if former and credible else not_before
    end = first + span
    connection.execute(_WRITE, {"key": hsa_key, "end": end, "now": now})
    return end
