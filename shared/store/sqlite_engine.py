"""How SQLite is opened. `shared.store.engine` imports this for a database in a file."""

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from shared.base.sqlite import BUSY_SECONDS, keep_private, use_write_ahead_log

_ONLY_READS = "budkavle_only_reads"


def sqlite_engine(url: URL) -> Engine:
    """It connects on first use."""
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    _prepare(engine)
    return engine


def reader_of(engine: Engine) -> Engine:
    """The same, with transactions that take no write lock."""
    return engine.execution_options(**{_ONLY_READS: True})


def _prepare(engine: Engine) -> None:
    """Set up WAL, and transactions that take the write lock at their start.

    Without BEGIN IMMEDIATE a transaction that reads first and writes later fails at once when
    another process wrote in between, whatever the busy time-out says.
    """

    @event.listens_for(engine, "do_connect")
    def before_connect(_dialect: Any, _record: Any, file: list[str], _options: Any) -> None:
        keep_private(file[0])

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
        use_write_ahead_log(connection)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        only_reads = connection.get_execution_options().get(_ONLY_READS, False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
