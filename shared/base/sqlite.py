"""What every SQLite file of ours, queues or database, has in common."""

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
    """Make `file`, if it is not there, for its owner alone: patients will be named in it.

    SQLite gives the files beside it the same rights. What is wrong with the path, it tells itself.
    """
    with suppress(OSError):
        Path(file).touch(mode=0o600)
