"""Booking systems that send notifications and are not activated; perhaps somebody forgot to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, select, update

from shared.booking.environment import Environment
from shared.store.engine import Database
from shared.store.statements import insert_if_absent
from shared.store.tables import source_system, unknown_source

_table = unknown_source.c
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class UnknownSource:
    """`engagements` were dropped since `first_seen`, since the system is not activated."""

    hsa_key: str
    environment: Environment
    engagements: int
    first_seen: datetime
    last_seen: datetime


class UnknownSources:
    """All methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, counts: Mapping[str, int], environment: Environment, at: datetime) -> None:
        """Add engagements that were dropped lately, by the systems' upper-case HSA-ids.

        Systems that have sent nothing for a month are forgotten.
        """
        with self._database.begin() as connection:
            connection.execute(delete(unknown_source).where(_table.last_seen < at - _KEPT))
            for key, number in sorted(counts.items()):
                row = {"hsa_key": key, "environment": environment, "engagements": number}
                seen = {**row, "first_seen": at, "last_seen": at}
                if not insert_if_absent(connection, unknown_source, seen):
                    more = {"engagements": _table.engagements + number, "last_seen": at}
                    connection.execute(
                        update(unknown_source).where(_is(key, environment)).values(more)
                    )

    def all(self, environment: Environment) -> list[UnknownSource]:
        """Those that are still not activated, the latest first."""
        activated = exists().where(
            source_system.c.hsa_key == _table.hsa_key,
            source_system.c.environment == _table.environment,
        )
        found = select(unknown_source).where(_table.environment == environment, ~activated)
        with self._database.reading() as connection:
            rows = connection.execute(found.order_by(_table.last_seen.desc())).mappings()
            return [UnknownSource(**row) for row in rows]


def _is(key: str, environment: Environment) -> Any:
    return and_(_table.hsa_key == key, _table.environment == environment)
