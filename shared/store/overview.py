"""What `budkavle status` asks of the database beside the registers."""

from datetime import datetime

from sqlalchemy import func, select

from shared.booking.notices import NoticeStatus
from shared.store.engine import Database
from shared.store.tables import notice, source_slot


def uncertain_since(database: Database, since: datetime) -> int:
    """How many notices became uncertain. Raises `DatabaseUnavailable`."""
    found = select(func.count()).where(
        notice.c.status == NoticeStatus.UNCERTAIN, notice.c.updated_at >= since
    )
    with database.begin() as connection:
        return int(connection.execute(found).scalar_one())


def next_slots(database: Database) -> dict[str, datetime]:
    """Where the line of each source ends, by upper-case HSA-id. Raises `DatabaseUnavailable`."""
    with database.begin() as connection:
        rows = connection.execute(select(source_slot.c.hsa_key, source_slot.c.next_slot))
        return {key: slot for key, slot in rows}  # noqa: C416 - a row is no pair to mypy
