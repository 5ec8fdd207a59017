"""Keeps queue messages on the local disk while the broker is unavailable: one SQLite file.

What `append` has returned from survives a crash of the process and of the machine: each commit is
flushed to the disk, and so is the folder when the file is made. Messages leave in the order in
which they came. Several processes may use one file: one of them at a time holds the right to drain.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from shared.base.errors import CannotStart
from shared.base.sqlite import keep_private, use_write_ahead_log
from shared.relay.broker import BrokerUnavailable, Envelope, Outgoing
from shared.relay.embedded.file_identity import FileIdentity

_BUSY_SECONDS = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body BLOB NOT NULL,
    at REAL NOT NULL,
    traceparent TEXT NOT NULL DEFAULT ''
)
"""
_COLUMNS = "SELECT name FROM pragma_table_info('message')"
#: For a file of a version whose spool kept none, and in which messages may wait.
_ADD_TRACEPARENT = "ALTER TABLE message ADD COLUMN traceparent TEXT NOT NULL DEFAULT ''"
_INSERT = "INSERT INTO message (key, message_id, body, at, traceparent) VALUES (?, ?, ?, ?, ?)"
_ANY = "SELECT 1 FROM message LIMIT 1"
_OLDEST = """
SELECT id, key, message_id, body, traceparent FROM message WHERE id > ? ORDER BY id LIMIT 1
"""
#: Ids have no gaps, since messages leave oldest first.
_STATE = """
SELECT coalesce(max(id) - min(id) + 1, 0), (SELECT at FROM message ORDER BY id LIMIT 1) FROM message
"""


class SpoolState(NamedTuple):
    messages: int
    bytes: int  # of the file, without what is free in it
    oldest_seconds: float  # how long the oldest message has waited


class Batch(NamedTuple):
    """The oldest messages, and the row of the last of them."""

    last: int
    messages: tuple[Outgoing, ...]


class Spool:
    """The file at `path`, of at most `max_bytes`. For any number of threads.

    Every method raises `BrokerUnavailable` when the file cannot be used or is full. Raises
    `CannotStart` when it cannot be opened.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.max_bytes = max_bytes
        self._clock = clock
        self._guard = threading.Lock()
        try:
            self._connection = _open(path, max_bytes)
            _flush_folder(path.parent)
            self._lock_file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except (OSError, sqlite3.Error) as error:
            raise CannotStart(f"BUDKAVLE_INGEST_SPOOL: {error}") from error
        self._file = FileIdentity(path)

    def append(self, messages: Sequence[Outgoing]) -> None:
        """Keep all of them or none; they are on the disk when this returns."""
        self._file.require()
        now = self._clock()
        rows = [_row(one, now) for one in messages]
        with self._transaction() as connection:
            connection.executemany(_INSERT, rows)

    @property
    def empty(self) -> bool:
        with self._used() as connection:
            return connection.execute(_ANY).fetchone() is None

    def oldest(self, *, most: int, max_bytes: int) -> Batch | None:
        """Up to `most` messages of `max_bytes` together, at least one; None when it is empty."""
        last, size, messages = 0, 0, list[Outgoing]()
        with self._used() as connection:
            while len(messages) < most and size < max_bytes:
                row = connection.execute(_OLDEST, (last,)).fetchone()
                if row is None or (messages and size + len(row[3]) > max_bytes):
                    break
                last, size = row[0], size + len(row[3])
                messages.append(Outgoing(row[1], Envelope(row[2], row[3], traceparent=row[4])))
        return Batch(last, tuple(messages)) if messages else None

    def remove(self, batch: Batch) -> None:
        """Its messages are safe elsewhere."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM message WHERE id <= ?", (batch.last,))

    def has_room(self, size: int) -> bool:
        """Whether it would take a message of `size` bytes now."""
        try:
            self._file.require()
            return self.state().bytes + size < self.max_bytes
        except BrokerUnavailable:
            return False

    def tidy(self) -> None:
        """Leave nothing of what was removed in the files: it names patients."""
        with self._used() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def state(self) -> SpoolState:
        with self._used() as connection:
            messages, oldest = connection.execute(_STATE).fetchone()
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        age = 0.0 if oldest is None else max(0.0, self._clock() - oldest)
        return SpoolState(messages, (pages - free) * size, age)

    def may_drain(self) -> bool:
        """Whether this process may drain it; no other one may then, until this one ends."""
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        with self._guard:
            self._connection.close()
        os.close(self._lock_file)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._used() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone."""
        with self._guard:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise BrokerUnavailable(f"spool: {error}") from error


def _row(message: Outgoing, now: float) -> tuple[str, str, bytes, float, str]:
    envelope = message.envelope
    return message.key, envelope.message_id, envelope.body, now, envelope.traceparent


def _open(path: Path, max_bytes: int) -> sqlite3.Connection:
    keep_private(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    use_write_ahead_log(connection)
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(_SCHEMA)
    if ("traceparent",) not in connection.execute(_COLUMNS).fetchall():
        connection.execute(_ADD_TRACEPARENT)
    [page_size] = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA max_page_count={max(1, max_bytes // page_size)}")
    return connection


def _flush_folder(folder: Path) -> None:
    """A file is found after a crash of the machine only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
