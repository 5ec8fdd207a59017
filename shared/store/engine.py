"""Opens databases. SQLAlchemy's errors are translated here and nowhere else.

What only SQLite needs is imported for a file: a stage on PostgreSQL does without the driver's MiB.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, TypeVar

from psycopg.errors import (
    IdleInTransactionSessionTimeout,
    ReadOnlySqlTransaction,
    UndefinedTable,
)
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.base.errors import Unavailable, WrongSettings
from shared.store.causes import cause_of
from shared.store.direct import Single, direct, direct_transaction

_CONNECT_SECONDS = 5
#: Parameters of libpq: a peer that vanished (a dead machine, a pulled cable) is noticed within half
#: a minute. By Linux's defaults every worker would wait for hours.
_NETWORK: dict[str, Any] = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: How long PostgreSQL lets a transaction idle: a worker that stopped within one (a dead or
#: suspended machine) holds its locks no longer.
_IDLE_SECONDS = 60
#: Temporary errors without a lost connection: `budkavle setup` has not been run yet, the database
#: is read-only during a failover, a transaction was ended after `_IDLE_SECONDS`.
_PASSING = (UndefinedTable, ReadOnlySqlTransaction, IdleInTransactionSessionTimeout)
#: Else a plan made while a table was small would be kept, which reads the whole table and is
#: compiled each time because it looks so expensive.
_BY_INDEX = {"enable_seqscan": "off", "jit": "off"}
_DRIVERS = ("sqlite", "postgresql+psycopg")

C = TypeVar("C")


class DatabaseUnavailable(Unavailable):
    """The database is unavailable, or aborted the transaction; a retry may succeed."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("database_unavailable", detail)


class UnknownDatabase(WrongSettings):
    """BUDKAVLE_DATABASE_URL names no supported database. The text does not repeat the URL."""


class Database:
    """An engine, and transactions whose errors are ours.

    `single`: an engine in autocommit mode.
    """

    def __init__(self, engine: Engine, single: Engine | None = None) -> None:
        self.engine = engine
        self._single = single

    @property
    def has_clock(self) -> bool:
        """Whether it is a server whose clock all clients can use."""
        return self.engine.dialect.name == "postgresql"

    def begin(self) -> AbstractContextManager[Connection]:
        """One transaction: committed at the end, rolled back on any error.

        Raises `DatabaseUnavailable` for lost connections, time-outs, deadlocks, a full, locked or
        read-only database, and one that `budkavle setup` has not been run on yet. Constraint
        errors pass as SQLAlchemy raises them.
        """
        return self._translating(self.engine.begin)

    def single(self) -> AbstractContextManager[Single]:
        """As `begin`, for one statement in autocommit mode: one round trip, not three.

        The statement is one that is built once: on PostgreSQL the driver runs it.
        """
        opened: Callable[[], AbstractContextManager[Single]] = self.engine.begin
        return self._translating(partial(direct, self._single) if self._single else opened)

    def quick(self) -> AbstractContextManager[Single]:
        """As `begin`, for statements that are built once: on PostgreSQL the driver runs them."""
        opened: Callable[[], AbstractContextManager[Single]] = self.engine.begin
        return self._translating(
            partial(direct_transaction, self.engine) if self._single else opened
        )

    def reading(self) -> AbstractContextManager[Connection]:
        """As `begin`, for statements that only read and need no common snapshot.

        On SQLite without the write lock, so that readers and the composer do not wait for each
        other; on PostgreSQL in autocommit mode.
        """
        return self._translating((self._single or self._reader).connect)

    @cached_property
    def _reader(self) -> Engine:
        """On SQLite; on PostgreSQL `_single` is there."""
        from shared.store.sqlite_engine import reader_of

        return reader_of(self.engine)

    @contextmanager
    def as_one(self) -> Iterator["Database"]:
        """This database, with everything that is done on it in one transaction.

        Raises as `begin`.
        """
        with self.begin() as connection:
            yield _OneTransaction(connection)

    @contextmanager
    def _translating(self, opened: Callable[[], AbstractContextManager[C]]) -> Iterator[C]:
        try:
            with opened() as connection:
                yield connection
        except (OperationalError, InterfaceError, DisconnectionError, PoolTimeout) as error:
            raise DatabaseUnavailable(cause_of(error.__cause__ or error)) from error
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(error.orig, _PASSING):
                self._forget_connections(error.orig)
                raise DatabaseUnavailable(cause_of(error.orig or error)) from error
            raise

    def _forget_connections(self, error: BaseException | None) -> None:
        """Those to a server that became read-only: others lead to the one that takes writes."""
        if isinstance(error, ReadOnlySqlTransaction):
            self.close()

    def ready(self) -> bool:
        """Whether it can be reached, and `budkavle setup` has been run."""
        try:
            with self.begin() as connection:
                connection.execute(text("SELECT 1 FROM alembic_version"))
        except DatabaseUnavailable:
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()
        if self._single:
            self._single.dispose()


class _OneTransaction(Database):
    """Of `Database.as_one`: committed or rolled back there."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.engine)
        self._connection = connection

    def begin(self) -> AbstractContextManager[Connection]:
        return nullcontext(self._connection)

    single = quick = begin


def parse_url(text_of_url: str) -> URL:
    """`sqlite:///file` or `postgresql+psycopg://…`. Raises `UnknownDatabase`."""
    try:
        url = make_url(text_of_url)
    except (ArgumentError, ValueError):
        raise UnknownDatabase("BUDKAVLE_DATABASE_URL: is no URL") from None
    if url.drivername not in _DRIVERS:
        raise UnknownDatabase(
            "BUDKAVLE_DATABASE_URL: is neither sqlite:/// nor postgresql+psycopg://"
        )
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise UnknownDatabase("BUDKAVLE_DATABASE_URL: names no file; write sqlite:///path")
    return url


def open_database(
    url: str,
    *,
    pool_size: int = 5,
    lock_wait: timedelta = timedelta(seconds=20),
    durable: bool = True,
    by_index: bool = False,
) -> Database:
    """The database at `url`; it connects on first use. Raises `UnknownDatabase`.

    Several servers, of which the one that takes writes is used, as SQLAlchemy has them:
    `postgresql+psycopg://user@/name?host=a:5432&host=b:5432&target_session_attrs=read-write`.

    `lock_wait`: a longer wait for a lock (PostgreSQL) counts as database unavailable. Not
    `durable`: a commit does not wait for the disk, so a crash of PostgreSQL may lose the last
    second. `by_index`: for a stage, which finds every row by an index. PostgreSQL, which knows
    nothing of a fresh table, would plan to read all of it, and keep to that until it is analyzed.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        from shared.store.sqlite_engine import sqlite_engine

        return Database(sqlite_engine(parsed))
    session = {
        "lock_timeout": lock_wait // timedelta(milliseconds=1),
        "idle_in_transaction_session_timeout": f"'{_IDLE_SECONDS}s'",
        **({} if durable else {"synchronous_commit": "off"}),
        **(_BY_INDEX if by_index else {}),
    }
    single = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    return Database(
        _postgresql(parsed, pool_size, session), _postgresql(parsed, pool_size, session, **single)
    )


def _postgresql(url: URL, pool_size: int, session: Mapping[str, object], **mode: Any) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=_CONNECT_SECONDS,
        connect_args={name: value for name, value in _NETWORK.items() if name not in url.query},
        hide_parameters=True,
        **mode,
    )
    _prepare_postgresql(engine, session)
    return engine


def _prepare_postgresql(engine: Engine, session: Mapping[str, object]) -> None:
    """Set the parameters of each new connection.

    By SET, since connection poolers refuse such options at the start of a connection.
    """

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        mode, connection.autocommit = connection.autocommit, True
        for name, value in session.items():
            connection.execute(f"SET {name} = {value}")
        connection.autocommit = mode
