"""Fills a database with what a large region has after two years: messages, watermarks, contacts.

Made by the database itself from numbers, and about nobody: the patients are born in the year 1700.
Bookings are digests, as the relay's own, so that they lie as scattered in the indexes.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy import Connection, text

from shared.store.engine import Database

#: Texts as long as those of a usual message.
_TEXT = "repeat('Du har fått en tid. Ta med legitimation. ', 8)"
_HTML = "repeat('<p>Du har fått en tid. Ta med legitimation.</p>', 10)"
_CALENDAR = "repeat('DESCRIPTION:Du har fått en tid.', 12)"
_STATE = """'{"starts": "20261203090000", "unit_name": "Vårdcentralen", "cancel_allowed": true}'"""

_PATIENT = "'1700' || lpad((n % :patients)::text, 8, '0')"
_DIGEST = "encode(sha256(n::text::bytea), 'hex')"
#: Spread over two years.
_AT = "now() - (n * 63072000.0 / :rows) * interval '1 second'"
_NUMBERS = "FROM generate_series(1, :rows) AS n"

_MESSAGES = f"""INSERT INTO inbox_message (id, booking, revision, patient, source_system,
    logical_address, booking_id, kind, subject, body_text, body_html, calendar, calendar_uid,
    starts, state, received_at, fetched_at, created_at, notification_id, change_id, read)
    SELECT 'm' || md5(n::text), {_DIGEST}, 1, {_PATIENT}, 'SE2321000016-S' || n % 40,
    'SE2321000016-U' || n % 40, 'filled-' || n, 'booking_confirmation', 'Bokad tid', {_TEXT},
    {_HTML}, {_CALENDAR}, 'uid' || n, '20261203090000', {_STATE}, {_AT}, {_AT}, {_AT}, 'n' || n,
    'n' || n || '-a', n % 3 = 0 {_NUMBERS}"""
_WATERMARKS = f"""INSERT INTO booking_watermark (booking, patient_bookings, same_id, fetched_at,
    gone, received_at, notification_id)
    SELECT {_DIGEST}, encode(sha256((n % :patients)::text::bytea), 'hex'),
    encode(sha256((-n)::text::bytea), 'hex'), {_AT}, n % 5 = 0, {_AT}, 'n' || n
    {_NUMBERS}"""
_CONTACTS = f"""INSERT INTO contact_preference (patient, channel, address, updated_at)
    SELECT {_PATIENT}, 'email', 'filled' || n || '@example.invalid', now()
    FROM generate_series(1, :patients) AS n"""


_TABLES = {
    "inbox_message": _MESSAGES,
    "booking_watermark": _WATERMARKS,
    "contact_preference": _CONTACTS,
}
#: What makes the indexes of a table again, and what removes them. Keys first, then the others.
_KEYS = text(
    "SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,"
    " pg_get_constraintdef(oid)),"
    " format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"
    " FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) AND contype IN ('p', 'u')"
)
_OTHERS = text(
    "SELECT indexdef, format('DROP INDEX %I', indexname) FROM pg_indexes WHERE tablename = :table"
    " AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE contype IN ('p', 'u'))"
)


def fill(database: Database, rows: int) -> None:
    """`rows` messages and watermarks, and half as many contacts and patients; then ANALYZE."""
    numbers = {"rows": rows, "patients": rows // 2}
    with ThreadPoolExecutor() as threads:
        works = [threads.submit(_fill_table, database, table, statement, numbers)
                 for table, statement in _TABLES.items()]  # fmt: skip
        for work in works:
            work.result()
    _settle(database)


def _fill_table(database: Database, table: str, statement: str, numbers: dict[str, int]) -> None:
    with database.begin() as connection, _without_indexes(connection, table):
        connection.execute(text(statement), numbers)


@contextmanager
def _without_indexes(connection: Connection, table: str) -> Iterator[None]:
    """Rows in no order of an index are written twice as fast when it is made afterwards."""
    rows = [row for kind in (_KEYS, _OTHERS) for row in connection.execute(kind, {"table": table})]
    for _, remove in rows:
        connection.execute(text(remove))
    yield
    connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    for make, _ in rows:
        connection.execute(text(make))


def _settle(database: Database) -> None:
    """Statistics are new and everything is on disk, so that no later work is for the filling."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
