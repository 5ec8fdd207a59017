"""The clock of the database, which all processes share."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

import structlog
from prometheus_client import Gauge
from sqlalchemy import func, select

from shared.base.clock import CLOCK_TOLERANCE, Clock, SteadyClock, utcnow
from shared.store.engine import Database, DatabaseUnavailable

log = structlog.get_logger()

DIFFERENCE = Gauge(
    "budkavle_clock_difference_seconds",
    "How far this machine's clock is ahead of the database's. Stays 0 on SQLite.",
)

_NOW = select(func.clock_timestamp())
#: How often the database is asked for its time, and how often a difference is logged (seconds).
_ASK_EVERY, _LOG_EVERY = 5.0, 60.0
#: A reading that took longer is too inexact (seconds).
_SLOW = 1.0


class _Reading(NamedTuple):
    """The time of the database's clock at `seconds` of the monotonic clock."""

    now: datetime
    seconds: float
    ahead: timedelta  # by how much the machine's clock was ahead


class DatabaseClock:
    """The time by PostgreSQL's clock, carried on by the monotonic clock between readings.

    On SQLite, which has no clock of its own, it is the machine's. Thread-safe.
    """

    def __init__(
        self,
        database: Database,
        *,
        system: Clock = utcnow,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._own = None if database.has_clock else SteadyClock(system)
        self._system = system
        self._monotonic = monotonic
        self._lock = Lock()
        self._reading: _Reading | None = None
        self._log_at = monotonic()

    def __call__(self) -> datetime:
        """Now. Raises `DatabaseUnavailable` until the database's clock was read once."""
        if self._own is not None:
            return self._own()
        reading = self._reading or self._read()
        return reading.now + timedelta(seconds=self._monotonic() - reading.seconds)

    def agrees(self) -> bool:
        """Whether the machine's clock agrees with the database's: a readiness check.

        Reads the database's clock again every few seconds. False before the first reading; while
        the database is unavailable the last reading counts.
        """
        if self._own is not None:
            return True
        try:
            reading = self._recent()
        except DatabaseUnavailable:
            return self._reading is not None and _is_small(self._reading.ahead)
        return _is_small(reading.ahead)

    def _recent(self) -> _Reading:
        with self._lock:
            reading = self._reading
            if reading is None or self._monotonic() - reading.seconds >= _ASK_EVERY:
                reading = self._read()
                self._report(reading.ahead)
            return reading

    def _read(self) -> _Reading:
        started = self._monotonic()
        with self._database.single() as connection:
            now: datetime = connection.execute(_NOW).scalar_one()
        ended = self._monotonic()
        if ended - started > _SLOW:
            raise DatabaseUnavailable("slow")
        half = timedelta(seconds=(ended - started) / 2)
        self._reading = _Reading(now + half, ended, self._system() - half - now)
        return self._reading

    def _report(self, ahead: timedelta) -> None:
        DIFFERENCE.set(ahead.total_seconds())
        if not _is_small(ahead) and self._monotonic() >= self._log_at:
            self._log_at = self._monotonic() + _LOG_EVERY
            log.warning("clock_differs", seconds_ahead=round(ahead.total_seconds(), 1))


def _is_small(ahead: timedelta) -> bool:
    return abs(ahead) <= CLOCK_TOLERANCE
