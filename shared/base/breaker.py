"""The circuit breaker of one peer: after several failures in a row, one probe at a time.

Closed: calls pass. Open: nothing passes. Half-open: one call passes, as a probe.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.base.clock import is_of_the_future

#: The platform cuts a call at about this (docs/domain.md, "The load a producer bears").
_PROBE_ANSWERED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    The wait doubles with each failed probe, from `first_wait` up to `longest_wait`. `spread`
    returns a factor around 1 for each wait, so that processes do not probe in step.
    """

    failures: int
    first_wait: timedelta
    longest_wait: timedelta
    spread: Callable[[], float]

    def wait(self, openings: int) -> timedelta:
        """How long the breaker stays open at its `openings`-th opening in a row, from 1."""
        doubled: int = 2 ** min(openings - 1, 30)
        return min(self.first_wait * doubled, self.longest_wait) * self.spread()


class Breaker:
    """The state of one breaker. Not thread-safe: its owner guards it.

    Closed at first. After `policy.failures` failures in a row it is open for a wait, then
    half-open: one call passes as a probe. Its success closes the breaker, its failure opens it for
    longer.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._openings = 0
        self._opened_at: datetime | None = None
        self._open_until: datetime | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Open or half-open."""
        return self._open_until is not None

    @property
    def open_until(self) -> datetime | None:
        """When the next probe may go; None while the breaker is closed."""
        return self._open_until

    def next_try(self, now: datetime) -> datetime | None:
        """When to ask again; None when a call may be made now.

        During a probe, that is when the probe must have ended, or sooner if the breaker was open
        for less.
        """
        if self._open_until is None:
            return None
        if self._probing:
            return now + min(self._policy.wait(self._openings), _PROBE_ANSWERED)
        if is_of_the_future(self._opened_at, now):  # the clock went back
            return None
        return self._open_until if now < self._open_until else None

    def start(self) -> bool:
        """Record a call that `next_try` allowed; whether it is the probe."""
        self._probing = self.is_open
        return self._probing

    def succeeded(self) -> None:
        """Record a success: it closes the breaker, even if the call began before it opened."""
        self._failures = self._openings = 0
        self._open_until = None
        self._probing = False

    def failed(self, now: datetime, *, probe: bool, asked: timedelta | None = None) -> None:
        """Record a failure. Calls in flight when the breaker opened do not prolong the wait.

        Unless the peer `asked` for a longer pause.
        """
        self._failures += 1
        if probe or (not self.is_open and self._failures >= self._policy.failures):
            self._openings += 1
            self._opened_at = now
            self._open_until = now + self._policy.wait(self._openings)
            self._probing = False
        if asked is not None and self._open_until is not None:
            self._open_until = max(self._open_until, now + asked)

    def gave_no_verdict(self, *, probe: bool) -> None:
        """Record a call that ended by a fault of ours: the next one may probe."""
        if probe:
            self._probing = False
