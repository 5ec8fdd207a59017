"""Statements that the databases we support spell differently from standard SQL.

Each is built once: building a statement costs more than running it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    String,
    Table,
    bindparam,
    column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from shared.store.direct import DirectConnection, Single


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert `row` unless one with its key exists, even if another process has just written it.

    Return whether it was inserted.
    """
    statement = _insert_if_absent(table, connection.dialect.name)
    return connection.execute(statement, row).first() is not None


def insert_or(table: Table, dialect: str) -> Any:
    """An INSERT to which `on_conflict_do_nothing` or `on_conflict_do_update` can be added."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_rows(table: Table, columns: Sequence[str], dialect: str, parameter: str) -> Any:
    """An INSERT of many rows, for `execute_rows`; conflict clauses can be added.

    PostgreSQL takes all rows as JSON in one parameter, in their order: a parameter for each column
    of each row takes client and server several times as long.
    """
    insert = insert_or(table, dialect)
    if dialect != "postgresql":
        return insert
    rows = text(f"json_populate_recordset(NULL::{table.name}, CAST(:{parameter} AS json))")
    chosen: Any = select(*map(column, columns)).select_from(rows)
    return insert.from_select(columns, chosen, include_defaults=False)


def execute_rows(connection: Single, statement: Any, **rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement of `insert_rows`, with the rows of each of its parameters.

    Each row has all columns; instants are aware. On SQLite there is one parameter.
    """
    if isinstance(connection, DirectConnection):
        values = {name: json_of(several) for name, several in rows.items()}
        connection.execute(statement, values)
    else:
        [several] = rows.values()
        connection.execute(statement, several)


def json_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """For `json_populate_recordset`. What is None is left out, and NULL all the same: PostgreSQL
    takes a fifth less time for a row of which half is."""
    there = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return to_json(there).decode()


@cache
def _insert_if_absent(table: Table, dialect: str) -> Any:
    return insert_or(table, dialect).on_conflict_do_nothing().returning(*table.primary_key)


def rows_of(dialect: str, columns: Sequence[str], parameter: str = "rows") -> str:
    """SQL of a table `r` with these columns of text, from JSON in one parameter (`rows_json`).

    However many rows there are, the statement is the same: it is prepared once. PostgreSQL takes
    them for 100 and reads a whole table for those; with the LIMIT, which leaves none out, for 10.
    """
    if dialect == "postgresql":
        types = ", ".join(f"{column} varchar" for column in columns)
        json_rows = f"CAST(:{parameter} AS json)"
        return (
            f"(SELECT * FROM json_to_recordset({json_rows}) AS j({types})"  # noqa: S608 - our own
            f" LIMIT json_array_length({json_rows})) AS r"
        )
    fields = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in columns)
    return f"(SELECT {fields} FROM json_each(:{parameter})) AS r"  # noqa: S608 - our own words


def rows_json(rows: Iterable[Mapping[str, str | None]]) -> str:
    """The parameter of `rows_of`."""
    return json.dumps([dict(row) for row in rows])


def among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether `column` is one of the texts in `parameter`, a list.

    However many there are, the statement is the same, which `IN` with a parameter for each is not:
    SQLAlchemy writes that anew for each execution, and PostgreSQL plans it anew.
    """
    return _Among(column, bindparam(parameter, type_=_Texts()))


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


class _Texts(TypeDecorator[Sequence[str]]):
    """A list of texts: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(String()))
        return dialect.type_descriptor(String())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else json.dumps(texts)


@compiles(_Among)
def _in_json(element: _Among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608 - our own words


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({texts})"
