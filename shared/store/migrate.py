"""Migrates a database to the schema of this version, with Alembic, on SQLite and PostgreSQL.

Alembic is imported where it is used: a stage on PostgreSQL does without its 4 MiB.
"""

from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from shared.base.errors import CannotStart
from shared.store.engine import Database, open_database, parse_url

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"

#: The advisory lock of the process that migrates: any number that nothing else locks.
_MIGRATION_LOCK = 2_026_112_500


class NewerSchema(CannotStart):
    """The database was migrated by a later version of Budkavle than this one."""


def migrate(url: str) -> bool:
    """Run the missing steps in one transaction. Return whether there were any.

    Safe to call from several processes at once: one migrates, the others wait for it. Raises
    `NewerSchema`, or `DatabaseUnavailable`.
    """
    database = open_database(url)
    try:
        with database.begin() as connection:
            _wait_for_turn(connection)
            if _revision(connection) == _newest():
                return False
            _upgrade(connection)
            return True
    finally:
        database.close()


def is_current(url: str) -> bool:
    """Whether every step has been run. Raises `DatabaseUnavailable`."""
    with closing(open_database(url)) as database:
        return has_current_schema(database)


def has_current_schema(database: Database) -> bool:
    """As `is_current`, of a database that is open."""
    with database.begin() as connection:
        return _revision(connection) == _newest()


def ensure_sqlite(url: str) -> None:
    """Migrate an SQLite database; every process does so when it starts.

    A shared PostgreSQL is migrated only by `budkavle setup`, which an operator runs.
    """
    if _is_sqlite(url):
        migrate(url)


def _is_sqlite(url: str) -> bool:
    return parse_url(url).get_backend_name() == "sqlite"


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


@cache
def _newest() -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def _wait_for_turn(connection: Connection) -> None:
    """On PostgreSQL, wait until no other process migrates. SQLite has one writer at a time."""
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:lock)")
        connection.execute(lock, {"lock": _MIGRATION_LOCK})


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.util import CommandError

    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerSchema("the database belongs to a later version of Budkavle") from error
