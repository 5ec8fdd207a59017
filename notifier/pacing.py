"""Limits of a channel: quiet hours, a rate limit, a circuit breaker, and concurrent sendings."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from threading import Condition, Lock
from typing import Protocol

from shared.base.breaker import Breaker, BreakerPolicy
from shared.base.gcra import Gcra
from shared.booking.times import STOCKHOLM

#: A slot that was not used within this time is lost, so that what was held up elsewhere (quiet
#: hours, retries) does not all go out at once on slots of long ago.
_SLOT_KEPT = timedelta(minutes=1)
#: How long a batch waits for as many places as it has sendings, where there is one already.
_TOGETHER_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of the Swedish day, `start` included and `end` not; they may span midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """`"21:00-07:00"`. Raises ValueError."""
        try:
            start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
        except ValueError:
            raise ValueError("quiet hours are written like 21:00-07:00") from None
        if start == end or start.tzinfo or end.tzinfo:
            raise ValueError("quiet hours are two different times of day, like 21:00-07:00")
        return cls(start, end)

    def end_after(self, now: datetime) -> datetime | None:
        """The end, in UTC, of the quiet hours at the aware `now`; None when there are none."""
        local = now.astimezone(STOCKHOLM)
        if not self._hold_at(local.time()):
            return None
        day = local.date() if local.time() < self.end else local.date() + timedelta(days=1)
        return _latest_instant(datetime.combine(day, self.end))

    def _hold_at(self, clock: time) -> bool:
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def _latest_instant(wall: datetime) -> datetime:
    """The moment Swedish clocks show `wall`; of two, and of none (summer time), the later."""
    return max(wall.replace(tzinfo=STOCKHOLM, fold=fold).astimezone(UTC) for fold in (0, 1))


class Slots:
    """A rate limit: reserves evenly spaced slots (GCRA) for what this process sends.

    A message over the limit waits once, for its slot, and is not read again and again.
    """

    def __init__(self, per_minute: int) -> None:
        self._interval = timedelta(minutes=1) / per_minute
        self._line = Gcra()
        self._lock = Lock()

    def slot(self, held: datetime | None, now: datetime) -> datetime:
        """The slot to use: the one `held` since an earlier call, or a new one."""
        if held is not None and now - held <= _SLOT_KEPT:
            return held
        with self._lock:
            return self._line.take(now, self._interval)


class BreakerChanged(Protocol):
    def __call__(self, *, is_open: bool) -> None: ...


def ignore_change(*, is_open: bool) -> None:
    """Nobody wants to know."""


class CircuitBreaker:
    """Opens when a provider is down, for longer and longer, until it answers again.

    Open, it lets nothing through until the wait is over; then it is half-open, and the channel
    sends one notice at a time. Without it every waiting message would run into the same time-out
    and spend its attempts there. `changed` is called when it opens and closes. Thread-safe.
    """

    def __init__(
        self,
        first: timedelta = timedelta(seconds=10),
        longest: timedelta = timedelta(minutes=5),
        changed: BreakerChanged = ignore_change,
    ) -> None:
        self._breaker = Breaker(BreakerPolicy(1, first, longest, spread=lambda: 1.0))
        self._changed = changed
        self._probing = False
        self._lock = Lock()

    @property
    def closed(self) -> bool:
        """Whether the provider has answered since the breaker opened last."""
        return not self._breaker.is_open

    def open_until(self, now: datetime) -> datetime | None:
        """None when it is closed or half-open."""
        with self._lock:
            return self._breaker.next_try(now)

    def enter(self, now: datetime) -> bool:
        """Whether a notice may be sent at `now`; while half-open one may, until it has ended.

        Each that may has to end with `open`, `close` or `end_without_verdict`.
        """
        with self._lock:
            if self._breaker.next_try(now) is not None:
                return False
            self._probing = self._breaker.start()
            return True

    def open(self, now: datetime, asked: timedelta | None = None) -> None:
        """From `now`, for as long as the provider `asked` if it did.

        Several messages that were under way together meet one outage: it lengthens once.
        """
        with self._lock:
            was_open = self._breaker.is_open
            probe = self._probing or (was_open and self._breaker.next_try(now) is None)
            self._breaker.failed(now, probe=probe, asked=asked)
            self._probing = False
        if not was_open:
            self._changed(is_open=True)

    def close(self) -> None:
        """The provider answered."""
        with self._lock:
            was_open = self._breaker.is_open
            self._breaker.succeeded()
            self._probing = False
        if was_open:
            self._changed(is_open=False)

    def end_without_verdict(self) -> None:
        """A notice that entered has ended by a fault of ours: the next one may be the probe."""
        with self._lock:
            self._breaker.gave_no_verdict(probe=self._probing)
            self._probing = False


class Bulkhead:
    """At most `most` sendings at once, so that others find a place free.

    `patience_seconds`: how long a sending waits for a place. A healthy provider frees one within
    that time, so only those of a slow one are turned away. Thread-safe.
    """

    def __init__(self, most: int, patience_seconds: float = 0.25) -> None:
        self._most = most
        self._patience_seconds = patience_seconds
        self._under_way = 0
        self._line: deque[object] = deque()  # who waits, first come first
        self._changed = Condition()

    def enter(self, *, alone: bool = False) -> bool:
        """Take a place, only if nobody has one when `alone`; whether there was one in time."""
        return self.enter_some(1, alone=alone, patient=True) == 1

    def enter_some(self, wanted: int, *, alone: bool = False, patient: bool = False) -> int:
        """Take up to `wanted` places; how many. None without patience while others wait.

        `patient`: wait for all of them for a moment, and then for the first. Each batch of sendings
        costs two statements, however small it is. `alone`: one, and only if nobody has one.
        """
        most = 1 if alone else self._most
        with self._changed:
            in_time = self._waits(min(wanted, most), most) if patient else not self._line
            taken = max(0, min(wanted, most - self._under_way)) if in_time else 0
            self._under_way += taken
            return taken

    def leave(self, places: int = 1) -> None:
        """Give places back."""
        with self._changed:
            self._under_way -= places
            self._changed.notify_all()

    def _waits(self, wanted: int, most: int) -> bool:
        """Whether it was our turn within the time, and at least one place was free."""
        own = object()
        self._line.append(own)

        def finds(places: int) -> bool:
            return self._line[0] is own and self._under_way + places <= most

        try:
            together = min(_TOGETHER_SECONDS, self._patience_seconds)
            if self._changed.wait_for(lambda: finds(wanted), together):
                return True
            return self._changed.wait_for(lambda: finds(1), self._patience_seconds)
        finally:
            self._line.remove(own)
            self._changed.notify_all()
