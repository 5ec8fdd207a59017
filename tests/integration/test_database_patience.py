"""PostgreSQL's silent troubles: stopped lock holders, sleepers, read-only servers, lost peers.

Each must end soon and as `DatabaseUnavailable`: a message waits for that and spends no attempts.
"""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.base.clock import utcnow
from shared.booking.identity import BookingKey
from shared.booking.inbox import HistoryWindow
from shared.store.engine import Database, DatabaseUnavailable, open_database
from shared.store.inbox import Inbox
from shared.store.migrate import migrate

BOOKING = BookingKey(
    source_system="SE2321000016-SYS1",
    logical_address="SE2321000016-1HZ5",
    booking_id="B1",
    patient="191212121212",
)

_CHOICE = text("INSERT INTO contact_preference VALUES ('191212121212','sms','+4670',now())")
_CHOICES = text("SELECT count(*) FROM contact_preference")

HISTORY_WINDOW = HistoryWindow(BOOKING, (), utcnow())


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    migrate(postgres_url)
    database = open_database(postgres_url, lock_wait=timedelta(seconds=0.3))
    yield database
    database.close()


def test_who_waits_for_the_lock_of_a_worker_that_stands_still_gives_up(
    database: Database, postgres_url: str
) -> None:
    other = open_database(postgres_url)
    with Inbox(other).locked([HISTORY_WINDOW]):
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable), Inbox(database).locked([HISTORY_WINDOW]):
            pass
        assert time.monotonic() - started < 5
    other.close()
    with Inbox(database).locked([HISTORY_WINDOW]):
        pass


@pytest.mark.parametrize("kind", ["begin", "quick"])
def test_a_transaction_that_stands_still_is_ended_and_its_work_tried_again(
    database: Database, kind: str
) -> None:
    with pytest.raises(DatabaseUnavailable):
        _sleep_in_a_transaction(database, kind)
    assert database.ready()


@pytest.mark.parametrize("kind", ["quick", "single"])
def test_with_one_lost_connection_all_that_are_idle_are_given_up(
    database: Database, postgres_url: str, kind: str
) -> None:
    """Else each of them costs another message a wait, after a restart of the server."""
    with getattr(database, kind)() as one, getattr(database, kind)() as other:
        for connection in (one, other):
            connection.execute(text("SELECT 1"))
    _end_all_but_one(postgres_url)
    with pytest.raises(DatabaseUnavailable), getattr(database, kind)() as connection:
        connection.execute(text("SELECT 1"))
    with getattr(database, kind)() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.mark.parametrize("kind", ["begin", "quick"])
def test_an_error_leaves_nothing_of_a_transaction(database: Database, kind: str) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_after_a_choice(database, kind)
    with database.reading() as reading:
        assert reading.scalar(_CHOICES) == 0
    with getattr(database, kind)() as connection:
        connection.execute(_CHOICE)
    with database.reading() as reading:
        assert reading.scalar(_CHOICES) == 1


def test_who_breaks_a_constraint_is_told_by_sqlalchemy(database: Database) -> None:
    with database.single() as connection:
        connection.execute(_CHOICE)
        with pytest.raises(IntegrityError):
            connection.execute(_CHOICE)


def test_a_single_statement_is_stored_at_once(database: Database) -> None:
    with database.begin() as other, database.single() as connection:
        connection.execute(_CHOICE)
        count = other.scalar(_CHOICES)
    assert count == 1


@pytest.mark.parametrize("kind", ["begin", "quick"])
def test_a_server_that_is_read_only_is_waited_for(database: Database, kind: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        _write_read_only(database, kind)


def _fail_after_a_choice(database: Database, kind: str) -> None:
    with getattr(database, kind)() as connection:
        connection.execute(_CHOICE)
        raise ZeroDivisionError


def _end_all_but_one(postgres_url: str) -> None:
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _sleep_in_a_transaction(database: Database, kind: str) -> None:
    with getattr(database, kind)() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 100"))
        time.sleep(0.5)
        connection.execute(text("SELECT 1"))


def _write_read_only(database: Database, kind: str) -> None:
    with getattr(database, kind)() as connection:
        connection.execute(text("SET LOCAL transaction_read_only = on"))
        connection.execute(text("DELETE FROM notice"))


@pytest.mark.parametrize("kind", ["begin", "quick", "single", "reading"])
def test_every_connection_bounds_its_waits(database: Database, kind: str) -> None:
    with getattr(database, kind)() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "300ms"
        idle = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()
        assert idle == "1min"


def test_a_peer_that_vanished_is_missed_within_half_a_minute(database: Database) -> None:
    with database.begin() as connection:
        driver_connection = connection.connection.driver_connection
        assert isinstance(driver_connection, psycopg.Connection)
        peer = socket.fromfd(driver_connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with peer:
            assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, interval, probes = (
                peer.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
    assert idle + interval * probes <= 30


def test_the_url_has_the_last_word(postgres_url: str) -> None:
    database = open_database(f"{postgres_url}?connect_timeout=1&application_name=budkavle")
    with database.begin() as connection:
        assert connection.scalar(text("SHOW application_name")) == "budkavle"
    database.close()


@pytest.mark.parametrize(("durable", "waits"), [(True, "on"), (False, "off")])
def test_who_need_not_be_sure_does_not_wait_for_the_disk(
    postgres_url: str, durable: bool, waits: str
) -> None:
    database = open_database(postgres_url, durable=durable)
    for opened in (database.begin, database.quick, database.single):
        with opened() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == waits
    database.close()


def test_a_plan_made_for_an_empty_table_uses_its_indexes(postgres_url: str) -> None:
    """Such a plan is kept, and the table grows."""
    database = open_database(postgres_url, by_index=True)
    with database.reading() as connection:
        run = connection.exec_driver_sql
        run("CREATE TEMP TABLE watermark (patient varchar NOT NULL, same_id varchar NOT NULL)")
        run("CREATE INDEX ON watermark (patient)")
        run("CREATE INDEX ON watermark (same_id)")
        run("SET plan_cache_mode = force_generic_plan")
        wanted = "patient = ANY ($1) OR same_id = ANY ($1)"
        run(f"PREPARE find(varchar[]) AS SELECT * FROM watermark WHERE {wanted}")
        plan = run("EXPLAIN EXECUTE find('{a}')").scalars().all()
        assert connection.scalar(text("SHOW jit")) == "off"
    database.close()
    assert any("Bitmap Index Scan" in line for line in plan), plan
