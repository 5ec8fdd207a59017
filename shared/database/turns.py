"""The line of turns of each source system, shared by all fetchers."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Interval, case, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from shared.database.engine import Database
from shared.database.tables import source_turn

_next = source_turn.c.next_turn


class SourceTurns:
    """Reserves stretches of a source's line; two reservations never overlap."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, hsa_key: str, *, not_before: datetime, span: timedelta) -> datetime:
        """Take the next `span` of the line that begins at `not_before` or later; its beginning.

        Nobody gets a turn before `not_before` after this. Raises `DatabaseUnavailable`.
        """
        with self._database.begin() as connection:
            if connection.dialect.name == "postgresql":
                end = _advance(connection, hsa_key, not_before, span)
            else:
                end = _advance_sqlite(connection, hsa_key, not_before, span)
        return end - span


def _advance(
    connection: Connection, hsa_key: str, not_before: datetime, span: timedelta
) -> datetime:
    """In one statement; processes that come at once wait for each other on the row."""
    fresh = not_before + span
    length = literal(span, Interval())
    statement = (
        postgresql.insert(source_turn)
        .values(hsa_key=hsa_key, next_turn=fresh)
        .on_conflict_do_update(
            index_elements=[source_turn.c.hsa_key],
            set_={"next_turn": case((_next > not_before, _next.op("+")(length)), else_=fresh)},
        )
        .returning(_next)
    )
    end: datetime = connection.execute(statement).scalar_one()
    return end


def _advance_sqlite(
    connection: Connection, hsa_key: str, not_before: datetime, span: timedelta
) -> datetime:
    """SQLite cannot add to a time, but the transaction holds the write lock from its start."""
    former = connection.execute(select(_next).where(source_turn.c.hsa_key == hsa_key)).scalar()
    end = max(former or not_before, not_before) + span
    insert = sqlite.insert(source_turn).values(hsa_key=hsa_key, next_turn=end)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[source_turn.c.hsa_key], set_={"next_turn": insert.excluded.next_turn}
        )
    )
    return end
