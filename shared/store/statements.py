"""Statements that the databases we support spell differently from standard SQL.

Each is built once: building a statement costs more than running it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert `row` unless one with its key exists, even if another process has just written it.

    Return whether it was inserted.
    """
    statement = _insert_if_absent(table, connection.dialect.name)
    return connection.execute(statement, row).first() is not None


@cache
def _insert_if_absent(table: Table, dialect: str) -> Any:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing().returning(*table.primary_key)
