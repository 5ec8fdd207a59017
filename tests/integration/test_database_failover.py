"""A PostgreSQL primary and its standby, both named in one URL; the standby is promoted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.store.engine import Database, DatabaseUnavailable, open_database
from shared.store.migrate import migrate
from shared.store.replication import Standbys, find_standbys
from tests.polling import eventually
from tests.services import PostgreSQL, Standby

WRITE = text("INSERT INTO contact_preference VALUES (:patient, 'sms', '+46701740605', now())")
COUNT = text("SELECT count(*) FROM contact_preference")


@pytest.fixture
def primary() -> Iterator[PostgreSQL]:
    with PostgreSQL(local=True) as server:
        migrate(server.url)
        yield server


@pytest.fixture
def standby(primary: PostgreSQL) -> Iterator[Standby]:
    with Standby(primary.port, "behind") as server:
        yield server


@pytest.fixture(params=["host_per_server", "lists"])
def both(request: pytest.FixtureRequest, primary: PostgreSQL, standby: Standby) -> str:
    """The standby is named first: what may be written to is to be found."""
    ports = standby.port, primary.port
    servers = (
        "&".join(f"host=127.0.0.1:{port}" for port in ports)
        if request.param == "host_per_server"
        else f"host=127.0.0.1,127.0.0.1&port={ports[0]},{ports[1]}"
    )
    return f"postgresql+psycopg://budkavle@/postgres?{servers}&target_session_attrs=read-write"


def writes(database: Database, patient: str) -> bool:
    try:
        with database.begin() as connection:
            connection.execute(WRITE, {"patient": patient})
    except DatabaseUnavailable:
        return False
    return True


def test_writes_go_on_at_the_promoted_standby(
    both: str, primary: PostgreSQL, standby: Standby
) -> None:
    primary.wait_for_standby("behind")
    database = open_database(both)
    assert writes(database, "191212121212")
    primary.kill()
    assert not writes(database, "201212121212")
    standby.promote()
    promoted = time.monotonic()
    eventually(lambda: writes(database, "201212121212"), timeout=30)
    assert time.monotonic() - promoted < 15
    with database.begin() as connection:
        assert connection.scalar(COUNT) == 2
    database.close()


def test_a_server_that_became_read_only_is_left_for_the_one_that_takes_writes(
    both: str, primary: PostgreSQL, standby: Standby
) -> None:
    """As after a switchover whose former primary keeps its connections."""
    database = open_database(both)
    assert writes(database, "191212121212")
    standby.promote()
    primary.set("default_transaction_read_only", "on")
    eventually(lambda: writes(database, "201212121212"), timeout=30)
    database.close()


def test_it_is_seen_whether_a_commit_waits_for_the_standby(
    primary: PostgreSQL, standby: Standby
) -> None:
    database = open_database(primary.url)
    eventually(lambda: find_standbys(database) == Standbys.ASYNCHRONOUS)
    primary.wait_for_standby("behind")
    eventually(lambda: find_standbys(database) == Standbys.SYNCHRONOUS)
    careless = open_database(primary.url, durable=False)
    assert find_standbys(careless) == Standbys.ASYNCHRONOUS
    standby.stop()
    eventually(lambda: find_standbys(careless) == Standbys.NONE)
    for opened in (database, careless):
        opened.close()


def test_without_the_right_to_look_it_is_unknown(primary: PostgreSQL, standby: Standby) -> None:
    primary.make_role("relay")
    database = open_database(primary.url.replace("budkavle@", "relay@"))
    eventually(lambda: find_standbys(database) == Standbys.UNKNOWN)
    database.close()


def test_an_sqlite_file_has_no_standby(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    assert find_standbys(database) == Standbys.NONE
    database.close()
