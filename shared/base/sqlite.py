"""Shared by all our SQLite files, of queues and of the database."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

BUSY_SECONDS = 30


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and (
        error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    )


@retry(
    retry=retry_if_exception(_is_busy),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_random(0.01, 0.05),
    reraise=True,
)
def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers go on beside one writer, with every commit on the disk.

    The change to WAL, which happens once in the life of a file, does not honour SQLite's busy
    time-out: of several processes that start on a new file some would fail, hence the retry.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def keep_private(file: str | Path) -> None:
    """Create `file`, if it does not exist, readable by its owner only: it will name patients.

    SQLite gives the files beside it the same permissions, and reports what is wrong with the path.
    """
    with suppress(OSError):
        Path(file).touch(mode=0o600)
