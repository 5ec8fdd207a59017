"""Several providers of one channel as one: the first that works sends.

One notice goes to one provider. What a provider may have taken is uncertain, and goes to no other.
What it has certainly not taken is given back, and goes a moment later to the next provider, under
another claim: so a crash, too, leaves no notice that two providers were given.

A provider is passed over while its circuit breaker is open:

* by outage: it is down, or did not answer;
* by error rate: of its last sendings too many failed, though it answers in between.

A half-open breaker lets one notice at a time through; the others go to the next provider.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock

from notifier.channels import Sender
from notifier.pacing import CircuitBreaker
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from shared.base.clock import Clock

#: How soon a notice that one provider has not taken is tried with another.
_AT_ONCE = timedelta(seconds=1)
#: How long a provider whose error rate is too high is passed over.
_RATE_PAUSE = timedelta(minutes=5)


class ErrorRate:
    """Whether too many of the last sendings failed. Thread-safe.

    `share`: from this share of failures on, among the last `of` sendings. Fewer than `least`
    sendings say nothing.
    """

    def __init__(self, share: float, *, of: int = 50, least: int = 10) -> None:
        self._share = share
        self._least = least
        self._failed: deque[bool] = deque(maxlen=of)
        self._lock = Lock()

    def is_too_high(self, *, failed: bool) -> bool:
        """Record a sending. When the rate is too high, counting begins anew."""
        with self._lock:
            self._failed.append(failed)
            if len(self._failed) < self._least:
                return False
            if sum(self._failed) < self._share * len(self._failed):
                return False
            self._failed.clear()
            return True


@dataclass(frozen=True, slots=True)
class Line:
    """One provider. `name` is what operators know it by."""

    name: str
    sender: Sender
    breaker: CircuitBreaker
    rate: ErrorRate = field(default_factory=lambda: ErrorRate(0.3))

    def send(self, notice_id: str, address: str, *, several: bool, clock: Clock) -> SendResult:
        """Send, and let the breaker know what came of it."""
        try:
            result = self.sender.send(notice_id, address, several=several)
        except BaseException:
            self.breaker.end_without_verdict()
            raise
        self._heed(result, clock())
        return result

    def _heed(self, result: SendResult, now: datetime) -> None:
        failed = isinstance(result, ProviderDown | Uncertain | Rejected)
        is_too_high = self.rate.is_too_high(failed=failed)
        match result:
            case ProviderDown(_, wait):
                self.breaker.open(now, wait)
            case Uncertain():
                self.breaker.open(now, _RATE_PAUSE if is_too_high else None)
            case _ if is_too_high:
                self.breaker.open(now, _RATE_PAUSE)
            case _:
                self.breaker.close()


class Failover:
    """Several providers, in the order of preference. It is a sender, and its own breaker."""

    def __init__(self, lines: Sequence[Line], *, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        """By the first provider that may be sent to; by no second one, whatever comes of it."""
        now = self._clock()
        line = next((line for line in self._lines if line.breaker.enter(now)), None)
        if line is None:
            return ProviderDown("no provider works", self._wait(now))
        result = line.send(notice_id, address, several=several, clock=self._clock)
        match result:
            case ProviderDown(detail):
                return ProviderDown(f"{line.name}: {detail}", self._wait(self._clock()))
            case Uncertain(detail) | Rejected(detail) | TryLater(detail):
                return replace(result, detail=f"{line.name}: {detail}")
            case Accepted():
                return result

    @property
    def closed(self) -> bool:
        """Whether some provider has answered since its breaker opened last."""
        return any(line.breaker.closed for line in self._lines)

    def open_until(self, now: datetime) -> datetime | None:
        """When the first provider may be tried again; None when one may be sent to now."""
        untils = [line.breaker.open_until(now) for line in self._lines]
        return None if None in untils else min(until for until in untils if until)

    def open(self, now: datetime, asked: timedelta | None = None) -> None:
        """Nothing: the breaker of the provider has opened."""

    def close(self) -> None:
        """Nothing: the breaker of the provider has closed."""

    def _wait(self, now: datetime) -> timedelta:
        until = self.open_until(now)
        return max(until - now, _AT_ONCE) if until else _AT_ONCE
