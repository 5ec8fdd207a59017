"""Statements that are built once, run on PostgreSQL by the driver itself.

SQLAlchemy compiles each of them, once, and keeps the connections. What else it does for an
execution takes longer than driver and server together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import Connection, Dialect, Engine, Executable, PoolProxiedConnection
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

_Convert = Callable[[Any], Any]


class Rows(IteratorResult[*tuple[Any, ...]]):
    """What a statement returned. `returns_rows`: whether it is one of those that do."""

    returns_rows: bool

    def __init__(self, keys: SimpleResultMetaData, rows: Sequence[Any], *, returns_rows: bool):
        super().__init__(keys, iter(rows))
        self.returns_rows = returns_rows


class _Compiled:
    """The text of a statement, and what converts its parameters and its rows."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._fixed = compiled.params
        self._writers = {
            name: convert
            for bound, name in compiled.bind_names.items()
            if (convert := bound.type.dialect_impl(dialect).bind_processor(dialect))
        }
        columns = [*getattr(statement, "exported_columns", ())]
        readers = [_reader(column.type, dialect) for column in columns]
        self._readers = readers if any(readers) else []
        self._keys = SimpleResultMetaData([column.name for column in columns])

    def parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `values`, and those that the statement has of its own."""
        given = {**self._fixed, **values}
        for name, convert in self._writers.items():
            given[name] = convert(given[name])
        return given

    def rows(self, cursor: psycopg.Cursor[Any]) -> Rows:
        if cursor.pgresult is None or not cursor.pgresult.nfields:  # `description` costs more
            return Rows(self._keys, (), returns_rows=False)
        found: list[Any] = cursor.fetchall()
        if self._readers:
            found = [tuple(map(_converted, self._readers, row)) for row in found]
        return Rows(self._keys, found, returns_rows=True)


_compiled: WeakKeyDictionary[Any, _Compiled] = WeakKeyDictionary()


class DirectConnection:
    """A connection of PostgreSQL, for statements that are built once."""

    def __init__(self, engine: Engine, pooled: PoolProxiedConnection) -> None:
        self.dialect = engine.dialect
        self._engine = engine
        self._pooled = pooled

    def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Rows:
        """Raises the errors of SQLAlchemy."""
        compiled = _compiled.get(statement)
        if compiled is None:
            compiled = _compiled[statement] = _Compiled(statement, self.dialect)
        parameters = compiled.parameters(values or {})
        try:
            return compiled.rows(self._cursor().execute(compiled.text, parameters))
        except psycopg.Error as error:
            raise self._wrapped(error, compiled.text) from error

    def commit(self) -> None:
        driver: Any = self._pooled.driver_connection
        try:
            driver.commit()
        except psycopg.Error as error:
            raise self._wrapped(error, "COMMIT") from error

    def _cursor(self) -> psycopg.Cursor[Any]:
        """One for the life of the connection: it remembers how parameters are written."""
        kept: Any = self._pooled.info
        if "cursor" not in kept:
            driver: Any = self._pooled.driver_connection
            kept["cursor"] = driver.cursor()
        return kept["cursor"]  # type: ignore[no-any-return]

    def _wrapped(self, error: Any, text: str) -> Exception:
        """As SQLAlchemy does it: with one lost connection all that are idle are given up."""
        lost = self.dialect.is_disconnect(error, self._pooled.dbapi_connection, None)
        if lost:
            self._pooled.invalidate(error)
            self._engine.dispose()
        return _wrapped(error, text, self.dialect, lost=lost)


#: What `Database.single` gives.
Single = Connection | DirectConnection


@contextmanager
def direct(engine: Engine) -> Iterator[DirectConnection]:
    """`engine` is in autocommit mode. Raises the errors of SQLAlchemy."""
    try:
        pooled = engine.raw_connection()
    except psycopg.Error as error:
        raise _wrapped(error, "", engine.dialect) from error
    try:
        yield DirectConnection(engine, pooled)
    finally:
        pooled.close()


@contextmanager
def direct_transaction(engine: Engine) -> Iterator[DirectConnection]:
    """Committed at the end; rolled back on any error, as the pool does with what it is given."""
    with direct(engine) as connection:
        yield connection
        connection.commit()


def _wrapped(error: Any, text: str, dialect: Dialect, *, lost: bool = False) -> Exception:
    wrapped: Exception = DBAPIError.instance(
        text,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    return wrapped


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _converted(convert: _Convert | None, value: Any) -> Any:
    return convert(value) if convert else value
