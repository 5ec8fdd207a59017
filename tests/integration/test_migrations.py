"""A migrated database is what `tables.py` says, also when many processes migrate it at once."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from shared.store.engine import DatabaseUnavailable, UnknownDatabase, open_database
from shared.store.migrate import NewerSchema, ensure_sqlite, is_current, migrate
from shared.store.tables import metadata


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'budkavle.sqlite3'}"


def test_migrated_schema_is_the_schema_of_tables(database_url: str) -> None:
    migrate(database_url)
    database = open_database(database_url)
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert not is_current(database_url)
    assert migrate(database_url)
    assert is_current(database_url)
    assert not migrate(database_url)


def test_of_several_that_migrate_at_once_one_does_it(database_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        changed = list(pool.map(migrate, [database_url] * 6))
    assert sorted(changed) == [False] * 5 + [True]


def test_processes_that_start_together_share_a_new_sqlite_file(sqlite_url: str) -> None:
    with get_context("spawn").Pool(4) as pool:
        pool.map(ensure_sqlite, [sqlite_url] * 4)
    assert is_current(sqlite_url)


def test_a_stage_does_not_migrate_postgresql(postgres_url: str) -> None:
    ensure_sqlite(postgres_url)
    assert not is_current(postgres_url)


def test_the_schema_of_a_later_version_is_left_alone(database_url: str) -> None:
    migrate(database_url)
    database = open_database(database_url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    assert not is_current(database_url)
    with pytest.raises(NewerSchema):
        migrate(database_url)


def test_a_database_that_is_away_is_told_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate(f"sqlite:///{tmp_path / 'no such folder' / 'x.sqlite3'}")
    with pytest.raises(DatabaseUnavailable):
        is_current("postgresql+psycopg://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize(
    "url", ["", "no url", "sqlite://", "mysql://host/x", "postgresql://u:secret@h:bad/x"]
)
def test_a_url_that_names_no_database_of_ours_is_told_without_repeating_it(url: str) -> None:
    with pytest.raises(UnknownDatabase) as error:
        open_database(url)
    assert "secret" not in str(error.value)
