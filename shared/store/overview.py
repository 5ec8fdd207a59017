"""What `budkavle status` reads from the database beside the registers."""

from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.exc import ProgrammingError

from shared.base.clock import utcnow
from shared.booking.notices import NoticeStatus
from shared.store.engine import Database
from shared.store.tables import notice, source_slot, unknown_source


def uncertain_since(database: Database, since: datetime) -> int:
    """How many notices became uncertain. Raises `DatabaseUnavailable`."""
    found = select(func.count()).where(
        notice.c.status == NoticeStatus.UNCERTAIN, notice.c.updated_at >= since
    )
    with database.reading() as connection:
        return int(connection.execute(found).scalar_one())


def next_slots(database: Database) -> dict[str, datetime]:
    """The next free slot of each source, by upper-case HSA-id. Raises `DatabaseUnavailable`."""
    with database.reading() as connection:
        rows = connection.execute(select(source_slot.c.hsa_key, source_slot.c.next_slot))
        return {key: slot for key, slot in rows}  # noqa: C416 - a row is no pair to mypy


def may_write(database: Database) -> bool:
    """Whether our user may write, tried in a transaction that is rolled back."""
    seen = dict.fromkeys(("first_seen", "last_seen"), utcnow())
    row = {"hsa_key": "", "environment": "", "engagements": 0, **seen}
    try:
        with database.begin() as connection:
            connection.execute(insert(unknown_source).values(row))
            connection.rollback()
    except ProgrammingError:
        return False
    return True


def clock_of(database: Database) -> datetime | None:
    """The database server's clock; None for SQLite, which has none of its own."""
    with database.begin() as connection:
        if connection.dialect.name != "postgresql":
            return None
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return now
