"""Rate limit, calls in flight and circuit breaker per source system.

A message that may not be fetched now gets a slot of the source's rate limit and is postponed until
then. So messages of a source that is slow, saturated or behind an open breaker are read again at
the source's own rate: for 25,000 waiting changes tens of reads a second, not thousands.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from fetcher.answers import CallFailed
from fetcher.slots import SECOND, TOLERANCE, Pace, SharedSlots, SlotQueue
from shared.base.breaker import Breaker, BreakerPolicy
from shared.base.clock import Clock
from shared.booking.identity import hsa_key

#: How long a message of a paused source waits before it asks again.
_PAUSE = timedelta(minutes=1)


class SourceWaitReason(StrEnum):
    BREAKER_OPEN = "breaker_open"
    SOURCE_SATURATED = "source_saturated"  # as many calls in flight as the source may have
    RATE_LIMITED = "rate_limited"
    SOURCE_PAUSED = "source_paused"  # by an operator


class Source(Protocol):
    """What the limits need of a source system."""

    @property
    def hsa_id(self) -> str: ...
    @property
    def calls_per_second(self) -> float: ...
    @property
    def calls_in_flight(self) -> int: ...
    @property
    def paused(self) -> bool: ...


class Watch(Protocol):
    """Counts and logs what happens to calls and breakers."""

    def call_ended(self, source: Source, result: str, seconds: float) -> None:
        """A call ended; `result` is "answered", a `FetchRetryReason`, or "bug"."""

    def breaker_changed(self, source: Source, *, is_open: bool) -> None:
        """The source's circuit breaker opened, or closed again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may be made now: try again at `until`, with `slot`."""

    reason: SourceWaitReason
    until: datetime
    slot: datetime


@dataclass(frozen=True, slots=True)
class _Obstacle:
    reason: SourceWaitReason
    until: datetime


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """A source whose breaker is open or half-open, and by which failures."""

    source: str
    reason: str
    opened_at: datetime
    next_probe: datetime


class _State:
    """The state of one source in this process.

    `lock` is held for microseconds, `line_lock` while slots are reserved in the database.
    """

    def __init__(self, hsa_id: str, line: SlotQueue, breaker: Breaker) -> None:
        self.hsa_id = hsa_id
        self.last_failure = ""
        self.opened_at: datetime | None = None
        self.lock = Lock()
        self.line_lock = Lock()
        self.line = line
        self.breaker = breaker
        self.pace = Pace()
        self.in_flight = 0


class Permit:
    """Permission for one call, made within `with`: the limits count how the block ends."""

    def __init__(
        self, source: Source, state: _State, clock: Clock, watch: Watch, *, probe: bool
    ) -> None:
        self._source = source
        self._state = state
        self._clock = clock
        self._watch = watch
        self._probe = probe
        self._started = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        now = self._clock()
        with self._state.lock:
            self._state.in_flight -= 1
            was_open = self._state.breaker.is_open
            self._judge(error, now)
            is_open = self._state.breaker.is_open
            if is_open and not was_open:
                self._state.opened_at = now
        if is_open != was_open:
            self._watch.breaker_changed(self._source, is_open=is_open)
        seconds = (now - self._started).total_seconds()
        self._watch.call_ended(self._source, _result(error), seconds)

    def _judge(self, error: BaseException | None, now: datetime) -> None:
        breaker = self._state.breaker
        if isinstance(error, CallFailed) and not error.source_works:
            self._state.last_failure = error.reason
            breaker.failed(now, probe=self._probe)
        elif error is None or isinstance(error, CallFailed):
            breaker.succeeded()
        else:
            breaker.gave_no_verdict(probe=self._probe)


class SourceLimits:
    """The limits of all sources in one fetcher process. Thread-safe.

    `most_in_flight` bounds the calls in flight to any one source, whatever the register says, so
    that a source that hangs cannot use every thread.
    """

    def __init__(
        self,
        slots: SharedSlots,
        policy: BreakerPolicy,
        *,
        most_in_flight: int,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self._slots = slots
        self._policy = policy
        self._most_in_flight = most_in_flight
        self._clock = clock
        self._watch = watch
        self._lock = Lock()
        self._states: dict[str, _State] = {}

    def admit(self, source: Source, slot: datetime | None) -> Permit | Wait:
        """A permit for one call to `source` now, or when to ask again and with which slot.

        `slot` is that of an earlier `Wait`, if there was one. Raises `Unavailable`.
        """
        state, now = self._state_of(source), self._clock()
        if slot is None:
            with state.lock:
                obstacle = self._obstacle(source, state, now)
            if (
                obstacle is not None
            ):  # checked first, so that no slot is spent on a call that cannot be made
                return self._queue_up(source, state, obstacle)
            slot = self._next_slot(source, state, not_before=now)
        if slot > now + TOLERANCE:
            return Wait(SourceWaitReason.RATE_LIMITED, slot, slot)
        started = self._start(source, state, now)
        return started if isinstance(started, Permit) else self._queue_up(source, state, started)

    def open_breakers(self) -> list[OpenBreaker]:
        """Of this process: each has its own."""
        with self._lock:
            states = [*self._states.values()]
        return [found for found in map(_open_breaker, states) if found]

    def _state_of(self, source: Source) -> _State:
        key = hsa_key(source.hsa_id)
        with self._lock:
            if key not in self._states:
                self._states[key] = _State(
                    source.hsa_id, SlotQueue(key, self._slots), Breaker(self._policy)
                )
            return self._states[key]

    def _obstacle(self, source: Source, state: _State, now: datetime) -> _Obstacle | None:
        if source.paused:
            return _Obstacle(SourceWaitReason.SOURCE_PAUSED, now + _PAUSE)
        next_try = state.breaker.next_try(now)
        if next_try is not None:
            return _Obstacle(SourceWaitReason.BREAKER_OPEN, next_try)
        if state.in_flight >= min(source.calls_in_flight, self._most_in_flight):
            return _Obstacle(SourceWaitReason.SOURCE_SATURATED, now + SECOND)
        if not state.pace.allows(now):
            return _Obstacle(SourceWaitReason.RATE_LIMITED, now + SECOND)
        return None

    def _start(self, source: Source, state: _State, now: datetime) -> Permit | _Obstacle:
        with state.lock:
            obstacle = self._obstacle(source, state, now)
            if obstacle is not None:
                return obstacle
            state.in_flight += 1
            state.pace.start(now, _spacing(source))
            probe = state.breaker.start()
        return Permit(source, state, self._clock, self._watch, probe=probe)

    def _queue_up(self, source: Source, state: _State, obstacle: _Obstacle) -> Wait:
        slot = self._next_slot(source, state, not_before=obstacle.until)
        return Wait(obstacle.reason, max(slot, obstacle.until), slot)

    def _next_slot(self, source: Source, state: _State, *, not_before: datetime) -> datetime:
        with state.line_lock:
            return state.line.next(self._clock(), not_before=not_before, spacing=_spacing(source))


def _open_breaker(state: _State) -> OpenBreaker | None:
    with state.lock:
        until, opened_at = state.breaker.open_until, state.opened_at
        if until is None or opened_at is None:
            return None
        return OpenBreaker(state.hsa_id, state.last_failure, opened_at, until)


def _spacing(source: Source) -> timedelta:
    return SECOND / source.calls_per_second


def _result(error: BaseException | None) -> str:
    if error is None:
        return "answered"
    return error.reason if isinstance(error, CallFailed) else "bug"
