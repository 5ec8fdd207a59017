"""The time, in one place, so that everything that judges by it can be handed another."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock

Clock = Callable[[], datetime]

#: Two clocks that differ by no more than this are taken to agree.
CLOCK_TOLERANCE = timedelta(seconds=5)
#: A difference from the monotonic clock that is below this is drift, not a jump.
_JUMP = timedelta(seconds=1)
#: After how many seconds a jump of the machine's clock is taken for a correction.
_LASTING = 60.0


def utcnow() -> datetime:
    return datetime.now(UTC)


def is_of_the_future(written_at: datetime | None, now: datetime) -> bool:
    """Whether `written_at` can only come from a wrong clock. What was written then is not used."""
    return written_at is not None and written_at > now + CLOCK_TOLERANCE


def _since_boot() -> float:
    """Seconds by a clock that never jumps; on Linux it goes on while the machine sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class SteadyClock:
    """The machine's clock, without jumps that last less than a minute. Thread-safe."""

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
