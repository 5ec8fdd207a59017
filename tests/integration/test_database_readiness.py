"""A database is ready when it can be reached and was set up; until then work on it waits."""

import pytest
from sqlalchemy import select

from shared.store.engine import DatabaseUnavailable, open_database
from shared.store.migrate import migrate
from shared.store.tables import inbox_message


def test_a_database_that_is_not_set_up_is_not_ready_and_work_on_it_waits(database_url: str) -> None:
    database = open_database(database_url)
    assert not database.ready()
    with pytest.raises(DatabaseUnavailable), database.begin() as connection:
        connection.execute(select(inbox_message))
    migrate(database_url)
    assert database.ready()
    database.close()


def test_a_server_that_is_not_there_is_not_ready() -> None:
    database = open_database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert not database.ready()
    database.close()
