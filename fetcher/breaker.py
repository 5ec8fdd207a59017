"""The circuit breaker of one source: after several failures in a row, one probe at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

#: The platform cuts a call at about this (docs/domain.md, "The load a producer bears").
_PROBE_ANSWERED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a source is closed, and for how long.

    The wait doubles with each failed probe, from `first_wait` up to `longest_wait`. `spread`
    answers a factor around 1 for each wait, so that processes do not probe in step.
    """

    failures: int
    first_wait: timedelta
    longest_wait: timedelta
    spread: Callable[[], float]

    def wait(self, closings: int) -> timedelta:
        """How long the source stays closed at its `closings`-th closing in a row, from 1."""
        doubled: int = 2 ** min(closings - 1, 30)
        return min(self.first_wait * doubled, self.longest_wait) * self.spread()


class Breaker:
    """Not thread-safe: whoever has one guards it.

    Open for all calls; after `policy.failures` failures in a row closed for a wait; then one call
    is let by as a probe. Its success opens the source, its failure closes it for longer.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._closings = 0
        self._closed_until: datetime | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._closed_until is not None

    def next_try(self, now: datetime) -> datetime | None:
        """When to ask again; None when a call may be made now.

        While a probe is out, that is when it has surely had its answer, or sooner if the source
        was closed for less.
        """
        if self._closed_until is None:
            return None
        if self._probing:
            return now + min(self._policy.wait(self._closings), _PROBE_ANSWERED)
        return self._closed_until if now < self._closed_until else None

    def start(self) -> bool:
        """A call is made, as `next_try` allowed. Whether it is the probe."""
        self._probing = self.closed
        return self._probing

    def succeeded(self) -> None:
        """Any success opens the source, also that of a call from before it was closed."""
        self._failures = self._closings = 0
        self._closed_until = None
        self._probing = False

    def failed(self, now: datetime, *, probe: bool) -> None:
        """Calls that were under way when the source was closed do not close it further."""
        self._failures += 1
        if probe or (not self.closed and self._failures >= self._policy.failures):
            self._closings += 1
            self._closed_until = now + self._policy.wait(self._closings)
            self._probing = False

    def gave_no_verdict(self, *, probe: bool) -> None:
        """The call ended by a fault of our own: the next one may probe."""
        if probe:
            self._probing = False
