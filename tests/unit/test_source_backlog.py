"""25,000 changes of one clinic, over hours that pass in seconds: how often each is read again.

The delays are walked as the runner walks them: the longest step that does not overshoot, over and
over, until the wait is over. A *read* is the handler's; a *return* is any from a delay.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from fetcher.answers import CallFailed, FetchRetryReason
from fetcher.limits import Permit, SourceLimits
from shared.base.breaker import BreakerPolicy
from shared.relay.topology import Topology
from tests.booking_samples import NOON, HandClock, LineInMemory, SampleSource
from tests.unit.test_source_limits import Unwatched

pytestmark = pytest.mark.slow

SECOND = timedelta(seconds=1)
STEP_FOR = Topology().step_for


@dataclass
class Change:
    slot: datetime | None = None
    not_before: datetime = NOON
    reads: int = 0
    returns: int = 0


@dataclass
class Simulation:
    """`processes` fetchers with one line of slots, and a source that answers after `latency`."""

    changes: int
    processes: int = 1
    latency: timedelta = timedelta(milliseconds=200)
    down_until: datetime = NOON
    source: SampleSource = field(default_factory=SampleSource)
    clock: HandClock = field(default_factory=HandClock)
    calls: list[datetime] = field(default_factory=list)
    done: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        line = LineInMemory()
        policy = BreakerPolicy(5, 5 * SECOND, 120 * SECOND, lambda: 1.0)
        self._limits = [
            SourceLimits(line, policy, most_in_flight=8, clock=self.clock, watch=Unwatched())
            for _ in range(self.processes)
        ]
        self._order = iter(range(10**9))
        self._events: list[tuple[datetime, int, Change | None, Permit | None]] = []

    def run(self, *, until: timedelta = timedelta(days=3)) -> "Simulation":
        for _ in range(self.changes):
            self._at(NOON, Change())
        while self._events and self.clock.now < NOON + until:
            self.clock.now, number, change, permit = heapq.heappop(self._events)
            if permit is not None:
                self._end(permit, change)
            elif change is not None and change.not_before > self.clock.now:
                self._delay(change)
            elif change is not None:
                self._read(change, self._limits[number % self.processes])
        return self

    def _at(self, when: datetime, change: Change | None, permit: Permit | None = None) -> None:
        heapq.heappush(self._events, (when, next(self._order), change, permit))

    def _delay(self, change: Change) -> None:
        change.returns += 1
        self._at(self.clock.now + STEP_FOR(change.not_before - self.clock.now), change)

    def _read(self, change: Change, limits: SourceLimits) -> None:
        change.reads += 1
        admission = limits.admit(self.source, change.slot)
        if isinstance(admission, Permit):
            self.calls.append(self.clock.now)
            self._at(self.clock.now + self.latency, change, admission)
        else:
            change.slot, change.not_before = admission.slot, admission.until
            self._delay(change)

    def _end(self, permit: Permit, change: Change | None) -> None:
        assert change is not None
        try:
            with permit:
                self._answer()
        except CallFailed:
            change.not_before = self.clock.now + 5 * SECOND
            self._delay(change)
        else:
            self.done.append(change)

    def _answer(self) -> None:
        if self.clock.now < self.down_until:
            raise CallFailed(FetchRetryReason.TIMED_OUT, "")

    def most_calls_within(self, window: timedelta) -> int:
        return max(self._within(window), default=0)

    def _within(self, window: timedelta) -> Iterator[int]:
        first = 0
        for last, call in enumerate(self.calls):
            while call - self.calls[first] >= window:
                first += 1
            yield last - first + 1

    def mean(self, what: str) -> float:
        return sum(getattr(change, what) for change in self.done) / len(self.done)

    def most(self, what: str) -> int:
        return max(getattr(change, what) for change in self.done)


def test_a_flood_is_read_twice_and_walks_the_delays_a_handful_of_times() -> None:
    flood = Simulation(25_000).run()
    assert len(flood.done) == 25_000
    assert flood.most("reads") <= 3
    assert flood.mean("returns") <= 12
    assert flood.most("returns") <= 25
    assert flood.clock.now - NOON < timedelta(seconds=25_000 / 5) * 1.02
    assert flood.most_calls_within(10 * SECOND) <= 5 * 12
    assert flood.most_calls_within(600 * SECOND) <= 5 * 602


def test_several_processes_keep_one_rate() -> None:
    flood = Simulation(5_000, processes=4).run()
    assert len(flood.done) == 5_000
    assert flood.most("reads") <= 3
    assert flood.most_calls_within(10 * SECOND) <= 5 * 12
    assert flood.clock.now - NOON < timedelta(seconds=5_000 / 5) * 1.02


def test_a_slow_source_is_kept_busy_and_its_messages_do_not_cycle() -> None:
    """3 s a call and 5 in flight: a third of its rate is all that it can take."""
    slow = Simulation(5_000, latency=3 * SECOND).run()
    assert len(slow.done) == 5_000
    hours = (slow.clock.now - NOON) / timedelta(seconds=5_000 * 3 / 5)
    assert hours < 1.2
    assert slow.mean("reads") <= 5
    returns = sum(change.returns for change in slow.done) / (slow.clock.now - NOON).total_seconds()
    assert returns < 60


def test_a_source_that_is_down_for_hours_is_probed_and_then_drained_at_its_rate() -> None:
    recovery = NOON + timedelta(hours=2)
    down = Simulation(5_000, latency=SECOND / 2, down_until=recovery).run()
    assert len(down.done) == 5_000
    probes = [call for call in down.calls if call < recovery]
    assert len(probes) < 5 + 2 * 60
    first = next(call for call in down.calls if call >= recovery)
    assert first - recovery < 125 * SECOND
    assert down.clock.now - recovery < timedelta(seconds=5_000 / 5) * 1.2 + 125 * SECOND
    assert down.mean("reads") <= 12
    assert down.mean("returns") <= 100
    assert down.most_calls_within(10 * SECOND) <= 5 * 12


def test_a_few_messages_of_a_source_that_is_down_are_not_read_every_second() -> None:
    down = Simulation(20, latency=30 * SECOND, down_until=NOON + timedelta(hours=1)).run()
    assert len(down.done) == 20
    assert down.most("reads") <= 3600 / 20
