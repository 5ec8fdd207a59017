"""The queue file of the embedded broker: every SQL statement it needs, and nothing else.

A message is one row. Its state follows from two columns:

=================  =======  =====================================================
`due`              `lease`  the message
=================  =======  =====================================================
now or earlier     any      is ready (if it had a lease, its holder is gone)
later              none     is delayed until then
later              some     is being handled; its holder renews `due` until done
=================  =======  =====================================================

`wait` is how long before `due` that was written, so that a time which a wrong clock wrote is known.

Every change is one transaction, so an acknowledgement and its publishes are stored as one.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.base.sqlite import keep_private, use_write_ahead_log
from shared.relay.broker import BrokerUnavailable, Envelope, Outgoing
from shared.relay.embedded.file_identity import FileIdentity
from shared.relay.headers import dead_letter_from, from_headers, to_headers
from shared.relay.topology import DELIVERY_LIMIT

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    due REAL NOT NULL,
    wait REAL NOT NULL DEFAULT 0,
    lease TEXT,
    deliveries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS message_by_key_due ON message (key, due);
CREATE INDEX IF NOT EXISTS message_by_lease ON message (lease) WHERE lease IS NOT NULL;
CREATE TABLE IF NOT EXISTS operator (
    stage TEXT PRIMARY KEY, token TEXT NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL
);
"""

_INSERT = """
INSERT INTO message (key, message_id, headers, body, due, wait) VALUES (?, ?, ?, ?, ?, ?)
"""
_READY = "SELECT id FROM message WHERE key = ? AND due <= ? ORDER BY due, id LIMIT ?"
#: A message that was handed out more often than the limit kills its readers. It is dead-lettered as
#: it is: without a reason, since the broker did it.
_DEAD_LETTER = f"""
UPDATE message SET key = key || '.dead', lease = NULL
WHERE key = ? AND due <= ? AND deliveries > {DELIVERY_LIMIT}
"""  # noqa: S608 - the limit is a constant of ours
_CLAIM = f"""
UPDATE message SET lease = ?, due = ?, wait = ?, deliveries = deliveries + 1 WHERE id IN ({_READY})
RETURNING id, message_id, headers, body, deliveries
"""  # noqa: S608 - no text of anybody's is put in
_RELEASE = "UPDATE message SET lease = NULL, due = ?, wait = 0 WHERE id = ? AND lease = ?"
#: Written more than some seconds after now: by a clock that was ahead.
_WRITTEN_LATER = "key = :key AND due > :now AND due - wait > :now + 5"
_ANY_WRITTEN_LATER = f"SELECT 1 FROM message WHERE {_WRITTEN_LATER} LIMIT 1"  # noqa: S608 - ours
_BEGIN_AGAIN = f"UPDATE message SET due = :now + wait WHERE {_WRITTEN_LATER}"  # noqa: S608 - ours
_COUNT = """
SELECT key, sum(due <= :now), sum(due > :now AND lease IS NOT NULL),
       sum(due > :now AND lease IS NULL)
FROM message GROUP BY key
"""
_DELAYED = """
SELECT wait, count(*) FROM message WHERE due > ? AND lease IS NULL GROUP BY wait
"""
_LETTERS = """
SELECT id, message_id, headers, body FROM message
WHERE key = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message under our lease."""

    row: int
    envelope: Envelope
    redelivered: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages have one key."""

    ready: int = 0
    leased: int = 0
    delayed: int = 0

    @property
    def all(self) -> int:
        return self.ready + self.leased + self.delayed


class QueueFile:
    """One connection to the file. For one thread at a time."""

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self._busy_seconds = busy_seconds
        with _translated():
            keep_private(path)
            self._connection = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            )
            use_write_ahead_log(self._connection)
            if not self._value("SELECT count(*) FROM sqlite_master WHERE name = 'operator'"):
                self._connection.executescript(_SCHEMA)
        self.file = FileIdentity(path)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self, *, busy_seconds: float | None = None) -> Iterator[None]:
        """A transaction: everything inside is stored, or nothing.

        Waits `busy_seconds` for other writers, or as long as this store does. Raises
        `BrokerUnavailable`.
        """
        patience = self._busy_seconds if busy_seconds is None else busy_seconds
        with _translated():
            self._value(f"PRAGMA busy_timeout={int(patience * 1000)}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                raise

    def insert(self, messages: Iterable[Outgoing], now: float) -> None:
        self._connection.executemany(_INSERT, [_row(message, now) for message in messages])

    def any_ready(self, key: str, now: float) -> bool:
        """Read without the write lock, as an idle consumer does."""
        with _translated():
            return self._connection.execute(_READY, (key, now, 1)).fetchone() is not None

    def claim(
        self, key: str, holder: str, count: int, *, now: float, lease: float
    ) -> list[Claimed]:
        """Up to `count` ready messages, oldest first, leased by `holder` for `lease` seconds."""
        self._connection.execute(_DEAD_LETTER, (key, now))
        values = (holder, now + lease, lease, key, now, count)
        rows = self._connection.execute(_CLAIM, values).fetchall()
        return [
            Claimed(row, from_headers(message_id, json.loads(headers), body), deliveries > 1)
            for row, message_id, headers, body, deliveries in sorted(rows)
        ]

    def acknowledge(self, row: int, holder: str) -> bool:
        """Acknowledge; False when the lease had run out, and the message is another's now."""
        done = self._connection.execute(
            "DELETE FROM message WHERE id = ? AND lease = ?", (row, holder)
        )
        return done.rowcount == 1

    def release(self, row: int, holder: str, due: float) -> None:
        """Hand one message back, to be ready at `due`."""
        self._connection.execute(_RELEASE, (due, row, holder))

    def release_all(self, holder: str, now: float) -> None:
        self._connection.execute(
            "UPDATE message SET lease = NULL, due = ?, wait = 0 WHERE lease = ?", (now, holder)
        )

    def renew(self, holder: str, *, until: float) -> None:
        self._connection.execute("UPDATE message SET due = ? WHERE lease = ?", (until, holder))

    def any_written_later(self, key: str, now: float) -> bool:
        """Whether a wait or lease began after `now`, written by a clock that was ahead."""
        with _translated():
            return self._value(_ANY_WRITTEN_LATER, {"key": key, "now": now}) is not None

    def begin_again(self, key: str, now: float) -> int:
        """Have each wait and lease that began after `now` begin now; how many there were."""
        return self._connection.execute(_BEGIN_AGAIN, {"key": key, "now": now}).rowcount

    def counts(self, now: float) -> dict[str, Counts]:
        with _translated():
            rows = self._connection.execute(_COUNT, {"now": now}).fetchall()
        return {key: Counts(ready, leased, delayed) for key, ready, leased, delayed in rows}

    def delayed(self, now: float) -> dict[float, int]:
        """How many messages wait, by the length of their delay in seconds."""
        with _translated():
            return dict(self._connection.execute(_DELAYED, (now,)).fetchall())

    def expire(self, key: str, before: float) -> None:
        """Remove what has lain under `key` since before that instant."""
        self._connection.execute("DELETE FROM message WHERE key = ? AND due < ?", (key, before))

    def newest_row(self) -> int:
        with _translated():
            newest = self._value("SELECT max(id) FROM message")
        return newest if isinstance(newest, int) else 0

    def letters(
        self, key: str, stage: str, *, after: int, upto: int, most: int
    ) -> list[tuple[int, Envelope]]:
        """The dead letters under `key` with a row number after `after`, oldest first."""
        with _translated():
            rows = self._connection.execute(_LETTERS, (key, after, upto, most)).fetchall()
        return [
            (row, dead_letter_from(message_id, json.loads(headers), body, stage))
            for row, message_id, headers, body in rows
        ]

    def operator(self, stage: str) -> tuple[str, str, float] | None:
        """Token and note of who holds the dead letters of `stage`, and until when."""
        row: tuple[str, str, float] | None = self._connection.execute(
            "SELECT token, holder, until FROM operator WHERE stage = ?", (stage,)
        ).fetchone()
        return row

    def set_operator(self, stage: str, token: str, holder: str, until: float) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO operator VALUES (?, ?, ?, ?)", (stage, token, holder, until)
        )

    def drop_operator(self, stage: str, token: str) -> None:
        self._connection.execute(
            "DELETE FROM operator WHERE stage = ? AND token = ?", (stage, token)
        )

    def remove(self, row: int) -> bool:
        return self._connection.execute("DELETE FROM message WHERE id = ?", (row,)).rowcount == 1

    def _value(self, statement: str, values: dict[str, str | float] | None = None) -> object:
        row = self._connection.execute(statement, values or {}).fetchone()
        return row[0] if row else None


def _row(message: Outgoing, now: float) -> tuple[str, str, str, bytes, float, float]:
    wait = message.delay.total_seconds() if message.delay else 0
    envelope = message.envelope
    headers = json.dumps(to_headers(envelope))
    return message.key, envelope.message_id, headers, envelope.body, now + wait, wait


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's troubles (locked too long, disk full, file gone) in the broker's words."""
    try:
        yield
    except sqlite3.Error as error:
        raise BrokerUnavailable(f"queue file: {error}") from error
