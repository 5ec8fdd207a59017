"""The time. Whoever decides by it takes a `Clock`, so that tests can pass their own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock

Clock = Callable[[], datetime]

#: Clocks that differ by no more than this count as equal.
CLOCK_TOLERANCE = timedelta(seconds=5)
#: A smaller difference from the monotonic clock is drift, not a jump.
_JUMP = timedelta(seconds=1)
#: A jump of the machine's clock that lasts so many seconds is a correction.
_LASTING = 60.0


def utcnow() -> datetime:
    return datetime.now(UTC)


def is_of_the_future(written_at: datetime | None, now: datetime) -> bool:
    """Whether a wrong clock wrote `written_at`: it is in the future. Such values are not used."""
    return written_at is not None and written_at > now + CLOCK_TOLERANCE


def _since_boot() -> float:
    """Seconds of a monotonic clock; on Linux it includes the time that the machine sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class SteadyClock:
    """The machine's clock, but a jump counts only once it has lasted a minute. Thread-safe."""

    def __init__(
        self, system: Clock = utcnow, monotonic: Callable[[], float] = _since_boot
    ) -> None:
        self._system = system
        self._monotonic = monotonic
        self._lock = Lock()
        self._set(system(), monotonic())

    def __call__(self) -> datetime:
        with self._lock:
            now, seconds = self._system(), self._monotonic()
            steady = self._at + timedelta(seconds=seconds - self._set_at)
            if abs(now - steady) < _JUMP or self._has_lasted(seconds):
                self._set(now, seconds)
                return now
            return steady

    def _set(self, now: datetime, seconds: float) -> None:
        self._at, self._set_at = now, seconds
        self._jumped_at: float | None = None

    def _has_lasted(self, seconds: float) -> bool:
        if self._jumped_at is None:
            self._jumped_at = seconds
        return seconds - self._jumped_at >= _LASTING
