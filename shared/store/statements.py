"""Statements that the databases we support spell differently from standard SQL.

Each is built once: building a statement costs more than running it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
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


def rows_of(dialect: str, columns: Sequence[str], parameter: str = "rows") -> str:
    """SQL of a table `r` with these columns of text, from JSON in one parameter (`rows_json`).

    However many rows there are, the statement is the same: it is prepared once.
    """
    if dialect == "postgresql":
        types = ", ".join(f"{column} varchar" for column in columns)
        return f"json_to_recordset(CAST(:{parameter} AS json)) AS r({types})"
    fields = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in columns)
    return f"(SELECT {fields} FROM json_each(:{parameter})) AS r"  # noqa: S608 - our own words


def rows_json(rows: Iterable[Mapping[str, str | None]]) -> str:
    """The parameter of `rows_of`."""
    return json.dumps([dict(row) for row in rows])
